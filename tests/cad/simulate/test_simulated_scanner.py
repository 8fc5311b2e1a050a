"""Simulated DICOM against what pydicom reads back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from cad.simulate.patients import JAPANESE, LATIN, UTF8, FakePatient, fake_patient
from cad.simulate.scanner import SeriesLook, write_localizer, write_secondary_capture, write_series
from cad.space import Grid
from cad.volume import Volume


def ct(shape: tuple[int, int, int] = (6, 12, 16)) -> Volume:
    voxels = np.random.default_rng(0).integers(-1024, 2000, shape).astype(np.int16)
    return Volume(voxels, Grid.axial(shape, (2.5, 0.7, 0.65), (-10.1, -20.2, -30.3)))


def read(files: tuple[Path, ...]) -> list[Dataset]:
    return [pydicom.dcmread(f) for f in files]


def test_hu_and_geometry_read_back(tmp_path: Path) -> None:
    volume = ct()
    written = write_series(volume, tmp_path, fake_patient(1), 1, SeriesLook())
    slices = read(written.files)
    hu = np.stack([d.pixel_array.astype(int) * int(d.RescaleSlope) + int(d.RescaleIntercept) for d in slices])
    assert np.array_equal(hu, volume.voxels)
    for k, dataset in enumerate(slices):
        assert np.allclose(dataset.ImagePositionPatient, volume.grid.to_mm((k, 0, 0)))
        assert [float(v) for v in dataset.ImageOrientationPatient] == [1, 0, 0, 0, 1, 0]
        assert [float(v) for v in dataset.PixelSpacing] == [0.7, 0.65]
        assert dataset.SeriesInstanceUID == written.series_instance_uid
    assert len({d.SOPInstanceUID for d in slices}) == len(slices)


def test_mr_is_stored_unsigned_without_rescale(tmp_path: Path) -> None:
    volume = Volume(np.full((2, 8, 8), 900, dtype=np.int16), Grid.axial((2, 8, 8), (1, 1, 1)), unit="1", modality="MR")
    dataset = read(write_series(volume, tmp_path, fake_patient(1), 1, SeriesLook(sequence="T1c")).files)[0]
    assert dataset.SOPClassUID == pydicom.uid.MRImageStorage
    assert (dataset.pixel_array == 900).all()
    assert "RescaleSlope" not in dataset


@pytest.mark.parametrize("charset", [UTF8, JAPANESE, LATIN])
def test_names_decode_in_their_character_set(tmp_path: Path, charset: tuple[str, ...]) -> None:
    patient = fake_patient(4, charset)
    dataset = read(write_series(ct(), tmp_path, patient, 1, SeriesLook()).files)[0]
    assert str(dataset.PatientName) == patient.name
    assert dataset.InstitutionName == patient.hospital
    assert dataset.AdditionalPatientHistory == patient.history
    if charset != LATIN:
        assert "=" in patient.name
        assert any("\u4e00" <= c <= "\u9fff" for c in dataset.PatientName.ideographic)
        assert any("\u3040" <= c <= "\u309f" for c in dataset.PatientName.phonetic)


def test_identity_hides_in_sequences_and_private_tags(tmp_path: Path) -> None:
    patient = fake_patient(5, UTF8)
    dataset = read(write_series(ct(), tmp_path, patient, 1, SeriesLook()).files)[0]
    block = dataset.private_block(0x0029, "SHOKEN SIMULATED 01")
    assert block[0x10].value == patient.roman_name
    assert patient.patient_id.encode() in block[0x11].value
    assert block[0x12].value[0].PatientID == patient.patient_id
    assert dataset.OtherPatientIDsSequence[0].PatientID == f"X{patient.patient_id}"


def test_left_out_slices_are_missing(tmp_path: Path) -> None:
    written = write_series(ct(), tmp_path, fake_patient(1), 1, SeriesLook(left_out=(2, 3)))
    z = [float(d.ImagePositionPatient[2]) for d in read(written.files)]
    assert np.diff(z) == pytest.approx([2.5, 7.5, 2.5])


def test_same_arguments_same_bytes(tmp_path: Path) -> None:
    one, two = (write_series(ct(), tmp_path / n, fake_patient(3), 9, SeriesLook()) for n in ("a", "b"))
    assert [f.read_bytes() for f in one.files] == [f.read_bytes() for f in two.files]


def test_localizer_says_so(tmp_path: Path) -> None:
    write_localizer(ct(), tmp_path / "IM1", fake_patient(1), 1, SeriesLook())
    dataset = pydicom.dcmread(tmp_path / "IM1")
    assert "LOCALIZER" in dataset.ImageType
    assert dataset.pixel_array.shape == (6, 16)


def test_secondary_capture_has_text_burned_in(tmp_path: Path) -> None:
    def pixels(patient: FakePatient, name: str) -> np.ndarray:
        write_secondary_capture(tmp_path / name, patient, 1)
        return np.asarray(pydicom.dcmread(tmp_path / name).pixel_array)

    first, second = pixels(fake_patient(1), "a"), pixels(fake_patient(2), "b")
    assert (first[:190] > 150).sum() > 300
    assert not np.array_equal(first[:190], second[:190])
    assert pydicom.dcmread(tmp_path / "a").BurnedInAnnotation == "YES"
