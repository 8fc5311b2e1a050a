"""What bringing grey values to those that a model learned from is worth on scans of other scanners.

`python benchmarks/alignment.py --data FOLDER --model FILE`: FOLDER holds the scans that `shoken train TASK` made (its `data`), FILE its
model; the task is the model's. What to align to is learned on the first training scans. Calibration scans, which chose no weight, are shown
as they are, and as other scanners would have made them, each with and without alignment: heads (with the sequences that were drawn for
them) to the proposal stage, chests with nodules that certified the model to the whole cascade at its own thresholds. Mean sensitivity
(CPM) with a 95 % interval by scan, and the paired difference; false marks a scan likewise. Ctrl-C ends it after the scans done so far.
`--real`: instead, what is read of the two real chest CTs beside the checkout, and what would be done to them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from common import keep, table
from numpy.typing import NDArray
from real_cases import DX, LIDC

from cad.detect.cascade import run_cascade
from cad.errors import Refusal
from cad.networks import LoadedModel, load, sha256_of
from cad.prepare.inputs import InputRule, near, network_input
from cad.prepare.resample import resample_labels
from cad.prepare.scanners import TISSUES, Correction, reading
from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.score.bootstrap import bootstrap
from cad.score.froc import curve_of
from cad.score.match import ScanMatch
from cad.simulate.acquisition import NoiseTile, blur
from cad.tasks import brain_recipe, lung_recipe
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.validating import against_lesions, matched
from cad.train.aligning import learned_landmarks
from cad.train.dataset import TrainingCase, load_case
from cad.train.recipe import Recipe
from cad.train.scanners import learned_scanners
from cad.volume import Volume

Shift = Callable[[Volume, int], Volume]
Look = Callable[[TrainingCase, LoadedModel], ScanMatch]
HEADS = (
    "scans",
    "without",
    "interval",
    "with",
    "interval ",
    "gain",
    "interval  ",
    "false without",
    "false with",
    "more",
    "moved",
    "lesions",
)


@dataclass(frozen=True)
class Bench:
    """How one task is put to the test: its shifts, what a model would have learned, what looks, the first calibration scan."""

    recipe: Recipe
    shifts: dict[str, Shift]
    learned: Callable[[Sequence[Path], InputRule], InputRule]
    look: Look
    first: int = 0


@dataclass(frozen=True)
class Looked:
    """The marks on one scan without and with alignment, and how many of its pictures were moved."""

    plain: ScanMatch
    aligned: ScanMatch
    moved: int


def main() -> None:
    """What is to align to, then every shift or the real scans."""
    asked = _arguments()
    torch.set_num_threads(1)
    model = load(asked.model, sha256_of(asked.model))
    bench = BENCHES[model.header.task]
    rule = bench.learned([_path(asked.data, bench, seed) for seed in bench.recipe.seeds("train")], bench.recipe.rule)
    print(rule.landmarks or rule.scanners, flush=True)
    if asked.real:
        _real(rule)
    else:
        _shifts(asked, bench, rule, model)


def _shifts(asked: argparse.Namespace, bench: Bench, rule: InputRule, model: LoadedModel) -> None:
    """Every shift, a row each."""
    found: dict[str, list[Looked]] = {name: [] for name in bench.shifts}
    try:
        for case in _cases(asked.data, bench, asked.scans):
            done = {name: looked(case, shift, rule, bench.look, model) for name, shift in bench.shifts.items()}
            for name, one in done.items():
                found[name].append(one)
            print(case.seed, [one.moved for one in done.values()], flush=True)
    except KeyboardInterrupt:
        print("stopped: the figures are of the scans so far")
    rows = [_row(name, looks) for name, looks in found.items()]
    scans = len(next(iter(found.values())))
    table(f"{bench.recipe.task}, {scans} calibration scans", HEADS, rows)
    kept = {"weights": model.version.sha256, "scans": scans, "rows": [dict(zip(HEADS, row, strict=True)) for row in rows]}
    keep(f"alignment_{bench.recipe.task}", kept)


def _real(rule: InputRule) -> None:
    """Readings of real CTs; none of them chose anything here."""
    known, rows = rule.scanners, []
    if known is None:
        raise SystemExit("only a CT is read")
    for folder in (LIDC, DX):
        study = max(read_headers(sorted(folder.iterdir())).studies[0].series, key=lambda series: len(series.instances))
        volume = assemble(study).volumes[0]
        seen = network_input(volume, rule)
        if isinstance(seen, Refusal):
            raise SystemExit(f"{folder.name}: {seen.detail}")
        read = reading(volume, seen.region, near(volume, seen.image.grid).voxels)
        done = seen.correction or Correction(read)
        rows.append((folder.name, *(f"{hu:.1f}" for hu in (*read.hu, read.noise_hu)), f"{done.gain:.3f}", done.offset_hu, done.blur_mm))
    heads = ("scan", *TISSUES, "noise", "gain", "offset HU", "smoothed mm")
    table("real chest CTs", heads, rows)
    keep("alignment_real", {"known": asdict(known), "rows": [dict(zip(heads, row, strict=True)) for row in rows]})


def looked(case: TrainingCase, shift: Shift, rule: InputRule, look: Look, model: LoadedModel) -> Looked:
    """One scan after the shift, both ways. The same twice where nothing was moved."""
    parts = tuple(shift(part, case.seed) for part in case.source.beside)
    source = replace(shift(case.source, case.seed), beside=parts)
    moved, aligned = _looked(case, source, rule, look, model)
    plain = _looked(case, source, replace(rule, landmarks=(), scanners=None), look, model)[1] if moved else aligned
    return Looked(plain, aligned, moved)


def _looked(case: TrainingCase, source: Volume, rule: InputRule, look: Look, model: LoadedModel) -> tuple[int, ScanMatch]:
    seen = network_input(source, rule)
    if isinstance(seen, Refusal):  # no organ found: every lesion is missed
        return 0, ScanMatch(str(case.seed), (None,) * len(case.lesions), ())
    shown = replace(case, source=source, seen=seen, labels=resample_labels(case.source_labels, seen.image.grid))
    return len(seen.aligned(rule)) + (seen.correction is not None), look(shown, model)


def _proposals(case: TrainingCase, model: LoadedModel) -> ScanMatch:
    return matched(case, model.forward("propose"))


def _cascade(case: TrainingCase, model: LoadedModel) -> ScanMatch:
    """What would be shown to a reader, at the certified operating point."""
    sight = CascadeSettings.from_dict(model.settings).sight
    found = run_cascade(case.source, case.seen, sight, model, lambda _: None)
    return against_lesions(case, [(suspect.candidate.centre_mm, suspect.logit) for suspect in found.suspects])


def _as_it_is(part: Volume, _seed: int) -> Volume:
    return part


def _mr(change: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> Shift:
    return lambda part, _seed: _with(part, change(np.asarray(part.voxels, dtype=np.float32)))


def _gamma(power: float) -> Shift:
    def shifted(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
        top = max(float(np.percentile(voxels, 99.5)), 1.0)
        return np.asarray(top * np.power(np.maximum(voxels, 0) / top, power), dtype=np.float32)

    return _mr(shifted)


def _shaded(voxels: NDArray[np.float32]) -> NDArray[np.float32]:
    """A surface coil: 50 % brighter in front than behind, on a straight slope."""
    return np.asarray(voxels * np.linspace(1.2, 0.8, voxels.shape[1], dtype=np.float32)[None, :, None], dtype=np.float32)


def _ct(gain: float, offset: float) -> Shift:
    """Numbers that are off, cut where 12 bits end: of air at -1060 HU nothing is left but -1024."""
    return lambda part, _seed: _with(part, np.clip(gain * np.asarray(part.voxels, dtype=np.float32) + np.float32(offset), -1024, 3071))


def _sharp(part: Volume, seed: int) -> Volume:
    """A sharp kernel: edges overshoot, and fine noise makes three times of what was simulated."""
    pixel_mm, drawn = part.grid.spacing_mm[2], lung_recipe.chest_plan(seed).noise_hu
    noise = NoiseTile.of_kernel(np.random.default_rng((seed, 3)), part.grid.shape[1:], pixel_mm, "sharp")
    planes = [
        blur(np.asarray(plane, dtype=np.float32), pixel_mm, "sharp") + np.float32(8**0.5 * drawn) * noise.cut() for plane in part.voxels
    ]
    return _with(part, np.clip(np.stack(planes), -1024, 3071))


def _with(part: Volume, voxels: NDArray[np.float32]) -> Volume:
    return replace(part, voxels=np.asarray(np.rint(voxels), dtype=np.int16), beside=())


BENCHES = {
    "brain_lesion_mr": Bench(
        brain_recipe.RECIPE,
        {
            "as they are": _as_it_is,
            "gain 3.1, offset 40": _mr(lambda voxels: 3.1 * voxels + 40),
            "gamma 0.6": _gamma(0.6),
            "gamma 1.6": _gamma(1.6),
            "coil shading of 50 %": _mr(_shaded),
        },
        lambda paths, rule: replace(rule, landmarks=learned_landmarks(paths, rule)),
        _proposals,
    ),
    "lung_nodule_ct": Bench(
        lung_recipe.RECIPE,
        {
            "as they are": _as_it_is,
            "water at +60 HU": _ct(1.0, 60),
            "water at -60 HU": _ct(1.0, -60),
            "gain 0.9": _ct(0.9, 0),
            "sharp kernel, 3 times the noise": _sharp,
        },
        lambda paths, rule: replace(rule, scanners=learned_scanners(paths)),
        _cascade,
        first=lung_recipe.RECIPE.budget.tuning,
    ),
}


def _row(name: str, found: Sequence[Looked]) -> tuple[str, ...]:
    plain, aligned = [one.plain for one in found], [one.aligned for one in found]
    gain = bootstrap(lambda drawn: _cpm([one.aligned for one in drawn]) - _cpm([one.plain for one in drawn]), found)
    more = bootstrap(lambda drawn: _false([one.aligned for one in drawn]) - _false([one.plain for one in drawn]), found)
    numbers = (_cpm(plain), bootstrap(_cpm, plain), _cpm(aligned), bootstrap(_cpm, aligned), _cpm(aligned) - _cpm(plain), gain)
    false = (_false(plain), _false(aligned), more)
    moved, lesions = sum(one.moved for one in found), sum(len(match.lesions) for match in plain)
    return (
        name,
        *(f"{n:.2f}" if isinstance(n, float) else f"{n[0]:.2f} to {n[1]:.2f}" for n in (*numbers, *false)),
        str(moved),
        str(lesions),
    )


def _cpm(matches: Sequence[ScanMatch]) -> float:
    return curve_of(matches).cpm if any(match.lesions for match in matches) else float("nan")


def _false(matches: Sequence[ScanMatch]) -> float:
    return float(np.mean([len(match.false_marks) for match in matches]))


def _cases(folder: Path, bench: Bench, scans: int) -> Iterator[TrainingCase]:
    """Scans with lesions, in order of their seeds; heads without are kept, as they were when they were first measured."""
    cases = (load_case(_path(folder, bench, seed)) for seed in bench.recipe.seeds("calibration")[bench.first :])
    chosen = (case for case in cases if case.lesions or not bench.first)
    return islice(chosen, scans)


def _path(folder: Path, bench: Bench, seed: int) -> Path:
    return folder / f"{bench.recipe.task}-{seed}.npz"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--scans", type=int, default=16)
    return parser.parse_args()


if __name__ == "__main__":
    main()
