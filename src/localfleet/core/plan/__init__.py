"""A month planned: the bill of each way to do it, where they cross, and what would change the answer. Pure."""
