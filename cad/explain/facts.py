"""What a statement is made of: measurements by name in one language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cad.explain.wording import LOCATIONS, reason, table
from cad.finding import Measurement


@dataclass(frozen=True, slots=True)
class Facts:
    """Measurements by name in one language; a missing one reads as not measured."""

    by_name: Mapping[str, Measurement]
    lang: str

    def value(self, name: str) -> float | None:
        """The number under a name, or None."""
        found = self.by_name.get(name)
        return None if found is None else found.value

    def label(self, name: str) -> str:
        """The code under a name, or ""."""
        found = self.by_name.get(name)
        return "" if found is None else found.label

    def why_not(self, name: str) -> str:
        """Why there is no value, in words."""
        found = self.by_name.get(name)
        return reason("missing" if found is None or found.outcome == "measured" else found.outcome, self.lang)

    def say(self, en: str, ja: str) -> str:
        """The text of this language."""
        return ja if self.lang == "ja" else en

    def range(self, name: str) -> str:
        """The 95 % interval in brackets, or ""."""
        interval = self.by_name[name].interval
        if interval is None:
            return ""
        low, high = interval
        unit = self.by_name[name].unit
        digits, percent = 1 if unit == "mm" else 0, "%" if unit == "%" else ""
        return self.say(
            f" (95 % interval {low:.{digits}f} to {high:.{digits}f}{percent and ' %'})",
            f"（95%区間 {low:.{digits}f}〜{high:.{digits}f}{percent}）",
        )


def facts_of(measurements: Sequence[Measurement], lang: str) -> Facts:
    """The facts of one lesion. Raises ShokenError for a language there are no words in."""
    table(LOCATIONS, lang)
    return Facts({m.name: m for m in measurements}, lang)
