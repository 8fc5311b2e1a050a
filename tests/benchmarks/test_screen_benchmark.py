"""The benchmark of screening adds up the stages that it names, and no other."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import screen
from common import Cost


def lap(stage: str, seconds: float, peak_mib: float) -> dict[str, float | str]:
    return {"stage": stage, "seconds": seconds, "cpu_seconds": seconds / 2, "peak_mib": peak_mib}


def test_stages_of_two_cases_are_summed_and_the_part_is_told_apart():
    timings = {
        "a": [lap("read", 1, 10), lap("x: propose", 2, 90), lap("x: segment, measure, explain", 3, 40), lap("write", 4, 50)],
        "b": [lap("y: measure", 5, 60), lap("write", 6, 20)],
    }
    stages = screen.stages_of(timings)
    assert stages["write"] == screen.Stage(10, 5, 50)
    *_, outside, whole, part = screen.rows(Cost(0, 30, 12, 99), stages, "beside")
    assert outside[1:3] == (9, 1.5)
    assert whole[1:] == (30, 12, 99)
    assert part[1:] == (18, 9, 60)


@pytest.mark.parametrize(("stage", "counts"), [("write", True), ("aorta_ct: measure", True), ("x: load model", False), ("read", False)])
def test_what_lies_between_the_outline_and_the_written_folder(stage, counts):
    assert screen.is_evidence(stage) is counts
