"""The one deep entry: a data set in, a de-identified data set and its receipt out. The input is not changed.

Every element at every depth is decided by the profile; what is kept is copied as the bytes it was, after three checks:
it has a VR the standard allows for it, the form of that VR, and it does not repeat who the patient is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydicom.dataset import Dataset, FileDataset

from anonymizer import elements, gate, reading
from anonymizer.attribute_types import family_of
from anonymizer.echo import echo_of
from anonymizer.errors import InputRefusedError, ProfileError
from anonymizer.gate import Reason, Verdict
from anonymizer.identity import STUDY_UID, identity_of, patient_of
from anonymizer.key import ProjectKey
from anonymizer.profile import Option, Profile, screening_profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.receipt import Receipt
from anonymizer.stamp import as_file, claim, encoding_of, stamp
from anonymizer.walk import Walk

if TYPE_CHECKING:
    from anonymizer.pixels.account import PictureSink

SCREENING_PROFILE = screening_profile()
SOP_CLASS, SERIES_UID = 0x00080016, 0x0020000E


def deidentify(dataset: Dataset, key: ProjectKey, profile: Profile = SCREENING_PROFILE) -> tuple[FileDataset, Receipt]:
    """De-identify one data set under a project key and a profile.

    Returns a new data set with its own file meta information and empty preamble, and the receipt. The same input, key
    and profile give the same output on any day. Raises InputRefusedError (reason: a code of `gate.Reason`) for what must
    not pass; its message holds no value of the data set. Raises ProfileError for a profile that removes faces: they are
    seen in a whole series only. Source: PS3.15 annex E.
    """
    if Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES in profile.options:
        raise ProfileError("faces are removed from whole series", subject=profile.name, accepted="this profile with `shoken deid`")
    with reading.quietly():
        verdict = gate.verdict_on(elements.glanced(dataset), profile)
        if verdict is not None:
            raise InputRefusedError(verdict.reason, verdict.detail)
        return cleaned(dataset, key, profile)


def cleaned(dataset: Dataset, key: ProjectKey, profile: Profile, pictures: PictureSink | None = None) -> tuple[FileDataset, Receipt]:
    """A data set that has passed the gate, header and pixels cleaned as the profile says, and the receipt.

    `pictures` hears of every blanked place. To be called inside `reading.quietly()`. Raises InputRefusedError, and
    AnonymizerError when pixels are to be cleaned and the extra for it is not installed.
    """
    walk = walk_for(dataset, key, profile)
    clean = walk.cleaned(dataset, ())
    stamp(clean, profile)
    file, receipt = as_file(clean, dataset), walk.receipt()
    if Option.CLEAN_PIXEL_DATA not in profile.options:
        return file, receipt
    if gate.holds_pixels(elements.text_at(clean, SOP_CLASS)):
        from anonymizer.pixels import clean_pixels

        receipt = receipt.with_pixels(clean_pixels(file, dataset, walk.echo, pictures=pictures))
    claim(file, Option.CLEAN_PIXEL_DATA)
    return file, receipt.claiming(Option.CLEAN_PIXEL_DATA)


def verdict_on_file(seen: Dataset, profile: Profile) -> Verdict | None:
    """Why a parsed file must not pass under a profile, or None: the gate's reasons, and no study or series that it belongs to.

    Looking converts values, so what is given is `elements.glanced` of the data set that will be walked.
    """
    verdict = gate.verdict_on(seen, profile)
    if verdict is None and not all(elements.text_at(seen, tag) for tag in (STUDY_UID, SERIES_UID)):
        return Verdict(Reason.MISSING_IDENTITY, "Study or Series Instance UID is missing")
    return verdict


def walk_for(dataset: Dataset, key: ProjectKey, profile: Profile) -> Walk:
    """The choices that are settled before the first element: who the patient is, how far dates move, what echoes."""
    patient = patient_of(dataset)
    pseudonyms = Pseudonyms(key)
    implicit, little = encoding_of(dataset)
    sop_class = elements.text_at(dataset, SOP_CLASS)
    family = family_of(sop_class)
    return Walk(
        profile=profile,
        pseudonyms=pseudonyms,
        patient=pseudonyms.patient_id(patient),
        days=pseudonyms.shift_days(patient),
        echo=echo_of(identity_of(dataset, profile.plan(family, 0))),
        family=family,
        pixels=gate.pixel_tags(sop_class),
        implicit=implicit,
        little=little,
    )
