"""How wide the aorta is said to be, held against what is known: tubes, simulated chests, another tool's report, real scans.

`python benchmarks/aorta.py tubes` (default), `... chests`, `... fresh`, `... calibrate`, `... real`: each prints a table and all but
`calibrate` keep their figures in `results/aorta_<part>.json`. The tubes need nothing; `chests` measures the shipped network on the
held-out seeds of its card, `fresh` on 16 further seeds that nothing was chosen by (a further argument is the folder of cached scans);
`calibrate` prints the numbers of `cad/tasks/aorta_error.py` from the calibration seeds; `real` has no truth and shows plausibility only.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean

import numpy as np
from common import ROOT, SHOKEN, keep, run, table

sys.path.insert(0, str(ROOT / "tests" / "cad" / "measure"))
from bodies import box_grid, drawn, tube

from cad.measure.aorta import LANDMARKS, Section, measure_aorta
from cad.networks import LoadedModel, load, sha256_of
from cad.tasks.aorta_ct import AortaSettings
from cad.tasks.aorta_error import Calibrated, LandmarkError, fit_outline_error, landmark_errors
from cad.tasks.aorta_recipe import RECIPE
from cad.tasks.training import calibration_scans
from cad.train.dataset import make_cases

SPACINGS = ((0.6, 0.6, 0.6), (1.0, 0.7, 0.7), (1.5, 1.5, 1.5), (2.5, 0.8, 0.8), (3.0, 0.8, 0.8), (3.0, 3.0, 3.0))
TILTS = 3
FRESH = 16
ALONG = np.linspace(0, 1, 260)
TURN = 2.0 * (ALONG - 0.5)
STRAIGHT = np.column_stack([0 * ALONG, 0 * ALONG, 110 * ALONG])
BENT = 45 * np.column_stack([np.cos(TURN), 0 * TURN, np.sin(TURN)])
TORTUOUS = np.column_stack([7 * np.sin(5 * ALONG), 6 * np.sin(4 * ALONG + 1), 120 * ALONG])
SHAPES: dict[str, tuple[np.ndarray, np.ndarray]] = {
    "straight, 30 mm": (STRAIGHT, np.full(260, 15.0)),
    "bent, 24 mm": (BENT, np.full(260, 12.0)),
    "bent, tapered 38 to 24 mm": (BENT, np.linspace(19, 12, 260)),
    "aneurysm, 28 to 52 mm": (STRAIGHT, 14 + 12 * np.exp(-(((ALONG - 0.5) / 0.13) ** 2))),
    "tortuous, 26 mm": (TORTUOUS, np.full(260, 13.0)),
}


def tubes() -> None:
    """Every shape at every spacing, turned at random in space, as a 0/1 mask."""
    rng = np.random.default_rng(20)
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    refused, began = 0, time.perf_counter()
    for (name, (course, radii)), spacing, _ in product(SHAPES.items(), SPACINGS, range(TILTS)):
        mask = drawn(box_grid(course, float(radii.max()), spacing, rng, tilt=True), tube(course, radii))
        errors = section_errors(measure_aorta(mask).sections, course, 2 * radii)
        refused += not errors.size
        for key in (("shape", name), ("spacing, mm", " x ".join(f"{s:g}" for s in spacing)), ("all", "all tubes")):
            found.setdefault(key, []).append(errors)
    rows = {f"{kind}: {name}": agreement(errors) for (kind, name), errors in found.items()}
    show("tubes of known diameter, equal-area diameter of every section", rows)
    seconds = round(time.perf_counter() - began, 1)
    keep("aorta_tubes", {"tilts_each": TILTS, "refused": refused, "seconds": seconds, "rows": rows})


def section_errors(sections: Sequence[Section], course: np.ndarray, diameters: np.ndarray) -> np.ndarray:
    """Measured minus true diameter of each section (mm); the truth is that of the nearest point of the course."""
    if not sections:
        return np.zeros(0)
    centres = np.array([section.centre_mm for section in sections])
    nearest = np.linalg.norm(centres[:, None] - course[None], axis=2).argmin(axis=1)
    return np.asarray(np.array([section.area_diameter_mm for section in sections]) - diameters[nearest])


def agreement(errors: list[np.ndarray]) -> dict[str, float]:
    """n, bias, mean absolute error and 95 % limits of agreement over all sections (mm)."""
    joined = np.concatenate(errors)
    bias, spread = float(joined.mean()), 1.96 * float(joined.std(ddof=1))
    figures = {"bias": bias, "mae": float(np.abs(joined).mean()), "low": bias - spread, "high": bias + spread}
    return {"n": len(errors), "sections": len(joined), **_rounded(figures), "worst": round(float(np.abs(joined).max()), 3)}


def calibrate() -> None:
    """What `cad/tasks/aorta_error.py` holds for the shipped weights, learnt again from the calibration seeds."""
    error = fit_outline_error(_scans("calibration"))
    for name, value in error.to_dict().items():
        print(f"{name}: {value}")


def chests() -> None:
    """The 20 held-out seeds of the card."""
    _landmarks("test", "aorta_chests")


def fresh() -> None:
    """Sixteen further seeds."""
    _landmarks("fresh", "aorta_fresh")


def _landmarks(part: str, name: str) -> None:
    """The shipped network: every landmark before (one bias for all) and after (see aorta_error)."""
    model = _model()
    settings = AortaSettings.from_dict(model.settings)
    error = settings.of(model).error
    before: list[LandmarkError] = []
    after: list[LandmarkError] = []
    missing = Counter[str]()
    scans = _scans(part)
    for scan in scans:
        true = measure_aorta(scan.true)
        raw = measure_aorta(scan.soft, diaphragm_z_mm=scan.diaphragm_z_mm)
        plain = replace(raw, measurements=tuple(settings.with_interval(m) for m in raw.measurements))
        now = measure_aorta(scan.soft, diaphragm_z_mm=scan.diaphragm_z_mm, error=error, image=scan.image)
        before.extend(landmark_errors(plain, true, scan.widest_mm))
        after.extend(landmark_errors(now, true, scan.widest_mm))
        missing.update(f"{m.name}: {m.outcome}" for m in now.measurements if m.value is None)
    rows = {f"{when}: {group}": figures for when, found in (("before", before), ("after", after)) for group, figures in _groups(found)}
    show(f"landmarks of {len(scans)} held-out simulated chests, mm", rows)
    keep(name, {"scans": len(scans), "weights": model.version.sha256, "rows": rows, "not_measured": dict(missing.most_common())})


def _groups(found: Sequence[LandmarkError]) -> Iterable[tuple[str, dict[str, float]]]:
    """Figures of all landmarks, of those that the lumen or the outline decided, and of each by name."""
    parts = {"all": found, "lumen decided": [e for e in found if e.by_lumen], "outline decided": [e for e in found if not e.by_lumen]}
    parts |= {name: [e for e in found if e.name == name] for name in LANDMARKS}
    for name, part in parts.items():
        if part:
            errors = [e.error_mm for e in part]
            half = fmean((e.interval[1] - e.interval[0]) / 2 for e in part)
            figures = {"bias": fmean(errors), "mae": fmean(map(abs, errors)), "sd": float(np.std(errors)), "worst": max(map(abs, errors))}
            yield name, {"n": len(part), **_rounded({**figures, "half width": half, "coverage": fmean(e.held for e in part)})}


def real() -> None:
    """Real chest CTs through the command, no truth: whether what is said is plausible (a descending aorta is some 20 to 30 mm wide)."""
    found = {}
    for name in ("LIDC-IDRI-0001_dicom", "Lung_Dx-A0002_B40f"):
        with tempfile.TemporaryDirectory() as out:
            run([SHOKEN, "screen", str(ROOT.parent / "shared" / "data" / name), f"{out}/out", "--tasks", "aorta_ct"])
            cases = list(Path(out).glob("out/cases/*/case.json"))
            said = json.loads(cases[0].read_text(encoding="utf-8"))["measurements"] if cases else []
        found[name] = [{key: m.get(key) for key in ("name", "value", "interval", "outcome", "label")} for m in said]
        rows = [(m["name"], m["outcome"] if m["value"] is None else m["value"], str(m["interval"]), m["label"] or "") for m in found[name]]
        table(name, ("landmark", "mm", "95 % interval", "label"), rows)
    keep("aorta_real", {"scans": found})


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 3) for name, value in figures.items()}


def _model() -> LoadedModel:
    path = next((ROOT / "cad" / "tasks" / "weights").glob("aorta_ct-*.safetensors"))
    return load(path, sha256_of(path))


def _scans(part: str) -> tuple[Calibrated, ...]:
    """The recipe's scans of one part, made where the folder given (or `out/training/aorta_ct/data`) does not hold them yet."""
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "out" / "training" / "aorta_ct" / "data"
    if part == "fresh":
        more = replace(RECIPE, budget=replace(RECIPE.budget, test=RECIPE.budget.test + FRESH))
        return calibration_scans(make_cases(more, "test", folder, print)[-FRESH:], _model(), print)
    return calibration_scans(make_cases(RECIPE, part, folder, print), _model(), print)


def show(title: str, rows: dict[str, dict[str, float]]) -> None:
    """One row a group."""
    header = ("group", *next(iter(rows.values())))
    table(title, header, [(name, *row.values()) for name, row in rows.items()])


PARTS: dict[str, Callable[[], None]] = {"tubes": tubes, "chests": chests, "fresh": fresh, "calibrate": calibrate, "real": real}

if __name__ == "__main__":
    PARTS[sys.argv[1] if len(sys.argv) > 1 else "tubes"]()
