"""The model card: what it is for, what it was made from, what it reached, what it must not be used for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from cad.model import OperatingPoint
from cad.networks import ModelHeader
from cad.tasks.figures import Figure
from cad.train.recipe import Recipe

SIMULATOR = (
    "- The chest simulator's lung density and vessel counts were set with an eye on one public scan, LIDC-IDRI-0001 "
    "(LIDC-IDRI, CC BY 3.0); no voxel was used, but that scan is no independent test."
)


def model_card(header: ModelHeader, sha256: str, recipe: Recipe, figures: Sequence[Figure]) -> str:
    """Markdown, the same input gives the same bytes."""
    stages = [f"| {name} | {spec.kind} {spec.dims}D | {', '.join(map(str, spec.widths))} |" for name, spec in sorted(header.stages.items())]
    points = [_point(point) for point in header.operating_points]
    rule = ", ".join(f"{key} {value}" for key, value in asdict(recipe.rule).items())
    return "\n".join(
        [
            f"# {header.task} {header.version}",
            "",
            _promise(recipe),
            "",
            f"- Weights: `{header.task}-{header.version}.safetensors`, sha256 `{sha256}`",
            f"- Code version: {header.code_version}",
            f"- Training data: {recipe.budget.train} {recipe.source}, fingerprint `{header.data_fingerprint}`",
            f"- Calibration: {recipe.budget.calibration} further {_scans(recipe)}; held out: {recipe.budget.test} more. {_apart(recipe)}",
            f"- Made by: `shoken train {header.task}` (seed {recipe.seed})",
            f"- Inputs: {rule}",
            *([SIMULATOR] if _simulated(recipe) else []),
            "",
            "## Networks",
            "",
            "| stage | network | widths |",
            "|---|---|---|",
            *stages,
            "",
            *(["## Operating points (chosen on the calibration set)", "", *_POINTS_HEAD, *points, ""] if points else []),
            f"## Held-out {_scans(recipe)}",
            "",
            "| figure | value | 95 % interval | over |",
            "|---|---|---|---|",
            *(figure.row() for figure in figures),
            "",
        ]
    )


def _simulated(recipe: Recipe) -> bool:
    return recipe.source == "simulated scans"


def _scans(recipe: Recipe) -> str:
    return "simulated scans" if _simulated(recipe) else "imported scans"


def _apart(recipe: Recipe) -> str:
    return "No seed is shared." if _simulated(recipe) else "No patient is shared, nor any slice pixel for pixel."


def _promise(recipe: Recipe) -> str:
    if _simulated(recipe):
        return "Research software, not a medical device. Trained on **simulated scans only**: no figure below says anything about patients."
    return "Research software, not a medical device. Trained on imported scans: figures hold for held-out patients of the same data set."


_POINTS_HEAD = ("| stage | threshold | lesions kept | 95 % interval | lesions |", "|---|---|---|---|---|")


def _point(point: OperatingPoint) -> str:
    low, high = point.sensitivity_interval
    return f"| {point.stage} | {point.threshold:.4g} | {point.sensitivity:.3f} | {low:.3f} to {high:.3f} | {point.n} |"
