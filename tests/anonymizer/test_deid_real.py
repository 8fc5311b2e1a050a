"""Real files: geometry and pixels the same, no original identifying value in the bytes."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path

import pytest
from deid_factory import KEY
from pydicom import dcmread
from pydicom.dataset import Dataset

from anonymizer.deidentify import SCREENING_PROFILE
from anonymizer.files import DEIDENTIFIED, deidentify_file, deidentify_tree
from anonymizer.profile import Profile, basic_profile, research_profile
from anonymizer.rules import rule_for

PROFILES = (basic_profile(), SCREENING_PROFILE, research_profile())

KEPT = (
    "Modality",
    "Rows",
    "Columns",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ConvolutionKernel",
    "ImageType",
    "InstanceNumber",
    "RescaleSlope",
    "RescaleIntercept",
    "BodyPartExamined",
    "SOPClassUID",
    "Manufacturer",
    "WindowCenter",
)


def identifying(image: Dataset) -> set[bytes]:
    """Every text of the original that the table lists or that is private, long enough not to come about by chance."""
    found: set[bytes] = set()
    for element in image.iterall():
        listed = element.tag.is_private or rule_for(int(element.tag)) is not None
        text = str(element.value)
        if listed and element.VR in ("PN", "LO", "SH", "ST", "LT", "UI", "CS", "AE") and len(text) >= 5 and "[" not in text:
            found.add(text.encode("utf-8"))
    return found


def unlisted_texts(image: Dataset) -> str:
    return "\\".join(
        str(element.value)
        for element in image.iterall()
        if not element.tag.is_private and rule_for(int(element.tag)) is None and element.VR != "OW"
    )


@pytest.mark.parametrize("folder", ["pseudoPHI_MR_ftdc/dicom", "LIDC-IDRI-0001_dicom"])
def test_a_real_series_comes_out_clean_and_whole(folder: str, shared_data: Path, tmp_path: Path) -> None:
    sources = [path for path in sorted((shared_data / folder).iterdir()) if path.suffix == ".dcm"][::6]
    patients = set()
    for path in sources:
        outcome = deidentify_file(path, tmp_path, KEY)
        assert outcome.status == DEIDENTIFIED, outcome
        before, after = dcmread(path), dcmread(tmp_path / outcome.output)
        content = (tmp_path / outcome.output).read_bytes()
        for keyword in KEPT:
            assert str(after.get(keyword)) == str(before.get(keyword)), keyword
        assert after.PixelData == before.PixelData
        kept_legitimately = unlisted_texts(before)
        leaks = [value for value in identifying(before) if value in content and value.decode() not in kept_legitimately]
        assert leaks == []
        patients.add((after.PatientID, after.StudyInstanceUID, after.SeriesInstanceUID))
    assert len(patients) == 1


def phi_of(image: Dataset) -> set[str]:
    """Whatever of a header looks like a person, a number of theirs, a place or a date: the whole value and, of names, each part.

    By kind of attribute and by its looks, not by our rules: names, identifiers, addresses, telephone numbers, dates, and
    every word of a private text that one of these also holds.
    """
    found: set[str] = set()
    for element in image.iterall():
        text = str(element.value)
        keyword = element.keyword
        personal = re.search(
            r"Name$|Physician|Operator|Address|Telephone|PatientID|Accession|Institution|BirthDate|Patient.*Comments", keyword
        )
        if element.VR == "PN" or (personal and element.VR in ("LO", "SH", "ST", "LT", "DA", "UT")):
            found |= {text, *re.split(r"[\^ ,;=\\]+", text)}
        if element.tag.is_private and element.VR in ("PN", "LO", "SH", "ST", "LT", "UT", "DA"):
            found.add(text)
    return {text for text in found if len(text) >= 5}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name[:40])
def test_the_pseudo_phi_series_comes_out_clean(profile: Profile, shared_data: Path, tmp_path: Path) -> None:
    for path in sorted((shared_data / "pseudoPHI_MR_ftdc/dicom").glob("*.dcm"))[::4]:
        before = dcmread(path)
        outcome = deidentify_file(path, tmp_path, KEY, profile)
        assert outcome.status == DEIDENTIFIED, outcome.reason
        content = (tmp_path / outcome.output).read_bytes()
        allowed = unlisted_texts(before) if profile is SCREENING_PROFILE else clinical_texts(before)
        phi = phi_of(before)
        assert len(phi) > 15
        assert [text for text in phi if text.encode() in content and text not in allowed] == []


def clinical_texts(image: Dataset) -> str:
    """What Clean Descriptors and the retained characteristics may leave, on top of what no rule lists."""
    words = ("SeriesDescription", "ProtocolName", "StudyDescription", "RequestedProcedureDescription", "DeviceSerialNumber", "StationName")
    return "\\".join((unlisted_texts(image), *(str(image.get(word, "")) for word in words)))


def test_the_radiograph_s_burned_in_text_is_blanked_and_nothing_else_of_it(shared_data: Path, tmp_path: Path) -> None:
    pytest.importorskip("rapidocr", reason="rapidocr is not installed (the extra `pixels`)")
    folder = shared_data / "presidio_pixelPHI"
    path = next(iter(sorted(folder.glob("*ORIGINAL*.dcm"))))
    outcome = deidentify_file(path, tmp_path, KEY, research_profile())
    assert outcome.status == DEIDENTIFIED, outcome.reason
    before, after = dcmread(path).pixel_array, dcmread(tmp_path / outcome.output).pixel_array
    boxes = truth_boxes(folder, path.name)
    assert len(boxes) >= 2
    for left, top, width, height in boxes:
        region = after[top : top + height, left : left + width]
        assert (region == region.flat[0]).mean() > 0.95, "a truth box is not blanked"
    assert (before != after).mean() < 0.2


TRUTH_BORDER = 25


def truth_boxes(folder: Path, name: str) -> list[tuple[int, int, int, int]]:
    """(left, top, width, height) of each text of the ground truth for a file.

    The published truth counts from the corner of a picture with a border of 25 pixels around it; drawn over the
    image without that, no box lies on its text.
    """
    truth = json.loads((folder / "ground_truth.json").read_text())
    entry = next(value for key, value in truth.items() if Path(key).stem in name or name.startswith(Path(key).stem))
    return [
        (max(0, box["left"] - TRUTH_BORDER), max(0, box["top"] - TRUTH_BORDER), box["width"], box["height"]) for box in found_boxes(entry)
    ]


def found_boxes(entry: object) -> list[dict[str, int]]:
    """Every mapping with a left, top, width and height, however deep it lies."""
    if isinstance(entry, dict):
        if {"left", "top", "width", "height"} <= set(entry):
            return [{key: int(entry[key]) for key in ("left", "top", "width", "height")}]
        return [box for value in entry.values() for box in found_boxes(value)]
    return [box for value in entry for box in found_boxes(value)] if isinstance(entry, list) else []


def test_hard_files_each_have_an_outcome(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "dcm_qa_ct_Philips_secondary_capture"
    reasons = {outcome.reason for outcome in deidentify_tree(folder, tmp_path, KEY)}
    assert reasons == {"burned_in_text_risk", "dicomdir"}


def test_compressed_pixels_stay_compressed_and_the_same(shared_data: Path, tmp_path: Path) -> None:
    seen = 0
    for path in sorted((shared_data / "dicom2nifti" / "generic").rglob("*-0001.dcm")):
        outcome = deidentify_file(path, tmp_path, KEY)
        if outcome.status == DEIDENTIFIED:
            before, after = dcmread(path), dcmread(tmp_path / outcome.output)
            assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
            assert (after.pixel_array == before.pixel_array).all()
            seen += 1
    assert seen >= 3


def test_damaged_real_files_never_crash(shared_data: Path, tmp_path: Path) -> None:
    chance = random.Random(7)
    wholes = [
        next((shared_data / "pseudoPHI_MR_ftdc/dicom").iterdir()).read_bytes()[:20000],
        (shared_data / "eCT_Supplemental.dcm").read_bytes()[:60000],
    ]
    for whole in wholes:
        for _ in range(60):
            content = bytearray(whole)
            for _ in range(chance.choice((1, 5, 50))):
                content[chance.randrange(140, 6000)] = chance.randrange(256)
            (tmp_path / "damaged").write_bytes(content)
            outcome = deidentify_file(tmp_path / "damaged", tmp_path / "out", KEY)
            assert outcome.status in ("deidentified", "refused")
