"""What differs between two states of `models.yaml`: dotted paths of keys, never their values."""

from dataclasses import dataclass

__all__ = ["Changes"]

FIXED = ("privacy.remember_days", "audit.", "batches", "traces")
"""Read once: when the ledger opens, when its heads and spans first go out, when batches are taken up again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Paths such as `local.small`, `hosted.mini.accepts`, `privacy.rules.projects.words`; each tuple is sorted."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Every path."""
        return (*self.added, *self.removed, *self.changed)

    @property
    def privacy(self) -> tuple[str, ...]:
        """Those that change who may see what: labels, detectors, rules, `accepts`, spans, and whole hosted models."""
        return tuple(path for path in self.all if _is_privacy(path))

    @property
    def need_restart(self) -> tuple[str, ...]:
        """Those that a running router cannot follow."""
        return tuple(path for path in self.all if path.startswith(FIXED))


def _is_privacy(path: str) -> bool:
    section, _, rest = path.partition(".")
    if section in {"privacy", "traces"}:
        return True
    whole = section in {"hosted", "tasks"} and "." not in rest
    return (
        whole
        or path.endswith((".accepts", ".label", ".on_premises"))
        or bool({"data_policy", "providers"} & set(path.split(".")))
    )
