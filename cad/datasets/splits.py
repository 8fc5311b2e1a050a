"""Patients into train, calibration and test, and the check that nobody is on two sides under another name."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from cad.datasets.layout import DataSetError
from cad.datasets.pixels import same_patients
from cad.datasets.store import DataSet
from cad.write.folder import write_file

PARTS = ("train", "calibration", "test")
SHARES = (0.7, 0.15, 0.15)
FILE = "split.json"


class LeakError(DataSetError):
    """The same patient is on two sides."""


@dataclass(frozen=True, slots=True)
class Split:
    """Patient handles by part. `fingerprint` is the data set's; `joined` are patients kept together since they share pixels."""

    fingerprint: str
    seed: int
    shares: tuple[float, ...]
    agreement: int
    parts: dict[str, tuple[str, ...]]
    joined: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Leak:
    """Two cases of one patient on two sides; `seen_by` is "patient" (the same handle) or "pixels" (slices in common)."""

    case: str
    part: str
    other_case: str
    other_part: str
    seen_by: str
    slices: int = 0

    def sentence(self) -> str:
        """For a person."""
        how = "belong to one patient" if self.seen_by == "patient" else f"share {self.slices} slices, pixel for pixel"
        return f"case {self.case} ({self.part}) and case {self.other_case} ({self.other_part}) {how}"


def split_patients(data: DataSet, seed: int, shares: Sequence[float] = SHARES, agreement: int = 1) -> Split:
    """A split by patient, the same for the same seed and data, each part with its share of the patients with lesions.

    A lesion counts from `agreement` readers up. Patients who share slices pixel for pixel are one patient. Raises
    DataSetError for shares that do not make a whole.
    """
    if len(shares) != len(PARTS) or min(shares) < 0 or abs(sum(shares) - 1) > 1e-6:
        raise DataSetError("do not add up to 1", subject="shares", accepted="three numbers, for train, calibration and test")
    joined = _joined(data)
    groups = [*joined, *((patient,) for patient in sorted({row["patient"] for row in data.cases} - {p for g in joined for p in g}))]
    sick = {row["patient"] for row in data.cases if any(lesion["agreement"] >= agreement for lesion in row["lesions"])}
    parts: dict[str, list[str]] = {part: [] for part in PARTS}
    for stratum in (True, False):
        drawn = sorted((g for g in groups if bool(sick & set(g)) == stratum), key=lambda g: _lot(seed, g[0]))
        start = 0
        for part, count in zip(PARTS, _quotas(len(drawn), shares), strict=True):
            parts[part] += [patient for group in drawn[start : start + count] for patient in group]
            start += count
    return Split(data.fingerprint, seed, tuple(shares), agreement, {part: tuple(sorted(names)) for part, names in parts.items()}, joined)


def leaks(data: DataSet, split: Split) -> tuple[Leak, ...]:
    """Every pair of cases on two sides that is one patient by handle or by pixels."""
    places = [(row["case"], part, row["patient"]) for row in data.cases for part in PARTS if row["patient"] in split.parts.get(part, ())]
    slices = {case: frozenset(digests) for case, digests in data.slices().items()}
    return tuple(_pairs(places, slices))


def check_split(data: DataSet, split: Split) -> None:
    """Raises LeakError when a patient is on two sides, DataSetError for a split of other data or with patients left over."""
    if split.fingerprint != data.fingerprint:
        raise DataSetError("was made for other data", subject=FILE, accepted="a split of this data set (`shoken data split`)")
    found = leaks(data, split)
    if found:
        raise LeakError(f"{len(found)} leaks; {found[0].sentence()}", subject=FILE, accepted="each patient on one side only")
    known, placed = {row["patient"] for row in data.cases}, {patient for part in split.parts.values() for patient in part}
    if known != placed or set(split.parts) != set(PARTS):
        raise DataSetError("leaves patients out or names others", subject=FILE, accepted="every patient of the data set once")


def leaks_between(one: DataSet, other: DataSet) -> tuple[Leak, ...]:
    """Cases of two data sets that are one patient: what was trained on one must not be tested on the other."""
    held: dict[str, set[str]] = {}
    for row in other.cases:
        for digest in row["slices"]:
            held.setdefault(digest, set()).add(row["case"])
    patients = {row["case"]: row["patient"] for row in other.cases}
    found = []
    for row in one.cases:
        shared: dict[str, int] = {}
        for digest in row["slices"]:
            for case in held.get(digest, ()):
                shared[case] = shared.get(case, 0) + 1
        by_name = [case for case, patient in patients.items() if patient == row["patient"] and case not in shared]
        found += [Leak(row["case"], "this data set", case, "the other", "pixels", n) for case, n in sorted(shared.items())]
        found += [Leak(row["case"], "this data set", case, "the other", "patient") for case in by_name]
    return tuple(found)


def write_split(split: Split, data: DataSet) -> Path:
    """Keep a checked split beside its data set."""
    check_split(data, split)
    path = data.root / FILE
    write_file(path, (json.dumps(asdict(split), indent=1, sort_keys=True) + "\n").encode())
    return path


def read_split(data: DataSet) -> Split:
    """The split of a data set, checked. Raises DataSetError where there is none, LeakError where it leaks."""
    split = load_split(data)
    check_split(data, split)
    return split


def load_split(data: DataSet) -> Split:
    """The split as it lies there, unchecked. Raises DataSetError where there is none that can be read."""
    try:
        stored: dict[str, Any] = json.loads((data.root / FILE).read_text(encoding="utf-8"))
        return Split(
            fingerprint=str(stored["fingerprint"]),
            seed=int(stored["seed"]),
            shares=tuple(float(share) for share in stored["shares"]),
            agreement=int(stored["agreement"]),
            parts={str(part): tuple(names) for part, names in stored["parts"].items()},
            joined=tuple(tuple(group) for group in stored["joined"]),
        )
    except FileNotFoundError:
        raise DataSetError("has no split", subject=str(data.root), accepted="one made by `shoken data split`") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DataSetError("cannot be read", subject=FILE, accepted="what `shoken data split` wrote") from None


def _pairs(places: Sequence[tuple[str, str, str]], slices: Mapping[str, frozenset[str]]) -> list[Leak]:
    """Only cases that share a handle or a digest are compared, so that a thousand scans cost no million comparisons."""
    near: dict[str, list[int]] = {}
    for n, (case, _, patient) in enumerate(places):
        for key in {f"patient {patient}", *slices[case]}:
            near.setdefault(key, []).append(n)
    suspects = sorted({pair for members in near.values() for pair in combinations(members, 2)})
    found = []
    for a, b in suspects:
        (case, part, patient), (other_case, other_part, other) = places[a], places[b]
        if part != other_part:
            seen_by = "patient" if patient == other else "pixels"
            found.append(Leak(case, part, other_case, other_part, seen_by, len(slices[case] & slices[other_case])))
    return found


def _joined(data: DataSet) -> tuple[tuple[str, ...], ...]:
    by_patient: dict[str, set[str]] = {}
    for row in data.cases:
        by_patient.setdefault(row["patient"], set()).update(row["slices"])
    return same_patients(by_patient)


def _lot(seed: int, patient: str) -> str:
    return hashlib.sha256(f"{seed}\0{patient}".encode()).hexdigest()


def _quotas(count: int, shares: Sequence[float]) -> list[int]:
    """Whole numbers that add up to `count`, by largest remainder."""
    exact = [count * share for share in shares]
    whole = [int(value + 1e-9) for value in exact]
    by_rest = sorted(range(len(exact)), key=lambda n: (whole[n] - exact[n], n))
    for n in by_rest[: count - sum(whole)]:
        whole[n] += 1
    return whole
