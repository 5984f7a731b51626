"""Request headers as one value each: what to make of a name that stands twice. What it means is read elsewhere."""

from collections.abc import Iterable

from localfleet.errors import BadAsk

__all__ = ["Headers", "read_headers"]

Headers = dict[str, str]
OURS = "x-localfleet-"
PRIVACY = "x-localfleet-privacy"


def read_headers(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """
    Lower-case names and their values, those of one name joined by commas (RFC 9110, 5.2).

    So a second `host`, key or privacy label is never lost: it is read along, and fits nothing or raises the label.
    Raises `BadAsk` where one of our other headers stands twice, for only the caller knows which was meant.
    """
    headers: Headers = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        if name not in headers:
            headers[name] = value
        elif name.startswith(OURS) and name != PRIVACY:
            raise BadAsk("An x-localfleet header stands twice. Send each once.", param="headers")
        else:
            headers[name] = f"{headers[name]}, {value}"
    return headers
