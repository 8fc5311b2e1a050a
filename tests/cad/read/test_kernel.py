"""Kernels by the vendors' names."""

from __future__ import annotations

import pytest

from cad.read.kernel import kernel_class

SOFT = (
    "B30f",
    "B31s",
    "B40f",
    "Br38f\\3",
    "Br36d",
    "I30f\\3",
    "H31s",
    "Qr40",
    "STANDARD",
    "STD+",
    "SOFT",
    "FC08",
    "FC18",
    "FC21",
    "FC03",
    "B",
    "C",
    "soft",
)
LUNG = ("B60f", "B70f", "Bl57d", "Br64", "I70f\\2", "LUNG", "CHST", "FC51", "FC52", "FC56", "L", "YB", "sharp", "肺野")
BONE = ("H60s", "H70h", "U75u", "BONE", "BONEPLUS", "EDGE", "FC30", "FC81", "D", "E")
UNKNOWN = ("", "10", "XYZ", "kernel", "FC77")


@pytest.mark.parametrize(
    ("kernel", "purpose"),
    [(k, p) for kernels, p in ((SOFT, "soft"), (LUNG, "lung"), (BONE, "bone"), (UNKNOWN, "")) for k in kernels],
)
def test_kernels_are_told_apart_by_the_vendors_names(kernel: str, purpose: str) -> None:
    assert kernel_class(kernel) == purpose
