"""MR from files to findings: every real MR series gets a result or a coded refusal, and a head is screened alike classic or enhanced."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import Dataset, Sequence, dcmread

from cad.errors import Refusal
from cad.model import ModelVersion
from cad.prepare.bodypart import body_part
from cad.prepare.inputs import network_input
from cad.prepare.resample import resample
from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.read.limits import Limits
from cad.report import Funnel
from cad.simulate.head import HeadPlan, simulate_head, simulate_sequences
from cad.simulate.patients import LATIN, fake_patient
from cad.simulate.scanner import SeriesLook, write_series
from cad.space import Grid
from cad.tasks.brain_lesion_mr import TASK
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.task import TaskResult
from cad.volume import Volume
from pipelines.accounts import fates
from pipelines.choosing import choose
from pipelines.registry.shipped import FolderModels
from pipelines.technique import techniques

FOLDERS = (
    "dicom2nifti/failing/slicecount",
    "dicom2nifti/failing/sliceorientation",
    "dicom2nifti/generic/anatomical/001",
    "dicom2nifti/generic/anatomical/002_non_isotropic",
    "dicom2nifti/generic/compressed",
    "dicom2nifti/generic/compressed_j2k",
    "dicom2nifti/generic/compressed_jpeg",
    "dicom2nifti/generic/compressed_jpegls",
    "dicom2nifti/generic/compressed_rle",
    "dicom2nifti/hitachi/anatomical",
    "dicom2nifti/philips_enhanced/anatomical",
    "dicom2nifti/philips_enhanced/dti",
    "dicom2nifti/philips_enhanced/fmri",
    "pseudoPHI_MR_ftdc/dicom",
    "pseudoPHI_MR_ftdc/dicomDeidentified",
    "wg04_compressed",
)


@pytest.fixture(scope="module")
def model():
    models = FolderModels()
    return models.load(models.current(TASK.name))


def coded(answer: object) -> bool:
    """A result, or a refusal with a stable code and a sentence."""
    return isinstance(answer, TaskResult) or (
        isinstance(answer, Refusal) and re.fullmatch(r"[a-z_]+", answer.reason) is not None and len(answer.detail) > 10
    )


def look_through(volume: Volume, model) -> TaskResult | Refusal:
    return TASK.run(volume, model, lang="en", progress=lambda _: None)


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_real_mr_series_is_chosen_or_told_why_not(folder: str, shared_data: Path) -> None:
    paths = [p for p in sorted((shared_data / folder).rglob("*")) if p.is_file()]
    series = [one for study in read_headers(paths).studies for one in study.series if one.modality == "MR"]
    assert series
    made = choose(series, {TASK.name: TASK}, assemble)
    assert [c.series_instance_uid for c in made.choices] == [one.series_instance_uid for one in series]
    assert all(len(choice.reason) > 10 for choice in made.choices)
    assert not any(choice.chosen for choice in made.choices)  # none of these is a whole head in T1c or FLAIR


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_real_mr_volume_is_taken_by_every_later_stage(folder: str, shared_data: Path, model) -> None:
    """Past the choice, as if it had been made: body part, network input and the task itself with the shipped weights."""
    rule = CascadeSettings.from_dict(model.settings).rule
    paths = [p for p in sorted((shared_data / folder).rglob("*")) if p.is_file()]
    series = [one for study in read_headers(paths).studies for one in study.series if one.modality == "MR"]
    read = [assemble(one, Limits(slices=(10, 2))) for one in series]
    for volume in (volume for part in read for volume in part.volumes):
        assert body_part(volume).reason
        seen = network_input(volume, rule)
        assert isinstance(seen, Refusal) or np.isfinite(seen.image.voxels).all()
        assert coded(look_through(volume, model))
    assert all(part.volumes or part.refusals for part in read)


def test_a_real_head_is_looked_through(shared_data: Path, model) -> None:
    image = sitk.ReadImage(str(shared_data / "pyradiomics" / "brain1_image.nrrd"))
    voxels, affine = sitk.GetArrayFromImage(image), np.eye(4)
    affine[:3, :3] = (np.array(image.GetDirection()).reshape(3, 3) * image.GetSpacing())[:, ::-1]
    affine[:3, 3] = image.GetOrigin()
    assert isinstance(look_through(Volume(voxels, Grid(voxels.shape, affine), "a.u.", "MR"), model), TaskResult)


@pytest.fixture(scope="module")
def head() -> Volume:
    return simulate_head(77, HeadPlan(shape=(36, 96, 80), spacing_mm=(5, 2.5, 2.5), lesions=0)).volume


def classic(head: Volume, folder: Path, **look: str) -> list[Path]:
    shown = SeriesLook(**{"description": "T1", "body_part": "HEAD", "contrast": "Gadovist", "sequence": "T1c", **look})
    return list(write_series(head, folder, fake_patient(1, LATIN), 1, shown).files)


def enhanced(files: list[Path], path: Path) -> list[Path]:
    """The same pictures as one enhanced MR object (PS3.3 A.36), the acquisition in functional groups."""
    slices = [dcmread(file) for file in files]
    whole = dcmread(files[0])
    whole.SOPClassUID = whole.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.4.1"
    shared = Dataset()
    shared.PixelMeasuresSequence = Sequence([_copied(whole, "PixelSpacing", "SliceThickness")])
    shared.PlaneOrientationSequence = Sequence([_copied(whole, "ImageOrientationPatient")])
    timing, echo = Dataset(), Dataset()
    timing.RepetitionTime, timing.FlipAngle, echo.EffectiveEchoTime = whole.RepetitionTime, whole.FlipAngle, float(whole.EchoTime)
    shared.MRTimingAndRelatedParametersSequence, shared.MREchoSequence = Sequence([timing]), Sequence([echo])
    whole.SharedFunctionalGroupsSequence = Sequence([shared])
    whole.PerFrameFunctionalGroupsSequence = Sequence([_frame(one) for one in slices])
    whole.EchoPulseSequence, whole.NumberOfFrames = "GRADIENT", len(slices)
    whole.PixelData = b"".join(one.PixelData for one in slices)
    for keyword in ("PixelSpacing", "SliceThickness", "ImageOrientationPatient", "ImagePositionPatient", "EchoTime", "RepetitionTime"):
        delattr(whole, keyword)
    for keyword in ("ScanningSequence", "SequenceVariant", "FlipAngle"):
        delattr(whole, keyword)
    whole.save_as(path, enforce_file_format=True)
    return [path]


def _copied(source: Dataset, *keywords: str) -> Dataset:
    out = Dataset()
    for keyword in keywords:
        setattr(out, keyword, source[keyword].value)
    return out


def _frame(one: Dataset) -> Dataset:
    frame = Dataset()
    frame.PlanePositionSequence = Sequence([_copied(one, "ImagePositionPatient")])
    return frame


def test_a_head_is_chosen_alike_classic_or_enhanced(head: Volume, tmp_path: Path) -> None:
    files = classic(head, tmp_path / "classic")
    looks = []
    for paths in (files, enhanced(files, tmp_path / "enhanced.dcm")):
        (study,) = read_headers(paths).studies
        made = choose(study.series, {TASK.name: TASK}, assemble)
        (choice,) = made.choices
        assert choice.chosen, choice.reason
        assert "MR type T1c" in choice.reason
        looks.append(made.looks[0].volume)
    one, two = looks
    assert np.array_equal(one.voxels, two.voxels)
    assert np.allclose(one.grid.affine, two.grid.affine, atol=1e-5)


def test_a_task_of_one_series_takes_the_best_of_a_study_and_tells_why_not_the_rest(head: Volume, tmp_path: Path) -> None:
    looks = {"T1c": {}, "FLAIR": {"sequence": "FLAIR", "contrast": "", "description": "FLAIR"}, "plain": {"contrast": ""}}
    paths = [p for n, (name, look) in enumerate(looks.items()) for p in _series(head, tmp_path / name, n + 2, look)]
    (study,) = read_headers(paths).studies
    made = choose(study.series, {TASK.name: replace(TASK, needs=replace(TASK.needs, together=False))}, assemble)
    assert len(made.choices) == 3
    (chosen,) = [c for c in made.choices if c.chosen]
    assert "MR type T1c" in chosen.reason
    assert all("another is preferred" in c.reason for c in made.choices if not c.chosen)


def test_sequences_of_one_study_are_looked_at_together(tmp_path: Path) -> None:
    """T1c is the reference; FLAIR lies where its header says, T2 was taken after the patient moved; a second FLAIR is not needed."""
    plan = HeadPlan(shape=(45, 96, 80), spacing_mm=(4, 2.5, 2.5), lesions=0)
    scans = {name: scan.volume for name, scan in simulate_sequences(78, plan, ("T1c", "FLAIR", "T2")).items()}
    affine = scans["T2"].grid.affine.copy()
    affine[:3, 3] += (6.0, -5.0, 9.0)
    scans["T2"] = replace(scans["T2"], grid=Grid(scans["T2"].grid.shape, affine))
    looks = [("T1c", {}), *((name, {"sequence": name, "contrast": "", "description": name}) for name in ("FLAIR", "T2", "FLAIR"))]
    paths = [p for n, (name, look) in enumerate(looks) for p in _series(scans[name], tmp_path / str(n), n + 2, look)]
    (study,) = read_headers(paths).studies
    made = choose(study.series, {TASK.name: TASK}, assemble)
    (look,) = made.looks
    assert look.volume.sequence == "T1c"
    assert [part.sequence for part in look.volume.beside] == ["FLAIR", "T2"]
    said = {choice.shows.split("(")[-1].rstrip(")"): choice for choice in made.choices if choice.chosen}
    assert set(said) == {"T1c", "FLAIR", "T2"}
    assert "as its header says" in said["FLAIR"].reason
    assert "moved by up to 12 mm" in said["T2"].reason
    t2 = look.volume.beside[1]
    assert np.abs(t2.grid.to_mm((20, 40, 40)) - (scans["T2"].grid.to_mm((20, 40, 40)) - (6.0, -5.0, 9.0))).max() < 1.0
    (spare,) = [choice for choice in made.choices if not choice.chosen]
    assert "another is preferred" in spare.reason
    done = look.done(TaskResult((), Funnel(TASK.name, 45, 0, 0, 0, 0), MODEL))
    assert [entry.sequence for entry in techniques([done])] == ["T1c", "FLAIR", "T2"]
    unused, _ = fates({path: path.name for path in paths}, study.series, (), made, [done])
    assert {reason.detail for reason in unused.values()} == {spare.reason}


def test_a_thick_series_that_may_lead_goes_before_a_thin_one_that_may_not(tmp_path: Path) -> None:
    plan = HeadPlan(shape=(90, 96, 80), spacing_mm=(2, 2.5, 2.5), lesions=0)
    scans = {name: scan.volume for name, scan in simulate_sequences(78, plan, ("FLAIR", "T2", "T1")).items()}
    thick = scans["FLAIR"].grid.with_spacing((6.0, 2.5, 2.5))
    scans["FLAIR"] = replace(resample(scans["FLAIR"], thick, fill=0.0), sequence="FLAIR")
    paths = {
        name: _series(scan, tmp_path / name, n + 2, {"sequence": name, "contrast": "", "description": name})
        for n, (name, scan) in enumerate(scans.items())
    }
    (study,) = read_headers([path for files in paths.values() for path in files]).studies
    (look,) = choose(study.series, {TASK.name: TASK}, assemble).looks
    assert look.refusal is None
    assert look.volume.sequence == "FLAIR"
    assert [part.sequence for part in look.volume.beside] == ["T2", "T1"]
    (study,) = read_headers([*paths["T2"], *paths["T1"]]).studies
    made = choose(study.series, {TASK.name: TASK}, assemble)
    assert {look.refusal.reason for look in made.looks if look.refusal} == {"leading_sequence_missing"}
    assert len(made.looks) == 2
    assert all("not screened: brain_lesion_mr needs T1c or FLAIR" in choice.reason for choice in made.choices)


MODEL = ModelVersion("brain_lesion_mr", "0", "ab" * 32, "", "")


def _series(head: Volume, folder: Path, number: int, look: dict[str, str]) -> list[Path]:
    return classic(head, folder, series_number=number, **look)  # type: ignore[arg-type]
