"""`batches:`, work in files: whether there is any, how it is sealed, how long it is kept."""

from pydantic import Field

from localfleet.config.shape import Shape

__all__ = ["Batches", "read_key"]

KEY_BYTES = 32


def read_key(text: str) -> bytes:
    """A key of 64 hexadecimal digits; raises `ValueError`, also for one that nobody drew at random."""
    key = bytes.fromhex(text.strip())
    if len(key) != KEY_BYTES or len(set(key)) < KEY_BYTES // 4:
        raise ValueError("a key is 64 hexadecimal digits, at random")
    return key


class Batches(Shape):
    """Files of requests and their answers; they lie on disk, sealed, until they are deleted."""

    key_env: str = Field(default="LOCALFLEET_BATCH_KEY", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The variable with the key that seals them: 64 hexadecimal digits. Without it `check` and the start fail."""
    keep_hours: float = Field(default=24, gt=0, le=720)
    """After so long every file and batch is deleted, finished or not."""
    file_mib: int = Field(default=32, ge=1, le=512)
    """One file may have so many MiB."""
    lines: int = Field(default=50_000, ge=1, le=1_000_000)
    """One batch may have so many lines."""
    parallel: int = Field(default=4, ge=1, le=256)
    """So many lines of all batches are under way at a time."""
