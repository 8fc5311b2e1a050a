"""What runs a trained network: OpenVINO on the processor, PyTorch where OpenVINO is not installed or a GPU does the work.

A backend turns a network into a `Forward`. All of them compute in single precision and agree within 1e-4 of the logits
(held by a test); which one ran is part of what decides a result's last digits, so it belongs into the settings digest.
"""

from __future__ import annotations

import copy
import importlib.util
import warnings
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from cad.errors import ModelError

Float32Array = NDArray[np.float32]
BACKENDS = ("auto", "openvino", "eager", "cuda")
_TRACED_VOXELS = 32


class Forward(Protocol):
    """A network ready to run."""

    def __call__(self, batch: Float32Array) -> Float32Array:
        """(n, channels, ...) float32 in, the network's raw output (n, outputs, ...) float32 out; gradients are never kept."""
        ...


Network = torch.nn.Module | Forward


def resolved(name: str) -> str:
    """The backend that `name` means on this machine: "auto" is "cuda" where PyTorch sees a GPU, else "openvino", else "eager".

    Raises ModelError for an unknown name and for one this machine cannot run.
    """
    if name not in BACKENDS:
        raise ModelError(f"unknown backend {name!r}", subject="backend", accepted=", ".join(BACKENDS))
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "openvino" if _has_openvino() else "eager"
    if name == "openvino" and not _has_openvino():
        raise ModelError("OpenVINO is not installed", subject="backend", accepted="pip install openvino, or eager")
    if name == "cuda" and not torch.cuda.is_available():
        raise ModelError("PyTorch sees no GPU", subject="backend", accepted="openvino, eager")
    return name


def forward(network: torch.nn.Module, channels: int, dims: int, name: str = "auto") -> Forward:
    """The network under a backend. `channels` and `dims` are those of its input (one channel in 3D: 1 and 3)."""
    backend = resolved(name)
    if backend == "openvino":
        return OpenVino(network, (1, channels, *(_TRACED_VOXELS,) * dims))
    return Eager(network, "cuda" if backend == "cuda" else "cpu")


class Eager:
    """PyTorch as it is. On a GPU under mixed precision (float16 convolutions, float32 out)."""

    def __init__(self, network: torch.nn.Module, device: str = "cpu") -> None:
        self.device = torch.device(device)
        here = next((weight.device for weight in network.parameters()), self.device)
        self.network = network if here == self.device else copy.deepcopy(network).to(self.device)

    def __call__(self, batch: Float32Array) -> Float32Array:
        """See Forward."""
        mixed = torch.autocast(self.device.type, dtype=torch.float16, enabled=self.device.type == "cuda")
        with torch.inference_mode(), mixed:
            output = self.network(torch.from_numpy(batch).to(self.device))
        return np.asarray(output.float().cpu().numpy(), dtype=np.float32)


class OpenVino:
    """The network translated once (in memory, from the verified weights) and compiled for this processor in float32."""

    def __init__(self, network: torch.nn.Module, example_shape: tuple[int, ...]) -> None:
        self._compiled = _compiled(network, example_shape)

    def __call__(self, batch: Float32Array) -> Float32Array:
        """See Forward."""
        return np.array(self._compiled(np.ascontiguousarray(batch))[0], dtype=np.float32)


def _compiled(network: torch.nn.Module, example_shape: tuple[int, ...]) -> Any:
    """Traced on a small example (any size runs afterwards) and translated by OpenVINO's own front end.

    `openvino.convert_model` would do the same, and count its use for a telemetry service: a hospital's images are nobody
    else's statistics.
    """
    import openvino
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the form that OpenVINO's front end takes with sizes left open
        traced = torch.jit.trace(network, torch.zeros(example_shape), check_trace=False)  # type: ignore[no-untyped-call]
    front = FrontEndManager().load_by_framework("pytorch")
    decoder = TorchScriptPythonDecoder(traced)  # named, since the front end does not keep it alive
    model = front.convert(front.load(decoder))
    model.reshape(openvino.PartialShape([-1, example_shape[1], *(-1,) * (len(example_shape) - 2)]))
    hints = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": torch.get_num_threads(), "NUM_STREAMS": 1}
    return openvino.Core().compile_model(model, "CPU", hints)


def _has_openvino() -> bool:
    return importlib.util.find_spec("openvino") is not None
