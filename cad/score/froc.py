"""FROC: sensitivity against false positives per scan, and the mean at 1/8 to 8 of them (CPM), with bootstrap by scan.

Curve and mean follow LUNA16's evaluation (Setio et al., Med Image Anal 2017;42:1-13): a threshold at every score,
linear interpolation between them.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from cad.errors import ShokenError
from cad.score.bootstrap import Interval, bootstrap
from cad.score.match import Mark, ScanMatch, Truth, match_scan
from cad.space import FloatArray

OPERATING_FP = (0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
MARKS_PER_SCAN = 100
Item = TypeVar("Item", Mark, Truth)


@dataclass(frozen=True, slots=True)
class FrocCurve:
    """`fp_per_scan`, `sensitivity` and `thresholds` run together, strictest threshold first, from (0, 0)."""

    fp_per_scan: tuple[float, ...]
    sensitivity: tuple[float, ...]
    thresholds: tuple[float, ...]

    def at(self, fp_per_scan: float) -> float:
        """Sensitivity at a number of false positives a scan (linear; the last value beyond the curve)."""
        return float(np.interp(fp_per_scan, self.fp_per_scan, self.sensitivity))

    @property
    def cpm(self) -> float:
        """Mean sensitivity at 1/8, 1/4, 1/2, 1, 2, 4 and 8 false positives a scan."""
        return float(np.mean([self.at(fp) for fp in OPERATING_FP]))


@dataclass(frozen=True, slots=True)
class FrocResult:
    """Counts, the curve, sensitivities at 1/8..8 and CPM; the intervals are 95 % from resampling scans."""

    scans: int
    lesions: int
    marks: int
    true_positives: int
    false_positives: int
    false_negatives: int
    ignored: int
    doubles: int
    sensitivity: float
    curve: FrocCurve
    operating: tuple[tuple[float, float], ...]
    cpm: float
    cpm_interval: Interval | None = None


def froc_from_csv(
    marks: Path, truth: Path, ignore: Path | None = None, series: Path | None = None, *, resamples: int = 0, seed: int = 0
) -> FrocResult:
    """Score LUNA16-format CSV files: marks (seriesuid, coordX, coordY, coordZ, probability), truth and findings to ignore
    (seriesuid, coordX, coordY, coordZ, diameter_mm), and the list of scans (one series UID a line, no header).

    Without `series` the scans are those that occur in marks or truth. Raises ShokenError naming file and column.
    """
    all_marks = [Mark(scan, centre, value) for scan, centre, value in _rows(marks, "probability")]
    truths = [Truth(*row) for row in _rows(truth, "diameter_mm")]
    others = [] if ignore is None else [Truth(*row) for row in _rows(ignore, "diameter_mm")]
    scans = _scans(series) if series else sorted({m.scan for m in all_marks} | {t.scan for t in truths})
    return froc(all_marks, truths, others, scans, resamples=resamples, seed=seed)


def froc(
    marks: Sequence[Mark],
    truths: Sequence[Truth],
    ignore: Sequence[Truth],
    scans: Sequence[str],
    *,
    resamples: int = 0,
    seed: int = 0,
) -> FrocResult:
    """Match every scan (at most its 100 best marks, as LUNA16) and summarise. `resamples` 0 leaves the interval out."""
    by_scan = (_grouped(marks), _grouped(truths), _grouped(ignore))
    matches = [match_scan(s, _best(by_scan[0].get(s, [])), by_scan[1].get(s, []), by_scan[2].get(s, [])) for s in scans]
    used = sum(len(_best(by_scan[0].get(s, []))) for s in scans)
    return summarise(matches, used, resamples=resamples, seed=seed)


def summarise(matches: Sequence[ScanMatch], marks: int, *, resamples: int = 0, seed: int = 0) -> FrocResult:
    """Counts, curve and CPM of matched scans, in which `marks` marks were scored. Raises ShokenError without scans or lesions."""
    lesions = [score for m in matches for score in m.lesions]
    if not matches or not lesions:
        raise ShokenError(f"{len(matches)} scans with {len(lesions)} lesions", subject="FROC", accepted="at least one scan and one lesion")
    found = sum(score is not None for score in lesions)
    curve = curve_of(matches)
    interval = bootstrap(_cpm_or_nan, matches, resamples=resamples, seed=seed) if resamples else None
    return FrocResult(
        scans=len(matches),
        lesions=len(lesions),
        marks=marks,
        true_positives=found,
        false_positives=sum(len(m.false_marks) for m in matches),
        false_negatives=len(lesions) - found,
        ignored=sum(m.ignored for m in matches),
        doubles=sum(m.doubles for m in matches),
        sensitivity=found / len(lesions),
        curve=curve,
        operating=tuple((fp, curve.at(fp)) for fp in OPERATING_FP),
        cpm=curve.cpm,
        cpm_interval=interval,
    )


def curve_of(matches: Sequence[ScanMatch]) -> FrocCurve:
    """The FROC curve: one point a distinct score."""
    hits = np.sort(np.array([s for m in matches for s in m.lesions if s is not None], dtype=np.float64))
    false = np.sort(np.array([s for m in matches for s in m.false_marks], dtype=np.float64))
    total = sum(len(m.lesions) for m in matches)
    thresholds = np.unique(np.concatenate([hits, false]))[::-1]
    found = _at_least(hits, thresholds) / total
    wrong = _at_least(false, thresholds) / len(matches)
    return FrocCurve((0.0, *wrong.tolist()), (0.0, *found.tolist()), (float("inf"), *thresholds.tolist()))


def _at_least(ordered: FloatArray, thresholds: FloatArray) -> FloatArray:
    return np.asarray(len(ordered) - np.searchsorted(ordered, thresholds, side="left"), dtype=np.float64)


def _cpm_or_nan(matches: Sequence[ScanMatch]) -> float:
    return curve_of(matches).cpm if any(m.lesions for m in matches) else float("nan")


def _best(marks: Sequence[Mark]) -> Sequence[Mark]:
    """At most 100 marks; where more were made, those above the score of the 101st (ties at the limit fall out together)."""
    if len(marks) <= MARKS_PER_SCAN:
        return marks
    limit = sorted((m.score for m in marks), reverse=True)[MARKS_PER_SCAN]
    return [m for m in marks if m.score > limit]


def _grouped(items: Sequence[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        groups[item.scan].append(item)
    return groups


def _scans(path: Path) -> list[str]:
    return list(dict.fromkeys(line.split(",")[0].strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()))


def _rows(path: Path, value: str) -> list[tuple[str, tuple[float, float, float], float]]:
    columns = ("seriesuid", "coordX", "coordY", "coordZ", value)
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        missing = [c for c in columns if c not in (reader.fieldnames or ())]
        if missing:
            raise ShokenError(f"has no column {', '.join(missing)}", subject=path.name, accepted=", ".join(columns))
        try:
            return [(r["seriesuid"], (float(r["coordX"]), float(r["coordY"]), float(r["coordZ"])), float(r[value])) for r in reader]
        except ValueError:
            raise ShokenError(f"line {reader.line_num} holds something that is no number", subject=path.name, accepted="numbers") from None
