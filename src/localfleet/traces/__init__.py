"""Traffic as others write it down (traces, usage exports, invoices, worksheets, benchmarks) -> plain values."""
