"""The model card: what it is for, what it was made from, what it reached, what it must not be used for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from cad.datasets.coverage import LEAST
from cad.model import OperatingPoint
from cad.networks import ModelHeader
from cad.prepare.inputs import InputRule
from cad.prepare.scanners import TISSUES
from cad.tasks.certificate import Certificate, Level
from cad.tasks.figures import Figure
from cad.train.recipe import Recipe
from cad.train.transfer import NOTHING, Start

SIMULATOR = (
    "- The chest simulator's lung density and vessel counts were set with an eye on one public scan, LIDC-IDRI-0001 "
    "(LIDC-IDRI, CC BY 3.0); no voxel was used, but that scan is no independent test."
)


def model_card(
    header: ModelHeader,
    sha256: str,
    recipe: Recipe,
    figures: Sequence[Figure],
    start: Start = NOTHING,
    lacking: Sequence[str] | None = None,
    halved: Sequence[str] = (),
) -> str:
    """Markdown, the same input gives the same bytes. `lacking` are kinds of lesion that life shows and the training data hardly do;
    `halved` the stages whose weights the file holds in half precision."""
    stages = [f"| {name} | {spec.kind} {spec.dims}D | {', '.join(map(str, spec.widths))} |" for name, spec in sorted(header.stages.items())]
    points = [_point(point) for point in header.operating_points]
    rule = ", ".join(f"{key} {value}" for key, value in asdict(recipe.rule).items() if value != ())
    return "\n".join(
        [
            f"# {header.task} {header.version}",
            "",
            _promise(recipe),
            "",
            f"- Weights: `{header.task}-{header.version}.safetensors`, sha256 `{sha256}`",
            f"- Code version: {header.code_version}",
            f"- Training data: {recipe.budget.train} {recipe.source}, fingerprint `{header.data_fingerprint}`",
            f"- Calibration: {_calibration(header, recipe)}; held out: {recipe.budget.test} more. {_apart(recipe)}",
            f"- Made by: `shoken train {header.task}{start.option}` (seed {recipe.seed}), from {start.said}",
            f"- Learning: {_learning(header, recipe)}",
            f"- Steps: {', '.join(f'{stage} {steps}' for stage, steps in start.taken(recipe.budget.steps).items())}",
            *([f"- Stored in half precision, used in single: {', '.join(halved)}"] if halved else []),
            f"- Inputs: {rule}",
            *_drawn(recipe),
            *_alignment(header),
            *(
                [f"- Seen in LIDC-IDRI, but fewer than {LEAST} times in the training data: {'; '.join(lacking) or 'nothing'}"]
                if lacking is not None
                else []
            ),
            *([SIMULATOR] if _simulated(recipe) else []),
            "",
            "## Networks",
            "",
            "| stage | network | widths |",
            "|---|---|---|",
            *stages,
            "",
            *(["## Operating points (chosen on the calibration set)", "", *_POINTS_HEAD, *points, ""] if points else []),
            *_certified(Certificate.from_dict(header.settings.get("certificate"))),
            f"## Held-out {_scans(recipe)}",
            "",
            "| figure | value | 95 % interval | over |",
            "|---|---|---|---|",
            *(figure.row() for figure in figures),
            "",
        ]
    )


def _detects(header: ModelHeader) -> bool:
    """Whether there are thresholds to choose and to certify: not where a structure is measured."""
    return bool(header.operating_points) or "thresholds" in header.settings


def _calibration(header: ModelHeader, recipe: Recipe) -> str:
    budget = recipe.budget
    further = f"{budget.calibration} further {_scans(recipe)}"
    return f"{further}, of which {budget.tuning} chose the thresholds and the others certify them" if _detects(header) else further


def _learning(header: ModelHeader, recipe: Recipe) -> str:
    """The choices that matter: losses, pasting and mining are those of a cascade."""
    chosen = asdict(recipe.learning)
    return ", ".join(f"{key} {value}" for key, value in chosen.items() if _detects(header) or key == "precision")


def _drawn(recipe: Recipe) -> list[str]:
    """With which sequences studies were shown, in training and in every figure that does not name its own."""
    alone = [(name, share) for name, share in zip(recipe.rule.sequences, recipe.draw.alone, strict=False) if share]
    if not alone:
        return []
    said = ", ".join(f"{name} alone {share:.0%}" for name, share in alone)
    rest = 1 - recipe.draw.whole - sum(share for _, share in alone)
    needed = " or ".join(name for name, _ in alone)
    return [f"- Studies are shown with all sequences {recipe.draw.whole:.0%}, {said}, some between {rest:.0%}; never without {needed}"]


def _certified(certificate: Certificate | None) -> list[str]:
    """The certificate as a paragraph and a table; a patient survives when one of his lesions is shown."""
    if certificate is None:
        return []
    c = certificate
    return [
        "## Certificate of the whole cascade, per patient",
        "",
        f"Thresholds fixed beforehand, {c.misses} of {c.patients} patients with a lesion were lost (nothing of theirs was shown on a "
        f"lesion): with {c.confidence:.0%} confidence at least **{c.bound:.1%}** of patients like these survive. {c.normals_quiet} of "
        f"{c.normals} normal scans showed nothing; {c.false_per_scan:.2f} look-alikes were shown a scan. Certification scans: "
        f"fingerprint `{c.data_fingerprint}`.",
        "",
        "What other last thresholds would give on the same scans, each by itself wrong at most one time in twenty:",
        "",
        "| at least so many survive | last threshold | misses | normal scans with nothing shown | look-alikes a scan |",
        "|---|---|---|---|---|",
        *(_level(level, c) for level in c.levels),
        "",
    ]


def _level(level: Level, certificate: Certificate) -> str:
    if level.threshold is None:
        return f"| {level.target:.0%} | refused: {certificate.patients} patients with the misses of earlier stages cannot show it | | | |"
    quiet = f"{level.normals_quiet} of {level.normals}"
    return f"| {level.target:.0%} | {level.threshold:.3g} | {level.misses} | {quiet} | {level.false_per_scan:.2f} |"


def _simulated(recipe: Recipe) -> bool:
    return recipe.source == "simulated scans"


def _scans(recipe: Recipe) -> str:
    return "simulated scans" if _simulated(recipe) else "imported scans"


def _apart(recipe: Recipe) -> str:
    return "No seed is shared." if _simulated(recipe) else "No patient is shared, nor any slice pixel for pixel."


def _alignment(header: ModelHeader) -> list[str]:
    rule = InputRule.from_dict(header.settings["rule"]) if "rule" in header.settings else None
    far = ", ".join(f"{one.sequence or 'any scan'} {one.tolerance:.2f}" for one in rule.landmarks) if rule else ""
    said = (
        [f"- Grey values are brought to those of the training data where a landmark is farther off than (in windows): {far}"] if far else []
    )
    if rule and rule.scanners:
        known = rule.scanners
        near = ", ".join(f"{name} {hu:.0f} ± {off:.0f}" for name, hu, off in zip(TISSUES, known.hu, known.tolerance_hu, strict=True))
        said.append(f"- HU are brought to those of the training data outside of {near}; noise beyond {known.noise_hu:.0f} HU is smoothed")
    return said


def _promise(recipe: Recipe) -> str:
    if _simulated(recipe):
        return "Research software, not a medical device. Trained on **simulated scans only**: no figure below says anything about patients."
    return "Research software, not a medical device. Trained on imported scans: figures hold for held-out patients of the same data set."


_POINTS_HEAD = ("| stage | threshold | lesions kept | 95 % interval | lesions |", "|---|---|---|---|---|")


def _point(point: OperatingPoint) -> str:
    low, high = point.sensitivity_interval
    return f"| {point.stage} | {point.threshold:.4g} | {point.sensitivity:.3f} | {low:.3f} to {high:.3f} | {point.n} |"
