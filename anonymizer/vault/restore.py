"""One de-identified data set back under its patient's own identity: names, numbers, UIDs and dates, at every depth, or not at all.

What de-identification removed, emptied or cleaned is not in the vault and does not come back; pixels stay as they are.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from pydicom.charset import decode_bytes, encode_string
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from anonymizer import elements, reading
from anonymizer.errors import AnonymizerError
from anonymizer.identity import ACCESSION, BIRTH_DATE, PATIENT_ID, PATIENT_NAME, STUDY_UID
from anonymizer.pseudonym import is_letters, is_pseudonymous_uid, shifted_date, shifted_datetime
from anonymizer.receipt import path_text
from anonymizer.rules import dictionary_vrs
from anonymizer.stamp import as_file, encoding_of
from anonymizer.vault.entries import PERSON_TAGS, SERIES_UID, SEX
from anonymizer.vault.store import Vault

TEMPORAL_INFORMATION, CHARACTER_SET = 0x00280303, 0x00080005
DUMMY_DATE = "19000101"
_STAMPS = (0x00120063, 0x00120064, TEMPORAL_INFORMATION)
_TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_DELIMITERS = {0x5C, 0x5E, 0x3D}


@dataclass(frozen=True, slots=True, order=True)
class Unmapped:
    """One value that does not lead back: where (a path of tags) and why (a stable code), never the value."""

    path: str
    reason: str


class UnmappedError(AnonymizerError):
    """A data set that cannot be restored whole; `unmapped` lists every value that stands in the way."""

    def __init__(self, unmapped: tuple[Unmapped, ...]) -> None:
        self.unmapped = unmapped
        told = ", ".join(dict.fromkeys(f"{each.path} {each.reason}" for each in unmapped[:8]))
        super().__init__(f"cannot be restored: {told}", accepted="what this vault's project key de-identified")

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.unmapped,)


def restored(dataset: Dataset, vault: Vault, made: frozenset[str] = frozenset()) -> FileDataset:
    """A new data set with the original patient name, ID, birth date, sex, accession number, UIDs and dates; the input is not changed.

    `made`: UIDs that never had an original (of a report or segmentation made from de-identified images); they stay. UIDs that do
    not have the form of a pseudonym stay too. Raises UnmappedError, naming every value that does not lead back, VaultError for
    a damaged vault, and InputRefusedError for what cannot be read.
    """
    with reading.quietly():
        back = _Back(dataset, vault, made)
        clean = back.walked(dataset, ())
        if back.unmapped:
            raise UnmappedError(tuple(sorted(set(back.unmapped))))
        _unstamp(clean)
        _name(clean, back.person)
        return as_file(clean, dataset)


@dataclass(slots=True)
class _Back:
    """One data set on its way back."""

    dataset: Dataset
    vault: Vault
    made: frozenset[str]
    unmapped: list[Unmapped] = field(default_factory=list)
    days: int = 0
    person: dict[int, str] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        patient = elements.text_at(self.dataset, PATIENT_ID)
        shift = self.vault.original("shift_days", patient) if is_letters(patient) else None
        if shift is None:
            reason = "unknown_pseudonym" if is_letters(patient) else "not_a_pseudonym"
            raise UnmappedError((Unmapped(path_text((PATIENT_ID,)), reason),))
        moved = elements.text_at(self.dataset, TEMPORAL_INFORMATION) == "MODIFIED"
        self.days = -int(shift) if moved else 0
        for tag, kind in PERSON_TAGS.items():
            self.person[tag] = self._fact(tag, kind, patient)

    def _fact(self, tag: int, kind: str, patient: str) -> str:
        """What the header of this very series said; for a new series what the study's or the patient's said, if always the same."""
        for place in (elements.text_at(self.dataset, SERIES_UID), elements.text_at(self.dataset, STUDY_UID), patient):
            said = self.vault.originals(kind, place)
            known = place == patient or self.vault.original("uid", place) is not None
            if len(said) == 1 or (known and not said):
                return said[0] if said else ""
            if said:
                self._missing((tag,), "several_originals")
                break
        return ""

    def walked(self, source: Dataset, path: tuple[int, ...]) -> Dataset:
        """A new data set with every element led back; what does not lead back is noted."""
        kept: dict[BaseTag, DataElement | RawDataElement] = {}
        for tag, element in elements.held(source):
            kept[tag] = self._led_back(source, tag, element, (*path, int(tag)))
        result = Dataset(kept, parent_encoding=elements.charset(source))
        result.set_original_encoding(*encoding_of(self.dataset), elements.charset(source))
        return result

    def _led_back(self, source: Dataset, tag: BaseTag, element: DataElement | RawDataElement, path: tuple[int, ...]) -> DataElement:
        if elements.is_sequence(element):
            return DataElement(tag, "SQ", Sequence([self.walked(item, path) for item in elements.items_at(source, tag)]))
        value = elements.converted(source, element)
        if value.VR == "UN" and dictionary_vrs(tag) in (("UI",), ("DA",), ("DT",)):
            value = DataElement(tag, dictionary_vrs(tag)[0], elements.text_of(source, element))
        texts = [text for text in elements.text_of(source, value).split("\\") if text.strip()]
        if tag in (PATIENT_ID, PATIENT_NAME, ACCESSION):
            led = [self._letters(tag, text, path) for text in texts]
        elif value.VR == "UI":
            led = [self._uid(text, path) for text in texts]
        elif value.VR in ("DA", "DT") and self.days:
            led = [self._date(value.VR, text, path) for text in texts]
        else:
            return copy.copy(value)
        return copy.copy(value) if led == texts else DataElement(tag, value.VR, led[0] if len(led) == 1 else led or None)

    def _letters(self, tag: int, text: str, path: tuple[int, ...]) -> str:
        if not is_letters(text):
            return text
        if tag == PATIENT_NAME:
            return self.person[PATIENT_NAME] if len(path) == 1 else self._nested_name(text, path)
        original = self.vault.original("accession" if tag == ACCESSION else "patient", text)
        if original is None and (tag == ACCESSION or self.vault.original("shift_days", text) is None):
            self._missing(path, "unknown_pseudonym")
        return original or ""  # a known patient without an ID had none

    def _nested_name(self, text: str, path: tuple[int, ...]) -> str:
        said = self.vault.originals("patient_name", text)
        if len(said) != 1:
            self._missing(path, "several_originals" if said else "unknown_pseudonym")
        return said[0] if said else ""

    def _uid(self, text: str, path: tuple[int, ...]) -> str:
        uid = text.strip(" \x00")
        if uid in self.made or not is_pseudonymous_uid(uid):
            return uid
        original = self.vault.original("uid", uid)
        if original is None:
            self._missing(path, "unknown_pseudonym")
        return original or uid

    def _date(self, vr: str, text: str, path: tuple[int, ...]) -> str:
        if text.startswith(DUMMY_DATE):
            return text
        moved = shifted_date(text, self.days) if vr == "DA" else shifted_datetime(text, self.days) if text[:8].isdigit() else None
        if moved is None or len(text.strip()) < 8:
            self._missing(path, "imprecise_date")
        return moved or text

    def _missing(self, path: tuple[int, ...], reason: str) -> None:
        self.unmapped.append(Unmapped(path_text(path), reason))


def _unstamp(clean: Dataset) -> None:
    for tag in _STAMPS:
        with suppress(KeyError):
            del clean[BaseTag(tag)]
    clean.PatientIdentityRemoved = "NO"


def _name(clean: Dataset, person: dict[int, str]) -> None:
    """Birth date and sex where the vault knows them; then a character set that holds every text."""
    for tag, vr in ((BIRTH_DATE, "DA"), (SEX, "CS")):
        if person[tag]:
            clean[BaseTag(tag)] = DataElement(tag, vr, person[tag])
    if not all(_fits(text, elements.charset(clean)) for text in _names(clean)):
        for each in _all(clean):
            each.pop(BaseTag(CHARACTER_SET), None)
        clean.SpecificCharacterSet = "ISO_IR 192"


def _names(clean: Dataset) -> Iterator[str]:
    for each in _all(clean):
        for tag in (PATIENT_NAME, PATIENT_ID, ACCESSION):
            if tag in each:
                yield elements.text_at(each, tag)


def _all(dataset: Dataset) -> Iterator[Dataset]:
    yield dataset
    for tag, element in elements.held(dataset):
        if elements.is_sequence(element):
            for item in elements.items_at(dataset, tag):
                yield from _all(item)


def _fits(text: str, encodings: object) -> bool:
    if text.isascii():
        return True
    names = [encodings] if isinstance(encodings, str) else list(encodings)  # type: ignore[call-overload]
    try:
        return bool(decode_bytes(encode_string(text, names), names, _DELIMITERS) == text)
    except (UnicodeError, LookupError):
        return False
