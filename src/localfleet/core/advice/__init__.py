"""Advice for the person who pays: what the month's work says about mix, length, waste and worth. Pure."""
