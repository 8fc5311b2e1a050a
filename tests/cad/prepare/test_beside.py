"""A sequence is laid beside the reference: left where a right header puts it, moved where it is wrong, refused when nothing fits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from cad.errors import Refusal
from cad.prepare.beside import bring_beside
from cad.simulate.head import HeadPlan, simulate_sequences
from cad.space import Grid
from cad.volume import Volume

PLAN = HeadPlan(shape=(60, 96, 80), spacing_mm=(3, 2.5, 2.5), lesions=1)


@pytest.fixture(scope="module")
def head() -> dict[str, Volume]:
    return {name: scan.volume for name, scan in simulate_sequences(31, PLAN, ("T1c", "FLAIR", "T2")).items()}


def displaced(volume: Volume, degrees: tuple[float, float, float], shift_mm: tuple[float, float, float]) -> tuple[Volume, np.ndarray]:
    """The same voxels with a header that lies, and the matrix of the lie."""
    lie = np.eye(4)
    lie[:3, :3] = Rotation.from_euler("xyz", degrees, degrees=True).as_matrix()
    lie[:3, 3] = shift_mm
    return replace(volume, grid=Grid(volume.grid.shape, lie @ volume.grid.affine)), lie


def error_mm(found: Volume, true: Volume) -> float:
    """How far the corners of the brain's box lie from where they should."""
    points = np.array([[10, 20, 20], [50, 20, 20], [10, 80, 60], [50, 80, 60], [30, 48, 40]])
    return float(np.linalg.norm(found.grid.to_mm(points) - true.grid.to_mm(points), axis=1).max())


@pytest.mark.parametrize("name", ["FLAIR", "T2"])
def test_headers_that_are_right_are_left_alone(head: dict[str, Volume], name: str) -> None:
    made = bring_beside(head["T1c"], head[name], same_frame=True)
    assert not isinstance(made, Refusal)
    assert made.moved_mm == 0
    assert made.volume.grid == head[name].grid


@pytest.mark.parametrize("same_frame", [True, False])
def test_a_patient_who_moved_between_sequences_is_followed(head: dict[str, Volume], same_frame: bool) -> None:
    lying, _ = displaced(head["FLAIR"], (4.0, -3.0, 6.0), (5.0, -4.0, 7.0))
    made = bring_beside(head["T1c"], lying, same_frame=same_frame)
    assert not isinstance(made, Refusal)
    assert made.moved_mm > 4
    assert error_mm(made.volume, head["FLAIR"]) < 1.0


def test_another_frame_far_away_is_found(head: dict[str, Volume]) -> None:
    lying, _ = displaced(head["T2"], (0.0, 5.0, 0.0), (60.0, 30.0, -40.0))
    made = bring_beside(head["T1c"], lying, same_frame=False)
    assert not isinstance(made, Refusal)
    assert error_mm(made.volume, head["T2"]) < 1.0


def test_what_shows_no_head_is_refused(head: dict[str, Volume]) -> None:
    empty = head["T1c"].like(np.zeros(head["T1c"].grid.shape, dtype=np.int16))
    made = bring_beside(head["T1c"], empty, same_frame=True)
    assert isinstance(made, Refusal)
    assert made.reason == "no_head_in_sequence"
