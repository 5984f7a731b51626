"""Load on one engine, and what it did: shapes, prompts, loops, samples, the rate under an SLO."""
