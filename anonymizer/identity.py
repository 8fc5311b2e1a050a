"""Who the patient is, read from the header: what pseudonyms are made of and what `echo` looks for."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from anonymizer import elements
from anonymizer.echo import Identity
from anonymizer.rules import dictionary_vrs

PATIENT_ID = 0x00100020
PATIENT_NAME = 0x00100010
BIRTH_DATE = 0x00100030
ACCESSION = 0x00080050
STUDY_UID = 0x0020000D

_IDENTIFIERS = frozenset(
    {
        PATIENT_ID,
        ACCESSION,
        0x00101000,  # Other Patient IDs
        0x00101001,  # Other Patient Names
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
_PHRASES = frozenset({0x00101040, 0x00080080, 0x00080081, 0x00081040, 0x00321033})  # address, institution, departments


def identity_of(dataset: Dataset) -> Identity:
    """Every identifying value of the data set, at any depth, sorted so that equal patients give equal identities."""
    found: dict[str, set[str]] = {"names": set(), "identifiers": set(), "phrases": set(), "birth_dates": set()}
    for tag, text in _identifying(dataset):
        kind = "birth_dates" if tag == BIRTH_DATE else "identifiers" if tag in _IDENTIFIERS else "phrases" if tag in _PHRASES else "names"
        found[kind].update(part for part in text.split("\\") if part.strip())
    return Identity(**{kind: tuple(sorted(values)) for kind, values in found.items()})


def patient_of(dataset: Dataset) -> str:
    """What tells this patient from others: the ID, else name and birth date, else the study's UID (never empty if one is there)."""
    own = {tag: elements.text_at(dataset, tag) for tag in (PATIENT_ID, PATIENT_NAME, BIRTH_DATE, STUDY_UID)}
    if own[PATIENT_ID]:
        return own[PATIENT_ID]
    if own[PATIENT_NAME]:
        return f"{own[PATIENT_NAME]}\x00{own[BIRTH_DATE]}"
    return own[STUDY_UID]


def _identifying(dataset: Dataset) -> Iterator[tuple[int, str]]:
    for tag in list(dataset.keys()):
        if tag in _IDENTIFIERS or tag in _PHRASES or tag == BIRTH_DATE or _is_name(dataset, tag):
            yield int(tag), elements.text_at(dataset, tag)
        elif elements.is_sequence(dataset, tag):
            for item in elements.items_at(dataset, tag):
                yield from _identifying(item)


def _is_name(dataset: Dataset, tag: BaseTag) -> bool:
    element = elements.get(dataset, tag)
    stated = element.VR if element is not None else None
    return stated == "PN" or (stated in (None, "UN") and dictionary_vrs(tag) == ("PN",))
