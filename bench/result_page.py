"""A document that shows a table of the newest result file between two markers; tests hold the two equal."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["ROOT", "ResultPage"]

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultPage:
    """The document at `path` shows a result of the folder `results` between the markers `mark:begin` and `mark:end`."""

    path: Path
    results: Path
    mark: str

    def newest(self) -> dict[str, Any]:
        """The result file with the latest date inside."""
        results = [json.loads(path.read_text(encoding="utf-8")) for path in self.results.glob("*.json")]
        latest: dict[str, Any] = max(results, key=lambda result: result["machine"]["date"])
        return latest

    def text(self) -> str:
        """The document as it is."""
        return self.path.read_text(encoding="utf-8")

    def placed(self, text: str, table: str) -> str:
        """`text` with `table` between its markers; raises `ValueError` where it has none."""
        begin, end = f"<!-- {self.mark}:begin -->\n", f"<!-- {self.mark}:end -->\n"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"{self.path.name} needs the markers {begin.strip()} and {end.strip()}, a line each")
        return before + begin + table + end + after

    def tell(self, table: str) -> None:
        """Print `table`; with `--write`, put it into the document."""
        if "--write" in sys.argv[1:]:
            self.path.write_text(self.placed(self.text(), table), encoding="utf-8")
        else:
            print(table)
