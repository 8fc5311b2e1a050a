"""The landmarks that a model keeps: where the grey values of what it learned from lie (see cad.prepare.landmarks)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad.prepare.inputs import InputRule, NetworkInput, tissue_of
from cad.prepare.landmarks import FEWEST_VOXELS, Landmarks, measured
from cad.space import FloatArray
from cad.train.dataset import load_cases

MOST = 60  # scans: more do not move a mean


def learned_landmarks(paths: Sequence[Path], rule: InputRule) -> tuple[Landmarks, ...]:
    """Of each sequence over the first MOST cached scans, with all that they were prepared with."""
    found: dict[str, list[FloatArray]] = {name: [] for name in rule.sequences or ("",)}
    for case in load_cases(paths[:MOST], whole=True):
        for name, values in _tissue(case.seen, rule).items():
            if len(values) >= FEWEST_VOXELS:
                found[name].append(measured(values))
    return tuple(Landmarks.learned(name, scans) for name, scans in found.items() if scans)


def _tissue(seen: NetworkInput, rule: InputRule) -> dict[str, NDArray[np.float32]]:
    images = {name: picture.image for name, picture in zip(rule.sequences, seen.pictures, strict=False) if picture}
    whole = {"": np.asarray(seen.image.voxels, dtype=np.float32)}
    return {name: tissue_of(image, seen.region) for name, image in (images or whole).items()}
