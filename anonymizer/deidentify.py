"""The one deep entry: a data set in, a de-identified data set and its receipt out. The input is not changed.

Every element at every depth is decided by the profile; what is kept is copied as the bytes it was, after three checks:
it has a VR the standard allows for it, the form of that VR, and it does not repeat who the patient is.
"""

from __future__ import annotations

import copy
import re
import struct
from collections import Counter
from dataclasses import dataclass, field

from pydicom import uid
from pydicom.charset import python_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.tag import BaseTag

from anonymizer import elements, gate, reading
from anonymizer.actions import Action, dummy_value, empty_value
from anonymizer.attribute_types import Family, family_of
from anonymizer.defined_terms import undefined_words
from anonymizer.echo import Echo, echo_of
from anonymizer.errors import InputRefusedError
from anonymizer.identity import ACCESSION, PATIENT_ID, PATIENT_NAME, identity_of, patient_of
from anonymizer.key import ProjectKey
from anonymizer.profile import Decision, Profile, screening_profile
from anonymizer.pseudonym import Pseudonyms, is_time_form, shifted_date, shifted_datetime
from anonymizer.receipt import Receipt, ReceiptLine, path_text
from anonymizer.rules import BYTE_VRS, TEXT_VRS, TIME_VRS, dictionary_entry, dictionary_vrs
from anonymizer.standard import ADDITIONS_EDITION, EDITION

SCREENING_PROFILE = screening_profile()
IMPLEMENTATION_CLASS_UID = "2.25.307422640981229148370318906731170273514"
IMPLEMENTATION_VERSION = "SHOKEN"
PIXELS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
CHARACTER_SET = 0x00080005
_STAMPED = tuple(map(BaseTag, (0x00120062, 0x00120063, 0x00120064, 0x00280303)))

_NUMBER_SIZES = {"US": 2, "SS": 2, "UL": 4, "SL": 4, "UV": 8, "SV": 8, "FL": 4, "FD": 8, "AT": 4}
_NUMBER_VRS = frozenset(_NUMBER_SIZES)
_FORMS = {
    "DS": re.compile(r"[0-9+\-.eE \\]*"),
    "IS": re.compile(r"[0-9+\- \\]*"),
    "CS": re.compile(r"[A-Za-z0-9_ \\.,:/+&()\-]{0,1024}"),
    "AS": re.compile(r"(\d{3}[DWMY])?"),
    "UI": re.compile(r"[0-9.\\ \x00]*"),
    "DA": re.compile(r"[0-9.\\ ]*"),
}
# VRs that files in the field use for one another; outside these groups a stated VR that the standard does not allow is not trusted.
_EXCHANGEABLE = (
    frozenset({"LO", "SH", "CS", "ST", "LT", "UT", "UC"}),
    frozenset({"US", "SS", "OW", "OB"}),
    frozenset({"UL", "SL", "OL"}),
    frozenset({"IS", "DS"}),
    frozenset({"DA", "TM", "DT"}),
    frozenset({"FL", "FD", "OF", "OD"}),
)


def deidentify(dataset: Dataset, key: ProjectKey, profile: Profile = SCREENING_PROFILE) -> tuple[FileDataset, Receipt]:
    """De-identify one data set under a project key and a profile.

    Returns a new data set with its own file meta information and empty preamble, and the receipt. The same input, key
    and profile give the same output on any day. Raises InputRefusedError (reason: a code of `gate.Reason`) for what must
    not pass; its message holds no value of the data set. Source: PS3.15 annex E.
    """
    with reading.quietly():
        verdict = gate.verdict_on(dataset)
        if verdict is not None:
            raise InputRefusedError(verdict.reason, verdict.detail)
        walk = _walk_for(dataset, key, profile)
        clean = walk.cleaned(dataset, ())
        _stamp(clean, profile)
        return _as_file(clean, dataset), walk.receipt()


def _walk_for(dataset: Dataset, key: ProjectKey, profile: Profile) -> _Walk:
    patient = patient_of(dataset)
    pseudonyms = Pseudonyms(key)
    implicit, little = _encoding(dataset)
    family = family_of(elements.text_at(dataset, 0x00080016))
    return _Walk(
        profile=profile,
        pseudonyms=pseudonyms,
        patient=pseudonyms.patient_id(patient),
        days=pseudonyms.shift_days(patient),
        echo=echo_of(identity_of(dataset, profile.plan(family, 0))),
        family=family,
        implicit=implicit,
        little=little,
    )


@dataclass(slots=True)
class _Walk:
    """One data set being cleaned: the settled choices, and the tally of what was done."""

    profile: Profile
    pseudonyms: Pseudonyms
    patient: str
    days: int
    echo: Echo
    family: Family
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
            written = _Element(self, source, tag, element, (*path, int(tag))).applied(plan[int(tag)])
            if written is not None:
                kept[tag] = written
        result = Dataset(kept, parent_encoding=elements.charset(source))
        result.set_original_encoding(self.implicit, self.little, elements.charset(source))
        return result

    def receipt(self) -> Receipt:
        """The account of everything done, sorted."""
        lines = (ReceiptLine(path_text(path), action, reason, count) for (path, action, reason), count in self.tally.items())
        return Receipt(self.profile.name, tuple(code for code, _ in self.profile.method_codes), tuple(sorted(lines)))


@dataclass(slots=True)
class _Element:
    """One element under its decision."""

    walk: _Walk
    source: Dataset
    tag: BaseTag
    element: DataElement | RawDataElement
    path: tuple[int, ...]

    def applied(self, decision: Decision) -> DataElement | RawDataElement | None:
        """The element to write, or None. A raw value that is kept stays the bytes it was."""
        if isinstance(self.element, RawDataElement):
            elements.check_length(self.element)
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
        """A sequence that stays: every item is cleaned by the same rules."""
        items = [self.walk.cleaned(item, self.path) for item in elements.items_at(self.source, self.tag)]
        return DataElement(self.tag, "SQ", Sequence(items))

    def _cleaned(self, reason: str) -> DataElement | None:
        vr = self._vr()
        if vr == "SQ":
            return self._searched()
        if vr in TIME_VRS:
            return self._shifted(vr, reason)
        if vr in TEXT_VRS - {"PN", "AE"} and reason != "retain_modified_dates":
            return self._done("cleaned", reason, DataElement(self.tag, vr, self._clean_text()))
        return self._done("removed", reason, None)

    def _clean_text(self) -> list[str] | None:
        return [self.walk.echo.cleaned(part) for part in self._text().split("\\")] or None

    def _shifted(self, vr: str, reason: str) -> DataElement | None:
        values = [part for part in self._text().split("\\") if part.strip()]
        moved = [self._moved(vr, value) for value in values]
        if any(value is None for value in moved):
            return self._done("emptied", "invalid_value", DataElement(self.tag, vr, empty_value(vr)))
        action = "kept_time" if vr == "TM" else "date_shifted"
        return self._done(action, reason, DataElement(self.tag, vr, moved or None))

    def _moved(self, vr: str, value: str) -> str | None:
        if vr == "TM":
            return value.strip() if is_time_form(value) else None
        return shifted_date(value, self.walk.days) if vr == "DA" else shifted_datetime(value, self.walk.days)

    def _kept(self) -> DataElement | RawDataElement | None:
        vr = self._vr()
        if not self._vr_is_trusted(vr):
            return self._done("removed", "unexpected_vr", None)
        if vr == "SQ":
            return self._searched()
        fault = self._fault(vr)
        if fault and vr in BYTE_VRS | _NUMBER_VRS:
            return self._done("removed", fault, None)
        if fault:
            return self._done("dummied", fault, DataElement(self.tag, vr, self._replacement(vr)))
        return self._portable(vr)

    def _replacement(self, vr: str) -> object:
        if self.tag == CHARACTER_SET:
            return "ISO_IR 192"
        return None if vr == "UI" else dummy_value(vr)

    def _vr_is_trusted(self, vr: str) -> bool:
        stated = self._stated_vr()
        known = dictionary_vrs(self.tag)
        return stated is None or stated in known or any(stated in group and vr in group for group in _EXCHANGEABLE)

    def _fault(self, vr: str) -> str:
        """Why a value cannot be kept as it is: `invalid_value`, `echo`, `undecodable`; empty when it can."""
        if vr in _NUMBER_VRS or vr in BYTE_VRS:
            return self._binary_fault(vr)
        if self.tag == CHARACTER_SET:
            return "" if _charset_is_known(self._text()) else "invalid_value"
        text = self._text()
        form = _FORMS.get(vr)
        if form is not None and form.fullmatch(text) is None:
            return "invalid_value"
        if vr == "TM" and not is_time_form(text):
            return "invalid_value"
        if not text.isascii() and not _charset_is_known(elements.text_at(self.source, CHARACTER_SET)):
            return "undecodable"
        return "echo" if self._text_echo(vr, text) else ""

    def _text_echo(self, vr: str, text: str) -> bool:
        if vr in ("DS", "IS"):
            return any(len(part.strip()) >= 6 and part.strip() in self.walk.echo.pieces for part in text.split("\\"))
        if vr == "CS":
            text = "\\".join(undefined_words(part) for part in text.split("\\"))
        return vr in TEXT_VRS and self.walk.echo.found_in(text)

    def _binary_fault(self, vr: str) -> str:
        """Numbers must be as many as the dictionary allows: a damaged tag must not carry a name through as a number."""
        value = self.element.value
        if self.tag in PIXELS or not isinstance(value, bytes):
            return ""
        entry = dictionary_entry(self.tag)
        size = _NUMBER_SIZES.get(vr)
        if size is not None and (len(value) % size or (entry is not None and entry.most is not None and len(value) > size * entry.most)):
            return "invalid_value"
        if (vr == "AT" and not self._names_attributes(value)) or _reads_as_text(value):
            return "invalid_value"
        return "echo" if len(value) >= 5 and self.walk.echo.found_in_bytes(value) else ""

    def _names_attributes(self, value: bytes) -> bool:
        order = "<" if self.walk.little else ">"
        halves = struct.unpack(f"{order}{len(value) // 2}H", value)
        return all(dictionary_vrs(group << 16 | number) for group, number in zip(halves[::2], halves[1::2], strict=True))

    def _portable(self, vr: str) -> DataElement | RawDataElement | None:
        """The raw element where its bytes fit the output's encoding, else a converted copy."""
        element = self.element
        if isinstance(element, RawDataElement):
            same = (element.is_implicit_VR, element.is_little_endian) == (self.walk.implicit, self.walk.little)
            if same and (self.walk.implicit or element.VR not in (None, "UN")):
                return element
            return elements.converted(self.source, element._replace(VR=vr) if element.VR in (None, "UN") else element)
        if isinstance(element.value, bytes):
            return element
        return copy.deepcopy(element)


def _reads_as_text(value: bytes) -> bool:
    """Whether numbers are made of nothing but printable letters: a text that strayed, not a measurement."""
    text = value.strip(b" \x00")
    return len(text) >= 6 and text.isascii() and text.decode().isprintable()


def _charset_is_known(value: str) -> bool:
    return all(term.strip() in python_encoding for term in value.split("\\"))


def _stamp(clean: Dataset, profile: Profile) -> None:
    """Say in the data set itself what was done: PS3.15 section E.1.1, attributes of PS3.3 C.7.1.1 and C.12.1."""
    codes = []
    for code, meaning in profile.method_codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = code, "DCM", meaning
        codes.append(item)
    for stamped in _STAMPED:
        clean.pop(stamped, None)  # an earlier stamp may state another VR
    clean.PatientIdentityRemoved = "YES"
    clean.DeidentificationMethod = ["Shoken anonymizer", f"PS3.15 {EDITION} and additions to {ADDITIONS_EDITION}", profile.name[:64]]
    clean.DeidentificationMethodCodeSequence = Sequence(codes)
    clean.LongitudinalTemporalInformationModified = profile.temporal_information


def _as_file(clean: Dataset, source: Dataset) -> FileDataset:
    """The data set with a file meta of its own: nothing of the source's but the transfer syntax."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = clean.SOPClassUID
    meta.MediaStorageSOPInstanceUID = clean.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax_of(source)
    meta.ImplementationClassUID = uid.UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION
    implicit, little = _encoding(source)
    result = FileDataset("", clean, preamble=b"\x00" * 128, file_meta=meta, is_implicit_VR=implicit, is_little_endian=little)
    result.set_original_encoding(implicit, little, elements.charset(source))
    return result


def transfer_syntax_of(dataset: Dataset) -> uid.UID:
    """The transfer syntax of the file meta, else the plain one that fits how the data set was encoded."""
    stated = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    if stated:
        return uid.UID(str(stated).strip(" \x00"))
    implicit, little = dataset.original_encoding
    if implicit:
        return uid.ImplicitVRLittleEndian
    return uid.ExplicitVRBigEndian if little is False else uid.ExplicitVRLittleEndian


def _encoding(dataset: Dataset) -> tuple[bool, bool]:
    syntax = transfer_syntax_of(dataset)
    return syntax == uid.ImplicitVRLittleEndian, syntax != uid.ExplicitVRBigEndian
