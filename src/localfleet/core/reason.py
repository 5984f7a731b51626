"""
Why: the one enum behind the response header, the metric label, the receipt column and `docs/reference/reasons.md`.

A test holds all four together. Values are stable API: add, never rename.
"""

from enum import StrEnum

__all__ = ["Reason"]


class Reason(StrEnum):
    """Every reason the router ever gives, for a decision, a door left shut, or an attempt's end."""

    # Why the first door is the first door.
    RESTRICTED_STAYS_LOCAL = "restricted_stays_local"
    PINNED_LOCAL = "pinned_local"
    PINNED_HOSTED = "pinned_hosted"
    TASK_RULE = "task_rule"
    VOLUME_STAYS_LOCAL = "volume_stays_local"
    CHEAPEST_HOSTED = "cheapest_hosted"
    LOCAL_FIRST = "local_first"
    LOCAL_BUSY = "local_busy"
    BEYOND_LOCAL = "beyond_local"
    ONLY_LOCAL = "only_local"
    NEXT_IN_LINE = "next_in_line"
    BY_DIFFICULTY = "by_difficulty"
    BY_KEYWORDS = "by_keywords"
    BY_LENGTH = "by_length"
    BY_CONTEXT = "by_context"
    BY_CLASSIFIER = "by_classifier"
    BY_GRADE = "by_grade"
    BY_SESSION = "by_session"
    BY_QUALITY = "by_quality"
    BY_LATENCY = "by_latency"
    BY_PLAN = "by_plan"
    BY_LOAD = "by_load"
    BY_BUDGET = "by_budget"
    BY_COST = "by_cost"
    REDACTED = "redacted"

    # Why a door is shut for this request.
    PRIVACY_FORBIDS = "privacy_forbids"
    PROVIDER_POLICY_FORBIDS = "provider_policy_forbids"
    NOT_PERMITTED = "not_permitted"
    NOT_IN_TASK = "not_in_task"
    CANNOT_SERVE_API = "cannot_serve_api"
    LACKS_CAPABILITY = "lacks_capability"
    CONTEXT_TOO_LONG = "context_too_long"
    LEDGER_CLOSED = "ledger_closed"
    PRICE_UNKNOWN = "price_unknown"
    OVER_MAX_COST = "over_max_cost"
    OVER_BUDGET = "over_budget"
    TIER_SHARE = "tier_share"
    ENGINE_DOWN = "engine_down"
    FALLBACK_LIMIT = "fallback_limit"

    # How an attempt, or the request, ended.
    ANSWERED = "answered"
    CONNECT_FAILED = "connect_failed"
    TIMED_OUT = "timed_out"
    RATE_LIMITED = "rate_limited"
    QUEUE_FULL = "queue_full"
    QUEUE_TOO_LONG = "queue_too_long"
    UPSTREAM_ERROR = "upstream_error"
    UPSTREAM_REJECTED = "upstream_rejected"
    UPSTREAM_DENIED = "upstream_denied"
    PROVIDER_REFUSED = "provider_refused"
    UPSTREAM_GARBLED = "upstream_garbled"
    DIED_MIDSTREAM = "died_midstream"
    CLIENT_LEFT = "client_left"
    DEADLINE_PASSED = "deadline_passed"
    SHUTTING_DOWN = "shutting_down"
    UNKNOWN_AFTER_RESTART = "unknown_after_restart"

    # What a judge said of an answer that is whole and well: the request goes on to the next door.
    ANSWER_UNSURE = "answer_unsure"
    ANSWER_INVALID = "answer_invalid"
    ANSWER_POOR = "answer_poor"

    # Why a request was refused before any door.
    BAD_REQUEST = "bad_request"
    BAD_KEY = "bad_key"
    KEY_RATE_LIMIT = "key_rate_limit"
    MODEL_NOT_FOUND = "model_not_found"
    NO_LEGAL_DOOR = "no_legal_door"
    WAITS_FOR_PERSON = "waits_for_person"
    INTERNAL_ERROR = "internal_error"
