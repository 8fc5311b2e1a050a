"""What a scan is like, in numbers a reader could follow: protocol, anatomy, intensity, noise, and what the network makes of it.

Everything is taken where the networks look (the organ and its surroundings), so that padding, table and field of view do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cad.backends import Float32Array
from cad.prepare.inputs import InputRule, NetworkInput, near
from cad.prepare.noise import noise_along_rows, thinned
from cad.volume import Volume

if TYPE_CHECKING:
    import torch

Features = dict[str, dict[str, float]]

PLACES = 12
PERCENTILES = (5, 25, 50, 75, 95)
FAR_ABOVE, FAR_BELOW = 2.0, -0.05  # in windows above its low end: metal and streaks; for a lung 1800 HU and -1070 HU
POOLED = "avgpool"


def scan_features(volume: Volume, seen: NetworkInput, rule: InputRule, reducer: torch.nn.Module | None = None) -> Features:
    """Features by family. `reducer` is the network that tells lesions from look-alikes; without it there is no family "network".

    Intensities are in windows (0 is the window's low end, 1 its high end), so that MR without a scale is measured too.
    """
    families = {"protocol": _protocol(volume, rule), "anatomy": _anatomy(seen), "intensity": _intensity(volume, seen)}
    families["noise"] = _noise(volume, seen)
    return families if reducer is None else {**families, "network": _network(volume, seen, rule, reducer)}


def pooled_features(patches: Float32Array, reducer: torch.nn.Module) -> tuple[Float32Array, Float32Array]:
    """The features (n, f) that the last layer of the classifier weighs, and its logits (n,), of patches (n, channels, d, h, w) or
    (n, d, h, w) in [0, 1]."""
    import torch

    kept: list[torch.Tensor] = []
    hook = reducer.get_submodule(POOLED).register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        with torch.inference_mode():
            batch = torch.from_numpy(np.ascontiguousarray(patches, dtype=np.float32))
            logit = reducer(batch if batch.ndim == 5 else batch[:, None])[:, 0]
    finally:
        hook.remove()
    return kept[0].flatten(1).numpy(), logit.numpy()


def named(features: Float32Array) -> dict[str, float]:
    """Network features (f,) by number, since nobody knows what they are called; rounded, since sums in another order differ a little."""
    return {f"feature_{n:02d}": round(float(value), 5) for n, value in enumerate(features)}


def _protocol(volume: Volume, rule: InputRule) -> dict[str, float]:
    """How coarse the scan is. In the plane nothing finer than the networks' own sampling makes a difference to them."""
    slices, rows, columns = volume.grid.spacing_mm
    return {"slice_spacing_mm": slices, "in_plane_mm": max(rows, columns, rule.patch_spacing_mm)}


def _anatomy(seen: NetworkInput) -> dict[str, float]:
    """How much of the organ is there: its extent, its volume, and how much of it the ends of the scan cut off."""
    organ = np.asarray(seen.region.voxels) > 0
    planes, spacing = organ.sum(axis=(1, 2)), seen.region.grid.spacing_mm
    filled = np.flatnonzero(planes)
    tenth = max(1, len(filled) // 20)
    widest = max(float(planes.max(initial=0)), 1.0)
    return {
        "organ_height_mm": float(filled[-1] - filled[0] + 1) * spacing[0] if len(filled) else 0.0,
        "organ_litres": float(planes.sum()) * float(np.prod(spacing)) / 1e6,
        "lowest_share": float(planes[filled[:tenth]].mean()) / widest if len(filled) else 0.0,
        "highest_share": float(planes[filled[-tenth:]].mean()) / widest if len(filled) else 0.0,
    }


def _intensity(volume: Volume, seen: NetworkInput) -> dict[str, float]:
    image, organ = np.asarray(seen.image.voxels), np.asarray(seen.region.voxels) > 0
    source = (np.asarray(_inside(volume, seen), dtype=np.float32) - seen.low) / (seen.high - seen.low)
    found = {f"organ_p{p:02d}": v for p, v in _percentiles(image[organ])} | {f"around_p{p:02d}": v for p, v in _percentiles(image[~organ])}
    return found | {
        "far_above_permille": 1e3 * float((source > FAR_ABOVE).mean()),
        "far_below_permille": 1e3 * float((source < FAR_BELOW).mean()),
    }


def _percentiles(values: NDArray[np.float32]) -> list[tuple[int, float]]:
    if not values.size:
        return [(p, 0.0) for p in PERCENTILES]
    return [(p, float(v)) for p, v in zip(PERCENTILES, np.percentile(values, PERCENTILES), strict=True)]


def _noise(volume: Volume, seen: NetworkInput) -> dict[str, float]:
    """Noise between neighbours along rows (windows), how fast it changes along them, and jumps from slice to slice."""
    source = (np.asarray(_inside(volume, seen), dtype=np.float32) - seen.low) / (seen.high - seen.low)
    rows = thinned(source)
    fine, coarse = noise_along_rows(rows, 1), noise_along_rows(rows, 2)
    steps = np.abs(np.diff(source[:, ::4, ::4], axis=0)).mean(axis=(1, 2)) if len(source) > 2 else np.ones(1)
    return {
        "noise": fine,
        "grain": float(np.log(max(fine, 1e-6) / max(coarse, 1e-6))),
        "jump": float(np.log(steps.max() / max(float(np.median(steps)), 1e-6) + 1e-6)),
    }


def _inside(volume: Volume, seen: NetworkInput) -> NDArray[np.generic]:
    return near(volume, seen.image.grid).voxels


def _network(volume: Volume, seen: NetworkInput, rule: InputRule, reducer: torch.nn.Module) -> dict[str, float]:
    """The classifier's features, averaged over places spread evenly through the organ."""
    places = _spread_through(np.asarray(seen.region.voxels) > 0)
    if not len(places):
        return {}
    cuts = [seen.closely(volume, point, rule.patch_voxels, rule)[1] for point in seen.region.grid.to_mm(places)]
    features, _ = pooled_features(np.stack(cuts), reducer)
    return named(features.mean(axis=0))


def _spread_through(organ: NDArray[np.bool_]) -> NDArray[np.int_]:
    """PLACES indices (n, 3), the same every time: equal steps through the organ's inner voxels in storage order."""
    inner = ndimage.binary_erosion(organ, iterations=4)
    index = np.argwhere(inner if inner.any() else organ)
    return index[np.linspace(0, len(index) - 1, PLACES + 2).astype(int)[1:-1]] if len(index) else index
