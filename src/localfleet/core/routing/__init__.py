"""Strategies: each orders doors that the policy already found legal, and can add none."""
