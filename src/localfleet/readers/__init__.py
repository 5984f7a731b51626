"""Models that read text for the privacy layers, each behind a Protocol of the core. The only room that runs them."""
