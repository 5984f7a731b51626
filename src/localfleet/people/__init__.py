"""The last door: requests that no model answered wait here for a person (S44)."""
