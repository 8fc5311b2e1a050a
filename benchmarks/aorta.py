"""How wide the aorta is said to be, held against what is known: tubes, simulated chests, another tool's report, real scans.

`python benchmarks/aorta.py tubes` (default), `... chests`, `... fresh`, `... report`, `... real`: each prints a table and keeps its
figures in `results/aorta_<part>.json`. The tubes need nothing; `chests` measures the shipped networks on the held-out seeds of the card,
`fresh` on 24 further seeds that nothing was chosen by, version by version (a further argument is the folder of cached scans); `report`
and `real` want the folder of shared images: the first has another tool's table, the second no truth and shows plausibility only.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean

import numpy as np
from common import ROOT, SHOKEN, keep, run, table

sys.path.insert(0, str(ROOT / "tests" / "cad" / "measure"))
from bodies import box_grid, drawn, tube

from cad.measure.aorta import LANDMARKS, Section, measure_aorta
from cad.measure.aorta.direct import read_sections
from cad.measure.aorta.estimates import AGREE, DIRECT, DISAGREE, LUMEN, OUTLINE
from cad.networks import LoadedModel, load, sha256_of
from cad.read.nifti import read_nifti
from cad.score.bootstrap import bootstrap
from cad.tasks.aorta_ct import AortaSettings, direct_of
from cad.tasks.aorta_error import LandmarkError
from cad.tasks.aorta_recipe import RECIPE, aorta_plan
from cad.tasks.training_aorta import HeldOut, calibration_scans, held_out
from cad.train.dataset import make_cases, make_seeds
from cad.train.recipe import TEST_SEEDS

SPACINGS = ((0.6, 0.6, 0.6), (1.0, 0.7, 0.7), (1.5, 1.5, 1.5), (2.5, 0.8, 0.8), (3.0, 0.8, 0.8), (3.0, 3.0, 3.0))
TILTS = 3
FRESH = range(TEST_SEEDS + 40, TEST_SEEDS + 64)  # beyond what any version was measured on while its rules were made
ESTIMATES = (OUTLINE, LUMEN, DIRECT)
REPORTED = ("aorta", "aorta_true_lumen", "aorta_false_lumen")
BIAS_MM = 1.66  # what that tool's diameters are too wide by: it dilates its mask by a voxel
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


def chests() -> None:
    """The held-out seeds of the card."""
    _landmarks("test", "aorta_chests")


def fresh() -> None:
    """Further seeds."""
    _landmarks("fresh", "aorta_fresh")


def _landmarks(part: str, name: str) -> None:
    """Every shipped version on the same scans: what it says, and each of its estimates alone, on plain and contrast CT apart."""
    paths = _paths(part)
    rows: dict[str, dict[str, object]] = {}
    facts: dict[str, dict[str, object]] = {}
    seeds = [int(path.stem.split("-")[1]) for path in paths]
    for path in sorted((ROOT / "cad" / "tasks" / "weights").glob("aorta_ct-*.safetensors"), reverse=True):
        model = load(path, sha256_of(path))
        cases = tuple(held_out(calibration_scans(paths, model, print), model))
        rows |= {f"{model.version.version}: {group}": figures for group, figures in _groups(cases)}
        missing = Counter(why for case in cases for why in case.missing)
        dices = [case.dice for case in cases]
        doubts = {label or "no second estimate": n for label, n in Counter(e.label for c in cases for e in c.errors).items()}
        facts[model.version.version] = {
            "weights": model.version.sha256,
            "dice": [round(fmean(dices), 3), round(min(dices), 3)],
            "labels": doubts,
            "not_measured": dict(missing.most_common()),
        }
        keep(name, {"scans": len(paths), "seeds": seeds, "rows": rows, "versions": facts})  # each version as soon as it is measured
    show(f"landmarks of {len(paths)} simulated chests, mm", rows)


def _groups(cases: Sequence[HeldOut]) -> Iterable[tuple[str, dict[str, object]]]:
    """What is said, by kind of scan, by the estimate that decided, by whether estimates agree; each estimate alone; each landmark."""
    kinds: dict[str, Callable[[HeldOut, LandmarkError], bool]] = {
        "all": lambda _c, _e: True,
        "plain": lambda c, _e: not aorta_plan(c.seed).contrast,
        "contrast": lambda c, _e: aorta_plan(c.seed).contrast,
        "nothing inside the lumen": lambda c, _e: not aorta_plan(c.seed).aorta_disease.inside,
        "flap or thrombus": lambda c, _e: bool(aorta_plan(c.seed).aorta_disease.inside),
        "estimates agree": lambda _c, e: e.label == AGREE,
        "estimates disagree": lambda _c, e: e.label == DISAGREE,
    }
    for source in ESTIMATES:
        kinds[f"{source} said"] = lambda _c, e, source=source: e.source == source  # type: ignore[misc]
    for landmark in LANDMARKS:
        kinds[landmark] = lambda _c, e, landmark=landmark: e.name == landmark  # type: ignore[misc]
    for kind, belongs in kinds.items():
        yield from _figures(kind, [[(e.error_mm, e) for e in c.errors if belongs(c, e)] for c in cases])
    for kind, source in product(("plain", "contrast"), ESTIMATES):
        each = [[(x, e) for e in c.errors if kinds[kind](c, e) and (x := e.by(source)) is not None] for c in cases]
        yield from _figures(f"{source} alone, {kind}", each)


def _figures(group: str, scans: Sequence[Sequence[tuple[float, LandmarkError]]]) -> Iterable[tuple[str, dict[str, object]]]:
    """Bias, MAE and coverage with intervals by resampling scans; limits of agreement."""
    kept = [scan for scan in scans if scan]
    if not kept:
        return
    errors = np.array([x for scan in kept for x, _ in scan])
    held = [[e.held for _, e in scan] for scan in kept]
    spread = 1.96 * float(errors.std(ddof=1)) if len(errors) > 1 else 0.0

    def over(statistic: Callable[[np.ndarray], float], values: Sequence[Sequence[float]]) -> str:
        low, high = bootstrap(lambda drawn: statistic(np.concatenate([np.asarray(d, dtype=float) for d in drawn])), values)
        return f"{statistic(np.concatenate([np.asarray(v, dtype=float) for v in values])):.2f} ({low:.2f} to {high:.2f})"

    each = [[x for x, _ in scan] for scan in kept]
    half = fmean((e.interval[1] - e.interval[0]) / 2 for scan in kept for _, e in scan)
    yield (
        group,
        {
            "scans": len(kept),
            "landmarks": len(errors),
            "bias": over(lambda a: float(a.mean()), each),
            "mae": over(lambda a: float(np.abs(a).mean()), each),
            "limits": f"{errors.mean() - spread:.2f} to {errors.mean() + spread:.2f}",
            "worst": round(float(np.abs(errors).max()), 2),
            "half width": round(half, 2),
            "coverage": over(lambda a: float(a.mean()), held),
        },
    )


def report() -> None:
    """The dissected aorta of TotalSegmentator's aortic report: its masks measured here and read directly, beside its own table."""
    folder = ROOT.parent / "shared" / "data" / "totalseg_aorta_report"
    image = read_nifti(folder / "example_ct.nii.gz")
    masks = [read_nifti(folder / "test_result" / "models" / f"{name}.nii.gz", "1", "SEG") for name in REPORTED]
    union = masks[0].like(np.any([np.asarray(m.voxels) > 0 for m in masks], axis=0).astype(np.uint8))
    model = _model()
    direct = direct_of(model, AortaSettings.from_dict(model.settings))
    sections = list(measure_aorta(union).sections)
    read = read_sections(sections, image, direct) if direct else (np.full(len(sections), np.nan),) * 2
    table_of = json.loads((folder / "example_ct_report" / "aorta_report.json").read_text(encoding="utf-8"))["landmarks"]
    centres = np.array([s.centre_mm for s in sections])
    rows: dict[str, dict[str, float]] = {}
    for row in list(table_of.values())[2:]:  # from the sinotubular junction on: the root's planes are that tool's own
        if row["area"] is None:
            continue
        middle = (np.array(row["start"]) + row["end"]) / 2 * [-1, -1, 1]
        at = int(np.linalg.norm(centres - middle, axis=1).argmin())
        theirs = 2 * (100 * row["area"] / np.pi) ** 0.5 - BIAS_MM
        ours = sections[at].area_diameter_mm
        halves = direct.error.halves if direct else float("nan")
        figures = {"theirs": theirs, "ours": ours, "apart": ours - theirs, "read": read[0][at], "half": halves * read[1][at]}
        rows[row["name"]] = _rounded({**figures, "read apart": figures["read"] - theirs})
    show(f"another tool's table less {BIAS_MM} mm, its mask measured here, and the scan read by the network; mm", rows)
    keep("aorta_report", {"weights": model.version.sha256, "rows": rows})


def real() -> None:
    """Real chest CTs through the command, no truth: whether what is said is plausible (a descending aorta is some 20 to 30 mm wide)."""
    found = {}
    for name in ("LIDC-IDRI-0001_dicom", "Lung_Dx-A0002_B40f"):
        with tempfile.TemporaryDirectory() as out:
            run([SHOKEN, "screen", str(ROOT.parent / "shared" / "data" / name), f"{out}/out", "--tasks", "aorta_ct"])
            cases = list(Path(out).glob("out/cases/*/case.json"))
            said = json.loads(cases[0].read_text(encoding="utf-8"))["measurements"] if cases else []
        found[name] = [{key: m.get(key) for key in ("name", "value", "interval", "outcome", "label", "others")} for m in said]
        rows = [
            (m["name"], m["outcome"] if m["value"] is None else m["value"], str(m["interval"]), m["label"] or "", str(m["others"]))
            for m in found[name]
        ]
        table(name, ("landmark", "mm", "95 % interval", "label", "other estimates"), rows)
    keep("aorta_real", {"weights": _model().version.sha256, "scans": found})


def _rounded(figures: dict[str, float]) -> dict[str, float]:
    return {name: round(float(value), 3) for name, value in figures.items()}


def _model() -> LoadedModel:
    path = max((ROOT / "cad" / "tasks" / "weights").glob("aorta_ct-*.safetensors"))
    return load(path, sha256_of(path))


def _paths(part: str) -> tuple[Path, ...]:
    """The recipe's scans of one part, made where the folder given (or `out/training/aorta_ct/data`) does not hold them yet."""
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else ROOT / "out" / "training" / "aorta_ct" / "data"
    return make_seeds(RECIPE, FRESH, folder, print, 1) if part == "fresh" else make_cases(RECIPE, part, folder, print, 1)


def show(title: str, rows: Mapping[str, Mapping[str, object]]) -> None:
    """One row a group."""
    header = ("group", *next(iter(rows.values())))
    table(title, header, [(name, *row.values()) for name, row in rows.items()])


PARTS: dict[str, Callable[[], None]] = {"tubes": tubes, "chests": chests, "fresh": fresh, "report": report, "real": real}

if __name__ == "__main__":
    PARTS[sys.argv[1] if len(sys.argv) > 1 else "tubes"]()
