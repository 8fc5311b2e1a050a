"""What bringing grey values to a model's own landmarks is worth on scans of other scanners.

`python benchmarks/alignment.py --data FOLDER --model FILE`: FOLDER holds the heads that `shoken train brain_lesion_mr` made (its `data`),
FILE its model. Landmarks are learned on its training heads. Calibration heads, from which no network learned, are shown to the proposal
stage with the sequences that were drawn for them: as they are, and as other scanners would have made them, each with and without
alignment. CPM of the proposals with a 95 % interval by scan, and the paired difference.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from common import keep, table
from numpy.typing import NDArray

from cad.backends import Network
from cad.errors import Refusal
from cad.networks import load, sha256_of
from cad.prepare.inputs import InputRule, network_input
from cad.prepare.resample import resample_labels
from cad.score.bootstrap import bootstrap
from cad.score.froc import curve_of
from cad.score.match import ScanMatch
from cad.tasks.brain_recipe import RECIPE
from cad.tasks.validating import matched
from cad.train.aligning import learned_landmarks
from cad.train.dataset import TrainingCase, load_case
from cad.volume import Volume

Shift = Callable[[NDArray[np.float32]], NDArray[np.float32]]


def _as_it_is(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    return voxels


def _gain(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    return 3.1 * voxels + 40


def _gamma(power: float) -> Shift:
    def shifted(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
        top = max(float(np.percentile(voxels, 99.5)), 1.0)
        return np.asarray(top * np.power(np.maximum(voxels, 0) / top, power), dtype=np.float32)

    return shifted


def _shaded(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A surface coil: 50 % brighter in front than behind, on a straight slope."""
    return np.asarray(voxels * np.linspace(1.2, 0.8, voxels.shape[1], dtype=np.float32)[None, :, None], dtype=np.float32)


SHIFTS: dict[str, Shift] = {
    "as they are": _as_it_is,
    "gain 3.1, offset 40": _gain,
    "gamma 0.6": _gamma(0.6),
    "gamma 1.6": _gamma(1.6),
    "coil shading of 50 %": _shaded,
}


@dataclass(frozen=True)
class Looked:
    """The proposals of one scan without and with alignment, and how many of its sequences were moved."""

    plain: ScanMatch
    aligned: ScanMatch
    moved: int


def main() -> None:
    """Every shift, a row each."""
    asked = _arguments()
    torch.set_num_threads(1)
    rule = replace(RECIPE.rule, landmarks=learned_landmarks([_path(asked.data, seed) for seed in RECIPE.seeds("train")], RECIPE.rule))
    network = load(asked.model, sha256_of(asked.model)).forward("propose")
    print("; ".join(f"{one.sequence}: {np.round(one.values, 3)}, tolerance {one.tolerance:.3f}" for one in rule.landmarks))
    rows = []
    paths = [_path(asked.data, seed) for seed in RECIPE.seeds("calibration")[: asked.heads]]
    for name, shift in SHIFTS.items():
        rows.append(_row(name, [looked(load_case(path), shift, rule, network) for path in paths]))
        print(rows[-1], flush=True)
    heads = ("scans", "without", "interval", "with", "interval ", "gain", "interval  ", "sequences moved", "lesions")
    table(f"proposals alone, {asked.heads} calibration heads", heads, rows)
    keep("alignment", {"heads": asked.heads, "rows": [dict(zip(heads, row, strict=True)) for row in rows]})


def looked(case: TrainingCase, shift: Shift, rule: InputRule, network: Network) -> Looked:
    """One scan after the shift, both ways. The same twice where nothing was moved."""
    parts = tuple(_shifted(part, shift) for part in case.source.beside)
    source = replace(_shifted(case.source, shift), beside=parts)
    plain, aligned = (_match(case, source, chosen, network) for chosen in (replace(rule, landmarks=()), rule))
    return Looked(plain[0], aligned[0], aligned[1])


def _match(case: TrainingCase, source: Volume, rule: InputRule, network: Network) -> tuple[ScanMatch, int]:
    seen = network_input(source, rule)
    if isinstance(seen, Refusal):  # no brain found: every lesion is missed
        return ScanMatch(str(case.seed), (None,) * len(case.lesions), ()), 0
    shown = replace(case, source=source, seen=seen, labels=resample_labels(case.source_labels, seen.image.grid))
    return matched(shown, network), len(seen.aligned(rule))


def _shifted(part: Volume, shift: Shift) -> Volume:
    voxels = np.asarray(np.rint(shift(np.asarray(part.voxels, dtype=np.float32))), dtype=np.int16)
    return replace(part, voxels=voxels, beside=())


def _row(name: str, found: Sequence[Looked]) -> tuple[str, ...]:
    plain, aligned = [one.plain for one in found], [one.aligned for one in found]
    gain = bootstrap(lambda drawn: _cpm([one.aligned for one in drawn]) - _cpm([one.plain for one in drawn]), found)
    numbers = (_cpm(plain), bootstrap(_cpm, plain), _cpm(aligned), bootstrap(_cpm, aligned), _cpm(aligned) - _cpm(plain), gain)
    moved, lesions = sum(one.moved for one in found), sum(len(match.lesions) for match in plain)
    return (name, *(f"{n:.2f}" if isinstance(n, float) else f"{n[0]:.2f} to {n[1]:.2f}" for n in numbers), str(moved), str(lesions))


def _cpm(matches: Sequence[ScanMatch]) -> float:
    return curve_of(matches).cpm if any(match.lesions for match in matches) else float("nan")


def _path(folder: Path, seed: int) -> Path:
    return folder / f"{RECIPE.task}-{seed}.npz"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--heads", type=int, default=16)
    return parser.parse_args()


if __name__ == "__main__":
    main()
