"""The witness: carries the head of the ledger's chain off this box, and never a part of any request."""
