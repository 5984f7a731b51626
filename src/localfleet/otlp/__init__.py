"""Spans for an OpenTelemetry collector: made of receipts, which hold no text, and carried by a thread."""
