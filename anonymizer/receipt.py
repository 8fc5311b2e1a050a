"""What was done to each attribute: tags, actions, reasons and counts - never a value."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from anonymizer.profile import Option
from anonymizer.rules import dictionary_entry

if TYPE_CHECKING:
    from anonymizer.pixels.account import PixelAccount


class ReceiptLine(NamedTuple):
    """One attribute (a path of tags through sequences, item numbers left out), what was done, why, how often.

    A named tuple, since a file has a hundred of them and they are sorted, compared and hashed for every file.
    """

    path: str
    action: str
    reason: str
    count: int  # type: ignore[assignment] # it hides tuple.count, which nobody calls


@dataclass(frozen=True, slots=True)
class Receipt:
    """The account of one data set.

    `pixels` says what was done to them: not_examined (the profile does not ask for it), no_text_expected (a kind of image
    that carries none, so nobody looked), no_text_found, text_blanked; `pixel_account` holds the numbers.
    """

    profile: str
    method_codes: tuple[str, ...]
    lines: tuple[ReceiptLine, ...]
    pixels: str = "not_examined"
    pixel_account: PixelAccount | None = None

    def with_pixels(self, account: PixelAccount) -> Receipt:
        """The same receipt for a file whose pixels were cleaned."""
        looked_at = "no_text_expected" if account.how.value == "none" else "no_text_found"
        return replace(self, pixels="text_blanked" if account.boxes else looked_at, pixel_account=account)

    def claiming(self, option: Option) -> Receipt:
        """The same receipt with the code of an option whose work on the pixels is done."""
        return replace(self, method_codes=tuple(sorted({*self.method_codes, option.code})))

    def counts(self) -> dict[str, int]:
        """How many attribute values each action touched."""
        totals: Counter[str] = Counter()
        for line in self.lines:
            totals[line.action] += line.count
        return dict(sorted(totals.items()))

    def to_json(self) -> dict[str, object]:
        """Plain data for a manifest; attribute names are the dictionary's, private tags are numbers only."""
        return {
            "profile": self.profile,
            "method_codes": list(self.method_codes),
            "pixels": self.pixels,
            **({"pixel_account": self.pixel_account.to_json()} if self.pixel_account else {}),
            "counts": self.counts(),
            "lines": [
                {"path": line.path, "name": attribute_name(line.path), "action": line.action, "reason": line.reason, "count": line.count}
                for line in self.lines
            ],
        }


def path_text(path: tuple[int, ...]) -> str:
    """`(5200,9229)/(0008,1140)`: a path of tags."""
    return "/".join(f"({tag >> 16:04X},{tag & 0xFFFF:04X})" for tag in path)


def attribute_name(path: str) -> str:
    """The dictionary's keyword for the last attribute of a path; empty for private and unknown ones."""
    last = path.rsplit("/", 1)[-1].strip("()").replace(",", "")
    entry = dictionary_entry(int(last, 16))
    return entry.keyword if entry else ""
