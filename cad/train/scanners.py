"""From cached chest CTs to what a model keeps of the scanners that it learned from (see cad.prepare.scanners)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cad.prepare.inputs import near
from cad.prepare.scanners import Scanners, reading
from cad.train.aligning import MOST
from cad.train.dataset import load_cases


def learned_scanners(paths: Sequence[Path]) -> Scanners | None:
    """Over the first MOST cached scans; None where too few of them show what is read."""
    cases = load_cases(paths[:MOST])
    return Scanners.learned([reading(case.source, case.seen.region, near(case.source, case.seen.image.grid).voxels) for case in cases])
