"""From a MONAI bundle to a registered model: its network and what its transforms say, its weights as safetensors, nothing run.

The bundle's folder is left as it is. What cannot be read as plain values is refused with the key that says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad.errors import ModelError
from cad.networks import ModelHeader, NetworkSpec, build, sha256_of
from cad.tasks.outside import STAGE, OutsideSettings
from cad.tasks.training import code_version
from pipelines.registry.bundle_config import CONFIG, METADATA, BundleConfig

if TYPE_CHECKING:
    import torch

    from cad.explain.confidence import Calibration

WEIGHTS = ("models/model.pt", "models/model.safetensors")
MAX_WEIGHTS_BYTES = 2 * 2**30
_ONE_SIDE = str.maketrans("RPI", "LAS")
_IDLE = {"LoadImaged", "EnsureChannelFirstd", "EnsureTyped", "EnsureType", "CastToTyped"}


@dataclass(frozen=True, slots=True, eq=False)
class Bundle:
    """A bundle that was read: what becomes of it, and the network with its weights (evaluation mode)."""

    header: ModelHeader
    settings: OutsideSettings
    network: torch.nn.Module

    def card(self) -> str:
        """Where the model came from and what is not known of it, as Markdown."""
        lines = [f"- {name}: {value}" for name, value in self.settings.source]
        calibration = self.settings.calibration
        kind = "detection" if self.settings.boxes else "segmentation"
        return "\n".join(
            [
                f"# {self.header.task} {self.header.version}",
                "",
                f"Imported from a MONAI bundle ({kind}). Research software, not a medical device. Its figures were not measured here.",
                "",
                *lines,
                f"- Looks at: {self.settings.modality}, {self.settings.body}; spacing {self.settings.pixdim_mm} mm",
                f"- Gives: {', '.join(name for _, name in self.settings.labels) or 'marks'}",
                *([_calibrated(calibration)] if calibration else []),
                "- Training data: not known here, so no scan is judged as like or unlike it",
                "",
            ]
        )

    def calibrated(self, fit: Callable[[Bundle], OutsideSettings]) -> Bundle:
        """The same with settings that hold a calibration."""
        settings = fit(self)
        return replace(self, settings=settings, header=replace(self.header, settings=settings.to_dict()))


def read_bundle(folder: Path, body: str, name: str = "") -> Bundle:
    """A bundle's network and settings. `body` is what its images show, which no bundle says in words a machine can trust.

    Raises ModelError naming the file and key that is missing, is an expression, or names a transform or network not known here.
    """
    config, metadata = BundleConfig.read(folder / CONFIG), BundleConfig.read(folder / METADATA)
    task = _plain_name(name or str(metadata.plain("name", folder.resolve().name)))
    settings = _settings(config, metadata, body, folder)
    definition = config.plain("network_def")
    if not isinstance(definition, dict):
        raise ModelError("is missing", subject=f"{CONFIG}: network_def", accepted='{"_target_": "UNet", ...}')
    spec = NetworkSpec("monai", 3, 1, len(settings.labels) + int(settings.exclusive), (), definition)
    network = build(spec)
    _load_weights(network, folder)
    header = ModelHeader(
        task=task,
        version=_plain_name(str(metadata.plain("version", "1"))),
        data_fingerprint="",
        code_version=code_version(),
        stages={STAGE: spec},
        settings=settings.to_dict(),
    )
    return Bundle(header, settings, network.eval())


def _settings(config: BundleConfig, metadata: BundleConfig, body: str, folder: Path) -> OutsideSettings:
    image = metadata.plain("network_data_format::inputs::image", {})
    seen = _seen(config.plain("preprocessing", {}))
    boxes = _boxes(config) if "anchor_generator" in config else None
    inferer = config.plain("inferer", {}) or {}
    channels = metadata.plain("network_data_format::outputs::pred::channel_def", {}) or {}
    names = [(int(n), _plain_name(str(label))) for n, label in channels.items() if str(n).isdigit()]
    labels = tuple((n, label) for n, label in sorted(names) if label != "background")
    posts = config.plain("postprocessing", {}) if boxes is None else {}
    return OutsideSettings(
        body=body,
        modality=str(image.get("modality", "CT")).upper(),
        roi=_three(inferer.get("roi_size", [96, 96, 96]), "inferer::roi_size"),
        roi_overlap=float(inferer.get("overlap", 0.25)),
        exclusive=_exclusive(posts),
        labels=labels or ((1, "structure"),),
        boxes=boxes,
        source=_source(metadata, folder),
        **seen,
    )


def _calibrated(fit: Calibration) -> str:
    return f"- Confidence calibrated on {fit.scans} labelled scans ({fit.positives} hits, {fit.negatives} false marks)"


def _seen(preprocessing: Any) -> dict[str, Any]:
    """Axes, spacing and window out of the bundle's own transforms; one that changes the image otherwise is refused."""
    seen: dict[str, Any] = {"axcodes": "RAS"}
    for n, step in enumerate(preprocessing.get("transforms", []) if isinstance(preprocessing, Mapping) else []):
        name, where = str(step.get("_target_", "")).rpartition(".")[2], f"{CONFIG}: preprocessing::transforms::{n}"
        if name == "Orientationd":
            seen["axcodes"] = str(step.get("axcodes", "RAS"))
        elif name == "Spacingd":
            seen["pixdim_mm"] = tuple(float(x) for x in step["pixdim"])
        elif name == "ScaleIntensityRanged":
            seen |= {"window": (float(step["a_min"]), float(step["a_max"])), "target": (float(step["b_min"]), float(step["b_max"]))}
            if not step.get("clip", False):
                raise ModelError("does not clip", subject=where, accepted="ScaleIntensityRanged with clip true")
        elif name not in _IDLE:
            known = ", ".join(sorted(_IDLE | {"Orientationd", "Spacingd", "ScaleIntensityRanged"}))
            raise ModelError(f"{name[:64]!r} is not known here", subject=where, accepted=known)
    missing = next((need for need in ("pixdim_mm", "window") if need not in seen), None)
    if missing or sorted(seen["axcodes"].translate(_ONE_SIDE)) != ["A", "L", "S"]:
        accepted = "Orientationd, Spacingd, ScaleIntensityRanged"
        raise ModelError(f"says no {missing or 'axes'}", subject=f"{CONFIG}: preprocessing", accepted=accepted)
    return seen


def _boxes(config: BundleConfig) -> Any:
    from cad.detect.boxes import BoxRule

    anchors, calls = config.plain("anchor_generator"), config.calls("detector_ops")
    chosen, window = calls.get("set_box_selector_parameters", {}), calls.get("set_sliding_window_inferer", {})
    if int(config.plain("network_def::num_classes", 1)) != 1:
        raise ModelError("tells several classes apart", subject=f"{CONFIG}: num_classes", accepted="a detector of one class")
    return BoxRule(
        anchor_shapes=tuple(_three(shape, "anchor_generator::base_anchor_shapes") for shape in anchors["base_anchor_shapes"]),
        feature_map_scales=tuple(int(scale) for scale in anchors["feature_map_scales"]),
        score_threshold=float(chosen.get("score_thresh", 0.02)),
        overlap=float(chosen.get("nms_thresh", 0.22)),
        per_level=int(chosen.get("topk_candidates_per_level", 1000)),
        most=int(chosen.get("detections_per_img", 300)),
        roi=_three(window.get("roi_size", [192, 192, 80]), "detector_ops: roi_size"),
        roi_overlap=float(window.get("overlap", 0.25)),
    )


def _exclusive(post: Any) -> bool:
    """Whether classes exclude each other: the bundle takes the highest channel, rather than a threshold on each."""
    steps = post.get("transforms", []) if isinstance(post, Mapping) else []
    return any(step.get("softmax") or step.get("argmax") for step in steps) or not any(step.get("sigmoid") for step in steps)


def _source(metadata: BundleConfig, folder: Path) -> tuple[tuple[str, str], ...]:
    said = ((key, str(metadata.plain(key, ""))[:300]) for key in ("name", "version", "task", "authors", "copyright", "data_source"))
    files = ((f"sha256 of {path}", sha256_of(folder / path)) for path in (CONFIG, METADATA, *WEIGHTS) if (folder / path).is_file())
    return (*((key, value) for key, value in said if value), *files)


def _load_weights(network: torch.nn.Module, folder: Path) -> None:
    """A state dictionary only: a pickle that holds anything but tensors, or a TorchScript file, is refused before it is read."""
    path = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    accepted = "a state dictionary in models/model.pt or models/model.safetensors"
    if path is None or path.stat().st_size > MAX_WEIGHTS_BYTES:
        raise ModelError("has no weights that are read here", subject=folder.name, accepted=accepted)
    try:
        state = _state(path)
        network.load_state_dict(state)
    except (RuntimeError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise ModelError(f"does not fit the network ({type(error).__name__})", subject=path.name, accepted=accepted) from None


def _state(path: Path) -> dict[str, torch.Tensor]:
    import pickle

    import torch
    from safetensors.torch import load_file

    if path.suffix == ".safetensors":
        return load_file(path)
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ModelError("holds more than weights", subject=path.name, accepted="a state dictionary of tensors") from None
    state: dict[str, torch.Tensor] = loaded["model"] if isinstance(loaded, dict) and "model" in loaded else loaded
    return state


def _three(values: Any, key: str) -> tuple[int, int, int]:
    if not isinstance(values, list) or len(values) != 3:
        raise ModelError("is not three numbers", subject=f"{CONFIG}: {key}", accepted="[96, 96, 96]")
    return int(values[0]), int(values[1]), int(values[2])


def _plain_name(text: str) -> str:
    return re.sub(r"[^a-z0-9_.]+", "_", text.lower()).strip("_.")[:64] or "model"
