"""What is on disk is what was imported; no patient is on two sides, whatever they are called."""

from __future__ import annotations

import json
from dataclasses import replace

import layout_makers as make
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad.datasets.coverage import coverage, coverage_text, size_bin
from cad.datasets.layout import DataSetError
from cad.datasets.pixels import same_patients, slice_digests
from cad.datasets.splits import LeakError, Split, check_split, leaks, leaks_between, read_split, split_patients, write_split
from cad.datasets.store import DataSet, fingerprint_of, open_data
from cad.space import Grid
from cad.volume import Volume


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lidc")
    make.lidc(folder / "in", patients=2)
    return folder / "in", make.stored("lidc", folder / "in", folder / "out")


def test_a_scan_comes_back_with_all_its_marks(imported):
    source, data = imported
    before = make.read_all("lidc", source)[0]
    for row, scan in zip(data.cases, before, strict=True):
        again = data.scan(row["case"])
        np.testing.assert_array_equal(again.volume.voxels, scan.volume.voxels)
        assert again.volume.grid == scan.volume.grid
        assert not again.volume.voxels.flags.writeable
        assert (again.patient, again.readers, again.outlines, again.notes) == (scan.patient, scan.readers, scan.outlines, scan.notes)
        for one, other in zip(again.lesions, scan.lesions, strict=True):
            assert (one.number, one.kind, one.agreement) == (other.number, other.kind, other.agreement)
            for mark, was in zip(one.marks, other.marks, strict=True):
                assert (mark.reader, mark.answer, mark.traits, mark.centre_mm) == (was.reader, was.answer, was.traits, was.centre_mm)
                assert (mark.patch is None) == (was.patch is None)
                if mark.patch is not None:
                    np.testing.assert_array_equal(mark.patch.voxels, was.patch.voxels)


def test_the_manifest_accounts_for_every_file_and_the_fingerprint_for_every_byte(imported, tmp_path):
    source, data = imported
    manifest = data.manifest
    assert manifest["files_in"] == sum(path.is_file() for path in source.rglob("*")) == manifest["used"] + sum(manifest["refused"].values())
    assert len((data.root / "files.jsonl").read_text().splitlines()) == manifest["files_in"]
    assert (manifest["patients"], manifest["scans"], manifest["lesions"], manifest["places_marked"]) == (2, 2, 2, 4)
    assert data.faults() == ()
    again = make.stored("lidc", source, tmp_path / "again")
    assert again.fingerprint == data.fingerprint
    path = tmp_path / "again" / "scans" / "0001" / "image.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert open_data(tmp_path / "again").faults() == ("scans/0001/image.npy was changed",)
    path.unlink()
    assert open_data(tmp_path / "again").faults() == ("scans/0001/image.npy is missing",)


def test_an_edited_manifest_is_noticed(imported, tmp_path):
    _, data = imported
    edited = {**data.manifest, "lesions": 77}
    (tmp_path / "dataset.json").write_text(json.dumps(edited))
    with pytest.raises(DataSetError, match="was changed"):
        open_data(tmp_path)
    with pytest.raises(DataSetError, match="no imported data set"):
        open_data(tmp_path / "nowhere")


def test_a_source_without_a_scan_is_no_data_set(tmp_path):
    make.lidc(tmp_path / "in")
    for path in (tmp_path / "in").rglob("*.dcm"):
        path.write_bytes(b"\0" * 200)
    with pytest.raises(DataSetError, match="no scan that can be used"):
        make.stored("lidc", tmp_path / "in", tmp_path / "out")
    assert not (tmp_path / "out" / "dataset.json").exists()


def made_up(patients, tmp_path=None):
    """A data set of rows alone: (patient, has a lesion, slice digests)."""
    cases = [
        {"case": f"{n:04d}", "patient": patient, "readers": ["r"], "slices": list(slices), "lesions": [{"agreement": 1}] if sick else []}
        for n, (patient, sick, slices) in enumerate(patients)
    ]
    manifest = {"schema_version": "1.0", "cases": cases}
    return DataSet(tmp_path, {**manifest, "fingerprint": fingerprint_of(manifest)})


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.lists(st.integers(0, 30), max_size=3)), min_size=1, max_size=30),
    st.integers(0, 99),
)
def test_no_split_ever_leaks(rows, seed):
    data = made_up([(f"p{patient}", sick, [f"d{digest}" for digest in slices]) for patient, sick, slices in rows])
    split = split_patients(data, seed)
    check_split(data, split)
    assert leaks(data, split) == ()
    assert split == split_patients(data, seed)
    assert sorted(p for part in split.parts.values() for p in part) == sorted({row["patient"] for row in data.cases})


def test_each_side_has_its_share_of_lesions():
    data = made_up([(f"p{n}", n < 40, [f"d{n}"]) for n in range(200)])
    parts = split_patients(data, 3, (0.5, 0.25, 0.25)).parts
    sick = {f"p{n}" for n in range(40)}
    assert {part: (len(names), len(sick & set(names))) for part, names in parts.items()} == {
        "train": (100, 20),
        "calibration": (50, 10),
        "test": (50, 10),
    }
    assert split_patients(data, 4, (0.5, 0.25, 0.25)).parts != parts
    with pytest.raises(DataSetError, match="add up to 1"):
        split_patients(data, 3, (0.5, 0.5, 0.5))


def test_a_patient_on_two_sides_is_a_hard_stop(imported):
    _, data = imported
    one, other = (row["patient"] for row in data.cases)
    split = Split(data.fingerprint, 1, (0.5, 0.0, 0.5), 1, {"train": (one, other), "calibration": (), "test": (other,)})
    with pytest.raises(LeakError, match="belong to one patient"):
        check_split(data, split)
    left_over = replace(split, parts={"train": (one,), "calibration": (), "test": ()})
    with pytest.raises(DataSetError, match="leaves patients out"):
        check_split(data, left_over)
    with pytest.raises(DataSetError, match="other data"):
        check_split(data, replace(split, fingerprint="0"))


def test_the_same_patient_under_other_uids_and_another_encoding_is_found(tmp_path):
    """The same scan again: new name, new UIDs, compressed, stored signed, slices numbered backwards."""
    from factory import reverse, signed
    from pydicom.uid import JPEGLSLossless, generate_uid

    make.lidc(tmp_path / "in", patients=3)
    folder = tmp_path / "in" / "LIDC-IDRI-0999" / "a" / "b"
    datasets = signed(reverse(make.series(tmp_path / "scratch", 2, "LIDC-IDRI-0999")))
    folder.mkdir(parents=True)
    study, series = generate_uid(), generate_uid()
    for n, dataset in enumerate(datasets):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = study, series, generate_uid()
        dataset.compress(JPEGLSLossless, generate_instance_uid=False)
        dataset.save_as(folder / f"{n}.dcm", enforce_file_format=True)
    (folder / "1.xml").write_text(make.lidc_xml(datasets, []))
    data = make.stored("lidc", tmp_path / "in", tmp_path / "out")
    rows = {row["case"]: row for row in data.cases}
    (twins,) = same_patients(data.slices())
    assert len({rows[case]["patient"] for case in twins}) == 2
    assert len({rows[case]["series"] for case in twins}) == 2
    split = split_patients(data, 1)
    assert len(split.joined) == 1
    patients = tuple(row["patient"] for row in data.cases)
    apart = replace(split, parts={"train": (patients[0], patients[1], patients[2]), "calibration": (), "test": (patients[3],)})
    with pytest.raises(LeakError, match="share 12 slices, pixel for pixel"):
        check_split(data, apart)
    write_split(split, data)
    assert read_split(data) == split
    (data.root / "split.json").write_text((data.root / "split.json").read_text().replace(patients[0], "x"))
    with pytest.raises(DataSetError):
        read_split(data)


def test_a_scan_in_dicom_and_in_metaimage_is_one_patient(tmp_path):
    make.lidc(tmp_path / "lidc", patients=2)
    lidc = make.stored("lidc", tmp_path / "lidc", tmp_path / "a")
    scan = lidc.scan("0002")
    turned = Grid(scan.volume.grid.shape, scan.volume.grid.affine @ np.diag([1, -1, -1, 1.0]))
    make.luna16(
        tmp_path / "luna", {"1.2.3": Volume(np.asarray(scan.volume.voxels), scan.volume.grid), "1.2.4": Volume(make.ct(5), turned)}, []
    )
    luna = make.stored("luna16", tmp_path / "luna", tmp_path / "b")
    (leak,) = leaks_between(lidc, luna)
    assert (leak.case, leak.other_case, leak.seen_by, leak.slices) == ("0002", "0001", "pixels", 12)
    assert leaks_between(luna, make.stored("luna16", tmp_path / "luna", tmp_path / "c"))


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
def test_digests_do_not_depend_on_how_axes_run(flips):
    voxels = make.ct(1)
    where = np.eye(4)
    where[:3, :3] = np.diag(flips)
    where[:3, 3] = [(n - 1) if f < 0 else 0 for f, n in zip(flips, voxels.shape, strict=True)]
    turned = Volume(voxels[:: flips[0], :: flips[1], :: flips[2]].copy(), Grid(voxels.shape, make.GRID.affine @ where))
    plain = slice_digests(Volume(voxels, make.GRID))
    assert slice_digests(turned) == plain
    assert len(plain) == 12
    swapped = Volume(voxels.transpose(2, 1, 0).copy(), Grid(voxels.shape[::-1], make.GRID.affine[:, [2, 1, 0, 3]]))
    assert slice_digests(swapped) == plain


def test_one_unit_in_one_voxel_changes_one_digest_and_blank_slices_say_nothing():
    voxels = make.ct(1)
    changed = voxels.copy()
    changed[3, 5, 5] += 1
    changed[7] = -1000
    one, other = (set(slice_digests(Volume(v, make.GRID))) for v in (voxels, changed))
    assert len(one & other) == 10
    assert len(other) == 11


def test_coverage_counts_by_size_and_kind_and_names_what_is_missing(imported):
    _, data = imported
    report = coverage(data.cases)
    (lesion,) = [x for x in data.cases[0]["lesions"] if x["agreement"]]
    assert report["by_kind_and_size"]["solid"][size_bin(lesion["diameter_mm"])] == 2
    assert sum(sum(row.values()) for row in report["by_kind_and_size"].values()) == report["lesions"] == 2
    assert report["by_agreement"] == {"1": 2, "2": 2, "3": 2, "4": 0}
    assert coverage(data.cases, at_least=4)["lesions"] == 0
    assert "ground_glass, 6-8 mm" in report["missing"]
    assert report["traits"]["spiculation"] == {"4": 2}
    text = coverage_text(report)
    assert "ground_glass 3-6, 6-8, 8-15, 15-30, >=30 mm" in text
    assert [size_bin(d) for d in (0, 2.99, 3, 7.9, 8, 30, 99)] == ["0-3", "0-3", "3-6", "6-8", "8-15", ">=30", ">=30"]
