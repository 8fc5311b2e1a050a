"""Who the patient is, read from the header: what pseudonyms are made of and what `echo` looks for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydicom.dataset import Dataset

from anonymizer import content, elements
from anonymizer.actions import Action
from anonymizer.echo import Identity
from anonymizer.profile import Option, Plan, Profile
from anonymizer.rules import dictionary_vrs

PATIENT_ID = 0x00100020
PATIENT_NAME = 0x00100010
BIRTH_DATE = 0x00100030
ACCESSION = 0x00080050
STUDY_UID = 0x0020000D
PIXEL_DATA = 0x7FE00010
CONTENT_SEQUENCE, TEXT_VALUE = 0x0040A730, 0x0040A160

_IDENTIFIERS = frozenset(
    {
        PATIENT_ID,
        ACCESSION,
        0x00101000,  # Other Patient IDs
        0x00101080,  # Military Rank
        0x00101090,  # Medical Record Locator
        0x00102154,  # Patient's Telephone Numbers
        0x00380010,  # Admission ID
        0x00380060,  # Service Episode ID
        0x00402016,  # Placer Order Number
        0x00402017,  # Filler Order Number
        0x00120040,  # Clinical Trial Subject ID
        0x00120042,  # Clinical Trial Subject Reading ID
    }
)
_INSTITUTIONS = frozenset(
    {
        0x00080080,  # Institution Name
        0x00080081,  # Institution Address
        0x00081040,  # Institutional Department Name
        0x00120031,  # Clinical Trial Site Name
        0x00120060,  # Clinical Trial Coordinating Center Name
        0x00321033,  # Requesting Service
        0x0040A027,  # Verifying Organization
    }
)
_PHRASES = _INSTITUTIONS | {0x00101040, 0x00080092, 0x00380400}  # addresses of patient and physician, the patient's residence

_LISTED = _IDENTIFIERS | _PHRASES | {BIRTH_DATE}


def identity_of(dataset: Dataset, plan: Plan) -> Identity:
    """Every identifying value at any depth that the profile does not keep, sorted so that equal patients are equal identities."""
    found: dict[str, set[str]] = {"names": set(), "identifiers": set(), "phrases": set(), "birth_dates": set()}
    for tag, text in _identifying(dataset, plan):
        kind = "birth_dates" if tag == BIRTH_DATE else "identifiers" if tag in _IDENTIFIERS else "phrases" if tag in _PHRASES else "names"
        found[kind].update(part for part in text.split("\\") if part.strip())
    if PIXEL_DATA not in dataset and content.cleans_content(plan.profile):
        for text in _told_by_report(dataset, plan.profile):
            found["identifiers" if any(letter.isdigit() for letter in text) else "phrases"].add(text)
    return Identity(**{kind: tuple(sorted(values)) for kind, values in found.items()})


def patient_of(dataset: Dataset) -> str:
    """What tells this patient from others; see `patient_from`."""
    return patient_from({tag: elements.text_at(dataset, tag) for tag in (PATIENT_ID, PATIENT_NAME, BIRTH_DATE, STUDY_UID)})


def patient_from(texts: Mapping[int, str]) -> str:
    """What tells this patient from others, from decoded texts by tag: the ID, else name and birth date, else the study's UID.

    Never empty if one of them is there. Padding (spaces and NULs at either end) does not make another patient.
    """
    own = {tag: texts.get(tag, "").strip(" \x00") for tag in (PATIENT_ID, PATIENT_NAME, BIRTH_DATE, STUDY_UID)}
    if own[PATIENT_ID]:
        return own[PATIENT_ID]
    if own[PATIENT_NAME]:
        return f"{own[PATIENT_NAME]}\x00{own[BIRTH_DATE]}"
    return own[STUDY_UID]


def tells_who(tag: int, vr: str | None) -> bool:
    """Whether `identity_of` or `patient_of` may read an element of this tag and stated VR (None: none stated), at any depth.

    The fast walk knows a patient again by the bytes of these elements, so whatever else they come to read must be named here.
    """
    return tag == STUDY_UID or _identifies(tag, vr)


def _identifying(dataset: Dataset, plan: Plan) -> Iterator[tuple[int, str]]:
    for tag, element in elements.held(dataset):
        if _identifies(tag, element.VR):
            stands = tag in _INSTITUTIONS and Option.RETAIN_INSTITUTION_IDENTITY in plan.profile.options
            if not stands and plan[int(tag)].action is not Action.KEEP:
                yield int(tag), elements.text_of(dataset, element)
        elif elements.is_sequence(element):
            for item in elements.items_at(dataset, tag):
                yield from _identifying(item, plan)


def _told_by_report(dataset: Dataset, profile: Profile) -> Iterator[str]:
    """Texts of report content that name or number somebody: concepts whose text no option cleans, and none keeps."""
    held = elements.get(dataset, CONTENT_SEQUENCE)
    if held is None or not elements.is_sequence(held):
        return
    for item in elements.items_at(dataset, held.tag):
        row = content.row_for(item)
        if row is not None and row.value_type == "TEXT" and content.names_somebody(row, profile):
            yield from filter(None, [elements.text_at(item, TEXT_VALUE)])
        yield from _told_by_report(item, profile)


def _identifies(tag: int, vr: str | None) -> bool:
    return tag in _LISTED or vr == "PN" or (vr != "SQ" and dictionary_vrs(tag) == ("PN",))
