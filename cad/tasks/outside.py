"""Models that others trained, imported from MONAI bundles, behind the same contract as our own tasks.

A segmentation bundle gives measurements of structures; a detection bundle gives findings, once its scores were calibrated
on labelled scans: a score without a calibration is not shown. What such a model was trained on is not known here, so no
novelty can be judged, and every result says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.backends import Float32Array, Forward
from cad.detect.boxes import BoxRule, find_boxes
from cad.errors import ModelError, Refusal
from cad.explain.confidence import Calibration
from cad.explain.statement import lesion_statement, nodule_statement
from cad.finding import Candidate, Evidence, Exhibit, Finding, Measurement
from cad.measure.extent import measure_extent
from cad.networks import LoadedModel
from cad.prepare.bodypart import body_part
from cad.prepare.intensity import scale
from cad.prepare.resample import resample
from cad.report import Funnel
from cad.space import Box, Grid, as_point
from cad.study import Series
from cad.tasks.choosing import CHEST_WORDS, HEAD_WORDS, Needs, judge
from cad.tasks.looks import fits, wrong_part
from cad.tasks.task import Fit, Progress, Suitability, TaskResult
from cad.volume import Volume

STAGE = "network"
SETTINGS = "outside"
MAX_SHOWN = 10
_AXES = {"L": (1, 0, 0), "R": (-1, 0, 0), "P": (0, 1, 0), "A": (0, -1, 0), "S": (0, 0, 1), "I": (0, 0, -1)}
_WORDS = {"chest": CHEST_WORDS, "head": HEAD_WORDS}
_CLASS_VALUES = 2**26


@dataclass(frozen=True, slots=True)
class OutsideSettings:
    """What a bundle says of its network's input and output.

    `axcodes` names what each array axis grows towards (MONAI's "RAS"), `pixdim_mm` its spacing; intensities from `window` (HU for
    CT) become `target`. `labels` pairs channel or class number with a structure's name. `boxes` makes it a detector.
    """

    body: str
    modality: str
    axcodes: str
    pixdim_mm: tuple[float, float, float]
    window: tuple[float, float]
    target: tuple[float, float] = (0.0, 1.0)
    roi: tuple[int, int, int] = (96, 96, 96)
    roi_overlap: float = 0.25
    exclusive: bool = True
    labels: tuple[tuple[int, str], ...] = ()
    boxes: BoxRule | None = None
    calibration: Calibration | None = None
    source: tuple[tuple[str, str], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain values for the model header."""
        return {SETTINGS: asdict(self)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> OutsideSettings:
        """Back from the model header. Raises ModelError for a model that is not from outside."""
        if SETTINGS not in stored:
            raise ModelError("was not imported from a bundle", subject="settings", accepted="a model that `shoken models import` made")
        values = {key: _tuples(value) for key, value in stored[SETTINGS].items() if key not in {"boxes", "calibration"}}
        boxes, calibration = stored[SETTINGS]["boxes"], stored[SETTINGS]["calibration"]
        return cls(
            **values,
            boxes=None if boxes is None else BoxRule(**{key: _tuples(value) for key, value in boxes.items()}),
            calibration=None if calibration is None else Calibration.from_dict(calibration),
        )

    def grid(self, source: Grid) -> Grid:
        """The network's grid over everything that a source grid holds."""
        directions = np.array([_AXES[code] for code in self.axcodes], dtype=np.float64)
        corners = source.to_mm([[(0, n - 1)[bit >> axis & 1] for axis, n in enumerate(source.shape)] for bit in range(8)])
        along = corners @ directions.T
        low, span = along.min(axis=0), np.ptp(along, axis=0)
        shape = np.rint(span / self.pixdim_mm).astype(int) + 1
        affine = np.eye(4)
        affine[:3, :3] = directions.T * self.pixdim_mm
        affine[:3, 3] = directions.T @ low
        return Grid((int(shape[0]), int(shape[1]), int(shape[2])), affine)


@dataclass(frozen=True, slots=True)
class OutsideTask:
    """See cad.tasks.task.Task for the contract; the name is that of the model's task."""

    name: str
    settings: OutsideSettings

    @property
    def kind(self) -> str:
        """The first thing the bundle says it finds."""
        return self.settings.labels[0][1] if self.settings.labels else self.name

    @property
    def modality(self) -> str:
        """The DICOM modality the bundle was made for."""
        return self.settings.modality

    @property
    def needs(self) -> Needs:
        """What it can read, in the terms of our own tasks."""
        return Needs(self.modality, self.settings.body, _WORDS.get(self.settings.body, (self.settings.body,)))

    def suits(self, series: Series) -> Suitability:
        """From the headers."""
        return judge(series, self.needs)

    def fits(self, volume: Volume, series: Series) -> Fit:
        """Whether the pixels show the body part (see cad.tasks.looks)."""
        return fits(self.name, self.needs, volume, series)

    def run(self, volume: Volume, model: LoadedModel, *, lang: str, progress: Progress) -> TaskResult | Refusal:
        """Look through one volume. Raises ModelError for another task's model and for a detector without a calibration."""
        if model.header.task != self.name:
            raise ModelError(f"is a model for {model.header.task}", subject=self.name, accepted=f"a model for {self.name}")
        part = body_part(volume)
        if part.name not in {self.settings.body, "other"}:
            return wrong_part(self.name, self.settings.body, part)
        progress("prepare")
        seen = seen_by(volume, self.settings)
        progress("look")
        result = self._detected(seen, volume, model, lang) if self.settings.boxes else self._segmented(seen, volume, model)
        return replace(result, warnings=(_unknown_training(self.name),))

    def _segmented(self, seen: Volume, volume: Volume, model: LoadedModel) -> TaskResult:
        labels = segmented(model.forward(STAGE), np.asarray(seen.voxels, dtype=np.float32), self.settings)
        slices = volume.grid.shape[0]
        parts = tuple((name, seen.like((labels == number).astype(np.uint8), unit="1")) for number, name in self.settings.labels)
        whole = seen.like((labels > 0).astype(np.uint8), unit="1")
        return TaskResult(
            findings=(),
            funnel=Funnel(self.name, slices, slices, 0, 0, 0),
            model=model.version,
            measurements=tuple(_volume_of(mask, name) for name, mask in parts),
            exhibits=(Exhibit(self.name, 0, volume, whole, parts=parts),),
        )

    def _detected(self, seen: Volume, volume: Volume, model: LoadedModel, lang: str) -> TaskResult:
        if self.settings.calibration is None:
            raise ModelError(
                "its scores were never calibrated, so no confidence can be shown",
                subject=f"{model.version.name} {model.version.version}",
                accepted="`shoken models import` with --calibration, a data set that `shoken data import` made",
            )
        found = candidates_of(seen, model, self.settings)
        findings = tuple(self._finding(rank, c, volume, model, lang) for rank, c in enumerate(found[:MAX_SHOWN], start=1))
        slices = volume.grid.shape[0]
        return TaskResult(
            findings=findings,
            funnel=Funnel(self.name, slices, slices, len(found), len(found), len(findings)),
            model=model.version,
            exhibits=tuple(Exhibit(self.name, finding.rank, volume) for finding in findings),
        )

    def _finding(self, rank: int, candidate: Candidate, volume: Volume, model: LoadedModel, lang: str) -> Finding:
        calibration = self.settings.calibration or Calibration()
        confidence = calibration.apply(candidate.scores[0][1])
        measurements = _sizes(candidate)
        state = nodule_statement if self.settings.body == "chest" else lesion_statement
        return Finding(
            rank=rank,
            task=self.name,
            kind=self.kind,
            candidate=candidate,
            diameter_mm=max(candidate.box_mm.size_mm),
            confidence=confidence,
            measurements=measurements,
            evidence=Evidence(volume.slice_at(candidate.centre_mm), candidate.box_mm),
            statement=state(measurements, confidence, lang),
            model=model.version,
        )


def seen_by(volume: Volume, settings: OutsideSettings) -> Volume:
    """The volume as the bundle's own transforms would hand it to its network: its axes, its spacing, its window."""
    low, high = settings.window
    cut = resample(volume, settings.grid(volume.grid), fill=low)
    start, stop = settings.target
    return cut.like(scale(cut.voxels, low, high) * (stop - start) + start, unit="1")


def candidates_of(seen: Volume, model: LoadedModel, settings: OutsideSettings) -> tuple[Candidate, ...]:
    """What a detector marks, best first: places in LPS mm, its raw score under "detector". Raises ModelError for a segmentation model."""
    if settings.boxes is None:
        raise ModelError("does not mark boxes", subject=model.header.task, accepted="a detection bundle")
    boxes, scores = find_boxes(model.stage(STAGE), np.asarray(seen.voxels, dtype=np.float32), settings.boxes)
    return tuple(_candidate(box, float(score), seen.grid) for box, score in zip(boxes, scores, strict=True))


def segmented(network: Forward, image: Float32Array, settings: OutsideSettings) -> NDArray[np.uint8]:
    """Label map of `image` by overlapping windows, slab by slab: no map of all classes is ever held for the whole volume."""
    classes = max((number for number, _ in settings.labels), default=1) + 1
    out = np.zeros(image.shape, dtype=np.uint8)
    halo = settings.roi[0] // 2
    step = max(halo, _CLASS_VALUES // (classes * image.shape[1] * image.shape[2]) - 2 * halo)
    for start in range(0, image.shape[0], step):
        first, last = max(0, start - halo), min(image.shape[0], start + step + halo)
        found = _decided(_windows(network, image[first:last], settings), settings)
        out[start : start + step] = found[start - first : start - first + step]
    return out


def _windows(network: Forward, image: Float32Array, settings: OutsideSettings) -> Float32Array:
    import torch
    from monai.inferers.utils import sliding_window_inference

    found = sliding_window_inference(
        torch.from_numpy(np.ascontiguousarray(image))[None, None],
        settings.roi,
        1,
        lambda window: torch.from_numpy(network(window.numpy())),
        settings.roi_overlap,
        mode="gaussian",
    )
    return np.asarray(found[0].numpy(), dtype=np.float32)


def _decided(maps: Float32Array, settings: OutsideSettings) -> NDArray[np.uint8]:
    """Class of each voxel: the highest of exclusive classes, else the channel above one half (the last where several are)."""
    if settings.exclusive and len(maps) > 1:
        return np.asarray(maps.argmax(axis=0), dtype=np.uint8)
    out = np.zeros(maps.shape[1:], dtype=np.uint8)
    for channel, values in enumerate(maps):
        number = settings.labels[channel][0] if channel < len(settings.labels) else channel + 1
        out[values > 0] = number
    return out


def _volume_of(mask: Volume, name: str) -> Measurement:
    found = next(m for m in measure_extent(mask) if m.name == "volume")
    ml = None if found.value is None else found.value / 1000
    interval = None if found.interval is None else (found.interval[0] / 1000, found.interval[1] / 1000)
    return replace(found, name=f"volume_{name}", value=ml, unit="mL", interval=interval)


def _candidate(box: NDArray[np.float64], score: float, grid: Grid) -> Candidate:
    corners = grid.to_mm(box.reshape(2, 3) - 0.5)  # MONAI's boxes count from the outer edge of the first voxel
    low, high = corners.min(axis=0), corners.max(axis=0)
    return Candidate(as_point((low + high) / 2), Box(as_point(low), as_point(high)), (("detector", score),))


def _sizes(candidate: Candidate) -> tuple[Measurement, ...]:
    """The box's edges in the axial plane; nothing else is known without an outline."""
    short, long = sorted(candidate.box_mm.size_mm[:2])
    method = "edges of the detector's box in the axial plane, no outline"
    edges = [Measurement(name, edge, "mm", method) for name, edge in (("long_axis", long), ("short_axis", short))]
    unknown = [Measurement(name, None, unit, "no outline", outcome="no_outline") for name, unit in (("volume", "mm3"), ("location", "1"))]
    return (*edges, *unknown)


def _unknown_training(task: str) -> Refusal:
    detail = "the model was imported; what it was trained on is not known here, so whether this scan is like that cannot be judged"
    return Refusal(task, "novelty_unknown", detail)


def _tuples(value: Any) -> Any:
    return tuple(_tuples(part) for part in value) if isinstance(value, list) else value
