"""A chest phantom and a report about it: what every test of the write room looks at."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from cad.errors import Refusal
from cad.finding import (
    Candidate,
    Claim,
    Clause,
    CrossSection,
    Evidence,
    Exhibit,
    Faithfulness,
    Finding,
    Measurement,
    Similar,
    SimilarCase,
    Statement,
)
from cad.model import ModelVersion, OperatingPoint
from cad.report import CaseReport, FamilyNovelty, Funnel, Novelty, OddFeature, Reliability, SeriesChoice, Technique
from cad.space import Box, Grid
from cad.volume import Volume

NODULES = (((62.0, 12.0, 20.0), 7.0), ((-58.0, -20.0, 55.0), 3.5))  # centre (x, y, z) mm, radius mm
AORTA_X, AORTA_Y = 12.0, 38.0
MODEL = ModelVersion(
    "lung_nodule_ct",
    "1.2.0",
    "a3" * 32,
    "5d" * 32,
    "0.1.0+g4f2a91c",
    (OperatingPoint("propose", 0.31, 0.94, (0.89, 0.97), 212), OperatingPoint("reduce", 0.12, 0.91, (0.86, 0.95), 212)),
)
AORTA_MODEL = ModelVersion("aorta_ct", "1.0.3", "b4" * 32, "6e" * 32, "0.1.0+g4f2a91c", (), "two readers, 2026-03")


@cache
def chest() -> Volume:
    """Body, two lungs, spine, a tapering descending aorta and two nodules, in HU at 2.5 x 1.4 x 1.4 mm."""
    grid = Grid.axial((48, 240, 260), (2.5, 1.4, 1.4), (-181.3, -167.3, -30.0))
    x, y, z = np.moveaxis(grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    voxels = np.full(grid.shape, -1000.0)
    voxels[(x / 165) ** 2 + (y / 115) ** 2 < 1] = 45
    for side in (-1, 1):
        voxels[((x - side * 72) / 58) ** 2 + ((y + 5) / 85) ** 2 + ((z - 30) / 130) ** 2 < 1] = -860
    voxels[x**2 + (y - 75) ** 2 < 18**2] = 420
    voxels[(x + 5) ** 2 / 45**2 + (y + 35) ** 2 / 38**2 < 1] = 60
    voxels[np.hypot(x - AORTA_X, y - AORTA_Y) < aorta_radius(z)] = 190
    for centre, radius in NODULES:
        voxels[np.linalg.norm(np.stack([x, y, z], -1) - centre, axis=-1) < radius] = 30
    noise = np.random.default_rng(7).normal(0, 18, grid.shape)
    return Volume((voxels + noise).astype(np.int16), grid)


def aorta_radius(z: np.ndarray | float) -> np.ndarray:
    """Radius in mm along z: 13 mm, swelling to 21 mm at z = 40."""
    return 13 + 8 * np.exp(-((np.asarray(z) - 40) ** 2) / (2 * 14**2))


def ball(centre: tuple[float, float, float], radius: float, *, spacing: float = 1.0) -> Volume:
    """A mask of one ball on an isotropic grid of its own."""
    grid = chest().grid.around(centre, (int(3 * radius / spacing) + 8,) * 3, spacing)
    inside = np.linalg.norm(grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1)) - centre, axis=-1) < radius
    return Volume(inside.astype(np.uint8), grid, "1")


def heat(centre: tuple[float, float, float], radius: float) -> Volume:
    """A Gaussian heat map around a ball, a little off its centre."""
    grid = chest().grid.around(centre, (int(6 * radius) + 8,) * 3, 1.0)
    off = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1)) - np.asarray(centre) - np.array([1.5, 0, 0])
    return Volume(np.exp(-(np.linalg.norm(off, axis=-1) ** 2) / (2 * radius**2)).astype(np.float32), grid, "1")


def aorta_mask() -> Volume:
    grid = chest().grid
    x, y, z = np.moveaxis(grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1)), -1, 0)
    return Volume((np.hypot(x - AORTA_X, y - AORTA_Y) < aorta_radius(z)).astype(np.uint8), grid, "1")


@cache
def exhibits() -> tuple[Exhibit, ...]:
    crops = tuple(
        Exhibit("lung_nodule_ct", n, chest(), ball(centre, radius), heat(centre, radius)) for n, (centre, radius) in enumerate(NODULES, 1)
    )
    return (*crops, Exhibit("aorta_ct", 0, chest(), aorta_mask(), None, sections()))


def finding(rank: int, confidence: float, *, lang: str = "en", trustworthy: bool = True) -> Finding:
    centre, radius = NODULES[rank - 1]
    box = Box.cube(centre, 2 * radius)
    texts = {
        "en": ("A 14.0 mm nodule in the left lung.", "It is solid (mean 31 HU).", "The margin is smooth, which lowers suspicion."),
        "ja": ("左肺に14.0 mmの結節を認める。", "充実性である（平均31 HU）。", "辺縁は平滑で、悪性の疑いは低い。"),
    }[lang]
    clauses = (
        Clause("size", texts[0], ("long_axis", "short_axis")),
        Clause("density", texts[1], ("mean_hu",)),
        Clause("margin", texts[2], ("sphericity", "confidence")),
    )
    measurements = (
        Measurement("long_axis", 2 * radius, "mm", "axial_outline", (2 * radius - 0.9, 2 * radius + 1.1)),
        Measurement("short_axis", 2 * radius - 0.4, "mm", "axial_outline", (2 * radius - 1.5, 2 * radius + 0.6)),
        Measurement("volume", 4 / 3 * np.pi * radius**3, "mm3", "voxel_count", (0.9 * 4 * radius**3, 1.1 * 4.4 * radius**3)),
        Measurement("mean_hu", 31.0, "[hnsf'U]", "eroded_mask", (24.0, 38.5)),
        Measurement("texture", None, "", "share of voxels from -300 HU", label="part_solid"),
        Measurement("location", None, "", "side of the midline, thirds of the lung's height", label="left_middle_zone"),
        Measurement("pleural_contact", 0.31, "1", "share of the rim outside the lung", label="attached"),
        Measurement("sphericity", 0.93, "1", "marching_cubes"),
        Measurement("solid_part_diameter", None, "mm", "threshold_-160_HU", None, "cut_by_scan_edge"),
    )
    return Finding(
        rank,
        "lung_nodule_ct",
        "lung_nodule",
        Candidate(centre, box, (("triage", 0.97), ("propose", 0.88), ("reduce", confidence))),
        2 * radius,
        confidence,
        measurements,
        Evidence(
            ("2.25.1046123", "2.25.1046124"),
            box,
            "c5" * 32,
            "d6" * 32,
            Faithfulness(trustworthy, 0.61, 0.44, 0.05, trustworthy, 0.11, 0.38, 0.04, 0.21, "passed"),
        ),
        Statement(lang, clauses),
        MODEL,
        CLAIM if trustworthy else DOUBTED,
    )


CLAIM = Claim("lesion", 0.9, (38, 41), True, (), 0.4, 2.1, 0.6, (("erased", 0.02), ("small", 0.31), ("fat", 0.12), ("calcium", 0.05)))
DOUBTED = Claim("unsure", 0.9, (0, 0), False, ("unsteady", "looks_unlike"), 3.4, 2.1, 1.3)


def sections() -> tuple[CrossSection, ...]:
    turn = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    rings = [(float(z), float(aorta_radius(z))) for z in np.arange(-30, 88, 2.5)]
    return tuple(
        CrossSection(
            z + 30,
            2 * r,
            (AORTA_X, AORTA_Y, z),
            np.stack([AORTA_X + r * np.cos(turn), AORTA_Y + r * np.sin(turn), np.full(72, z)], axis=-1),
        )
        for z, r in rings
    )


def report(lang: str = "en", *, findings: int = 2) -> CaseReport:
    shown = (finding(1, 0.87, lang=lang), finding(2, 0.34, lang=lang, trustworthy=False))[:findings]
    return CaseReport(
        case="c-7f3a91d2",
        patient="p-51b0c7aa",
        study_instance_uid="2.25.329800735698586629295641978511506172918",
        status="screened",
        findings=shown,
        measurements=(
            Measurement("aorta_max", 42.0, "mm", "orthogonal_to_centreline", (40.6, 43.5), "measured", (AORTA_X, AORTA_Y, 40.0)),
            Measurement(
                "aorta_mid_descending", 27.1, "mm", "orthogonal_to_centreline", (26.0, 28.3), "measured", (AORTA_X, AORTA_Y, -10.0)
            ),
            Measurement("aorta_sinus", None, "mm", "orthogonal_to_centreline", None, "not_in_scan"),
        ),
        funnels=(Funnel("lung_nodule_ct", 48, 31, 46, 5, findings), Funnel("aorta_ct", 48, 48, 1, 1, 0)),
        refusals=(
            Refusal("export/000412", "not_dicom", "The first bytes are not a DICOM preamble and no data set could be read."),
            Refusal("2.25.77120993", "burned_in_text", "A secondary capture whose pixels hold text was held back."),
        ),
        warnings=(Refusal("2.25.10038812", "thick_slices", "Slices are 2.5 mm apart; nodules under 5 mm may be missed."),),
        choices=(
            SeriesChoice("lung_nodule_ct", "2.25.10038812", True, "axial, 2.5 mm, sharp kernel"),
            SeriesChoice("lung_nodule_ct", "2.25.10038813", False, "localizer"),
            SeriesChoice("aorta_ct", "2.25.10038812", True, "axial, 2.5 mm"),
        ),
        technique=(
            Technique("2.25.10038812", ("aorta_ct", "lung_nodule_ct"), "CT", "axial", 48, 2.5, 2.5, 0.7, kernel="B60f", contrast="yes"),
        ),
        novelty=(
            Novelty("lung_nodule_ct", 0.18, "familiar"),
            Novelty(
                "aorta_ct",
                0.71,
                "unusual",
                ("slice_spacing_mm 6, in training 1.25 to 5",),
                (
                    FamilyNovelty("protocol", "unusual", 1.6, (OddFeature("slice_spacing_mm", 6.0, 1.25, 5.0),)),
                    FamilyNovelty("noise", "familiar", 0.4),
                ),
                50,
                0.05,
                1 / 51,
            ),
        ),
        reliability=(
            Reliability(
                task="lung_nodule_ct",
                method="beta",
                candidates=214,
                lesions=44,
                scans=50,
                scans_with_lesion=30,
                brier=0.061,
                brier_interval=(0.041, 0.085),
                ece=0.028,
                ece_interval=(0.021, 0.064),
                raw_brier=0.19,
                raw_ece=0.31,
                curve=((0.04, 0.03, 0.01, 0.08, 150), (0.32, 0.4, 0.2, 0.6, 20), (0.88, 0.9, 0.77, 0.96, 44)),
                losses=(("temperature", 0.31), ("platt", 0.22), ("beta", 0.21), ("isotonic", 0.23)),
            ),
        ),
        models=(MODEL, AORTA_MODEL),
        settings_sha256="e7" * 32,
        lang=lang,
    )


def crowded(findings: int) -> tuple[CaseReport, tuple[Exhibit, ...]]:
    """A case as full as they come: so many findings, each with 25 measurements, a prior's volume and similar cases."""
    shown, seen = [], []
    for rank in range(1, findings + 1):
        one, exhibit = finding(2 - rank % 2, 0.9 / rank), exhibits()[(rank - 1) % 2]
        shown.append(replace(one, rank=rank, measurements=_all_measured(one), evidence=replace(one.evidence, similar=ALIKE)))
        seen.append(replace(exhibit, rank=rank))
    return replace(report(), findings=tuple(shown)), (*seen, exhibits()[-1])


ALIKE = Similar(
    tuple(SimilarCase(0.6 + n / 5, ("lesion", "look_alike")[n % 2], "simulated", 8.0 + n, "solid") for n in range(5)), 214, "ab" * 32, 2.4
)


def _all_measured(one: Finding) -> tuple[Measurement, ...]:
    names = ("median_hu", "p05_hu", "p95_hu", "sd_hu", "solid_fraction", "calcified_fraction", "margin_width", "spiculation_index")
    more = [Measurement(name, 12.3, "1", f"way {n % 6}", (11.0, 14.0)) for n, name in enumerate((*names, "lobulation_index"))]
    prior = (Measurement("prior_volume", 400.0, "mm3", "outline", (320.0, 500.0)), Measurement("prior_interval", 182.0, "d", "dates"))
    grown = Measurement("volume_change", 125.0, "%", "volumes", (60.0, 200.0), label="grown")
    hints = [Measurement(name, None, "", "guideline", label="lung_rads_2") for name in ("lung_rads_2022", "fleischner_2017")]
    return (*one.measurements, *more, *prior, grown, *hints, *more[:2])
