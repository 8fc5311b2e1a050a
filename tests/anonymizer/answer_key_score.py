"""What an anonymizer's output is worth against the answer key: per action, hits and misses, and a Wilson interval.

Files are found again by their pixels (the serial number in the last row), so no tool has to hand in its mapping. A file
that did not come out misses all its checks: what is lost was neither kept nor proved clean.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from answer_key import ACTIONS, Check, shift_of
from pydicom import dcmread, uid
from pydicom.dataset import Dataset, FileDataset
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue

MARGIN = 24  # pixels around a burned-in text that a blanked box may reach


@dataclass(frozen=True, slots=True)
class Tally:
    """Checks done and passed of one action."""

    passed: int
    total: int

    @property
    def accuracy(self) -> float:
        return self.passed / self.total if self.total else 1.0

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        if not self.total:
            return 0.0, 1.0
        z, n, p = 1.959964, self.total, self.accuracy
        centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        return max(0.0, centre - half), min(1.0, centre + half)


@dataclass(frozen=True, slots=True)
class Score:
    """Per action, in all, and which checks were missed."""

    actions: dict[str, Tally]
    misses: tuple[Check, ...]
    files: int

    @property
    def total(self) -> Tally:
        return Tally(sum(t.passed for t in self.actions.values()), sum(t.total for t in self.actions.values()))


@dataclass(slots=True)
class Outputs:
    """The output files by serial number, and what the whole folder says of mappings and shifts."""

    files: dict[int, FileDataset]
    content: dict[int, bytes]
    mapped: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    backward: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    shifts: dict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))


def evaluate(folder: Path, key: Iterable[Check], originals: Path) -> Score:
    """Score every file under `folder` against the key; `originals` is the folder that was given to the anonymizer."""
    checks = tuple(key)
    sources, outputs = read(originals).files, read(folder)
    gather(outputs, checks)
    missed = [check for check in checks if not passes(check, outputs, sources)]
    totals, wrong = Counter(c.action for c in checks), Counter(c.action for c in missed)
    tallies = {action: Tally(totals[action] - wrong[action], totals[action]) for action in ACTIONS if totals[action]}
    return Score(tallies, tuple(missed), len(outputs.files))


def read(folder: Path) -> Outputs:
    found = Outputs({}, {})
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            image = dcmread(path)
            serial = serial_of(image)
        except (InvalidDicomError, AttributeError, ValueError, RuntimeError, KeyError, OSError):
            continue
        found.files[serial], found.content[serial] = image, searchable(path, image)
    return found


def serial_of(image: Dataset) -> int:
    high, middle, low = (int(value) for value in image.pixel_array[-1, :3])
    return high * 40000 + middle * 200 + low


def searchable(path: Path, image: Dataset) -> bytes:
    """The file's bytes, and every text in it in UTF-8 (deflated, or in another character set)."""
    texts = (str(element.value) for element in image.iterall() if element.VR not in ("SQ", "OB", "OW", "UN"))
    return path.read_bytes() + "\n".join(texts).encode("utf-8", "replace")


def gather(outputs: Outputs, checks: Iterable[Check]) -> None:
    for check in checks:
        now = text_at(outputs.files.get(check.serial), check.path)
        if check.action in ("uid_consistent", "patid_consistent") and now:
            outputs.mapped[check.value][now] += 1
            outputs.backward[now].add(check.value)
        shift = shift_of(check.value, now or "") if check.action == "date_shifted" else None
        if shift is not None:
            outputs.shifts[check.patient][shift] += 1


def passes(check: Check, outputs: Outputs, sources: dict[int, FileDataset]) -> bool:
    image = outputs.files.get(check.serial)
    if image is None:
        return False
    now = text_at(image, check.path)
    match check.action:
        case "tag_retained":
            return now is not None
        case "text_notnull":
            return bool(now)
        case "text_retained":
            return now is not None and check.value.casefold() in now.casefold()
        case "text_removed":
            return removed(check, now, outputs.content[check.serial])
        case "date_shifted":
            return shifted(check, now, outputs.shifts[check.patient])
        case "uid_changed":
            return now is not None and now != check.value and uid.UID(now).is_valid
        case "uid_consistent" | "patid_consistent":
            return consistent(check, now, outputs)
        case _:
            return pixels_pass(check, image, sources[check.serial])


def removed(check: Check, now: str | None, content: bytes) -> bool:
    if not check.path:
        return check.value.encode() not in content
    return now is None or check.value.casefold() not in now.casefold()


def shifted(check: Check, now: str | None, shifts: Counter[int]) -> bool:
    shift = shift_of(check.value, now or "")
    return shift is not None and shift != 0 and shift == shifts.most_common(1)[0][0]


def consistent(check: Check, now: str | None, outputs: Outputs) -> bool:
    """Changed, one original one replacement, and no two originals the same one."""
    if not now or now == check.value:
        return False
    return now == outputs.mapped[check.value].most_common(1)[0][0] and outputs.backward[now] == {check.value}


def pixels_pass(check: Check, image: Dataset, source: Dataset) -> bool:
    now, before = image.pixel_array, source.pixel_array
    if now.shape != before.shape:
        return False
    if check.action == "pixels_hidden":
        top, left, bottom, right = check.box
        return bool(now[top:bottom, left:right].std() < 2)
    outside = np.ones(before.shape, bool)
    if before.dtype == np.uint8:  # the screens: text in the upper rows only
        outside[: 12 + 34 * 3 + MARGIN] = False
    return bool((now == before)[outside].all())


def text_at(dataset: Dataset | None, path: str) -> str | None:
    """The value at a path of the key as text; None when it is not there."""
    if dataset is None or not path:
        return None
    if ":" in path:
        return private_text(dataset, path)
    *sequences, last = path.split(".")
    for keyword in sequences:
        held = dataset.get(keyword)
        if not held:
            return None
        dataset = held[0]
    if last not in dataset:
        return None
    value = dataset[last].value
    if isinstance(value, MultiValue):
        return "\\".join(map(str, value))
    return "" if value is None else str(value)


def private_text(dataset: Dataset, path: str) -> str | None:
    group, creator, offset = path.split(":")
    try:
        value = dataset.private_block(int(group, 16), creator)[int(offset, 16)].value
    except KeyError:
        return None
    return value.decode("utf-8", "replace").strip(" \0") if isinstance(value, bytes) else str(value)
