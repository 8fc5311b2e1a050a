"""The walk through one data set: every element at every depth decided by the profile, and a tally of what was done."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from anonymizer import elements
from anonymizer.attribute_types import Family
from anonymizer.echo import Echo
from anonymizer.element import Element
from anonymizer.errors import InputRefusedError
from anonymizer.profile import Profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.receipt import Receipt, ReceiptLine, path_text


@dataclass(slots=True)
class Walk:
    """One data set being cleaned: the settled choices, and the tally of what was done.

    `pixels` are the elements of pixels that its top level may carry (`gate.pixel_tags`).
    """

    profile: Profile
    pseudonyms: Pseudonyms
    patient: str
    days: int
    echo: Echo
    family: Family
    pixels: frozenset[int]
    implicit: bool
    little: bool
    tally: Counter[tuple[tuple[int, ...], str, str]] = field(default_factory=Counter)

    def cleaned(self, source: Dataset, path: tuple[int, ...]) -> Dataset:
        """A new data set with every element decided. `path` is the tags of the sequences above."""
        if len(path) > elements.MAX_DEPTH:
            raise InputRefusedError("nested_too_deep", f"sequences are nested deeper than {elements.MAX_DEPTH}")
        plan = self.profile.plan(self.family, len(path))
        kept: dict[BaseTag, DataElement | RawDataElement] = {}
        for tag, element in elements.held(source):
            written = Element(self, source, tag, element, (*path, int(tag))).applied(plan[int(tag)])
            if written is not None:
                kept[tag] = written
        result = Dataset(kept, parent_encoding=elements.charset(source))
        result.set_original_encoding(self.implicit, self.little, elements.charset(source))
        return result

    def receipt(self) -> Receipt:
        """The account of everything done, sorted."""
        lines = (ReceiptLine(path_text(path), action, reason, count) for (path, action, reason), count in self.tally.items())
        return Receipt(self.profile.name, tuple(code for code, _ in self.profile.header_codes), tuple(sorted(lines)))
