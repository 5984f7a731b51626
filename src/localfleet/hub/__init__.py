"""The Hugging Face hub: where its libraries keep what was fetched, and fetching it, only when asked to."""
