"""The de-identification desk: the one door between an export and everything behind it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from anonymizer import elements, reading
from anonymizer.files import DEIDENTIFIED, deidentify_file
from anonymizer.gate import Reason, Verdict
from anonymizer.key import ProjectKey
from anonymizer.profile import Option, Profile, profile_named
from anonymizer.pseudonym import Pseudonyms
from cad.errors import Refusal, ShokenError
from cad.networks import sha256_of

STUDY_INSTANCE_UID = 0x0020000D


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

    def admit(self, path: Path) -> tuple[str, str] | Refusal:
        """The pseudonymous StudyInstanceUID a file belongs to and the sha256 of its bytes; or why it belongs to none.

        A file that de-identification will refuse is still admitted to its study, which then says so.
        """
        dataset = reading.read_headers(path)
        if isinstance(dataset, Verdict):
            return Refusal("", str(dataset.reason), dataset.detail)
        with reading.quietly():
            try:
                study = elements.text_at(dataset, STUDY_INSTANCE_UID)
                if study:
                    return Pseudonyms(self.key).uid(study), sha256_of(path)
            except reading.PARSE_ERRORS as error:
                return Refusal("", str(Reason.UNPARSEABLE), f"the headers cannot be read ({type(error).__name__})")
        if "DirectoryRecordSequence" in dataset:
            return Refusal("", str(Reason.DICOMDIR), "a DICOMDIR lists patients and files; it is not an image")
        return Refusal("", str(Reason.MISSING_IDENTITY), "StudyInstanceUID is missing: nothing says which study it belongs to")

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
