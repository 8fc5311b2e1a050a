"""One element under its decision: what is removed, emptied, replaced, mapped, shifted, cleaned, or kept after three checks.

`Element.applied` is a pure function of the walk's settled choices, the character set in force, the path, the tag, the
stated VR, the encoding and the bytes of the value - so its result may be remembered by those. Two kinds may not:
sequences, and the elements for which `depends_on_siblings` is true. For these `source` must be the data set or item that
really holds the element, with its siblings; content sequences of reports must come through here too, for items are dropped.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from anonymizer import content, elements, private
from anonymizer.actions import Action, dummy_value, empty_value
from anonymizer.ages import capped
from anonymizer.documents import document_fault, rewritten
from anonymizer.identity import ACCESSION, PATIENT_ID, PATIENT_NAME
from anonymizer.overlays import overlay_without_text
from anonymizer.pixel_data import only_pixels
from anonymizer.profile import Decision
from anonymizer.pseudonym import is_time_form, shifted_date, shifted_datetime
from anonymizer.rules import TEXT_VRS, TIME_VRS, dictionary_vrs, is_repeating_group
from anonymizer.trust import BINARY_VRS, CHARACTER_SET, PIXELS, Doubt, is_legible, vr_is_trusted

if TYPE_CHECKING:
    from anonymizer.walk import Walk


_TEXT_VALUE, _UID_VALUE, _DOCUMENT = 0x0040A160, 0x0040A124, 0x00420011
_TOGETHER = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010, _DOCUMENT})  # pixels have rows, a document has a type
_BY_CONCEPT = frozenset({_TEXT_VALUE, _UID_VALUE})  # what a report's text or UID means is its concept's word
_OVERLAY_DATA = 0x3000


def depends_on_siblings(tag: int, decision: Decision) -> bool:
    """Whether the result for an element also rests on other elements of the data set or item that holds it.

    True for pixels (rows, columns, bits), encapsulated documents (their type), overlays (their size), private elements
    (the creator of their block), and the content of reports: content sequences, texts and UIDs (their concept).
    """
    if decision.action is Action.REMOVE:
        return False
    by_tag = tag in _TOGETHER or tag in _BY_CONCEPT or tag in content.CONTENT_SEQUENCES
    return by_tag or is_repeating_group(tag) or bool(tag >> 16 & 1)


def moved(vr: str, value: str, days: int) -> str | None:
    """A date moved by so many days, or a time of day as it is; None for what is neither."""
    if vr == "TM":
        return value.strip() if is_time_form(value) else None
    return shifted_date(value, days) if vr == "DA" else shifted_datetime(value, days)


@dataclass(slots=True)
class Element:
    """One element under its decision."""

    walk: Walk
    source: Dataset
    tag: BaseTag
    element: DataElement | RawDataElement
    path: tuple[int, ...]

    def applied(self, decision: Decision) -> DataElement | RawDataElement | None:
        """The element to write, or None. A raw value that is kept stays the bytes it was."""
        if isinstance(self.element, RawDataElement):
            elements.check_length(self.element)
        if decision.action is not Action.REMOVE and self.tag >> 16 & 1:
            return self._safe_private(decision.reason)
        if decision.action is not Action.REMOVE and self.tag in _BY_CONCEPT and content.cleans_content(self.walk.profile):
            return self._by_concept(decision)
        return self._under(decision)

    def _under(self, decision: Decision) -> DataElement | RawDataElement | None:
        match decision.action:
            case Action.REMOVE:
                return self._done("removed", decision.reason, None)
            case Action.ZERO:
                return self._zeroed(decision.reason)
            case Action.DUMMY:
                return self._dummied(decision.reason)
            case Action.MAP_UID:
                return self._uid_mapped(decision.reason)
            case Action.CLEAN:
                return self._cleaned(decision.reason)
            case Action.KEEP:
                return self._kept()

    def _done(self, action: str, reason: str, element: DataElement | None) -> DataElement | None:
        self.walk.tally[(self.path, action, reason)] += 1
        return element

    def _vr(self) -> str:
        """The VR to write: the dictionary's where it has one, else the stated one."""
        known = dictionary_vrs(self.tag)
        stated = self._stated_vr()
        if stated in known or not known:
            return stated or "UN"
        return known[0]

    def _stated_vr(self) -> str | None:
        return None if self.element.VR == "UN" else self.element.VR

    def _text(self) -> str:
        return elements.text_of(self.source, self.element)

    def _is_sequence(self) -> bool:
        return elements.is_sequence(self.element)

    def _zeroed(self, reason: str) -> DataElement | None:
        pseudonym = self._pseudonym()
        if pseudonym:
            return self._done("pseudonym", reason, DataElement(self.tag, self._vr(), pseudonym))
        vr = self._vr()
        return self._done("emptied", reason, DataElement(self.tag, vr, empty_value(vr)))

    def _dummied(self, reason: str) -> DataElement | RawDataElement | None:
        vr = self._vr()
        if vr == "SQ":
            return self._done("dummied", reason, DataElement(self.tag, "SQ", Sequence([Dataset()])))
        pseudonym = self._pseudonym()
        if pseudonym:
            return self._done("pseudonym", reason, DataElement(self.tag, vr, pseudonym))
        if vr == "UI":
            return self._uid_mapped(reason)
        return self._done("dummied", reason, DataElement(self.tag, vr, dummy_value(vr)))

    def _pseudonym(self) -> str:
        """The stand-in for a patient's name, ID or accession number; empty for other attributes and empty values."""
        if self.tag not in (PATIENT_ID, PATIENT_NAME, ACCESSION):
            return ""
        original = self._text()
        if len(self.path) == 1 and self.tag in (PATIENT_ID, PATIENT_NAME):
            return self.walk.patient
        if not original or self.tag == PATIENT_NAME:
            return ""
        return self.walk.pseudonyms.patient_id(original) if self.tag == PATIENT_ID else self.walk.pseudonyms.accession(original)

    def _uid_mapped(self, reason: str) -> DataElement | RawDataElement | None:
        if self._is_sequence():
            return self._searched()
        originals = [part for part in self._text().split("\\") if part.strip()]
        mapped = [self.walk.pseudonyms.uid(part) for part in originals]
        if mapped == originals:
            return self._portable("UI")
        value = mapped[0] if len(mapped) == 1 else mapped or None
        return self._done("uid_mapped", reason, DataElement(self.tag, "UI", value))

    def _searched(self) -> DataElement:
        """A sequence that stays: every item is cleaned by the same rules; of report content, some items go."""
        held = elements.items_at(self.source, self.tag)
        if self.tag in content.CONTENT_SEQUENCES and content.cleans_content(self.walk.profile):
            held = [item for item in held if not self._drops(item)]
        return DataElement(self.tag, "SQ", Sequence([self.walk.cleaned(item, self.path) for item in held]))

    def _drops(self, item: Dataset) -> bool:
        dropped = content.is_dropped(item, self.walk.profile)
        if dropped:
            self._done("removed", "content_item", None)
        return dropped

    def _by_concept(self, decision: Decision) -> DataElement | RawDataElement | None:
        """A text or UID of report content, as the table of concepts says; unlisted concepts by the attribute's own rule."""
        letter = content.letter_for(content.row_for(self.source), self.walk.profile)
        if letter == "K":
            return self._kept()
        if letter == "D" and self.tag == _TEXT_VALUE:
            return self._dummied(decision.reason)
        return self._under(decision)

    def _cleaned(self, reason: str) -> DataElement | RawDataElement | None:
        vr = self._vr()
        if vr == "SQ":
            return self._searched()
        if is_repeating_group(self.tag):
            return self._overlay(vr, reason)
        if vr in TIME_VRS:
            return self._shifted(vr, reason)
        return self._document(reason) if self.tag == _DOCUMENT else self._cleaned_text(vr, reason)

    def _document(self, reason: str) -> DataElement | RawDataElement | None:
        """A PDF that was searched, written anew; the gate refuses others, and one that lies elsewhere is replaced."""
        value = self.element.value
        content_bytes = value.rstrip(b"\x00") if isinstance(value, bytes) else b""
        if document_fault(content_bytes, self.walk.echo):
            return self._dummied("document_not_searched")
        return self._done("cleaned", reason, DataElement(self.tag, "OB", rewritten(content_bytes)))

    def _cleaned_text(self, vr: str, reason: str) -> DataElement | None:
        if vr == "AE":
            return self._done("pseudonym", reason, DataElement(self.tag, vr, self._device_titles()))
        if vr in TEXT_VRS - {"PN"} and reason != "retain_modified_dates":
            return self._done("cleaned", reason, DataElement(self.tag, vr, self._clean_text()))
        return self._done("removed", reason, None)

    def _device_titles(self) -> list[str] | None:
        """Application entity titles name institutions; what stays is which device it was, under a keyed name."""
        pseudonyms = self.walk.pseudonyms
        return [pseudonyms.device_title(part) if part.strip() else "" for part in self._text().split("\\")] or None

    def _overlay(self, vr: str, reason: str) -> DataElement | RawDataElement | None:
        bitmap = overlay_without_text(self.source, self.tag)
        if bitmap is None:
            return self._done("removed", "overlay_may_hold_text", None)
        if self.tag & 0xFFFF == _OVERLAY_DATA:
            same = bitmap == self.element.value
            return self._done("kept" if same else "cleaned", reason, DataElement(self.tag, "OW", bitmap))
        if vr in TEXT_VRS - {"CS"}:
            return self._done("cleaned", reason, DataElement(self.tag, vr, self._clean_text()))
        return self._kept()

    def _safe_private(self, reason: str) -> DataElement | RawDataElement | None:
        """A private element that the standard lists for its creator, or the creator of such; all others go."""
        if private.is_creator(self.tag):
            kept = private.reserves_something_kept(self.source, self.tag)
            return self._portable("LO") if kept else self._done("removed", "private", None)
        row = private.row_for(self.source, self.tag)
        if row is None:
            return self._done("removed", "private", None)
        if self._stated_vr() not in (None, row.vr) or (row.vr == "SQ" and self.element.VR != "SQ"):
            return self._done("removed", "unexpected_vr", None)
        return self._private_value(row.vr, reason)

    def _private_value(self, vr: str, reason: str) -> DataElement | RawDataElement | None:
        if isinstance(self.element, RawDataElement):
            self.element = self.element._replace(VR=vr)
        if vr == "SQ":
            return self._searched()
        if vr == "UI":
            return self._kept_private(vr) if self.walk.profile.keeps_uids else self._uid_mapped(reason)
        if vr in TEXT_VRS - {"CS"}:
            return self._done("cleaned", reason, DataElement(self.tag, vr, self._clean_text()))
        return self._kept_private(vr)

    def _kept_private(self, vr: str) -> DataElement | RawDataElement | None:
        fault = Doubt(self.source, self.walk.echo, self.walk.little).fault(self.element, vr)
        return self._done("removed", fault, None) if fault else self._portable(vr)

    def _clean_text(self) -> list[str] | None:
        return [self.walk.echo.cleaned(part) if is_legible(part) else "" for part in self._text().split("\\")] or None

    def _shifted(self, vr: str, reason: str) -> DataElement | None:
        values = [part for part in self._text().split("\\") if part.strip()]
        later = [moved(vr, value, self.walk.days) for value in values]
        if any(value is None for value in later):
            return self._done("emptied", "invalid_value", DataElement(self.tag, vr, empty_value(vr)))
        action = "kept_time" if vr == "TM" else "date_shifted"
        return self._done(action, reason, DataElement(self.tag, vr, later or None))

    def _kept(self) -> DataElement | RawDataElement | None:
        vr = self._vr()
        if self.tag in PIXELS and (self.tag not in self.walk.pixels or len(self.path) > 1):
            return self._done("removed", "pixels_out_of_place", None)
        if not vr_is_trusted(self.tag, self._stated_vr(), vr):
            return self._done("removed", "unexpected_vr", None)
        if vr == "SQ":
            return self._searched()
        fault = Doubt(self.source, self.walk.echo, self.walk.little).fault(self.element, vr)
        if fault and vr in BINARY_VRS:
            return self._done("removed", fault, None)
        if fault:
            return self._done("dummied", fault, DataElement(self.tag, vr, self._replacement(vr)))
        return self._age(vr) if vr == "AS" else self._portable(vr)

    def _age(self, vr: str) -> DataElement | RawDataElement | None:
        stated = self._text().split("\\")
        said = [capped(value) for value in stated]
        if said == stated:
            return self._portable(vr)
        return self._done("cleaned", "age_over_89", DataElement(self.tag, vr, said))

    def _replacement(self, vr: str) -> object:
        if self.tag == CHARACTER_SET:
            return "ISO_IR 192"
        return None if vr == "UI" else dummy_value(vr)

    def _trimmed(self, value: bytes) -> DataElement | RawDataElement:
        kept, reasons = only_pixels(self.source, value, self.tag)
        if not reasons:
            return self.element
        for reason in reasons:
            self._done("cleaned", reason, None)
        if isinstance(self.element, RawDataElement):
            undefined = self.element.length == elements.UNDEFINED_LENGTH
            return self.element._replace(value=kept, length=elements.UNDEFINED_LENGTH if undefined else len(kept))
        return DataElement(self.tag, self.element.VR, kept, is_undefined_length=self.element.is_undefined_length)

    def _portable(self, vr: str) -> DataElement | RawDataElement | None:
        """The raw element where its bytes fit the output's encoding, else a converted copy."""
        element = self.element
        if self.tag in PIXELS and isinstance(element.value, bytes):
            element = self._trimmed(element.value)
        if isinstance(element, RawDataElement):
            same = (element.is_implicit_VR, element.is_little_endian) == (self.walk.implicit, self.walk.little)
            if same and (self.walk.implicit or element.VR not in (None, "UN")):
                return element
            return elements.converted(self.source, element._replace(VR=vr) if element.VR in (None, "UN") else element)
        if isinstance(element.value, bytes):
            return element
        return copy.deepcopy(element)
