"""Which weights, made from what, approved by whom: ModelVersion."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """A threshold of one cascade stage and what it achieved where it was chosen.

    `sensitivity` is a share of lesions (or patients) with a 95 % interval over `n` of them.
    """

    stage: str
    threshold: float
    sensitivity: float
    sensitivity_interval: tuple[float, float]
    n: int


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """An immutable version of a task's networks: one safetensors file, one digest.

    `sha256` is of the whole file, so stage specifications, calibration and operating points,
    which live in the file's header, are covered by it. `approval` is "" until someone signed.
    """

    name: str
    version: str
    sha256: str
    data_fingerprint: str
    code_version: str
    operating_points: tuple[OperatingPoint, ...] = ()
    approval: str = ""
