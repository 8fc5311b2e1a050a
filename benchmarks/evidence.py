"""Whether the heat maps show what decides: pointing game, deletion and insertion, against chance, edges and shuffled weights.

`python benchmarks/evidence.py [--scans N]`: lesions of simulated chests that the classifier takes for one, close-ups as it sees
them, truth from the simulator. In two dimensions, the triage network on the plane through each lesion. Of the N scans, one in five holds
lesions; the others are not even read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from common import keep, table
from lung import Bench, bench, mean, share
from scipy import ndimage

from cad.detect.cascade import triage_channels
from cad.detect.triage import plane_with_context
from cad.explain.faithfulness import assess, edges
from cad.explain.heatmap import gradcam_3d, hirescam_3d
from cad.explain.sanity import check_maps
from cad.inference import MULTIPLE
from cad.prepare.inputs import close_up, label_patch, scaled
from cad.tasks.lung_recipe import RECIPE

Map = np.ndarray
TRIAGE_LAYER = "network.decoders.0"  # the last features before the head, half the plane's resolution


@dataclass(frozen=True)
class Scene:
    """A lesion close up: what the classifier sees, the true mask, the triage plane through its middle and the mask there."""

    scan: int
    patch: Map
    mask: Map
    plane: Map
    plane_mask: Map


def main() -> None:
    """One row a method."""
    with_what = bench(__doc__ or "", 12)
    reducer, triage = with_what.model.stage("reduce"), Peak(with_what.model.stage("triage")).eval()
    scenes = list(lesions(with_what))
    scans = len({scene.scan for scene in scenes})
    rows = {name: in_3d(scenes, reducer, camera) for name, camera in CAMERAS.items()}
    table("maps of the classifier, 3D", ("method", *next(iter(rows.values()))), [(name, *row.values()) for name, row in rows.items()])
    flat = {
        "its own map": in_2d(scenes, triage.map),
        "HiResCAM": in_2d(scenes, lambda plane: hirescam_3d(triage, plane, TRIAGE_LAYER)),
        "Grad-CAM (MONAI)": in_2d(scenes, lambda plane: gradcam_3d(triage, plane, TRIAGE_LAYER)),
        "edges": in_2d(scenes, lambda plane: edges(plane[len(plane) // 2], 2)),
    }
    table("maps of triage, 2D", ("method", "pointing"), list(flat.items()))
    sanity = check_maps(reducer, [scene.patch for scene in scenes][:24])
    print(f"shuffled weights: rank correlation {sanity.alike:.2f}, upper bound {sanity.upper:.2f}, n {sanity.maps}: {sanity.outcome}")
    figures = {
        "weights": with_what.model.version.sha256,
        "lesions": len(scenes),
        "scans_with_lesions": scans,
        "classifier": rows,
        "triage": flat,
    }
    keep("evidence", {**figures, "shuffled_weights": {**sanity.to_dict(), "outcome": sanity.outcome}})


def lesions(with_what: Bench) -> Iterator[Scene]:
    """Every lesion of the held-out scans."""
    for number, case in enumerate(with_what.cases("test", with_lesions=True)):
        for lesion in case.lesions:
            cut = close_up(case.source, lesion.centre_mm, RECIPE.rule.patch_voxels, RECIPE.rule)
            mask = label_patch(case.source_labels, lesion.centre_mm, RECIPE.rule.patch_voxels, RECIPE.rule)
            k = int(np.clip(np.rint(case.seen.image.grid.to_index(lesion.centre_mm)[0]), 0, case.seen.image.grid.shape[0] - 1))
            plane = plane_with_context(np.asarray(case.seen.image.voxels, dtype=np.float32), k, triage_channels(with_what.model))
            pads = [(0, 0), *((0, -size % MULTIPLE) for size in plane.shape[1:])]
            inside = np.pad(np.asarray(case.labels.voxels)[k] == lesion.label, pads[1:])
            patch = np.asarray(scaled(cut, case.seen.low, case.seen.high).voxels, dtype=np.float32)
            yield Scene(number, patch, np.asarray(mask.voxels == lesion.label, dtype=np.uint8), np.pad(plane, pads), inside)


def in_3d(scenes: list[Scene], reducer: torch.nn.Module, camera: Callable[[torch.nn.Module, Map], Map]) -> dict[str, str]:
    """Pointing game and drops over all lesions the classifier takes for one."""
    shown = [scene for scene in scenes if scene.mask.any() and _sure(reducer, scene.patch)]
    found = [assess(reducer, scene.patch, camera(reducer, scene.patch), scene.mask) for scene in shown]
    beats = sum(f.deletion_drop > max(f.random_drop, f.edge_drop) for f in found)
    gains = sum(f.insertion_gain > max(f.random_gain, f.edge_gain) for f in found)
    return {
        "pointing": share(sum(f.pointing_hit for f in found), len(found)),
        "deletion": mean([f.deletion_drop for f in found]),
        "random": mean([f.random_drop for f in found]),
        "edges": mean([f.edge_drop for f in found]),
        "deletion beats both": share(beats, len(found)),
        "insertion": mean([f.insertion_gain for f in found]),
        "insertion beats both": share(gains, len(found)),
        "trustworthy": share(sum(f.trustworthy for f in found), len(found)),
    }


def in_2d(scenes: list[Scene], camera: Callable[[Map], Map]) -> str:
    """Pointing game of the triage network: the peak lies in the lesion's section or one pixel around it."""
    shown = [scene for scene in scenes if scene.plane_mask.any()]
    hits = 0
    for scene in shown:
        heat = camera(scene.plane)
        peak = np.unravel_index(int(heat.argmax()), heat.shape)
        hits += bool(heat.max() > 0 and ndimage.binary_dilation(scene.plane_mask)[peak])
    return share(hits, len(shown))


class Peak(torch.nn.Module):
    """Triage as a classifier: a plane's score is the peak of its map, here as a smooth maximum so that gradients reach all of it."""

    def __init__(self, network: torch.nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, 1) from planes (n, 3, h, w)."""
        pooled: torch.Tensor = self.network(x)[:, :1].flatten(1).logsumexp(dim=1, keepdim=True)
        return pooled

    def map(self, plane: Map) -> Map:
        """The network's own map, in [0, 1], on the plane's pixels."""
        with torch.inference_mode():
            found = torch.sigmoid(self.network(torch.tensor(plane)[None])[:, :1])
            return np.asarray(torch.nn.functional.interpolate(found, plane.shape[1:], mode="bilinear")[0, 0].numpy())


def _sure(reducer: torch.nn.Module, patch: Map) -> bool:
    with torch.inference_mode():
        return bool(reducer(torch.tensor(patch)[None, None])[0, 0] > 0)


def only_edges(_reducer: torch.nn.Module, patch: Map) -> Map:
    """A map that knows nothing of the network."""
    return edges(patch, 3)


CAMERAS: dict[str, Callable[[torch.nn.Module, Map], Map]] = {
    "HiResCAM, layer1 (shipped)": hirescam_3d,
    "Grad-CAM (MONAI), layer2": gradcam_3d,
    "edges": only_edges,
}

if __name__ == "__main__":
    main()
