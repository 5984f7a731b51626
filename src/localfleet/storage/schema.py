"""
The ledger's tables as they are today, for queries. How they came to be is told in `migrations.py`.

Lives here: names and types. May not: a column that could hold words of a request. Every text column holds a name from
the configuration, a reason, a hash or an id made by this program.
"""

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, MetaData, Table, Text, text

__all__ = ["chain", "feedback", "intents", "keys", "metadata", "probe", "receipts", "taints"]

metadata = MetaData()

chain = Table(
    "chain",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("chain_states", "seq", sqlite_where=text("kind = 'state'")),
)
"""The append-only truth: one line of JSON per record, each sealed with the one before (`chain.py`)."""

receipts = Table(
    "receipts",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("api", Text),
    Column("key_id", Text, nullable=False),
    Column("plan", Text),
    Column("task", Text),
    Column("session", Text),
    Column("label", Integer, nullable=False),
    Column("wanted", Text),
    Column("model", Text),
    Column("tier", Text),
    Column("reason", Text),
    Column("outcome", Text, nullable=False),
    Column("status", Integer),
    Column("stream", Integer),
    Column("attempts", Integer, nullable=False),
    Column("input_tokens", Integer),
    Column("output_tokens", Integer),
    Column("cache_read_tokens", Integer),
    Column("cache_write_tokens", Integer),
    Column("reasoning_tokens", Integer),
    Column("measured", Integer),
    Column("price_version", Text),
    Column("queue_ms", Float),
    Column("first_byte_ms", Float),
    Column("total_ms", Float),
    Column("cost_pico", Integer),
    Column("cost_rest", Text),
    Column("reserved_pico", Integer),
    Column("action", Text),
    Column("role", Text),
    Column("arm", Text),
    Column("caller_action", Text),
    Index("receipts_at", "at"),
)
"""The columns reports need, taken from the chain's `receipt` and `unsettled` records; `seq` is the record's."""

feedback = Table(
    "feedback",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("request_id", Text, nullable=False),
    Column("at", Float, nullable=False),
    Column("key_id", Text),
    Column("accepted", Integer),
    Column("corrected", Integer),
    Column("score", Float),
    Index("feedback_request", "request_id"),
)
"""What people said of answers, taken from the chain's `feedback` records; the last word on a request counts."""

intents = Table(
    "intents",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    Column("seq", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("label", Integer, nullable=False),
    Column("worst_usd", Text),
    sqlite_with_rowid=False,
)
"""Intents whose receipt has not come yet. Empty when nothing hosted is under way."""

keys = Table(
    "keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("label", Integer, nullable=False),
    Column("plan", Text),
    Column("usd_per_month", Text),
    Column("requests_per_minute", Integer),
    Column("models", Text),
    Column("created_at", Float, nullable=False),
    Column("revoked_at", Float),
)
"""API keys: never the token, only its SHA-256 digest."""

taints = Table(
    "taints",
    metadata,
    Column("fp", LargeBinary, nullable=False),
    Column("label", Integer, nullable=False),
    Column("seen_day", Integer, nullable=False),
)
"""
Keyed hashes of conversations that were raised to a label, with the day (days since 1970) they were seen, in that order.

One that is seen on several days has as many rows, of which the last counts.
"""

probe = Table("probe", metadata, Column("id", Integer, primary_key=True), Column("room", LargeBinary, nullable=False))
"""One row that is rewritten to find out whether the disk takes writes again."""
