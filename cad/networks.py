"""A task's networks as one safetensors file: specification, weights, calibration and thresholds together.

The file's header holds everything that decides a result, so one sha256 names all of it. No pickle,
no code from the file runs: a specification is a name from a closed list and plain numbers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad.errors import ModelError
from cad.model import ModelVersion, OperatingPoint

if TYPE_CHECKING:
    import torch

    from cad.backends import Forward

FORMAT = "shoken-model-1"
MAX_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """One network: `kind` is "unet" (dense map at input size), "centre" (map at half its size, see cad.centre_net), "resnet"
    (one logit a class) or "monai" (see cad.monai_networks).

    `definition` is that of a "monai" network; the others are told by their numbers. `channels_in` come from `sequences` MR sequences,
    any of which may be missing where there are several; `middle` is the grey that counts as zero then (see cad.availability).
    """

    kind: str
    dims: int
    channels_in: int
    channels_out: int
    widths: tuple[int, ...]
    definition: Mapping[str, Any] | None = field(default=None, repr=False)
    sequences: int = field(default=1, repr=False)
    middle: float = field(default=0.0, repr=False)


@dataclass(frozen=True, slots=True)
class ModelHeader:
    """What the file says of itself. `settings` are the task's numbers (spacing, thresholds, calibration)."""

    task: str
    version: str
    data_fingerprint: str
    code_version: str
    stages: dict[str, NetworkSpec]
    settings: dict[str, Any]
    operating_points: tuple[OperatingPoint, ...] = ()


def build(spec: NetworkSpec) -> torch.nn.Module:
    """A MONAI network with batch normalisation (it folds at inference). Raises ModelError for an unknown kind."""
    builders = {"unet": _unet, "centre": _centre, "resnet": _resnet, "monai": _monai}
    if spec.kind not in builders:
        raise ModelError(f"unknown network {spec.kind!r}", subject="kind", accepted=", ".join(builders))
    if spec.sequences == 1:
        return builders[spec.kind](spec)
    from cad.availability import marked

    return marked(builders[spec.kind](replace(spec, channels_in=spec.channels_in + spec.sequences)), spec.sequences, spec.middle)


def _unet(spec: NetworkSpec) -> torch.nn.Module:
    from monai.networks.nets.unet import UNet

    network: torch.nn.Module = UNet(
        spatial_dims=spec.dims,
        in_channels=spec.channels_in,
        out_channels=spec.channels_out,
        channels=spec.widths,
        strides=(2,) * (len(spec.widths) - 1),
        num_res_units=2,
        norm="BATCH",
    )
    return network


def _centre(spec: NetworkSpec) -> torch.nn.Module:
    from cad.centre_net import CentreNet

    return CentreNet(spec.dims, spec.channels_in, spec.channels_out, spec.widths)


def _resnet(spec: NetworkSpec) -> torch.nn.Module:
    from monai.networks.nets.resnet import ResNet

    network: torch.nn.Module = ResNet(
        block="basic",
        layers=[1] * len(spec.widths),
        block_inplanes=list(spec.widths),
        spatial_dims=spec.dims,
        n_input_channels=spec.channels_in,
        num_classes=spec.channels_out,
        conv1_t_size=3,
        conv1_t_stride=2,
        no_max_pool=True,
        shortcut_type="B",
    )
    return network


def _monai(spec: NetworkSpec) -> torch.nn.Module:
    from cad.monai_networks import built

    return built(spec.definition or {})


class LoadedModel:
    """A verified model file with its networks ready to run (evaluation mode) under a backend (see cad.backends)."""

    def __init__(self, header: ModelHeader, version: ModelVersion, networks: Mapping[str, torch.nn.Module], backend: str = "auto") -> None:
        self.header = header
        self.version = version
        self.backend = backend
        self._networks = dict(networks)
        self._forwards: dict[str, Forward] = {}

    def forward(self, name: str) -> Forward:
        """One stage under the backend, made at first use. Raises ModelError as `stage` does, or where the backend cannot run here."""
        if name not in self._forwards:
            from cad import backends

            network, spec = self.stage(name), self.header.stages[name]
            self._forwards[name] = backends.forward(network, spec.channels_in, spec.dims, self.backend)
        return self._forwards[name]

    def stage(self, name: str) -> torch.nn.Module:
        """The network of one stage in PyTorch, for what needs gradients. Raises ModelError naming the stages there are."""
        if name not in self._networks:
            raise ModelError(f"has no stage {name!r}", subject=self.header.task, accepted=", ".join(self._networks))
        return self._networks[name]

    def knowing(self, **facts: Any) -> LoadedModel:
        """The same networks and digest, with facts of this place beside the settings of the file (see cad.tasks.cascade_task)."""
        known = LoadedModel(replace(self.header, settings={**self.settings, **facts}), self.version, self._networks, self.backend)
        known._forwards = self._forwards
        return known

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The task's numbers as the file's header holds them."""
        return self.header.settings


def sha256_of(path: Path) -> str:
    """Digest of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def save(path: Path, header: ModelHeader, networks: Mapping[str, torch.nn.Module]) -> str:
    """Write networks and header as safetensors; returns the file's sha256. The same input gives the same bytes."""
    from safetensors.torch import save as to_bytes

    tensors = {f"{stage}.{key}": value.contiguous() for stage in sorted(networks) for key, value in networks[stage].state_dict().items()}
    document = json.dumps(_document(header), sort_keys=True)
    path.write_bytes(to_bytes(tensors, metadata={FORMAT: document}))  # one key: the order of several is left to chance
    return sha256_of(path)


def _document(header: ModelHeader) -> dict[str, Any]:
    """The header as it is written; a `middle` of 0 is not, so that a model without one has the bytes it had before there was any."""
    document = asdict(header)
    for spec in document["stages"].values():
        if not spec["middle"]:
            del spec["middle"]
    return document


def read_header(path: Path) -> ModelHeader:
    """The header alone, without building a network. Raises ModelError for a file that is not ours."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelError("no such model file", subject=path.name, accepted="a safetensors file written by `shoken train`")
    if path.stat().st_size > MAX_BYTES:
        raise ModelError("larger than 512 MiB", subject=path.name, accepted="a smaller model file")
    try:
        with safe_open(path, framework="pt") as stream:
            metadata = stream.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ModelError(f"not readable as safetensors ({type(error).__name__})", subject=path.name, accepted="safetensors") from None
    if FORMAT not in metadata:
        raise ModelError("its header is not one of ours", subject=path.name, accepted=FORMAT)
    return _header(json.loads(metadata[FORMAT]))


def load(path: Path, expected_sha256: str, approval: str = "", backend: str = "auto") -> LoadedModel:
    """Verify the digest, then build every stage in evaluation mode on the CPU; `backend` runs them (see cad.backends).

    Raises ModelError when the file's sha256 is not `expected_sha256`: edited weights never load.
    """
    from safetensors.torch import load_file

    header = read_header(path)
    digest = sha256_of(path)
    if digest != expected_sha256:
        raise ModelError(
            f"sha256 is {digest[:12]}..., registered is {expected_sha256[:12]}...: the weights were changed",
            subject=path.name,
            accepted="the file exactly as registered",
        )
    tensors = load_file(path)
    networks = {stage: _restored(spec, stage, tensors) for stage, spec in header.stages.items()}
    version = ModelVersion(
        header.task, header.version, digest, header.data_fingerprint, header.code_version, header.operating_points, approval
    )
    return LoadedModel(header, version, networks, backend)


def _restored(spec: NetworkSpec, stage: str, tensors: Mapping[str, torch.Tensor]) -> torch.nn.Module:
    network = build(spec)
    network.load_state_dict({key.removeprefix(f"{stage}."): value for key, value in tensors.items() if key.startswith(f"{stage}.")})
    return network.eval()


def _header(document: dict[str, Any]) -> ModelHeader:
    stages = {name: NetworkSpec(**{**spec, "widths": tuple(spec["widths"])}) for name, spec in document["stages"].items()}
    points = tuple(
        OperatingPoint(**{**point, "sensitivity_interval": tuple(point["sensitivity_interval"])}) for point in document["operating_points"]
    )
    return ModelHeader(**{**document, "stages": stages, "operating_points": points})
