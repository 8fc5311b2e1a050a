"""Every path is in a study or in a refusal, whatever the file is."""

from __future__ import annotations

from pathlib import Path

import factory
import numpy as np
import pytest
from factory import Layout
from pydicom import dcmread
from pydicom.uid import DeflatedExplicitVRLittleEndian

from cad.read.headers import Scan, read_headers

GRID = factory.small_grid((4, 16, 12))


def one(folder: Path, **changes: object) -> Path:
    dataset = factory.build(lambda where: np.full(where.shape, 50.0), Layout(GRID))[1]
    for name, value in changes.items():
        if value is None:
            delattr(dataset, name)
        else:
            setattr(dataset, name, value)
    (path,) = factory.save([dataset], folder)
    return path


def reason(path: Path) -> str:
    scan = read_headers([path])
    assert not scan.studies
    (refusal,) = scan.refusals
    assert refusal.path == str(path)
    return refusal.reason


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"PixelData": None, "Rows": None}, "no_pixels"),
        ({"PixelData": None}, "no_pixels"),
        ({"PixelData": b"\0" * 100}, "truncated"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "secondary_capture"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.88.11"}, "unsupported_sop_class"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.128"}, "unsupported_sop_class"),
        ({"ImageType": ["DERIVED", "SECONDARY", "SCREEN SAVE"]}, "secondary_capture"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"Modality": "OT"}, "unknown_modality"),
        ({"SeriesInstanceUID": None, "FrameOfReferenceUID": None}, "missing_uid"),
        ({"Rows": 60000, "Columns": 60000}, "size_refused"),
        ({"BitsAllocated": 64}, "unsupported_bits"),
        ({"SamplesPerPixel": 3, "PixelData": b"\0" * (16 * 12 * 6)}, "colour_image"),
    ],
)
def test_what_is_not_an_acquired_image_is_refused_by_name(changes: dict[str, object], code: str, tmp_path: Path) -> None:
    assert reason(one(tmp_path, **changes)) == code


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 4000, b"PK\x03\x04" + b"\1" * 200, bytes(range(256)) * 40])
def test_files_that_are_not_dicom(content: bytes, tmp_path: Path) -> None:
    (path := tmp_path / "stray").write_bytes(content)
    assert reason(path) == "not_dicom"


def test_missing_files_and_folders_are_unreadable(tmp_path: Path) -> None:
    assert reason(tmp_path / "gone.dcm") == "unreadable"
    assert reason(tmp_path) == "unreadable"


def test_a_file_cut_anywhere_is_refused_and_never_raises(tmp_path: Path) -> None:
    whole = one(tmp_path).read_bytes()
    (path := tmp_path / "cut.dcm").write_bytes(whole)
    assert read_headers([path]).studies
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        assert reason(path)


def test_flipped_bytes_are_accounted_for_and_never_raise(tmp_path: Path) -> None:
    whole = bytearray(one(tmp_path).read_bytes())
    rng = np.random.default_rng(0)
    for trial in range(300):
        broken = whole.copy()
        for at in rng.integers(132, len(whole), 4):
            broken[at] = rng.integers(256)
        (path := tmp_path / "fuzzed.dcm").write_bytes(broken)
        scan, read = factory.read_back([path])
        assert not factory.unaccounted([path], scan, read), trial


def test_an_honest_deflated_file_is_read(tmp_path: Path) -> None:
    datasets = factory.build(lambda where: np.full(where.shape, 50.0), Layout(GRID))
    for dataset in datasets:
        dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    scan, read = factory.read_back(factory.save(datasets, tmp_path))
    assert not scan.refusals
    assert (read.volumes[0].voxels == 50).all()


def test_files_without_preamble_are_read(tmp_path: Path) -> None:
    dataset = dcmread(one(tmp_path))
    del dataset.file_meta
    dataset.preamble = None
    bare = tmp_path / "bare"
    dataset.save_as(bare, implicit_vr=True, little_endian=True)
    assert bare.read_bytes()[128:132] != b"DICM"
    scan = read_headers([bare])
    assert scan.studies[0].series[0].instances[0].path == bare


def test_studies_series_and_facts(tmp_path: Path) -> None:
    scene = lambda where: np.full(where.shape, 50.0)  # noqa: E731
    first = factory.save(factory.build(scene, Layout(GRID), seed=1), tmp_path / "one")
    second = factory.save(factory.build(scene, Layout(GRID), "MR", seed=2), tmp_path / "two")
    scan: Scan = read_headers([*second, *first])
    assert [study.study_instance_uid for study in scan.studies] == sorted(study.study_instance_uid for study in scan.studies)
    ct, mr = sorted((series for study in scan.studies for series in study.series), key=lambda s: s.modality)
    assert (ct.modality, mr.modality) == ("CT", "MR")
    assert [ref.path for ref in ct.instances] == first
    assert (ct.rows, ct.columns, ct.pixel_spacing_mm, ct.slice_thickness_mm) == (16, 12, (0.8, 0.8), 2.5)
    assert scan == read_headers([*first, *second])


def test_blanked_uids_are_held_together_by_the_frame_of_reference(tmp_path: Path) -> None:
    datasets = factory.build(lambda where: np.full(where.shape, 50.0), Layout(GRID))
    for dataset in datasets:
        dataset.StudyInstanceUID = dataset.SeriesInstanceUID = dataset.SOPInstanceUID = dataset.SOPClassUID = ""
    paths = []
    for k, dataset in enumerate(datasets):
        paths.append(tmp_path / f"{k}.dcm")
        dataset.save_as(paths[-1])
    scan, read = factory.read_back(paths)
    assert [len(series.instances) for study in scan.studies for series in study.series] == [4]
    assert len(read.volumes) == 1
