"""The report of a run: what was done to which attribute how often, what was refused and why. Never a value, never a clock.

The same export, key and profile give the same report, however often the run was stopped and gone on with.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import version
from typing import Any

from anonymizer.describe import describe
from anonymizer.profile import Option, Profile
from anonymizer.standard import ADDITIONS_EDITION, EDITION
from pipelines.deidentification.rows import ARCHIVE, DEIDENTIFIED, REFUSED, FileRow
from pipelines.deidentification.words import explanation

SCHEMA_VERSION = "1.0"
MOST_DETAILS = 20
Line = tuple[str, str, str, str]


@dataclass(slots=True)
class Account:
    """Counts over the rows of a run, as they go by."""

    statuses: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    details: dict[str, Counter[str]] = field(default_factory=dict)
    receipts: Counter[str] = field(default_factory=Counter)
    series: dict[tuple[str, str], str] = field(default_factory=dict)

    def add(self, row: FileRow) -> None:
        """Count one row."""
        self.statuses[row.status] += 1
        if row.status == DEIDENTIFIED:
            self.receipts[row.receipt] += 1
            self.series.setdefault((row.study, row.series), row.receipt)
        elif row.status == REFUSED:
            self.refused[row.reason] += 1
            told = self.details.setdefault(row.reason, Counter())
            if row.detail in told or len(told) < MOST_DETAILS:
                told[row.detail] += 1

    @property
    def files(self) -> int:
        """Files that came in: archives that were opened are not files themselves."""
        return self.statuses[DEIDENTIFIED] + self.statuses[REFUSED]


@dataclass(slots=True)
class _Done:
    """Sums over receipts: files and values by attribute, action and reason; files by what was done to pixels; series by defacing."""

    attributes: dict[Line, list[int]] = field(default_factory=dict)
    actions: Counter[str] = field(default_factory=Counter)
    pixels: Counter[str] = field(default_factory=Counter)
    pixel_sums: Counter[str] = field(default_factory=Counter)
    faces: Counter[tuple[str, str]] = field(default_factory=Counter)
    faces_files: Counter[str] = field(default_factory=Counter)

    def add(self, receipt: Mapping[str, Any], files: int, series: int) -> None:
        """Count one receipt that so many files have, the first of so many series among them."""
        for line in receipt["lines"]:
            key = (line["path"], line["name"], line["action"], line["reason"])
            sums = self.attributes.setdefault(key, [0, 0])
            sums[0] += files
            sums[1] += files * line["count"]
            self.actions[line["action"]] += files * line["count"]
        self.pixels[receipt["pixels"]] += files
        self._add_pixels(receipt.get("pixel_account"), files)
        faces = receipt.get("defacing")
        if faces:
            self.faces[faces["status"], faces["evidence"]] += series
            self.faces_files[faces["status"]] += files

    def _add_pixels(self, account: Mapping[str, Any] | None, files: int) -> None:
        if account is not None:
            for name in ("frames", "frames_examined", "pixels_changed", "marks_kept"):
                self.pixel_sums[name] += files * account[name]
            self.pixel_sums["frames_blanked"] += files * len(account["boxes"])
            self.pixel_sums["boxes_blanked"] += files * sum(box["blanked"] for box in account["boxes"])


def report_of(
    account: Account, receipts: Iterable[tuple[str, str]], profile: Profile, fingerprint: str, *, vault: bool = False
) -> dict[str, Any]:
    """The report as plain data (docs/user-guide.md). `receipts` are (sha256, JSON) pairs; those of no row are passed over."""
    done, first = _Done(), Counter(account.series.values())
    for digest, text in receipts:
        if account.receipts[digest]:
            done.add(json.loads(text), account.receipts[digest], first[digest])
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "deidentification_report",
        "software": {"name": "shoken", "version": software_version()},
        "key_fingerprint": fingerprint,
        "vault": vault,
        "profile": _profile(profile),
        "files": _files(account),
        "studies": len({study for study, _ in account.series}),
        "series": len(account.series),
        "refused": dict(account.refused),
        "refusals": [_refusal(reason, count, account.details[reason]) for reason, count in _most_first(account.refused)],
        "dates": {"policy": profile.temporal_information.lower(), "shifted": Option.RETAIN_MODIFIED_DATES in profile.options},
        "pixels": dict(done.pixels),
        "pixel_sums": dict(done.pixel_sums),
        "defacing": {"files": dict(done.faces_files), "series": [_faces(*key, count) for key, count in sorted(done.faces.items())]},
        "actions": dict(done.actions),
        "attributes": [_attribute(line, *sums) for line, sums in sorted(done.attributes.items())],
    }


@cache
def software_version() -> str:
    """The installed version of this software."""
    return version("shoken")


@cache
def rules_sha256(profile: Profile) -> str:
    """Tells whether two runs went by the same rules: the digest of the profile as `shoken deid --describe` prints it."""
    return hashlib.sha256(describe(profile).encode()).hexdigest()


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "method_codes": [{"code": code, "meaning": meaning} for code, meaning in profile.method_codes],
        "temporal_information": profile.temporal_information,
        "standard": {"table": "PS3.15 E.1-1", "edition": EDITION, "additions_until": ADDITIONS_EDITION},
        "rules_sha256": rules_sha256(profile),
    }


def _files(account: Account) -> dict[str, int]:
    return {
        "in": account.files,
        "deidentified": account.statuses[DEIDENTIFIED],
        "refused": account.statuses[REFUSED],
        "archives_opened": account.statuses[ARCHIVE],
    }


def _refusal(reason: str, count: int, details: Counter[str]) -> dict[str, Any]:
    told = [{"detail": detail, "count": times} for detail, times in _most_first(details)]
    return {"reason": reason, "count": count, "explanation": explanation(reason, "en"), "details": told}


def _most_first(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))


def _faces(status: str, evidence: str, series: int) -> dict[str, Any]:
    return {"status": status, "evidence": evidence, "series": series}


def _attribute(line: Line, files: int, values: int) -> dict[str, Any]:
    path, name, action, reason = line
    level = "nested" if "/" in path else "top"
    return {"path": path, "name": name, "level": level, "action": action, "reason": reason, "files": files, "values": values}
