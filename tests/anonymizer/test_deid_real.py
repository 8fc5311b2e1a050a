"""Real files: geometry and pixels the same, no original identifying value in the bytes."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from deid_factory import KEY
from pydicom import dcmread
from pydicom.dataset import Dataset

from anonymizer.files import DEIDENTIFIED, deidentify_file, deidentify_tree
from anonymizer.rules import rule_for

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


def test_hard_files_each_have_an_outcome(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "dcm_qa_ct_Philips_secondary_capture"
    reasons = {outcome.reason for outcome in deidentify_tree(folder, tmp_path, KEY)}
    assert reasons == {"burned_in_text_risk", "dicomdir"}


def test_compressed_pixels_are_copied_as_they_are(shared_data: Path, tmp_path: Path) -> None:
    seen = 0
    for path in sorted((shared_data / "dicom2nifti" / "generic").rglob("*-0001.dcm")):
        outcome = deidentify_file(path, tmp_path, KEY)
        if outcome.status == DEIDENTIFIED:
            before, after = dcmread(path), dcmread(tmp_path / outcome.output)
            assert after.file_meta.TransferSyntaxUID == before.file_meta.TransferSyntaxUID
            assert after.PixelData == before.PixelData
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
