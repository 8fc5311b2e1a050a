"""`shoken score overlap`: masks on disk, paired by file name, one truth or several readers' beside each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cad.datasets.consensus import consensus_of
from cad.errors import ShokenError
from cad.read.nifti import read_nifti
from cad.score.overlap import check_same_grid
from cad.score.structures import Row, by_structure, labels_in, score_readers, score_truth, structure
from cad.volume import Volume

SUFFIXES = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class Overlaps:
    """What to compare: `found` and each of `truths` is a NIfTI file, or each a folder of files of the same names."""

    found: Path
    truths: tuple[Path, ...]
    tolerances_mm: tuple[float, ...]
    names: Mapping[int, str]
    resamples: int = 1000
    seed: int = 0


def overlap_scores(order: Overlaps) -> dict[str, Any]:
    """Scores by structure over the cases, and every row behind them, as plain values.

    A case of the truth without a file in `found` is a miss of all its structures; a file in `found` without truth is named and
    not scored. Raises ShokenError for files that are no masks, for grids that differ, and when nothing can be scored.
    """
    found, truths = _files(order.found), [_files(path) for path in order.truths]
    if order.found.is_file():  # two files are a pair, whatever they are called
        case = _case(order.truths[0])
        found, truths = {case: order.found}, [{case: path} for path in order.truths]
    cases = sorted(set().union(*truths))
    if not cases:
        raise ShokenError("holds no NIfTI mask", subject=order.truths[0].name, accepted="a .nii or .nii.gz file, or a folder of them")
    rows = [row for case in cases for row in _case_rows(case, found.get(case), [part.get(case) for part in truths], order)]
    return {
        "cases": len(cases),
        "readers": len(truths) if len(truths) > 1 else 0,
        "tolerances_mm": list(order.tolerances_mm),
        "structures": [_plain(score) for score in by_structure(rows, resamples=order.resamples, seed=order.seed)],
        "without_truth": sorted(set(found) - set(cases)),
        "not_found": sorted(set(cases) - set(found)),
        "rows": [_row(row) for row in rows],
    }


def _case_rows(case: str, found: Path | None, truths: Sequence[Path | None], order: Overlaps) -> list[Row]:
    masks = {f"reader {n}": _read(path) for n, path in enumerate(truths, start=1) if path is not None}
    like = next(iter(masks.values()))
    ours = like.like(np.zeros(like.grid.shape, np.uint8)) if found is None else _read(found)
    for mask in (ours, *masks.values()):
        check_same_grid(mask.grid, like.grid)
    numbers = sorted({n for mask in (ours, *masks.values()) for n in labels_in(mask)} | set(order.names)) or [1]
    rows: list[Row] = []
    for number in numbers:
        name, own = order.names.get(number, str(number)), structure(ours, number)
        parts = {reader: structure(mask, number) for reader, mask in masks.items()}
        if len(order.truths) == 1:
            rows.append(score_truth(case, name, own, parts["reader 1"], order.tolerances_mm))
        else:
            agreed = like.like(consensus_of([np.asarray(part.voxels) for part in parts.values()]), unit="1")
            rows.extend(score_readers(case, name, own, parts, agreed, order.tolerances_mm))
    return rows


def _files(path: Path) -> dict[str, Path]:
    """Case name to file."""
    if path.is_dir():
        return {_case(file): file for file in sorted(path.iterdir()) if file.name.endswith(SUFFIXES) and not file.name.startswith(".")}
    return {_case(path): path}


def _case(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".nii")


def _read(path: Path) -> Volume:
    mask = read_nifti(path, "1", "SEG")
    try:
        labels_in(mask)
    except ShokenError as error:
        raise ShokenError(error.problem, subject=path.name, accepted=error.accepted) from None
    return mask


def _plain(score: Any) -> dict[str, Any]:
    document = asdict(score)
    document["nsd"] = [{"tolerance_mm": tolerance, **value} for tolerance, value in document["nsd"]]
    return document


def _row(row: Row) -> dict[str, Any]:
    scores = asdict(row.overlap)
    nsd = [{"tolerance_mm": t, "value": value} for t, value in zip(scores.pop("tolerances_mm"), scores.pop("nsd"), strict=True)]
    head = {"case": row.case, "structure": row.structure, "comparison": row.comparison, "between": list(row.between)}
    return {**head, **scores, "nsd": nsd}
