"""The aorta's own part of training: its two networks, what both are off by, and how wide held-out aortas are said to be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from cad.measure.aorta import outlined
from cad.networks import LoadedModel
from cad.tasks.aorta_ct import TASK, AortaSettings, direct_of, lowest_lung_mm, outline_aorta
from cad.tasks.aorta_error import Calibrated, LandmarkError, fit_direct_error, fit_outline_error, landmark_errors
from cad.tasks.evaluating import dice
from cad.tasks.figures import Figure, mean, share
from cad.train.cascade import Trained
from cad.train.checkpoints import Checkpoints
from cad.train.dataset import fingerprint, load_cases
from cad.train.diameters import TrueCourse, train_diameter
from cad.train.recipe import Recipe
from cad.train.structure import train_structure
from cad.train.transfer import NOTHING, Start

Say = Callable[[str], None]


def train_networks(recipe: Recipe, paths: Sequence[Path], folder: Path, say: Say, start: Start = NOTHING) -> Trained:
    """The diameter read off sections, then the outline. What `folder` holds is not trained again."""
    stages = Checkpoints(folder / "stages", f"{recipe.identity()} {start.identity} {fingerprint(paths)}")
    fitted = {"diameter": train_diameter(recipe, paths, stages, say), "segment": train_structure(recipe, paths, stages, say, start)}
    fitted["diameter"].network.half()  # for the file, which stays under 5 MiB so; what is calibrated is read back from it
    return Trained({name: one.network for name, one in fitted.items()}, {name: one.losses for name, one in fitted.items()}, {})


def calibrated(blank: AortaSettings, paths: Sequence[Path], model: LoadedModel, say: Say) -> AortaSettings:
    """The settings with what outline and direct reading are off by on the calibration scans."""
    scans = calibration_scans(paths, model, say)
    error, direct = fit_outline_error(scans), direct_of(model, blank)
    return replace(blank, error=error, direct=None if direct is None else fit_direct_error(scans, direct, error))


def calibration_scans(paths: Sequence[Path], model: LoadedModel, say: Say) -> tuple[Calibrated, ...]:
    """Cached cases as the network outlines them, each beside its truth."""
    found = []
    for number, case in enumerate(load_cases(paths), start=1):
        soft = outline_aorta(case.seen, model)
        overlap = dice(soft.voxels >= 0.5, case.labels.voxels > 0)
        widest = float(case.truth["aorta_max_mm"])
        found.append(Calibrated(outlined(soft), case.source, TrueCourse.of(case), widest, lowest_lung_mm(case.seen), case.seed, overlap))
        say(f"{TASK.name}: outlined scan {number} of {len(paths)}")
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """One scan that nothing was learnt from: its landmarks beside their truth, why others have no value, the outline's Dice."""

    seed: int
    errors: tuple[LandmarkError, ...]
    missing: tuple[str, ...]
    dice: float

    @property
    def widest(self) -> LandmarkError | None:
        """The largest diameter, where it was said."""
        return next((e for e in self.errors if e.name == "aorta_max"), None)


def held_out(scans: Sequence[Calibrated], model: LoadedModel) -> Iterator[HeldOut]:
    """Every scan as screening measures it."""
    settings = AortaSettings.from_dict(model.settings).of(model)
    direct = direct_of(model, settings)
    for scan in scans:
        found = scan.measured(settings.error, direct) if settings.error else None
        if found is None:
            yield HeldOut(scan.seed, (), (f"all: {scan.outline if isinstance(scan.outline, str) else 'not calibrated'}",), scan.dice)
            continue
        missing = tuple(f"{m.name}: {m.outcome}" for m in found.measurements if m.value is None)
        yield HeldOut(scan.seed, landmark_errors(found, scan.course, scan.widest_mm), missing, scan.dice)


def aorta_figures(cases: Sequence[HeldOut]) -> tuple[Figure, ...]:
    """Diameters of held-out scans; a scan counts as one, with the mean of its landmarks, where landmarks are told."""
    widest = [case.widest for case in cases if case.widest is not None]
    landmarks = [case.errors for case in cases if case.errors]
    held = [e.held for errors in landmarks for e in errors]
    return (
        share("largest diameter said", len(widest), len(cases), "scans"),
        mean("largest diameter, error (bias), mm", [e.error_mm for e in widest], "scans"),
        mean("largest diameter, absolute error, mm", [abs(e.error_mm) for e in widest], "scans"),
        share("largest diameter, 95 % interval holds the truth", sum(e.held for e in widest), len(widest), "scans"),
        mean("landmarks, error (bias), mm", [fmean(e.error_mm for e in errors) for errors in landmarks], "scans"),
        mean("landmarks, absolute error, mm", [fmean(abs(e.error_mm) for e in errors) for errors in landmarks], "scans"),
        share("landmarks, 95 % interval holds the truth", sum(held), len(held), "landmarks"),
        mean("Dice of the outline", [case.dice for case in cases], "scans"),
    )
