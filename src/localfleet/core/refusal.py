"""No legal door: the status, the most telling reason, and a sentence that says what to do next."""

from dataclasses import dataclass

from localfleet.core.reason import Reason
from localfleet.core.route import Decision

__all__ = ["Refusal", "refusal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """How to say no. `retry_after_s` where waiting may help."""

    status: int
    reason: Reason
    message: str
    retry_after_s: int | None = None


# The first row whose reason stands at some shut door wins: what may pass by itself comes first, then money, then
# what the caller can change, then the law.
TABLE = (
    Refusal(
        status=503,
        reason=Reason.ENGINE_DOWN,
        message="No model that may see this request is running. Try again soon; /readyz and `doctor` say why.",
        retry_after_s=5,
    ),
    Refusal(
        status=503,
        reason=Reason.LEDGER_CLOSED,
        message="The ledger cannot be written, so nothing may leave this box. /readyz says why.",
        retry_after_s=5,
    ),
    Refusal(
        status=402,
        reason=Reason.OVER_BUDGET,
        message="The budget of this key or tier is used up. Raise it, wait for the next period, or use a local model.",
    ),
    Refusal(
        status=429,
        reason=Reason.TIER_SHARE,
        message="The tier of this model has had its share of such requests today. Use `auto`, or raise `tier_share`.",
        retry_after_s=3600,
    ),
    Refusal(
        status=402,
        reason=Reason.OVER_MAX_COST,
        message="No model can answer within the highest cost the request allows. Raise it or ask for fewer tokens.",
    ),
    Refusal(
        status=422,
        reason=Reason.PRICE_UNKNOWN,
        message="A budget applies and the price of this model is unknown. Add `prices:` to its entry in models.yaml.",
    ),
    Refusal(
        status=422,
        reason=Reason.CONTEXT_TOO_LONG,
        message="The request is longer than the context of any model that may see it. Shorten it.",
    ),
    Refusal(
        status=422,
        reason=Reason.LACKS_CAPABILITY,
        message="No model that may see this request can do what it asks for (tools, JSON schema, images, logprobs).",
    ),
    Refusal(
        status=422,
        reason=Reason.CANNOT_SERVE_API,
        message="No model that may see this request serves this endpoint. GET /v1/models lists what each can do.",
    ),
    Refusal(
        status=409,
        reason=Reason.PRIVACY_FORBIDS,
        message="The label of this request forbids the hosted model it asks for. Use the model `auto` or `local`.",
    ),
    Refusal(
        status=409,
        reason=Reason.PROVIDER_POLICY_FORBIDS,
        message="What this provider does with text is not what is demanded of it. Use the model `auto` or `local`.",
    ),
    Refusal(
        status=403,
        reason=Reason.NOT_PERMITTED,
        message="This key may not use that model. Ask whoever gave you the key.",
    ),
)
NONE = Refusal(status=503, reason=Reason.NO_LEGAL_DOOR, message="No model is open to this request.", retry_after_s=5)


def refusal(decision: Decision) -> Refusal:
    """Fold the shut doors of a decision without routes into one answer."""
    shut = {door.why for door in decision.doors}
    return next((row for row in TABLE if row.reason in shut), NONE)
