"""What a simulated training set covers, beside what LIDC-IDRI's readers found in life: a model knows no lesion it never saw."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from cad.datasets.coverage import KINDS, LEAST, SIZES_MM, coverage, coverage_text, size_bin
from cad.simulate.lidc_table import READINGS
from cad.write.folder import write_file

SEEN_IN_LIFE = 0.001  # a kind and size that fewer than one reading in a thousand shows is not asked for


def training_coverage(paths: Iterable[Path]) -> dict[str, Any]:
    """Coverage of cached training cases (see cad.train.dataset): `cad.datasets.coverage.coverage`, and against LIDC-IDRI.

    `in_life` is the share of LIDC-IDRI's readings by kind and size (mm), `lacking` the kinds and sizes that life shows and
    this set shows fewer than 10 times, most frequent in life first.
    """
    return coverage_of([_facts(path) for path in paths])


def coverage_of(cases: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The same of cases as mappings: `seed`, `lesions` (each with `kind`, `diameter_mm`) and `spacing_mm`."""
    report = coverage(
        {
            "patient": str(case["seed"]),
            "spacing_mm": case["spacing_mm"],
            "lesions": [{"kind": x["kind"], "diameter_mm": x["diameter_mm"], "agreement": 1, "marks": ()} for x in case["lesions"]],
        }
        for case in cases
    )
    life, counts = lidc_shares(), report["by_kind_and_size"]
    asked = sorted(((share, *cell) for cell, share in life.items() if share >= SEEN_IN_LIFE), reverse=True)
    return {
        **report,
        "in_life": {kind: {size: round(life.get((kind, size), 0.0), 4) for size in counts[kind]} for kind in KINDS},
        "lacking": [f"{kind}, {size} mm" for _, kind, size in asked if counts[kind][size] < LEAST],
    }


def training_coverage_text(report: Mapping[str, Any]) -> str:
    """The report as lines of text, for the folder of a trained model."""
    sizes = list(next(iter(report["in_life"].values())))
    rows = [f"{kind:24}" + "".join(f"{100 * shares[size]:8.1f}" for size in sizes) for kind, shares in report["in_life"].items()]
    readings = sum(row[-1] for row in READINGS)
    return "\n".join(
        [
            coverage_text(report).rstrip("\n"),
            f"In life: % of {readings} readings of LIDC-IDRI (CC BY 3.0), 3 to 45 mm:",
            *rows,
            f"Seen in life, but fewer than {LEAST} times in this set: " + ("; ".join(report["lacking"]) or "-"),
            "",
        ]
    )


def write_training_coverage(paths: Iterable[Path], folder: Path) -> dict[str, Any]:
    """Writes `coverage.json` and `coverage.txt` into `folder` and gives the report back."""
    report = training_coverage(paths)
    write_file(folder / "coverage.json", (json.dumps(report, indent=2, sort_keys=True) + "\n").encode())
    write_file(folder / "coverage.txt", training_coverage_text(report).encode())
    return report


def lidc_shares() -> dict[tuple[str, str], float]:
    """Share of LIDC-IDRI's readings by (kind, size class); a class of its table that lies across an edge is cut by logarithm."""
    total = sum(row[-1] for row in READINGS)
    shares: dict[tuple[str, str], float] = {}
    for low, high, kind, *_, count in READINGS:
        cuts = [low, *(edge for edge in SIZES_MM if low < edge < high), high]
        for a, b in pairwise(cuts):
            part = count * float(np.log(b / a) / np.log(high / low)) / total
            shares[kind, size_bin(a)] = shares.get((kind, size_bin(a)), 0.0) + part
    return shares


def _facts(path: Path) -> dict[str, Any]:
    with np.load(path, allow_pickle=False) as stored:
        facts = json.loads(str(stored["facts"]))
    affine = np.asarray(facts["grids"]["source"]["affine"])
    spacing = [float(v) for v in np.linalg.norm(affine[:3, :3], axis=0)]
    return {"seed": facts["seed"], "lesions": facts["lesions"], "spacing_mm": spacing}
