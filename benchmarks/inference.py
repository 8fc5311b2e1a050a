"""What detection costs beside the architecture of MONAI's lung nodule bundle: `python benchmarks/inference.py [RUNS]`.

Three tables: the whole cascade against the bundle's RetinaNet (ResNet-50, FPN of 256 channels, random weights: time does not ask
what they say) on one lung crop of 160^3 voxels; OpenVINO against PyTorch network by network; a chest of 100, 300 and 600
slices stage by stage. Every figure is measured in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import PYTHON, keep, spread, table

from cad.backends import Eager
from cad.detect.boxes import suppressed
from cad.detect.cascade import run_cascade, triage_channels
from cad.detect.propose import candidates
from cad.monai_networks import built
from cad.networks import LoadedModel
from cad.prepare.inputs import NetworkInput, network_input
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.space import Grid
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.task import task_named
from cad.volume import Volume
from pipelines.registry.shipped import FolderModels

EDGE = 160
BOXES = 3000
HEIGHT_MM = 300.0
TASK = "lung_nodule_ct"


def main(runs: int) -> None:
    """All three tables, and one file of figures."""
    crop = {name: [_apart(name) for _ in range(runs)] for name in ("cascade_openvino", "cascade_eager", "bundle")}
    bundle, ours = (spread([run["seconds"] for run in crop[name]])["median"] for name in ("bundle", "cascade_openvino"))
    table(
        f"one lung crop of {EDGE}^3 voxels; ours is {bundle / ours:.1f} times faster (goal 9, and at most 3 s and 2 GB)",
        ("what", "seconds", "cpu s", "peak MiB"),
        [
            (name, *(spread([run[key] for run in each])["median"] for key in ("seconds", "cpu_s", "peak_mib")))
            for name, each in crop.items()
        ],
    )
    networks, suppression = _apart("networks"), _apart("suppression")
    table(
        "network by network, PyTorch over OpenVINO", ("stage", "pytorch s", "openvino s", "ratio", "largest difference"), networks["rows"]
    )
    table(f"from {BOXES} marks to candidates (goal 0.1 s)", ("what", "seconds"), suppression["rows"])
    grown = {slices: _apart(f"chest_{slices}") for slices in (100, 300, 600)}
    stages = list(grown[300]["stages"])
    rows = [(name, *(grown[n]["stages"].get(name, 0.0) for n in grown)) for name in stages]
    peak = ("peak MiB", *(run["peak_mib"] for run in grown.values()))
    table("one simulated chest of 300 mm, seconds by stage", ("stage", *(f"{n} slices" for n in grown)), [*rows, peak])
    keep("inference", {"crop": crop, "networks": networks, "suppression": suppression, "chest": grown, "threads": torch.get_num_threads()})


def _apart(name: str) -> dict[str, Any]:
    """One measurement in a process of its own."""
    done = subprocess.run([PYTHON, __file__, "--one", name], capture_output=True, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _one(name: str) -> dict[str, Any]:
    kinds: dict[str, Callable[[], dict[str, Any]]] = {
        "bundle": _bundle,
        "cascade_openvino": lambda: _cascade("openvino"),
        "cascade_eager": lambda: _cascade("eager"),
        "networks": _networks,
        "suppression": _suppression,
    }
    found = kinds[name]() if name in kinds else _chest(int(name.removeprefix("chest_")))
    return {**found, "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}


def _timed(work: Callable[[], object]) -> dict[str, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return {"seconds": round(time.perf_counter() - wall, 3), "cpu_s": round(time.process_time() - cpu, 3)}


def _bundle() -> dict[str, Any]:
    network = bundle_architecture().eval()
    image = torch.from_numpy(_lung_crop().image.voxels[None, None].copy())
    with torch.inference_mode():
        return _timed(lambda: network(image))


def bundle_architecture() -> torch.nn.Module:
    """RetinaNet as MONAI's `lung_nodule_ct_detection` bundle configures it."""
    backbone = {"_target_": "resnet50", "spatial_dims": 3, "n_input_channels": 1, "conv1_t_stride": [2, 2, 1], "conv1_t_size": [7, 7, 7]}
    extractor = {"_target_": "resnet_fpn_feature_extractor", "backbone": backbone, "spatial_dims": 3, "returned_layers": [1, 2]}
    sizes = {"spatial_dims": 3, "num_classes": 1, "num_anchors": 3, "size_divisible": [16, 16, 8]}
    return built({"_target_": "RetinaNet", "feature_extractor": extractor, **sizes})


def _cascade(backend: str) -> dict[str, Any]:
    """All three stages as screening runs them, the volume seen at the crop's own spacing, translation of the networks included."""
    seen, model = _lung_crop(), _model(backend)
    settings = CascadeSettings.from_dict(model.settings)
    source = seen.image.like(seen.image.voxels * 1400 - 1000, unit="HU")
    made = _timed(lambda: [model.forward(stage) for stage in model.header.stages])
    return {**_timed(lambda: run_cascade(source, seen, settings.sight, model, lambda _: None)), "translation": made}


def _networks() -> dict[str, Any]:
    """Each stage once on the sizes it meets; the second of two runs counts."""
    model, image = _model("openvino"), np.ascontiguousarray(_lung_crop().image.voxels)
    cubes = np.stack([image[:48, k : k + 48, :48] for k in range(16)])[:, None]
    planes = image[:8, None].repeat(triage_channels(model), axis=1)
    batches = {"triage": planes, "propose": image[None, None], "reduce": cubes, "segment": cubes[:4]}
    rows = []
    for stage, batch in batches.items():
        both = [model.forward(stage), Eager(model.stage(stage))]
        seconds = [min(_timed(lambda run=run, batch=batch: run(batch))["seconds"] for _ in range(2)) for run in both]  # type: ignore[misc]
        apart = float(np.abs(both[0](batch) - both[1](batch)).max())
        rows.append((stage, seconds[1], seconds[0], seconds[1] / max(seconds[0], 1e-3), f"{apart:.1e}"))
    return {"rows": rows}


def _suppression() -> dict[str, Any]:
    """Peaks of a map kept apart (the cascade), boxes suppressed (imported detectors), MONAI's loop: the same marks, scattered at random."""
    from monai.data.box_utils import non_max_suppression

    rng = np.random.default_rng(5)
    heat = np.zeros((EDGE,) * 3, dtype=np.float32)
    at = rng.integers(8, EDGE - 8, (BOXES, 3))
    heat[tuple(at.T)] = rng.uniform(0.2, 1, BOXES)
    boxes = np.concatenate([at - 4, at + 4], axis=1).astype(np.float32)
    scores = heat[tuple(at.T)]
    ours = _timed(lambda: candidates(Volume(heat, Grid.axial(heat.shape, (1.5,) * 3), "1"), 0.1))
    tree = _timed(lambda: suppressed(boxes.astype(np.float64), scores.astype(np.float64), 0.22))
    peer = _timed(lambda: non_max_suppression(torch.from_numpy(boxes), torch.from_numpy(scores), 0.22))
    return {
        "rows": [("peaks of a map of 160^3", ours["seconds"]), ("boxes by KD-tree", tree["seconds"]), ("boxes by MONAI", peer["seconds"])]
    }


def _chest(slices: int) -> dict[str, Any]:
    """The whole lung task over a simulated chest of 512 x 512 pixels, by its own stages."""
    spacing = (HEIGHT_MM / slices, 0.7, 0.7)
    volume = simulate_thorax(7, ThoraxPlan(shape=(slices, 512, 512), spacing_mm=spacing, nodules=3)).volume
    stages: dict[str, float] = {}
    began, current = time.perf_counter(), ""

    def progress(stage: str) -> None:
        nonlocal began, current
        stages[current] = stages.get(current, 0.0) + time.perf_counter() - began
        began, current = time.perf_counter(), stage

    task_named(TASK).run(volume, _model("auto"), lang="en", progress=progress)
    progress("")
    return {"stages": {name: round(seconds, 3) for name, seconds in stages.items() if name}}


def _lung_crop() -> NetworkInput:
    """A simulated chest as the networks see it, cut or padded to EDGE voxels a side."""
    volume = simulate_thorax(7, ThoraxPlan(shape=(140, 300, 350), spacing_mm=(2.0, 1.0, 1.0), nodules=3)).volume
    seen = network_input(volume, CascadeSettings.from_dict(_model("eager").settings).rule)
    if not isinstance(seen, NetworkInput):
        raise SystemExit(seen.detail)
    grid = Grid.axial((EDGE,) * 3, seen.image.grid.spacing_mm)
    parts = [Volume(_fitted(part.voxels), grid, "1") for part in (seen.image, seen.region)]
    return NetworkInput(parts[0], parts[1], seen.low, seen.high)


def _fitted(voxels: Any) -> Any:
    cut = voxels[:EDGE, :EDGE, :EDGE]
    return np.pad(cut, [(0, EDGE - size) for size in cut.shape], mode="reflect")


def _model(backend: str) -> LoadedModel:
    store = FolderModels(backend=backend)
    return store.load(store.current(TASK))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(_one(sys.argv[2])))
    else:
        main(int(sys.argv[1]) if sys.argv[1:] else 3)
