"""The one deep entry: a data set in, a de-identified data set and its receipt out. The input is not changed.

Every element at every depth is decided by the profile; what is kept is copied as the bytes it was, after three checks:
it has a VR the standard allows for it, the form of that VR, and it does not repeat who the patient is.
"""

from __future__ import annotations

from pydicom.dataset import Dataset, FileDataset

from anonymizer import elements, gate, reading
from anonymizer.attribute_types import family_of
from anonymizer.echo import echo_of
from anonymizer.errors import InputRefusedError
from anonymizer.identity import identity_of, patient_of
from anonymizer.key import ProjectKey
from anonymizer.profile import Profile, screening_profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.receipt import Receipt
from anonymizer.stamp import as_file, encoding_of, stamp
from anonymizer.walk import Walk

SCREENING_PROFILE = screening_profile()


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
        stamp(clean, profile)
        return as_file(clean, dataset), walk.receipt()


def _walk_for(dataset: Dataset, key: ProjectKey, profile: Profile) -> Walk:
    patient = patient_of(dataset)
    pseudonyms = Pseudonyms(key)
    implicit, little = encoding_of(dataset)
    family = family_of(elements.text_at(dataset, 0x00080016))
    return Walk(
        profile=profile,
        pseudonyms=pseudonyms,
        patient=pseudonyms.patient_id(patient),
        days=pseudonyms.shift_days(patient),
        echo=echo_of(identity_of(dataset, profile.plan(family, 0))),
        family=family,
        implicit=implicit,
        little=little,
    )
