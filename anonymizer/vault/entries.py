"""What one instance adds to the vault: pairs of a pseudonym and the original it stands for.

Two sorts of entries. A *mapping* (patient ID, accession number, every UID, the days a patient's dates moved) follows from
the original alone: one pseudonym has one original for ever. A *fact* (name, birth date, sex, whose study, under what
number) is what a header said: one patient may be written in several ways, so facts are kept for the patient, for the
study and, exact, for the series.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pydicom.dataset import Dataset

from anonymizer import elements
from anonymizer.identity import ACCESSION, BIRTH_DATE, PATIENT_ID, PATIENT_NAME, STUDY_UID, patient_from
from anonymizer.key import ProjectKey
from anonymizer.pseudonym import Pseudonyms
from anonymizer.rules import dictionary_vrs

SEX, SERIES_UID, INSTANCE_UID, FRAME_OF_REFERENCE_UID = 0x00100040, 0x0020000E, 0x00080018, 0x00200052
UID_KINDS = {STUDY_UID: "study", SERIES_UID: "series", INSTANCE_UID: "instance", FRAME_OF_REFERENCE_UID: "frame_of_reference"}
PERSON_TAGS = {PATIENT_NAME: "patient_name", BIRTH_DATE: "birth_date", SEX: "sex"}
STUDY_TAGS = PERSON_TAGS | {PATIENT_ID: "patient_id", ACCESSION: "accession_number"}
FACTS = frozenset(STUDY_TAGS.values())
KINDS = ("patient", "shift_days", "accession", *UID_KINDS.values(), "uid", *sorted(FACTS))
ENTRY_TAGS = tuple(sorted((PATIENT_ID, ACCESSION, *UID_KINDS, *PERSON_TAGS)))


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One pseudonym and what it stands for; `kind` is one of KINDS. The original never shows in a repr.

    Mappings: `patient`, `shift_days` (days as text) and `accession` by the letters that stand for them, UIDs by the UID of the output.
    Facts: `patient_name`, `birth_date`, `sex` by the patient's pseudonym and by the pseudonymous UIDs of study and series;
    `patient_id`, `accession_number` by those UIDs only.
    """

    kind: str
    pseudonym: str
    original: str = field(repr=False)


def entries_from(texts: Mapping[int, str], key: ProjectKey, mapped: Iterable[tuple[int, str]] = ()) -> tuple[Entry, ...]:
    """What one instance adds to the vault, sorted, without repeats.

    `texts`: decoded text of the top-level attributes ENTRY_TAGS, by tag; absent and empty are the same. `mapped`: (tag, decoded
    text) of every other value that got a pseudonym, at any depth: UIDs of any attribute, accession numbers, patient IDs.
    """
    own = {tag: text for tag in ENTRY_TAGS if (text := texts.get(tag, "").strip(" \x00"))}
    pseudonyms = Pseudonyms(key)
    found = set(_of_patient(own, pseudonyms))
    for tag, text in (*own.items(), *mapped):
        found.update(_mappings(tag, text, pseudonyms))
    return tuple(sorted(found))


def entries_of(dataset: Dataset, key: ProjectKey) -> tuple[Entry, ...]:
    """What one original data set adds to the vault: `entries_from` its texts and all UIDs, at every depth.

    Raises InputRefusedError where a sequence cannot be read.
    """
    texts = {tag: elements.text_at(dataset, tag) for tag in ENTRY_TAGS}
    return entries_from(texts, key, tuple(_mappable(dataset, 0)))


def _of_patient(own: Mapping[int, str], pseudonyms: Pseudonyms) -> Iterator[Entry]:
    original = patient_from(own)
    patient = pseudonyms.patient_id(original)
    yield Entry("shift_days", patient, str(pseudonyms.shift_days(original)))
    places = [pseudonyms.uid(own[tag]) for tag in (STUDY_UID, SERIES_UID) if tag in own]
    for tag, kind in STUDY_TAGS.items():
        if tag in own:
            yield from (Entry(kind, place, own[tag]) for place in ([patient, *places] if tag in PERSON_TAGS else places))


def _mappings(tag: int, text: str, pseudonyms: Pseudonyms) -> Iterator[Entry]:
    if tag in PERSON_TAGS or not text.strip(" \x00"):
        return
    if tag == PATIENT_ID:
        yield Entry("patient", pseudonyms.patient_id(text), text.strip(" \x00"))
    elif tag == ACCESSION:
        yield Entry("accession", pseudonyms.accession(text), text.strip(" \x00"))
    else:
        for part in filter(None, (part.strip(" \x00") for part in text.split("\\"))):
            pseudonym = pseudonyms.uid(part)
            if pseudonym != part:
                yield Entry(UID_KINDS.get(tag, "uid"), pseudonym, part)


def _mappable(dataset: Dataset, depth: int) -> Iterator[tuple[int, str]]:
    """(tag, text) of UIDs, accession numbers and patient IDs; what lies deeper than the walk goes never reaches an output."""
    for tag, element in elements.held(dataset):
        if elements.is_sequence(element):
            for item in elements.items_at(dataset, tag) if depth < elements.MAX_DEPTH else ():
                yield from _mappable(item, depth + 1)
        elif tag in (PATIENT_ID, ACCESSION) or element.VR == "UI" or "UI" in dictionary_vrs(tag):
            yield int(tag), elements.text_of(dataset, element)
