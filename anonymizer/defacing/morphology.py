"""Binary morphology in millimetres on cubes, by distance: one cost for any radius."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from anonymizer.defacing.picture import Mask


def depth_mm(mask: Mask, step_mm: float) -> NDArray[np.float32]:
    """Distance of every cube in a mask to the nearest cube outside it (beyond the array is outside), 0 elsewhere."""
    from scipy.ndimage import distance_transform_edt

    inside = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1, 1:-1]
    return np.asarray(inside * step_mm, dtype=np.float32)


def grown(mask: Mask, radius_mm: float, step_mm: float) -> Mask:
    """Every cube within a radius of a mask."""
    from scipy.ndimage import distance_transform_edt

    return np.asarray(distance_transform_edt(~mask) * step_mm <= radius_mm) if mask.any() else mask.copy()


def shrunk(mask: Mask, radius_mm: float, step_mm: float) -> Mask:
    """The cubes of a mask deeper than a radius."""
    return np.asarray(depth_mm(mask, step_mm) > radius_mm)


def closed(mask: Mask, radius_mm: float, step_mm: float) -> Mask:
    """Gaps narrower than twice a radius filled; nothing is lost at the border of the array."""
    pad = int(np.ceil(radius_mm / step_mm)) + 1
    wide = grown(np.pad(mask, pad), radius_mm, step_mm)
    return np.asarray(shrunk(wide, radius_mm, step_mm)[pad:-pad, pad:-pad, pad:-pad] | mask)


def opened(mask: Mask, radius_mm: float, step_mm: float) -> Mask:
    """Parts thinner than twice a radius removed."""
    return np.asarray(grown(shrunk(mask, radius_mm, step_mm), radius_mm, step_mm) & mask)


def largest(mask: Mask) -> Mask:
    """The largest face-connected piece."""
    from scipy.ndimage import label

    labels, count = label(mask)
    if count <= 1:
        return mask
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == int(np.argmax(sizes)))


def filled(mask: Mask) -> Mask:
    """Holes filled plane by plane along the first axis, so that a cavity open at the end of a stack is filled too."""
    from scipy.ndimage import binary_fill_holes

    return np.stack([binary_fill_holes(plane) for plane in mask])
