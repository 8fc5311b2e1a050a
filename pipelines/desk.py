"""The de-identification desk: the one door between an export and everything behind it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anonymizer import elements, reading
from anonymizer.files import DEIDENTIFIED, deidentify_file
from anonymizer.gate import Reason, Verdict
from anonymizer.identity import patient_of
from anonymizer.key import ProjectKey
from anonymizer.profile import Option, Profile, profile_named
from anonymizer.pseudonym import Pseudonyms, shifted_date
from cad.errors import Refusal, ShokenError
from cad.networks import sha256_of

if TYPE_CHECKING:
    from pydicom import Dataset

STUDY_INSTANCE_UID, STUDY_DATE, MODALITY = 0x0020000D, 0x00080020, 0x00080060


@dataclass(frozen=True, slots=True)
class Admission:
    """A file and the study it belongs to: pseudonymous UID and patient, the sha256 of its bytes, modality.

    `date` is the study's date (YYYYMMDD) as the profile writes it, shifted with the patient's other dates; "" where the profile
    removes dates or the header holds none.
    """

    study: str
    sha256: str
    patient: str = ""
    date: str = ""
    modality: str = ""


@dataclass(frozen=True, slots=True)
class Desk:
    """Pseudonyms and de-identification under one key and one profile. Nothing it returns identifies a patient."""

    key: ProjectKey
    profile: Profile

    @property
    def fingerprint(self) -> str:
        """Tells two keys apart and gives neither away."""
        return self.key.fingerprint()

    def handle(self, name: str) -> str:
        """The pseudonymous handle of a file's place in its export."""
        return Pseudonyms(self.key).file_handle(name)

    def admit(self, path: Path) -> Admission | Refusal:
        """The study and patient a file belongs to, by pseudonym; or why it belongs to none.

        A file that de-identification will refuse is still admitted to its study, which then says so.
        """
        dataset = reading.read_headers(path)
        if isinstance(dataset, Verdict):
            return Refusal("", str(dataset.reason), dataset.detail)
        with reading.quietly():
            try:
                study = elements.text_at(dataset, STUDY_INSTANCE_UID)
                if study:
                    return self._admitted(dataset, study, sha256_of(path))
            except reading.PARSE_ERRORS as error:
                return Refusal("", str(Reason.UNPARSEABLE), f"the headers cannot be read ({type(error).__name__})")
        if "DirectoryRecordSequence" in dataset:
            return Refusal("", str(Reason.DICOMDIR), "a DICOMDIR lists patients and files; it is not an image")
        return Refusal("", str(Reason.MISSING_IDENTITY), "StudyInstanceUID is missing: nothing says which study it belongs to")

    def _admitted(self, dataset: Dataset, study: str, sha256: str) -> Admission:
        names, patient = Pseudonyms(self.key), patient_of(dataset)
        return Admission(
            study=names.uid(study),
            sha256=sha256,
            patient=names.patient_id(patient),
            date=self._date(elements.text_at(dataset, STUDY_DATE), names.shift_days(patient)),
            modality=elements.text_at(dataset, MODALITY),
        )

    def _date(self, original: str, days: int) -> str:
        """As the profile would write it."""
        if Option.RETAIN_FULL_DATES in self.profile.options:
            days = 0
        elif Option.RETAIN_MODIFIED_DATES not in self.profile.options:
            return ""
        return shifted_date(original, days) or ""

    def deidentify(self, files: Mapping[str, Path], folder: Path) -> tuple[dict[str, Path], dict[str, Refusal]]:
        """De-identify files by handle into a folder: where each that passed lies now, and why the others did not pass.

        Raises OSError when the disk refuses: a study must not be screened without the slices that did not fit; ShokenError
        for a profile that removes faces, which takes whole series (`shoken deid` does).
        """
        if Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES in self.profile.options:
            accepted = "a profile without clean_recognizable_visual_features; `shoken deid` removes faces"
            raise ShokenError("faces are not removed file by file", subject=self.profile.name, accepted=accepted)
        passed, refused = {}, {}
        for handle, path in sorted(files.items()):
            place = folder / handle  # sorted by handle wherever the export is mounted, so that reading order never changes
            outcome = deidentify_file(path, place, self.key, self.profile)
            if outcome.reason == Reason.NOT_WRITTEN:
                full = os.strerror(errno.ENOSPC) in outcome.detail
                raise OSError(errno.ENOSPC if full else errno.EIO, "the private work folder cannot be written")
            if outcome.status == DEIDENTIFIED:
                passed[handle] = place / outcome.output
            else:
                refused[handle] = Refusal(handle, outcome.reason, outcome.detail)
        return passed, refused


def open_desk(key: ProjectKey, profile: str) -> Desk:
    """A desk by the name of its profile (`anonymizer.profile.profile_named`). Raises ProfileError."""
    return Desk(key, profile_named(profile))
