"""Imported scans in the simulator's clothes: what training makes its cases from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cad.datasets.consensus import Agreement, agreed, outline
from cad.datasets.scan import LabelledScan, Lesion, Patch
from cad.datasets.shapes import sphere
from cad.datasets.store import SCANS
from cad.datasets.stored import read_scan
from cad.errors import ShokenError
from cad.simulate.phantom import LesionTruth, Phantom
from cad.volume import Volume

MOST_LESIONS = 255


@dataclass(frozen=True, slots=True)
class ImportedScans:
    """A `Recipe.phantom` over a data set: `cases` gives the scan of each seed. Picklable, so that workers can have it."""

    root: Path
    cases: Mapping[int, str]
    agreement: Agreement

    def __call__(self, seed: int) -> Phantom:
        """The scan of this seed. Raises ShokenError for a seed that has none."""
        if seed not in self.cases:
            raise ShokenError("has no scan", subject=f"seed {seed}", accepted=f"one of {len(self.cases)} seeds of this data set")
        return phantom_of(read_scan(self.root / SCANS / self.cases[seed]), self.agreement)


def phantom_of(scan: LabelledScan, rule: Agreement) -> Phantom:
    """The scan with the lesions that `rule` keeps, numbered anew from 1; their size is that of the mask it makes.

    A lesion without a mask becomes a sphere of its diameter. Raises ShokenError for more than 255 lesions.
    """
    grid = scan.volume.grid
    kept = agreed(scan, rule)
    if len(kept) > MOST_LESIONS:
        raise ShokenError(f"has {len(kept)} lesions", subject=scan.series, accepted=f"at most {MOST_LESIONS}")
    labels = np.zeros(grid.shape, dtype=np.uint8)
    truths = []
    for label, lesion in enumerate(kept, start=1):
        patch = _mask(lesion, rule, scan)
        if patch is not None:
            part = labels[patch.window]
            part[(patch.voxels > 0) & (part == 0)] = label
            truths.append(_truth(label, lesion, patch, scan))
    return Phantom(scan.volume, Volume(labels, grid, "1", scan.volume.modality), tuple(truths))


def _mask(lesion: Lesion, rule: Agreement, scan: LabelledScan) -> Patch | None:
    found = outline(lesion, rule)
    return found if found is not None else sphere(lesion.centre_mm, max(lesion.diameter_mm, 3.0), scan.volume.grid)


def _truth(label: int, lesion: Lesion, patch: Patch, scan: LabelledScan) -> LesionTruth:
    grid = scan.volume.grid
    volume = int(patch.voxels.sum()) * grid.voxel_mm3
    given = scan.outlines == "sphere"  # a diameter that was measured says more than voxels counted in a sphere of it
    diameter = lesion.diameter_mm if given else patch.diameter_mm(grid)
    centre = lesion.centre_mm if given else patch.centre_mm(grid)
    return LesionTruth(label, lesion.kind, centre, diameter, np.pi / 6 * diameter**3 if given else volume)
