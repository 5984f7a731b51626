"""Suites of prompts with checkable answers: read, asked of a running router, scored."""
