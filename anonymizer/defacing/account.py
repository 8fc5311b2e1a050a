"""What was done about a face, in numbers: FaceAccount, and the three outcomes that carry it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pydicom.dataset import FileDataset

from anonymizer.gate import Reason, Verdict

METHOD = "hull_shear"
VERSION = "1"


class Status(StrEnum):
    """What became of a series."""

    APPLIED = "applied"
    NOT_NEEDED = "not_needed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class FaceAccount:
    """The account of one series; `evidence` is a stable code that says why.

    `face_area_mm2` is the skin of the face that was measured, seen from the front, `face_moved_share` the part of it that went back by at
    least 5 mm; `removed_mm3` counts pixels that changed. `brain_voxels_checked` are full-resolution voxels in either estimate of the brain
    dilated by `margin_mm`, `brain_voxels_changed` those of them that changed (an applied account always has 0).
    """

    status: Status
    evidence: str
    frames: int = 0
    frames_changed: int = 0
    removed_mm3: float = 0.0
    face_area_mm2: float = 0.0
    face_moved_share: float | None = None
    brain_ml: float | None = None
    brain_voxels_checked: int = 0
    brain_voxels_changed: int = 0
    margin_mm: float | None = None
    method: str = METHOD
    version: str = VERSION

    def to_json(self) -> dict[str, object]:
        """Plain data for a receipt; numbers are rounded, nothing of the patient is in it."""
        return {
            "status": self.status.value,
            "evidence": self.evidence,
            "frames": self.frames,
            "frames_changed": self.frames_changed,
            "removed_mm3": round(self.removed_mm3, 1),
            "face_area_mm2": round(self.face_area_mm2, 1),
            "face_moved_share": None if self.face_moved_share is None else round(self.face_moved_share, 4),
            "brain_ml": None if self.brain_ml is None else round(self.brain_ml, 1),
            "brain_voxels_checked": self.brain_voxels_checked,
            "brain_voxels_changed": self.brain_voxels_changed,
            "margin_mm": self.margin_mm,
            "method": self.method,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class FaceVerdict:
    """Why a series must not pass; nothing of it was changed."""

    reason: Reason
    detail: str
    account: FaceAccount

    def as_verdict(self) -> Verdict:
        """The same for a manifest line."""
        return Verdict(self.reason, self.detail)


@dataclass(frozen=True, slots=True, eq=False)
class Defaced:
    """The series as it may leave: new data sets where something changed, the very ones given where nothing did."""

    images: tuple[FileDataset, ...]
    account: FaceAccount


@dataclass(frozen=True, slots=True)
class SeriesOutcome:
    """What became of the files of one series: all of `rewritten` were replaced, or none was touched (`verdict` says why)."""

    account: FaceAccount
    verdict: Verdict | None = None
    rewritten: int = 0


def refused(evidence: str, detail: str, account: FaceAccount | None = None) -> FaceVerdict:
    """A verdict `face_not_removed`; the numbers of `account` are kept."""
    from dataclasses import replace

    base = account or FaceAccount(Status.REFUSED, evidence)
    return FaceVerdict(Reason.FACE_NOT_REMOVED, detail, replace(base, status=Status.REFUSED, evidence=evidence))


def not_needed(evidence: str, frames: int) -> FaceAccount:
    """An account that says why nothing was done."""
    return FaceAccount(Status.NOT_NEEDED, evidence, frames=frames)
