"""How often a usual scan is called unlike the training data, and how often a strange one is.

`python benchmarks/novelty.py [--scans N]`: false alarms on simulated chests that set no level, detections of the same chests made
strange. A model whose levels were never calibrated is given some first, from as many training and calibration scans; the figures then
say so.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from common import keep, table
from lung import Bench, bench, share

from cad.errors import Refusal
from cad.explain.features import Features, scan_features
from cad.explain.novelty import FAMILIAR, UNLIKE, NoveltyReference
from cad.prepare.bodypart import body_part
from cad.prepare.inputs import network_input
from cad.simulate.head import HeadPlan, simulate_head
from cad.space import Grid
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.lung_nodule_ct import NEEDS
from cad.tasks.lung_recipe import RECIPE
from cad.train.dataset import TrainingCase
from cad.volume import Volume

REFUSED, USUAL = "refused", "as simulated (false alarms)"


def main() -> None:
    """One row a kind of scan."""
    with_what = bench(__doc__ or "", 40)
    stored = CascadeSettings.from_dict(with_what.model.settings).novelty
    reference = stored if stored.held_out else fitted(with_what)
    levels: dict[str, list[str]] = {name: [] for name in (USUAL, *CHANGES)}
    for number, case in enumerate(with_what.cases("test")):
        levels[USUAL].append(reference.judge(features(with_what, case), "t").level)
        if number < max(8, with_what.scans // 4):
            for name, change in CHANGES.items():
                levels[name].append(level(with_what, reference, change(case.source, case.seed)))
        print(case.seed, *(found[-1] for found in levels.values() if len(found) > number), flush=True)
    rows = {name: counted(found) for name, found in levels.items()}
    table("novelty", ("scan", "refused", "unlike", "unusual or worse"), [(name, *row.values()) for name, row in rows.items()])
    stated = dict(zip(("unusual", "unlike"), reference.false_alarms(), strict=True))
    kept = {"training": reference.n, "held_out": reference.held_out, "levels_from_model": bool(stored.held_out), "stated": stated}
    keep("novelty", {"weights": with_what.model.version.sha256, **kept, "rows": rows})


def fitted(with_what: Bench) -> NoveltyReference:
    """Levels for a model that has none."""
    parts = [[features(with_what, case) for case in with_what.cases(part)] for part in ("train", "calibration")]
    return NoveltyReference.fit(*parts)


def features(with_what: Bench, case: TrainingCase) -> Features:
    """Of a usual scan, as training takes them."""
    return scan_features(case.source, case.seen, RECIPE.rule, with_what.model.stage("reduce"))


def level(with_what: Bench, reference: NoveltyReference, volume: Volume) -> str:
    """The level, or that the scan was refused before: wrong body part, or no lungs."""
    if body_part(volume).name not in {NEEDS.body, "other"}:
        return REFUSED
    seen = network_input(volume, RECIPE.rule)
    if isinstance(seen, Refusal):
        return REFUSED
    return reference.judge(scan_features(volume, seen, RECIPE.rule, with_what.model.stage("reduce")), "t").level


def counted(levels: list[str]) -> dict[str, str]:
    """Shares with exact intervals; a refusal counts as noticed."""
    refused, unlike = levels.count(REFUSED), levels.count(UNLIKE)
    return {
        "refused": share(refused, len(levels)),
        "unlike": share(refused + unlike, len(levels)),
        "unusual or worse": share(sum(found != FAMILIAR for found in levels), len(levels)),
    }


def noisier(volume: Volume, seed: int) -> Volume:
    """Four times the noise: 20 HU become 80."""
    rows = np.asarray(volume.voxels[::4, ::4], dtype=np.float32)
    sd = float(np.median(np.abs(rows[..., 2:] - 2 * rows[..., 1:-1] + rows[..., :-2]))) / 0.6745 / 6**0.5
    return _changed(volume, volume.voxels + np.random.default_rng(seed).normal(0, 15**0.5 * max(sd, 5.0), volume.voxels.shape))


def halved(volume: Volume, _seed: int) -> Volume:
    """Only the upper half of the slices."""
    half = volume.grid.shape[0] // 2
    return Volume(volume.voxels[half:], volume.grid.crop((half, 0, 0), (volume.grid.shape[0] - half, *volume.grid.shape[1:])), volume.unit)


def thick(volume: Volume, _seed: int) -> Volume:
    """Slices of at least 8 mm, averaged."""
    many = int(np.ceil(8 / volume.grid.spacing_mm[0]))
    count = volume.grid.shape[0] // many
    voxels = volume.voxels[: count * many].astype(np.float32).reshape(count, many, *volume.grid.shape[1:]).mean(axis=1)
    dz, dy, dx = volume.grid.spacing_mm
    return Volume(voxels, Grid.axial(voxels.shape, (dz * many, dy, dx), volume.grid.box().low_mm), volume.unit)


def inverted(volume: Volume, _seed: int) -> Volume:
    """Air bright, bone dark."""
    return _changed(volume, -600 - volume.voxels.astype(np.float32))


def metal(volume: Volume, seed: int) -> Volume:
    """A plate of 8000 HU beside the heart with streaks of 300 HU that fade with the distance from it."""
    rng = np.random.default_rng(seed)
    d, h, w = volume.grid.shape
    centre = np.array([d / 2, h * rng.uniform(0.35, 0.55), w * rng.uniform(0.4, 0.6)])
    z, y, x = np.meshgrid(np.arange(d) - centre[0], np.arange(h) - centre[1], np.arange(w) - centre[2], indexing="ij", sparse=True)
    r = np.hypot(y, x)
    near = np.abs(z * volume.grid.spacing_mm[0]) < 25
    voxels = volume.voxels + near * 300 * np.cos(14 * np.arctan2(y, x)) * np.exp(-r / 90)
    return _changed(volume, np.where(near & (np.abs(y) < 3) & (np.abs(x) < 14), 8000, voxels))


def moved(volume: Volume, seed: int) -> Volume:
    """The patient moves: every slice shifted by up to 5 pixels."""
    shifts = np.random.default_rng(seed).integers(-5, 6, (volume.grid.shape[0], 2))
    return _changed(volume, np.stack([np.roll(plane, shift, (0, 1)) for plane, shift in zip(volume.voxels, shifts, strict=True)]))


def smooth(volume: Volume, _seed: int) -> Volume:
    """Over-smoothed, as some denoising filters do."""
    from scipy import ndimage

    return _changed(volume, ndimage.gaussian_filter(volume.voxels.astype(np.float32), (0, 2.0, 2.0)))


def head(_volume: Volume, seed: int) -> Volume:
    """A head MR whose numbers are taken for HU, from air at -1000."""
    found = head_of(seed)
    values = np.asarray(found.voxels, dtype=np.float32)
    return Volume(values / max(float(np.percentile(values, 99)), 1e-6) * 1100 - 1000, found.grid, "HU", "CT")


def mr_as_ct(_volume: Volume, seed: int) -> Volume:
    """The same, its numbers untouched."""
    found = head_of(seed)
    return Volume(np.asarray(found.voxels, dtype=np.float32), found.grid, "HU", "CT")


@lru_cache(1)
def head_of(seed: int) -> Volume:
    """A head of T1 with contrast, which two changes in turn use."""
    return simulate_head(seed, HeadPlan()).volume


def _changed(volume: Volume, voxels: np.ndarray) -> Volume:
    return Volume(np.asarray(np.clip(voxels, -32000, 32000), dtype=np.float32), volume.grid, volume.unit, volume.modality)


CHANGES: dict[str, Callable[[Volume, int], Volume]] = {
    "noise x 4": noisier,
    "half the slices": halved,
    "slices of 8 mm and more": thick,
    "metal with streaks": metal,
    "motion between slices": moved,
    "over-smoothed": smooth,
    "inverted": inverted,
    "head instead of chest": head,
    "MR taken for CT": mr_as_ct,
}

if __name__ == "__main__":
    main()
