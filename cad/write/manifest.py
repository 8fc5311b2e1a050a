"""One row an input file: screened, or refused with a reason (docs/schemas/manifest-row.schema.json)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from cad.errors import ShokenError
from cad.write.canonical import line_bytes

STATUSES = ("screened", "refused")


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """What became of one input file.

    `file` is a handle that identifies nobody, `index` its place in the walk from 0. `case` and `series`
    are pseudonyms, empty when the file never reached one. Raises ShokenError for a refusal without a reason.
    """

    file: str
    index: int
    status: str
    reason: str = ""
    detail: str = ""
    case: str = ""
    series: str = ""

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise ShokenError(f"status is {self.status!r}", subject="manifest row", accepted=", ".join(STATUSES))
        if self.status == "refused" and not self.reason:
            raise ShokenError("a refused file has no reason", subject="manifest row", accepted="a lower-case reason code")


def manifest_bytes(rows: Iterable[ManifestRow]) -> bytes:
    """`manifest.jsonl`: one line a row, in the order of `index`."""
    return b"".join(line_bytes(asdict(row)) for row in sorted(rows, key=lambda row: row.index))
