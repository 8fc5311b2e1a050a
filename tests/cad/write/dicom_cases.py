"""A series on disk, what a task would say of it, and the DICOM objects made of that."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
from case_phantom import AORTA_MODEL, MODEL, finding
from factory import Datasets, Layout, build, read_back, save, small_grid
from pydicom import Dataset

from cad.finding import Exhibit, Measurement
from cad.measure.aorta.landmarks import METHODS
from cad.report import CaseReport, Funnel, Novelty
from cad.space import Box, Grid
from cad.volume import Volume
from cad.write.dicom import DicomFiles, dicom_files
from cad.write.dicom_receiver import USUAL, Receiver

BESIDE = (("outline", 40.2), ("direct", 43.1))  # what other ways made of the widest diameter
BALL_MM, RADIUS_MM = (4.0, -3.0, 1.0), 6.0
VESSEL_MM = (-8.0, 6.0)  # x, y of a vessel along z, 3 mm in radius


def scene(where: Grid) -> np.ndarray:
    """Lung with a ball and a vessel in it, HU."""
    x, y, z = np.moveaxis(where.to_mm(np.moveaxis(np.indices(where.shape), 0, -1)), -1, 0)
    ball = np.linalg.norm(np.stack([x, y, z], -1) - BALL_MM, axis=-1) < RADIUS_MM
    return np.where(ball | (np.hypot(x - VESSEL_MM[0], y - VESSEL_MM[1]) < 3.0), 40, -850)


def series(folder: Path, layout: Layout | None = None, change: Callable[[Datasets], Datasets] = lambda datasets: datasets) -> Volume:
    """The volume read from a series that was written with a change."""
    datasets = build(scene, layout or Layout(small_grid()))
    for dataset in datasets:
        dataset.StudyDate, dataset.StudyTime, dataset.PatientName = "20240102", "101112", "PAB2C3"
        dataset.PatientIdentityRemoved, dataset.LongitudinalTemporalInformationModified = "YES", "MODIFIED"
        dataset.DeidentificationMethod = "by hand"
    _, read = read_back(save(change(datasets), folder))
    (volume,) = read.volumes
    return volume


def ball(volume: Volume, centre: tuple[float, float, float] = BALL_MM, radius: float = RADIUS_MM, spacing: float = 0.7) -> Volume:
    """A ball as a mask on a fine grid of its own."""
    return Volume((_away(volume, centre, radius, spacing)[1] < radius).astype(np.uint8), _away(volume, centre, radius, spacing)[0], "1")


def exhibits(volume: Volume) -> tuple[Exhibit, ...]:
    """One nodule with its heat map, and a vessel over the whole volume."""
    grid, away = _away(volume, BALL_MM, RADIUS_MM, 1.0)
    heat = Volume(np.exp(-((away / RADIUS_MM) ** 2)).astype(np.float32), grid, "1")
    x, y, _ = np.moveaxis(volume.grid.to_mm(np.moveaxis(np.indices(volume.grid.shape), 0, -1)), -1, 0)
    vessel = Volume((np.hypot(x - VESSEL_MM[0], y - VESSEL_MM[1]) < 3.0).astype(np.uint8), volume.grid, "1")
    return Exhibit("lung_nodule_ct", 1, volume, ball(volume), heat), Exhibit("aorta_ct", 0, volume, vessel)


def case_report(volume: Volume, lang: str = "en") -> CaseReport:
    """One finding, two landmarks of which one could not be measured, two tasks."""
    middle = int(np.rint(volume.grid.to_index(BALL_MM)[0]))
    found = finding(1, 0.87, lang=lang)
    evidence = replace(found.evidence, key_slices=(volume.sources[middle].sop_instance_uid,), mask_sha256=ball(volume).digest())
    candidate = replace(found.candidate, centre_mm=BALL_MM, box_mm=Box.cube(BALL_MM, 2 * RADIUS_MM))
    return CaseReport(
        "case-1",
        "PAB2C3",
        "2.25.3",
        "screened",
        (replace(found, evidence=evidence, candidate=candidate),),
        (
            Measurement("aorta_max", 42.0, "mm", "orthogonal", (40.6, 43.5), position_mm=(*VESSEL_MM, 2.5), others=BESIDE),
            Measurement("aorta_max_second_estimate", BESIDE[1][1], "mm", METHODS["direct"], position_mm=(*VESSEL_MM, 2.5)),
            Measurement("aorta_sinus", None, "mm", "orthogonal", outcome="not_in_scan"),
        ),
        (Funnel("lung_nodule_ct", 12, 9, 4, 2, 1), Funnel("aorta_ct", 12, 12, 1, 1, 0)),
        novelty=(Novelty("lung_nodule_ct", 0.18, "familiar"),),
        models=(MODEL, AORTA_MODEL),
        settings_sha256="e7" * 32,
        lang=lang,
    )


def made(volume: Volume, receiver: Receiver = USUAL, lang: str = "en") -> DicomFiles:
    return dicom_files(case_report(volume, lang), exhibits(volume), {}, receiver)


def parsed(files: DicomFiles, name: str) -> Dataset:
    return pydicom.dcmread(io.BytesIO(files.files[name]))


def _away(volume: Volume, centre: tuple[float, float, float], radius: float, spacing: float) -> tuple[Grid, np.ndarray]:
    grid = volume.grid.around(centre, (int(3 * radius / spacing) + 6,) * 3, spacing)
    return grid, np.linalg.norm(grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1)) - centre, axis=-1)
