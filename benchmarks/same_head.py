"""Are two head MRs of one person? Simulated heads scanned twice, another day, pose, coil, noise and slice thickness, beside strangers.

    python benchmarks/same_head.py [FIRST] [COUNT]

Heads FIRST to FIRST + COUNT - 1, in turns in one sequence (T1 with contrast) and across two (T1 with contrast, FLAIR), each
registered to its own earlier scan and to a stranger's. The limit was set on heads 100 to 111, which this does not use.
"""

from __future__ import annotations

import argparse

import numpy as np
from common import keep, spread, table
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cad.prepare.register import register
from cad.prepare.same_patient import HEADS_CONFIRMED_FROM, same_patient
from cad.score.proportion import wilson
from cad.simulate.head import HeadPlan, Sequence, simulate_head
from cad.space import Grid
from cad.volume import Volume

SPACINGS = ((2.0, 1.8, 1.8), (5.0, 1.8, 1.8))
SEQUENCES: tuple[tuple[Sequence, Sequence], ...] = (("T1c", "T1c"), ("T1c", "FLAIR"))
NOISE = 20.0  # of a white matter's signal of 430 to 620


def main(first: int, count: int) -> None:
    """Score every pair, print and keep the figures."""
    found: dict[tuple[str, str], list[float]] = {}
    for seed in range(first, first + count):
        earlier, later = SEQUENCES[seed % 2]
        kind = earlier if earlier == later else f"{earlier} to {later}"
        current = scan(head(seed, later), 9000 + seed * 13, SPACINGS[(seed // 2) % 2])
        for who, other in (("same head", seed), ("two heads", seed + 100)):
            prior = scan(head(other, earlier), 8000 + other * 7, SPACINGS[(seed // 4) % 2])
            answer = same_patient(prior, current, register(prior, current, deformable=False))
            found.setdefault((who, kind), []).append(-1.0 if answer.score is None else answer.score)
    rows, figures = [], {}
    for (who, kind), scores in sorted(found.items()):
        confirmed, one = sum(score >= HEADS_CONFIRMED_FROM for score in scores), spread(scores)
        low, high = wilson(confirmed, len(scores))
        figures[f"{who}, {kind}"] = {"score": one, "confirmed": confirmed, "interval": [round(low, 3), round(high, 3)]}
        rows.append((who, kind, one["min"], one["median"], one["max"], confirmed, len(scores), f"{low:.2f}-{high:.2f}"))
    table(f"confirmed from {HEADS_CONFIRMED_FROM}", ("pair", "sequences", "min", "median", "max", "confirmed", "n", "95 %"), rows)
    keep("same_head", {"first": first, "count": count, "pairs": figures})


def head(seed: int, sequence: Sequence) -> Volume:
    """A head without noise and bias, which each scan adds for itself; with two lesions in T1 with contrast."""
    shape, spacing = (90, 130, 110), (2.0, 1.8, 1.8)
    return simulate_head(seed, HeadPlan(shape, spacing, 2 if sequence == "T1c" else 0, sequence, noise=0.0, bias=0.0)).volume


def scan(volume: Volume, seed: int, spacing_mm: tuple[float, float, float]) -> Volume:
    """The head as it lies on another day: turned by up to 8 degrees, moved by up to 12 mm, under another coil, with noise."""
    rng = np.random.default_rng(seed)
    box = volume.grid.box()
    middle = (np.asarray(box.low_mm) + np.asarray(box.high_mm)) / 2
    turn, shift = Rotation.from_euler("xyz", rng.uniform(-8, 8, 3), degrees=True).as_matrix(), rng.uniform(-12, 12, 3)
    shape = [int(size / step) for size, step in zip(reversed(box.size_mm), spacing_mm, strict=True)]
    origin = [low + step / 2 + float(r) for low, step, r in zip(box.low_mm, reversed(spacing_mm), rng.uniform(-6, 6, 3), strict=True)]
    grid = Grid.axial(shape, spacing_mm, origin)
    thick = spacing_mm[0] / volume.grid.spacing_mm[0]
    smooth = ndimage.gaussian_filter1d(volume.voxels.astype(np.float32), 0.42 * thick if thick > 1 else 0.01, axis=0)
    points = grid.to_mm(np.moveaxis(np.indices(grid.shape), 0, -1))
    at = np.moveaxis(volume.grid.to_index((points - middle) @ turn.T + middle + shift), -1, 0)
    coil = ndimage.zoom(rng.normal(0, 1, (3, 3, 3)), np.asarray(grid.shape) / 3, order=2)[tuple(map(slice, grid.shape))]
    signal = ndimage.map_coordinates(smooth, at, order=1, cval=0) * np.exp(0.12 * coil / coil.std())
    noisy = np.hypot(signal + rng.normal(0, NOISE, signal.shape), rng.normal(0, NOISE, signal.shape))
    return Volume(noisy.astype(np.float32), grid, "a.u.", "MR")


if __name__ == "__main__":
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("first", type=int, nargs="?", default=200)
    asked.add_argument("count", type=int, nargs="?", default=24)
    given = asked.parse_args()
    main(given.first, given.count)
