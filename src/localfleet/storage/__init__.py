"""The bookkeeper: the ledger, its hash chain and its migrations. It never sees a word of a request."""
