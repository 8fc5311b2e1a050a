"""Another MR sequence of the same study, brought into the frame of the reference by a rigid motion, without resampling it.

Sequences of one visit share a frame of reference as a rule, and then lie where their headers say, unless the patient moved in
between. That is checked: the mutual information of the two must not grow when one is pushed or turned a little. Where it does, or where
the frames differ, a rigid registration by mutual information says where the sequence lies (Mattes 2003, SimpleITK).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy import ndimage
from scipy.spatial.transform import Rotation

from cad.errors import Refusal
from cad.prepare.regions import body
from cad.prepare.register import RIGID_MM, GreyScan, grey_scan, rigid_between
from cad.space import FloatArray, Grid
from cad.volume import Volume

STILL_MM = 2.0  # less than this is left as the headers say
FURTHEST_MM = 120.0
LEAST_OVERLAP = 0.3
_PUSH_MM, _TURN_DEG = 4.0, 4.0
_BINS = 32


@dataclass(frozen=True, slots=True, eq=False)
class Brought:
    """The sequence with its grid in the reference's frame; `moved_mm` is how far it had to go at most within the head, 0 where the headers
    held."""

    volume: Volume
    moved_mm: float


def bring_beside(reference: Volume, other: Volume, *, same_frame: bool) -> Brought | Refusal:
    """Where `other` lies beside `reference`: reasons of refusal are no_head_in_sequence and sequence_not_aligned."""
    wheres = [body(volume) for volume in (reference, other)]
    if not all(where.voxels.any() for where in wheres):
        return Refusal("", "no_head_in_sequence", "the sequence shows nothing that could be laid beside the reference")
    here, there = (grey_scan(volume, where, RIGID_MM) for volume, where in zip((reference, other), wheres, strict=True))
    if same_frame and _best_as_it_is(here, there, np.eye(4)):
        return Brought(other, 0.0)
    found = _registered(here, there, same_frame)
    moved = _moved_mm(here, found)
    if same_frame and moved < STILL_MM:
        return Brought(other, 0.0)
    if moved > FURTHEST_MM or not _best_as_it_is(here, there, found):
        return Refusal("", "sequence_not_aligned", "the sequence could not be laid upon the reference with certainty")
    return Brought(replace(other, grid=Grid(other.grid.shape, np.linalg.inv(found) @ other.grid.affine)), moved)


def _registered(here: GreyScan, there: GreyScan, same_frame: bool) -> FloatArray:
    """The 4x4 from points of the reference to the sequence's; heads in different frames are first laid middle on middle.

    Found twice, the second time from where the first ended: one descent stops up to 2 mm short where the head was turned.
    """
    middles = [picture.grid.to_mm(np.argwhere(picture.region).mean(axis=0)) for picture in (here, there)]
    starts = [np.zeros(3), *([] if same_frame else [middles[1] - middles[0]])]
    best = max(starts, key=lambda shift: _information(here, there, _shifted(shift)))
    first = rigid_between(there, here, best)
    nearer = replace(there, grid=Grid(there.grid.shape, np.linalg.inv(first) @ there.grid.affine))
    return first @ rigid_between(nearer, here, np.zeros(3))


def _best_as_it_is(here: GreyScan, there: GreyScan, matrix: FloatArray) -> bool:
    """Whether no small push or turn makes the two agree more."""
    middle = here.grid.to_mm(np.argwhere(here.region).mean(axis=0))
    pushes = [_shifted(_PUSH_MM * sign * axis) for axis in np.eye(3) for sign in (-1, 1)]
    turns = [_turned(_TURN_DEG * sign * axis, middle) for axis in np.eye(3) for sign in (-1, 1)]
    now = _information(here, there, matrix)
    return now > 0 and all(_information(here, there, matrix @ change) <= now for change in (*pushes, *turns))


def _information(here: GreyScan, there: GreyScan, matrix: FloatArray) -> float:
    """Mutual information over the joint entropy of the reference's head, in [0, 1]; 0 where the sequence hardly reaches."""
    points = here.grid.to_mm(np.argwhere(here.region))
    at = there.grid.to_index(points @ matrix[:3, :3].T + matrix[:3, 3])
    inside = ((at >= 0) & (at <= np.asarray(there.grid.shape) - 1)).all(axis=1)
    if inside.mean() < LEAST_OVERLAP:
        return 0.0
    other = ndimage.map_coordinates(there.grey, at[inside].T, order=1)
    joint = np.histogram2d(here.grey[here.region][inside], other, bins=_BINS, range=((0, 1), (0, 1)))[0]
    joint /= joint.sum()
    one, two, both = (_entropy(part) for part in (joint.sum(axis=1), joint.sum(axis=0), joint))
    return (one + two - both) / both if both > 0 else 0.0


def _entropy(share: FloatArray) -> float:
    known = share[share > 0]
    return float(-(known * np.log(known)).sum())


def _moved_mm(here: GreyScan, matrix: FloatArray) -> float:
    """How far the matrix takes any point of the reference's head."""
    points = here.grid.to_mm(np.argwhere(here.region))
    return float(np.linalg.norm(points @ matrix[:3, :3].T + matrix[:3, 3] - points, axis=1).max())


def _shifted(shift_mm: FloatArray) -> FloatArray:
    matrix = np.eye(4)
    matrix[:3, 3] = shift_mm
    return matrix


def _turned(degrees: FloatArray, middle_mm: FloatArray) -> FloatArray:
    matrix = np.eye(4)
    matrix[:3, :3] = Rotation.from_rotvec(degrees, degrees=True).as_matrix()
    matrix[:3, 3] = middle_mm - matrix[:3, :3] @ middle_mm
    return matrix
