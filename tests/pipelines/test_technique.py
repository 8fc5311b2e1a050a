"""The report's first section: one entry a series that was looked through, with what its headers say and nothing they do not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cad.errors import Refusal
from cad.study import Acquisition, InstanceRef, Series
from pipelines.choosing import Look
from pipelines.technique import techniques

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
INSTANCES = tuple(InstanceRef(f"2.25.{n}", "1.2.840.10008.5.1.4.1.1.2", Path("none"), position_mm=(0.0, 0.0, 2.5 * n)) for n in range(4))
CHEST = Series(
    "2.25.10",
    "CT",
    INSTANCES,
    orientation=AXIAL,
    pixel_spacing_mm=(0.7, 0.8),
    slice_thickness_mm=3.0,
    kernel="B60f",
    acquisition=Acquisition(contrast_given="likely"),
)


def look(task: str, series: Series, *, done: bool = True) -> Look:
    stranger: Any = SimpleNamespace(name=task)
    result: Any = object() if done else None
    return Look(stranger, series, stranger, result=result, refusal=None if done else Refusal("", "wrong_body_part", "a head"))


def test_a_series_that_two_tasks_looked_through_is_told_once() -> None:
    (told,) = techniques([look("lung", CHEST), look("aorta", CHEST)])
    assert told.tasks == ("lung", "aorta")
    assert (told.modality, told.plane, told.slices, told.spacing_mm) == ("CT", "axial", 4, 2.5)
    assert (told.thickness_mm, told.pixel_mm, told.kernel, told.contrast) == (3.0, 0.8, "B60f", "likely")
    assert (told.sequence, told.repetition_time_ms, told.echo_time_ms) == ("", None, None)


def test_a_refused_look_is_not_told() -> None:
    assert techniques([look("lung", CHEST, done=False)]) == ()
    (told,) = techniques([look("lung", CHEST, done=False), look("aorta", CHEST)])
    assert told.tasks == ("aorta",)


def test_an_mr_series_has_its_sequence_and_times_and_what_headers_do_not_say_stays_unknown() -> None:
    acquired = Acquisition(echo_times_ms=(3.0, 6.0), repetition_time_ms=600.0, inversion_time_ms=900.0, scanning_sequence=("GR", "IR"))
    head = replace(CHEST, series_instance_uid="2.25.11", modality="MR", kernel="", description="T1 MPRAGE", acquisition=acquired)
    bare = Series("2.25.12", "CT", INSTANCES[:1])
    one, two = techniques([look("brain", head), look("lung", bare)])
    assert one.sequence.startswith("T1")
    assert (one.repetition_time_ms, one.echo_time_ms) == (600.0, 3.0)
    assert (two.plane, two.spacing_mm, two.thickness_mm, two.pixel_mm, two.kernel, two.contrast) == ("", None, None, None, "", "")
