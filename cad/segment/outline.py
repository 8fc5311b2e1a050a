"""The outline of a lesion, at the scale at which it fits into what the network sees at once."""

from __future__ import annotations

import numpy as np

from cad.backends import Float32Array, Network
from cad.prepare.inputs import InputRule, NetworkInput
from cad.segment.components import component_at
from cad.segment.network import probability
from cad.space import Point
from cad.volume import Volume

COARSER = (2.0, 3.0)  # times the spacing of the close-up; a lesion of 90 mm then fits as one of 45 or 30 mm
TOO_WIDE = 0.9  # of a close-up's edge: what is wider did not fit there and is outlined at the next coarser scale
FITS = 0.5  # of that edge: of 15 masses wider than it on calibration scans each showed in it as 0.8 or more, nodules of 20 mm as 0.5

CloseUp = tuple[Volume, Float32Array]  # in the source's unit, and as the network sees it


def outlined(
    volume: Volume, seen: NetworkInput, centre_mm: Point, rule: InputRule, network: Network, near: CloseUp
) -> tuple[Volume, Volume]:
    """The close-up (source unit) and on its grid the outline around `centre_mm` as probabilities.

    `near` is the close-up at the rule's own spacing. Where the lesion fills it, the same network looks again from further away: it knows
    lesions by their form, and a mass of 80 mm at 2 mm looks like one of 40 mm at 1 mm. What leaves most of the close-up free is whole, and
    where nothing is outlined no mass is: another look could only find something else.
    """
    first = component_at(probability(near[0], network, near[1]), centre_mm)
    chosen = near[0], first
    if _reach_mm(first) < FITS * _edge_mm(first):
        return chosen
    for times in COARSER:
        wide, pixels = seen.closely(volume, centre_mm, rule.patch_voxels, rule, times * rule.patch_spacing_mm)
        soft = component_at(probability(wide, network, pixels), centre_mm)
        if _reach_mm(soft) <= TOO_WIDE * _edge_mm(chosen[1]):
            break
        chosen = wide, soft
    return chosen


def _edge_mm(cube: Volume) -> float:
    return max(cube.grid.shape) * max(cube.grid.spacing_mm)


def _reach_mm(soft: Volume) -> float:
    """The longest edge of the box around the outline; 0 without one."""
    inside = np.argwhere(soft.voxels >= 0.5)
    return float((np.ptp(inside, axis=0) + 1).max() * max(soft.grid.spacing_mm)) if len(inside) else 0.0
