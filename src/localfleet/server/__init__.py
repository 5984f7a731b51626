"""The porch: HTTP in and out, keys, error envelopes, metrics, the console."""
