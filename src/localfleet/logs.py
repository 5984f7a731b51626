"""Logs: one JSON object a line on stderr, fixed sentences and named fields only, never text of a request."""

import json
import logging
import sys
import threading

__all__ = ["set_up_logs"]

FIELDS = (
    "engine", "stage", "seconds", "reason", "why", "count", "file", "line", "path", "sha256", "was", "added", "removed",
    "changed", "privacy", "need_restart", "ends", "starts",
)  # fmt: skip  # one field per line would hide that this is one list
"""Extra fields that a record may carry; anything else is dropped."""
OURS = "localfleet"


class JsonLines(logging.Formatter):
    """Formats our own records; of anybody else's only where they came from."""

    def format(self, record: logging.LogRecord) -> str:
        """One line; exceptions and stack traces are never printed, for they quote values."""
        ours = record.name == OURS or record.name.startswith(f"{OURS}.")
        row = {
            "at": self.formatTime(record, "%Y-%m-%dT%H:%M:%S"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage() if ours else "a library has something to say; its text is not shown",
        }
        row |= {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
        return json.dumps(row)


def set_up_logs() -> None:
    """
    Route everything through one handler on stderr; libraries only from warnings up.

    A person at a terminal sees what needs doing; a file or a collector gets the rest as well.
    """
    level = logging.WARNING if sys.stderr.isatty() else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level)
    _quiet_the_interpreter()
    # A traceback that would reach the terminal through the logging module's own error path holds text as well.
    logging.raiseExceptions = False


def _quiet_the_interpreter() -> None:
    """Let nothing reach the terminal past the log: warnings and forgotten exceptions of libraries quote values."""
    logging.captureWarnings(capture=True)
    log = logging.getLogger("localfleet.interpreter")

    def unraisable(args: "sys.UnraisableHookArgs") -> None:
        log.error("an exception that nobody could take was dropped", extra={"why": args.exc_type.__name__})

    def in_thread(args: threading.ExceptHookArgs) -> None:
        log.error("a thread ended with an exception", extra={"why": args.exc_type.__name__})

    sys.unraisablehook = unraisable
    threading.excepthook = in_thread
