"""DICOM output: that outlines, values and references arrive where and as they were, whatever the source looked like."""

from __future__ import annotations

import io
import shutil
import subprocess
import zlib
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_cases import BALL_MM, BESIDE, RADIUS_MM, ball, case_report, exhibits, made, parsed, series
from factory import Layout, reverse, shuffle, small_grid
from highdicom import imread
from highdicom.ko import KeyObjectSelectionDocument
from highdicom.seg import Segmentation
from highdicom.sr import Comprehensive3DSR, srread
from pydicom.sr.codedict import codes
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from cad.errors import Refusal, ShokenError
from cad.finding import Claim, Exhibit
from cad.measure.aorta.landmarks import METHODS
from cad.read.segmentation import read_segmentation
from cad.space import Grid
from cad.volume import Volume
from cad.write.dicom import dicom_files
from cad.write.dicom_made import opened
from cad.write.dicom_receiver import SEGMENTATIONS, USUAL, Receiver
from cad.write.dicom_source import mask_on_frames, on_frames, source_of
from tests.cad.read.defects import enhanced

DCIODVFY, DSRDUMP = shutil.which("dciodvfy"), shutil.which("dsrdump")
CORONAL = Grid((12, 40, 32), np.array([[0, 0, 0.8, -12.4], [2.5, 0, 0, -13.75], [0, -0.8, 0, 15.6], [0, 0, 0, 1.0]]))


@pytest.fixture(scope="module")
def volume(tmp_path_factory) -> Volume:
    return series(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def files(volume):
    return made(volume)


def test_a_case_has_each_object_once(files):
    assert sorted(files.files) == ["kos.dcm", "map-01.dcm", "seg.dcm", "sr-tasks.dcm", "sr.dcm"]
    assert files.warnings == ()
    uids = [parsed(files, name).SOPInstanceUID for name in files.files]
    assert len(set(uids)) == 5


@pytest.mark.parametrize("encoding", SEGMENTATIONS)
@pytest.mark.parametrize(
    ("layout", "change"),
    [
        (Layout(small_grid()), lambda d: d),
        (Layout(small_grid()), reverse),
        (Layout(small_grid()), shuffle),
        (Layout(CORONAL), lambda d: d),
        (Layout(small_grid((9, 40, 32), (3.0, 0.8, 0.8)), along_mm=(0, 3, 6, 9, 12, 15, 18, 22, 26)), lambda d: d),
    ],
    ids=["plain", "reversed", "shuffled", "coronal", "uneven"],
)
def test_an_outline_lies_where_it_was_drawn(tmp_path, encoding, layout, change):
    read = series(tmp_path / "in", layout, change)
    (tmp_path / "seg.dcm").write_bytes(made(read, Receiver(segmentation=encoding)).files["seg.dcm"])
    source = source_of(read)
    seg = pydicom.dcmread(tmp_path / "seg.dcm")
    frames = {tuple(frame.affine[:, 2].round(3)): k for k, frame in enumerate(source.frames)}
    seen = np.zeros((len(source.frames), source.rows, source.columns), dtype=bool)
    pixels = seg.pixel_array.reshape(-1, source.rows, source.columns)
    for plane, group in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        place = tuple(np.round([float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient], 3))
        number = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber) if encoding == "binary" else 1
        seen[frames[place]] |= plane == 1 if number == 1 else False
    points = np.stack(
        [[frame.affine @ (r, c, 1) for r in range(source.rows) for c in range(source.columns)] for frame in source.frames]
    ).reshape(*seen.shape, 3)
    truth = np.linalg.norm(points - BALL_MM, axis=-1) < RADIUS_MM
    assert truth.sum() > 200
    assert 2 * (truth & seen).sum() / (truth.sum() + seen.sum()) > 0.95


@pytest.mark.parametrize("encoding", SEGMENTATIONS)
def test_our_own_reader_gets_the_same_outlines_back(tmp_path, volume, encoding):
    (tmp_path / "seg.dcm").write_bytes(made(volume, Receiver(segmentation=encoding)).files["seg.dcm"])
    labels = read_segmentation(tmp_path / "seg.dcm", volume.grid)
    source = source_of(volume)
    assert sorted(labels.masks.keys() - {"Background"}) == ["Aorta", "Finding 1"]
    for exhibit, name in zip(exhibits(volume), ("Finding 1", "Aorta"), strict=True):
        assert np.array_equal(labels.masks[name].voxels.astype(bool), mask_on_frames(exhibit.mask, source))


def test_frames_of_one_enhanced_object_are_named_by_their_numbers(tmp_path):
    read = series(tmp_path, change=enhanced)
    files = made(read)
    assert files.warnings == ()
    source, report = source_of(read), Comprehensive3DSR.from_dataset(parsed(files, "sr.dcm"))
    planar = drawn_nodule(report)
    reference = planar.roi.ContentSequence[0].ReferencedSOPSequence[0]
    (frame,) = [frame for frame in source.frames if frame.number == int(reference.ReferencedFrameNumber)]
    assert frame.off_mm(np.array(BALL_MM)) < 2.5
    seg = Segmentation.from_dataset(parsed(files, "seg.dcm"))
    (tmp_path / "seg.dcm").write_bytes(files.files["seg.dcm"])
    masks = read_segmentation(tmp_path / "seg.dcm", read.grid).masks
    assert masks["Finding 1"].voxels.sum() == mask_on_frames(ball(read), source).sum()
    assert {uid for _, _, uid in seg.get_source_image_uids()} == {source.frames[0].sop_instance_uid}


def test_a_tilted_gantry_keeps_its_own_planes(tmp_path):
    read = series(tmp_path, Layout(small_grid(), tilt_degrees=15))
    source = source_of(read)
    found = mask_on_frames(ball(read), source)
    volume_mm3 = found.sum() * 0.8 * 0.8 * 2.5
    assert volume_mm3 == pytest.approx(4 / 3 * np.pi * RADIUS_MM**3, rel=0.08)


def test_what_lies_between_two_slices_is_still_marked(volume):
    centre = (2.0, 2.0, float(volume.grid.to_mm((5.5, 0, 0))[2]))
    speck = ball(volume, centre, 0.9, 0.3)
    source = source_of(volume)
    assert (on_frames(speck, source).values >= 0.5).sum() == 0
    found = mask_on_frames(speck, source)
    assert 1 <= found.sum() <= 9
    k, row, column = (int(v) for v in np.argwhere(found)[0])
    assert np.linalg.norm(source.frames[k].affine @ (row, column, 1) - centre) < 2.5


def test_the_source_s_false_slice_spacing_is_not_copied(tmp_path):
    def lie(datasets):
        for dataset in datasets:
            dataset.SpacingBetweenSlices, dataset.SliceThickness = 0.625, 5.0
        return datasets

    measures = parsed(made(series(tmp_path, change=lie)), "seg.dcm").SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    assert (float(measures.SpacingBetweenSlices), float(measures.SliceThickness)) == (2.5, 5.0)


def test_the_same_case_gives_the_same_bytes_and_another_content_other_uids(volume, files):
    assert made(volume).files == files.files
    japanese = made(volume, lang="ja")
    assert parsed(japanese, "sr.dcm").SOPInstanceUID != parsed(files, "sr.dcm").SOPInstanceUID
    assert parsed(japanese, "seg.dcm").SOPInstanceUID == parsed(files, "seg.dcm").SOPInstanceUID
    for name in files.files:
        dataset = parsed(files, name)
        assert (dataset.PatientName, dataset.StudyDate, dataset.LongitudinalTemporalInformationModified) == (
            "PAB2C3",
            "20240102",
            "MODIFIED",
        )
        dates = {e.value for e in dataset.iterall() if e.VR in ("DA", "DT") and e.value}
        assert dates <= {"20240102"}, name


@pytest.mark.parametrize("encoding", SEGMENTATIONS)
def test_a_file_holds_what_its_data_set_says(volume, encoding):
    """UIDs are put into the finished bytes: they must be the only ones, in the data set as in its file meta information."""
    from cad.write.dicom_made import Maker
    from cad.write.dicom_map import cut_map

    files = made(volume, Receiver(segmentation=encoding))
    for name in files.files:
        dataset = parsed(files, name)
        assert dataset.SOPInstanceUID == dataset.file_meta.MediaStorageSOPInstanceUID
        assert not [element for element in dataset.iterall() if element.VR == "UI" and str(element.value).startswith("2.25.1.")]
        assert min(len(dataset.SOPInstanceUID), len(dataset.SeriesInstanceUID)) > 20
    report = case_report(volume)
    one = cut_map("map-01.dcm", report.findings[0], exhibits(volume)[0].heatmap, source_of(volume), Maker("a", "b"))
    assert one is not None
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, one.dataset, enforce_file_format=True)
    assert buffer.getvalue() == one.data


def test_a_study_without_dates_gets_the_date_that_stands_for_none(tmp_path):
    def empty(datasets):
        for dataset in datasets:
            dataset.StudyDate, dataset.StudyTime, dataset.PatientSex = "", "25:99", "unknown"
        return datasets

    report = parsed(made(series(tmp_path, change=empty)), "sr.dcm")
    assert (report.ContentDate, report.ContentTime, report.StudyTime, report.PatientSex) == ("19000101", "000000", "", "")


def test_the_report_says_it_in_codes_and_refers_to_what_is_there(files):
    report = Comprehensive3DSR.from_dataset(parsed(files, "sr.dcm"))
    seg, heat = Segmentation.from_dataset(parsed(files, "seg.dcm")), parsed(files, "map-01.dcm")
    (volumetric,) = [g for g in report.content.get_volumetric_roi_measurement_groups() if g.finding_type == codes.SCT.Nodule]
    assert volumetric.finding_sites[0].value == codes.SCT.Lung
    (outline,) = [item for item in volumetric[0].ContentSequence if item.name == codes.DCM.ReferencedSegment]
    assert outline.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == seg.SOPInstanceUID
    assert int(outline.ReferencedSOPSequence[0].ReferencedSegmentNumber) == 1
    description = seg.get_segment_description(1)
    assert (volumetric.tracking_uid, volumetric.tracking_identifier) == (description.tracking_uid, description.tracking_id)
    values = {m.name.meaning: (m.value, m.unit.value) for m in volumetric.get_measurements()}
    assert values["Long axis"] == (14.0, "mm")
    assert values["Certainty of Finding"] == (87.0, "%")
    assert values["Attenuation Coefficient"] == (31.0, "[hnsf'U]")
    evaluations = {e.name.meaning: e.value.value for e in volumetric.get_qualitative_evaluations()}
    assert evaluations["Texture of nodule"] == "RID50152"
    assert evaluations["solid part diameter outcome"] == "cut_by_scan_edge"
    assert {uid for _, _, uid, _ in report.get_evidence()} >= {seg.SOPInstanceUID, heat.SOPInstanceUID}
    texts = {str(element.value) for element in report.iterall() if element.keyword == "TextValue"}
    assert f"sha256={'a3' * 32}" in texts
    assert any(text.startswith("A 14.0 mm nodule in the left lung.") for text in texts)


def test_the_planar_group_draws_the_outline_on_its_slice(volume, files):
    report = Comprehensive3DSR.from_dataset(parsed(files, "sr.dcm"))
    planar = drawn_nodule(report)
    points = planar.roi.value
    source = source_of(volume)
    uid = planar.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    (frame,) = [frame for frame in source.frames if frame.sop_instance_uid == uid]
    away = [np.linalg.norm(frame.affine @ (row - 0.5, column - 0.5, 1) - BALL_MM) for column, row in points]
    assert (points[0] == points[-1]).all()
    assert np.abs(np.array(away) - RADIUS_MM).max() < 0.8


def drawn_nodule(report: Comprehensive3DSR):
    (planar,) = [g for g in report.content.get_planar_roi_measurement_groups() if g.finding_type == codes.SCT.Nodule]
    return planar


def test_every_group_of_the_first_report_has_a_place_and_the_second_has_the_rest(files):
    """OHIF 3.12 draws nothing of a report in which one group has no coordinates (groups of one tracking UID are one to it)."""
    first, second = (parsed(files, name).ContentSequence[-1].ContentSequence for name in ("sr.dcm", "sr-tasks.dcm"))
    drawn, all_of_them = set(), set()
    for group in first:
        (uid,) = [item.UID for item in group.ContentSequence if item.ConceptNameCodeSequence[0].get("CodeValue") == "112040"]  # tracking
        all_of_them.add(uid)
        drawn |= {uid for item in group.ContentSequence if item.ValueType == "SCOORD"}
    assert drawn == all_of_them
    assert len(drawn) == 4  # the nodule, the aorta, its widest place by two ways
    assert not any(item.ValueType == "SCOORD" for group in second for item in group.ContentSequence)
    assert len(second) == 3  # the sinus, which is not in the scan, and two tasks


def test_a_landmark_is_a_point_where_it_was_measured(volume, files):
    groups = Comprehensive3DSR.from_dataset(parsed(files, "sr.dcm")).content.get_planar_roi_measurement_groups()
    (widest,) = [group for group in groups if group.finding_type.value == "aorta_max"]
    uid = widest.roi.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    (frame,) = [frame for frame in source_of(volume).frames if frame.sop_instance_uid == uid]
    ((column, row),) = widest.roi.value
    (position,) = [m.position_mm for m in case_report(volume).measurements if m.name == "aorta_max"]
    assert np.linalg.norm((frame.affine @ (row - 0.5, column - 0.5, 1) - position)[:2]) < 0.01
    assert frame.off_mm(np.array(position)) <= 1.26


def test_a_confidence_that_no_calibration_covers_is_not_called_a_certainty(volume):
    report = case_report(volume)
    odd = replace(report.findings[0], claim=Claim("unsure", 0.9, (0, 0), False, ("scan_unlike",)))
    files = dicom_files(replace(report, findings=(odd,)), exhibits(volume), {}, USUAL)
    for group in Comprehensive3DSR.from_dataset(parsed(files, "sr.dcm")).content.get_volumetric_roi_measurement_groups():
        if group.finding_type == codes.SCT.Nodule:
            assert {m.name.value: m.value for m in group.get_measurements()}["score_not_calibrated"] == 87.0
            assert codes.DCM.CertaintyOfFinding not in [m.name for m in group.get_measurements()]
            said = {(e.name.value, e.value.value) for e in group.get_qualitative_evaluations()}
            assert said >= {("doubt", "scan_unlike"), ("verdict", "unsure")}


def test_a_label_map_becomes_a_segment_a_label(volume):
    whole, report = exhibits(volume)[-1], case_report(volume)
    masks = [np.zeros(whole.mask.grid.shape, dtype=np.uint8) for _ in range(3)]
    for place, mask in enumerate(masks):
        mask[1:4, 3:8, 3 + 9 * place : 9 + 9 * place] = 1
    names = ("spleen", "kidney_left", "odd_thing")
    parts = tuple((name, whole.mask.like(mask)) for name, mask in zip(names, masks, strict=True))
    files = dicom_files(replace(report, findings=()), (replace(whole, parts=parts, sections=()),), {}, USUAL)
    seg = Segmentation.from_dataset(parsed(files, "seg.dcm"))
    described = [seg.get_segment_description(number) for number in (1, 2, 3)]
    assert [d.segmented_property_type for d in described[:1]] == [codes.SCT.Spleen]
    assert [d.segmented_property_type.value for d in described[1:]] == ["kidney_left", "odd_thing"]
    assert described[1].anatomic_regions[0] == codes.SCT.Kidney
    assert len({d.tracking_uid for d in described}) == 3


def test_landmarks_and_tasks_have_groups_of_their_own(files):
    documents = [Comprehensive3DSR.from_dataset(parsed(files, name)) for name in ("sr.dcm", "sr-tasks.dcm")]
    groups = [group for document in documents for group in document.content.get_image_measurement_groups()]
    groups += [group for document in documents for group in document.content.get_planar_roi_measurement_groups()]
    by_name = {group.finding_type.value: group for group in groups}
    widest = by_name["aorta_max"].get_measurements()[0]
    assert (widest.name, widest.value, widest.derivation) == (codes.SCT.Diameter, 42.0, codes.SCT.Maximum)
    second = by_name["aorta_max_second_estimate"].get_measurements()[0]
    assert (second.name, second.value, second.derivation) == (codes.SCT.Diameter, 43.1, codes.SCT.Maximum)
    sinus = by_name["aorta_sinus"]
    assert sinus.get_measurements() == []
    assert [e.value.value for e in sinus.get_qualitative_evaluations()] == ["not_in_scan"]
    counts = {m.name.value: m.value for m in by_name["lung_nodule_ct"].get_measurements()}
    assert counts == {"candidates": 4.0, "candidates_shown": 1.0, "slices_looked_through": 12.0, "novelty_score": 0.18}


def test_a_diameter_by_other_ways_stands_beside_the_one_that_is_said(files):
    groups = Comprehensive3DSR.from_dataset(parsed(files, "sr.dcm")).content.get_planar_roi_measurement_groups()
    told = {group.finding_type.value: group.get_measurements() for group in groups}
    said, *others = told["aorta_max"]
    assert [m.value for m in others] == [value for _, value in BESIDE]
    assert {(m.name, m.unit, m.derivation) for m in (said, *others)} == {(codes.SCT.Diameter, codes.UCUM.Millimeter, codes.SCT.Maximum)}
    methods = [m.method for m in (said, *others)]
    assert len({method.value for method in methods}) == 3
    assert [method.meaning for method in methods[1:]] == [METHODS[source][:64] for source, _ in BESIDE]
    (alone,) = told["aorta_max_second_estimate"]
    assert alone.method == methods[2]  # one way has one code, wherever it stands
    assert [has_interval(m) for m in (said, *others)] == [True, False, False]


def has_interval(measurement) -> bool:
    """Whether a number says how far it may be off (TID 310)."""
    wanted = (codes.SCT.RangeOfUpperMeasurementUncertainty, codes.SCT.RangeOfLowerMeasurementUncertainty)
    return {item.name for item in measurement[0].get("ContentSequence", ())} >= set(wanted)


def test_a_case_without_findings_still_says_that_a_task_looked(volume):
    report = replace(case_report(volume), findings=(), measurements=())
    files = dicom_files(report, (Exhibit("lung_nodule_ct", 0, volume),), {}, USUAL)
    assert sorted(files.files) == ["sr-tasks.dcm"]
    groups = Comprehensive3DSR.from_dataset(parsed(files, "sr-tasks.dcm")).content.get_image_measurement_groups()
    assert {group.finding_type.value for group in groups} == {"lung_nodule_ct", "aorta_ct"}


def test_a_finding_without_an_outline_is_drawn_as_its_box(volume):
    bare = replace(exhibits(volume)[0], mask=None, heatmap=None)
    files = dicom_files(case_report(volume), (bare,), {}, USUAL)
    assert sorted(files.files) == ["kos.dcm", "sr-tasks.dcm", "sr.dcm"]
    planar = drawn_nodule(Comprehensive3DSR.from_dataset(parsed(files, "sr.dcm")))
    assert np.ptp(planar.roi.value, axis=0) == pytest.approx([2 * RADIUS_MM / 0.8] * 2, abs=0.01)


def heat_in_file(heat):
    """Heat (frames, rows, columns) in the order of the file."""
    return np.frombuffer(heat.FloatPixelData, dtype="<f4").reshape(-1, heat.Rows, heat.Columns)


def expected_heat(volume, source):
    """Heat on every pixel of every frame of the source."""
    heat = on_frames(exhibits(volume)[0].heatmap, source)
    whole = np.zeros((len(source.frames), source.rows, source.columns), dtype=np.float32)
    whole[heat.part] = heat.values
    return whole


def test_a_heat_map_has_every_pixel_of_its_series_and_is_small_all_the_same(volume, files):
    heat = parsed(files, "map-01.dcm")
    assert heat_in_file(heat).shape == (12, 40, 32)
    assert heat_in_file(heat).max() == expected_heat(volume, source_of(volume)).max()
    assert heat.file_meta.TransferSyntaxUID == DeflatedExplicitVRLittleEndian
    packed = files.files["map-01.dcm"]
    plain = zlib.decompressobj(wbits=-zlib.MAX_WBITS).decompress(packed[len(opened(heat.file_meta)) :])
    assert len(packed) < 12 * 40 * 32 * 4 < len(plain)
    assert inflated(packed).endswith(plain)  # as pydicom writes the same


def test_maps_with_other_heat_have_other_names(volume, files):
    first, vessel = exhibits(volume)
    colder = replace(first, heatmap=first.heatmap.like(first.heatmap.voxels * np.float32(0.5), "1"))
    other = dicom_files(case_report(volume), (colder, vessel), {}, USUAL)
    assert parsed(other, "map-01.dcm").SOPInstanceUID != parsed(files, "map-01.dcm").SOPInstanceUID


def test_a_map_too_large_for_an_element_is_cut(volume, monkeypatch):
    monkeypatch.setattr("cad.write.dicom_map.MOST_BYTES", 12 * 40 * 32 * 4 - 1)
    assert heat_in_file(parsed(made(volume), "map-01.dcm")).shape < (12, 40, 32)


def test_a_cut_heat_map_keeps_its_values_and_places(volume):
    heat = parsed(made(volume, Receiver(heat_maps="parametric_map_cut")), "map-01.dcm")
    values = heat_in_file(heat)
    assert values.max() == expected_heat(volume, source_of(volume)).max()
    assert values.size < 12 * 40 * 32
    k, row, column = np.unravel_index(values.argmax(), values.shape)
    group = heat.PerFrameFunctionalGroupsSequence[int(k)]
    corner = np.array([float(v) for v in group.PlanePositionSequence[0].ImagePositionPatient])
    assert np.linalg.norm(corner + np.array([0.8 * column, 0.8 * row, 0]) - BALL_MM) < 1.6
    assert "map-01.dcm" not in made(volume, Receiver(heat_maps="none")).files


@pytest.mark.parametrize("heat_maps", ["parametric_map", "parametric_map_cut"])
@pytest.mark.parametrize("change", [lambda d: d, reverse, shuffle], ids=["plain", "reversed", "shuffled"])
def test_a_heat_map_s_frames_lie_on_the_grid_and_in_its_order(tmp_path, heat_maps, change):
    """OHIF 3.12 takes frames in the order of the file for slices from the least place along the normal on, and reads no place."""
    read = series(tmp_path / "in", change=change)
    (tmp_path / "map.dcm").write_bytes(made(read, Receiver(heat_maps=heat_maps)).files["map-01.dcm"])
    source = source_of(read)
    expected = expected_heat(read, source)
    heat = imread(tmp_path / "map.dcm")
    places = np.array([heat.get_volume_geometry().affine @ (k, 0, 0, 1) for k in range(heat.number_of_frames)])[:, :3]
    values = heat.get_volume().array
    stored = np.array([[float(v) for v in g.PlanePositionSequence[0].ImagePositionPatient] for g in heat.PerFrameFunctionalGroupsSequence])
    assert np.all(np.diff(stored @ source.frames[0].normal) > 0)
    in_file = heat_in_file(heat)
    numbers = [int(g.FrameContentSequence[0].DimensionIndexValues) for g in heat.PerFrameFunctionalGroupsSequence]
    assert numbers == list(range(1, len(in_file) + 1))
    seen = np.zeros_like(expected)
    for place, plane in [*zip(places, values, strict=True), *zip(stored, in_file, strict=True)]:
        (k,) = [k for k, frame in enumerate(source.frames) if frame.off_mm(place) < 0.01]
        row, column = np.rint(source.frames[k].to_pixel(place)).astype(int)
        assert np.array_equal(expected[k, row : row + heat.Rows, column : column + heat.Columns], plane)
        seen[k, row : row + heat.Rows, column : column + heat.Columns] = plane
    assert np.abs(seen - expected).max() <= 0.01 * expected.max()
    away = [float(frame.off_mm(np.array(BALL_MM))) for frame in source.frames]
    assert int(seen.max(axis=(1, 2)).argmax()) == int(np.argmin(away))


@pytest.mark.parametrize("number", ["", "3", "8999", "9000", "9500", "3000566", "2147483000"])
def test_the_images_stay_the_study_s_first_series(tmp_path, number):
    """OHIF 3.12 opens the series with the least number: of a scan numbered 3000566 it showed our PDF and not the images."""

    def numbered(datasets):
        for dataset in datasets:
            dataset.SeriesNumber = number
        return datasets

    files = made(series(tmp_path, change=numbered)).with_report(b"%PDF-1.7")
    ours = {name: int(pydicom.dcmread(io.BytesIO(data)).SeriesNumber) for name, data in files.items()}
    assert len(set(ours.values())) == len(ours) == 6
    assert int(number or 0) < min(ours.values()) or number == "2147483000"


def test_a_viewer_that_knows_no_maps_gets_a_picture(volume):
    from PIL import Image

    png = io.BytesIO()
    Image.new("RGB", (30, 20), (10, 200, 30)).save(png, "PNG")
    receiver = Receiver(heat_maps="secondary_capture")
    files = dicom_files(case_report(volume), exhibits(volume), {"finding-01-heat.png": png.getvalue()}, receiver)
    picture = parsed(files, "map-01.dcm")
    assert picture.pixel_array.shape == (20, 30, 3)
    assert tuple(picture.pixel_array[0, 0]) == (10, 200, 30)


def test_a_map_that_failed_its_test_says_so(volume):
    report = case_report(volume)
    (found,) = report.findings
    untrusted = replace(found.evidence, faithfulness=replace(found.evidence.faithfulness, trustworthy=False))
    files = dicom_files(replace(report, findings=(replace(found, evidence=untrusted),)), exhibits(volume), {}, USUAL)
    assert parsed(files, "map-01.dcm").ContentDescription.startswith("NOT TRUSTWORTHY")


def test_overlapping_outlines_stay_whole_where_the_form_can_hold_them(volume):
    first, vessel = exhibits(volume)
    both = (first, replace(vessel, mask=ball(volume, (BALL_MM[0] + 3, *BALL_MM[1:]), RADIUS_MM)))
    source = source_of(volume)
    counts = {}
    for encoding in SEGMENTATIONS:
        files = dicom_files(case_report(volume), both, {}, Receiver(segmentation=encoding))
        seg = Segmentation.from_dataset(parsed(files, "seg.dcm"))
        pixels = seg.get_pixels_by_source_instance([str(h.SOPInstanceUID) for h in source.headers], ignore_spatial_locations=False)
        counts[encoding] = pixels.sum(axis=(0, 1, 2)).tolist()
    expected = [int(mask_on_frames(exhibit.mask, source).sum()) for exhibit in both]
    assert counts["binary"] == expected
    assert counts["labelmap"][0] == expected[0]
    assert counts["labelmap"][1] < expected[1]


def test_key_objects_are_the_slices_of_the_evidence(volume, files):
    keys = KeyObjectSelectionDocument.from_dataset(parsed(files, "kos.dcm"))
    chosen = [uid for _, _, uid, _ in keys.get_evidence()] if hasattr(keys, "get_evidence") else str(keys)
    assert case_report(volume).findings[0].evidence.key_slices[0] in chosen


def test_the_report_s_pdf_is_wrapped_and_nothing_else(files):
    wrapped = pydicom.dcmread(io.BytesIO(files.with_report(b"%PDF-1.7 odd")["pdf.dcm"]))
    assert wrapped.EncapsulatedDocument[: wrapped.EncapsulatedDocumentLength] == b"%PDF-1.7 odd"
    with pytest.raises(ShokenError, match="not a PDF"):
        files.with_report(b"<html>")


@pytest.mark.parametrize(
    ("keyword", "value", "reason"),
    [("FrameOfReferenceUID", "", "no_frame_of_reference"), ("Rows", None, "source_unreadable")],
)
def test_a_source_that_cannot_be_referred_to_is_named(tmp_path, keyword, value, reason):
    read = series(tmp_path)
    for ref in read.sources:
        dataset = pydicom.dcmread(ref.path)
        setattr(dataset, keyword, value)
        dataset.save_as(ref.path)
    refused = source_of(read)
    assert isinstance(refused, Refusal)
    assert refused.reason == reason
    files = made(read)
    assert files.files == {}
    assert [w.reason for w in files.warnings] == [f"dicom_{reason}"]
    assert files.with_report(b"%PDF-1.7") == {}


def test_images_that_name_a_frame_of_reference_each_share_one(tmp_path):
    def each(datasets):
        for k, dataset in enumerate(datasets):
            dataset.FrameOfReferenceUID = f"2.25.10{k}"
        return datasets

    files = made(series(tmp_path, change=each))
    assert [w.reason for w in files.warnings] == ["dicom_frames_of_reference_differ"]
    assert parsed(files, "seg.dcm").FrameOfReferenceUID == "2.25.100"


def inflated(data):
    """An object without deflation, which dciodvfy does not read."""
    dataset = pydicom.dcmread(io.BytesIO(data))
    if not dataset.file_meta.TransferSyntaxUID.is_deflated:
        return data
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


@pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy (Debian dicom3tools) is not installed")
@pytest.mark.parametrize("heat_maps", ["parametric_map", "parametric_map_cut"])
def test_dciodvfy_finds_no_error(tmp_path, volume, heat_maps):
    objects = made(volume, Receiver(heat_maps=heat_maps), lang="ja").with_report(b"%PDF-1.7")
    for name, data in objects.items():
        (tmp_path / name).write_bytes(inflated(data))
        done = subprocess.run([DCIODVFY, tmp_path / name], capture_output=True, check=False, timeout=60)
        lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
        assert [line for line in lines if line.startswith("Error")] == [], name


@pytest.mark.skipif(DSRDUMP is None, reason="dsrdump (Debian dcmtk) is not installed")
@pytest.mark.parametrize("name", ["sr.dcm", "kos.dcm"])
def test_dcmtk_reads_the_documents(tmp_path, files, name):
    (tmp_path / name).write_bytes(files.files[name])
    done = subprocess.run([DSRDUMP, tmp_path / name], capture_output=True, check=False, timeout=60)
    assert done.returncode == 0
    assert not [line for line in done.stderr.decode().splitlines() if line.startswith("E:")]
    assert b"Nodule" in done.stdout if name == "sr.dcm" else b"Of Interest" in done.stdout
    if name == "sr.dcm":
        assert srread(tmp_path / name).SOPInstanceUID == parsed(files, name).SOPInstanceUID
