"""Known cases that look alike: nearest neighbours of a finding in the feature space of a local index with known outcomes.

An index holds features, outcome, size, texture and source of each case: no image, no UID, nothing that leads back to a patient. It
belongs to one model's weights, whose features it was made of; of any other model it is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import ModelError
from cad.explain.features import named, pooled_features
from cad.finding import Measurement, Similar, SimilarCase

if TYPE_CHECKING:
    import torch

FORMAT = "shoken-similar-1"
MAX_BYTES = 256 * 2**20
SHOWN = 5
DESCRIPTORS = (
    "long_axis", "volume", "mean_hu", "solid_fraction", "sphericity", "spiculation_index", "lobulation_index", "margin_width",
    "contrast_ratio",
)  # fmt: skip
BY_READERS = ("confirmed", "dismissed")
OUTCOMES = ("lesion", "look_alike", *BY_READERS)  # by a truth, and by a reader
_NETWORK = "feature_"
_LOGARITHMIC = frozenset({"long_axis", "volume"})


@dataclass(frozen=True, slots=True)
class KnownCase:
    """One case of an index: its features by name, and what it turned out to be (one of OUTCOMES) by which `source`."""

    features: Mapping[str, float]
    outcome: str
    source: str
    diameter_mm: float | None = None
    texture: str = ""


def finding_features(patch: NDArray[np.float32], reducer: torch.nn.Module, measurements: Sequence[Measurement]) -> dict[str, float]:
    """What a finding is compared by: what the classifier makes of its patch (channels, d, h, w) or (d, h, w), and what was measured of it.

    Lengths and volumes as logarithms; what was not measured is left out.
    """
    pooled, _ = pooled_features(np.array(patch, dtype=np.float32)[None], reducer)
    measured = {m.name: m.value for m in measurements if m.name in DESCRIPTORS and m.value is not None}
    return named(pooled[0]) | {
        name: float(np.log(max(value, 0.1))) if name in _LOGARITHMIC else float(value) for name, value in measured.items()
    }


@dataclass(frozen=True, eq=False)
class SimilarIndex:
    """Known cases of one task under one model. `sha256` is that of the file it was read from, "" before it was written.

    `features` is (cases, names), NaN where something was not measured.
    """

    task: str
    model_sha256: str
    names: tuple[str, ...]
    features: NDArray[np.float32]
    cases: tuple[SimilarCase, ...]
    sha256: str = ""

    @classmethod
    def of(cls, task: str, model_sha256: str, known: Sequence[KnownCase]) -> SimilarIndex:
        """An index of these cases. Raises ModelError for fewer than two, and for an outcome there is no word for."""
        if len(known) < 2 or any(case.outcome not in OUTCOMES for case in known):
            raise ModelError("no index can be made of these cases", subject=task, accepted=f"two or more, each {' or '.join(OUTCOMES)}")
        names = tuple(sorted({name for case in known for name in case.features}))
        features = np.array([[case.features.get(name, np.nan) for name in names] for case in known], dtype=np.float32)
        return cls(task, model_sha256, names, features, _shown(known))

    def joined(self, known: Sequence[KnownCase], sha256: str) -> SimilarIndex:
        """This index with more cases of the same model behind its own; features that it does not know are left out."""
        more = np.array([[case.features.get(name, np.nan) for name in self.names] for case in known], dtype=np.float32)
        features = np.concatenate([self.features, more.reshape(-1, len(self.names))])
        return replace(self, features=features, cases=(*self.cases, *_shown(known)), sha256=sha256)

    def nearest(self, features: Mapping[str, float]) -> Similar:
        """The SHOWN nearest cases, nearest first; ties in the order of the index.

        Where none of them was answered by a reader here, the nearest that was follows, if it is within reach: shipped cases, of
        which there are hundreds, would else hide what this place knows.
        """
        distances = np.linalg.norm(self._points - self._standardised(np.array([[features.get(n, np.nan) for n in self.names]])), axis=1)
        order = [int(n) for n in np.argsort(distances, kind="stable")]
        answered = [n for n in order if self.cases[n].outcome in BY_READERS and distances[n] <= self.reach]
        found = tuple(
            SimilarCase(float(distances[n]), self.cases[n].outcome, self.cases[n].source, self.cases[n].diameter_mm, self.cases[n].texture)
            for n in dict.fromkeys((*order[:SHOWN], *answered[:1]))
        )
        return Similar(found, len(self.cases), self.sha256, self.reach)

    @cached_property
    def reach(self) -> float:
        """Within this distance 95 % of the index's own cases have their nearest neighbour."""
        apart = np.linalg.norm(self._points[:, None] - self._points[None], axis=2) + np.diag(np.full(len(self._points), np.inf))
        return float(np.quantile(apart.min(axis=1), 0.95))

    @cached_property
    def _points(self) -> NDArray[np.float64]:
        return self._standardised(self.features)

    @cached_property
    def _scale(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Mean of each feature, and what divides it: its spread, and the square root of how many there are of its family.

        So what the network sees and what was measured weigh the same.
        """
        mean, spread = np.nanmean(self.features, axis=0, dtype=np.float64), np.nanstd(self.features, axis=0, dtype=np.float64)
        network = np.array([name.startswith(_NETWORK) for name in self.names])
        family = np.where(network, max(network.sum(), 1), max((~network).sum(), 1))
        return np.asarray(mean), np.asarray(np.maximum(spread, 1e-6) * np.sqrt(family))

    def _standardised(self, features: NDArray[Any]) -> NDArray[np.float64]:
        """What was not measured counts as the mean."""
        mean, scale = self._scale
        return np.nan_to_num((np.asarray(features, dtype=np.float64) - mean) / scale, nan=0.0)


def _shown(known: Sequence[KnownCase]) -> tuple[SimilarCase, ...]:
    return tuple(SimilarCase(0.0, case.outcome, case.source, case.diameter_mm, case.texture) for case in known)


def save_index(path: Path, index: SimilarIndex) -> str:
    """Write an index as safetensors; returns the file's sha256. The same cases give the same bytes."""
    from safetensors.numpy import save

    rows = [{name: value for name, value in asdict(case).items() if name != "distance"} for case in index.cases]
    header = {"task": index.task, "model_sha256": index.model_sha256, "names": index.names, "cases": rows}
    document = json.dumps({**header, "digest": _digest(index.features, rows)}, sort_keys=True)
    data = save({"features": np.ascontiguousarray(index.features)}, metadata={FORMAT: document})
    path.write_bytes(data)
    return hashlib.sha256(data).hexdigest()


def load_index(path: Path, task: str, model_sha256: str) -> SimilarIndex:
    """An index as it was written, for this task and these weights. Raises ModelError for any other, and for a changed one."""
    from safetensors import SafetensorError, safe_open

    accepted = f"a file that `shoken models index {task}` wrote for the current weights"
    if path.stat().st_size > MAX_BYTES:
        raise ModelError("larger than 256 MiB", subject=path.name, accepted=accepted)
    try:
        with safe_open(path, framework="np") as stream:
            document = json.loads((stream.metadata() or {})[FORMAT])
            features = stream.get_tensor("features")
        rows, names = document["cases"], tuple(document["names"])
        cases = tuple(SimilarCase(0.0, **row) for row in rows)
    except (SafetensorError, OSError, KeyError, ValueError, TypeError) as error:
        raise ModelError(f"not readable as an index ({type(error).__name__})", subject=path.name, accepted=accepted) from None
    if features.shape != (len(cases), len(names)) or _digest(features, rows) != document.get("digest"):
        raise ModelError("its content does not have its digest: it was changed", subject=path.name, accepted=accepted)
    if (document["task"], document["model_sha256"]) != (task, model_sha256):
        raise ModelError("was made by another model", subject=path.name, accepted=accepted)
    return SimilarIndex(task, model_sha256, names, features, cases, hashlib.sha256(path.read_bytes()).hexdigest())


def _digest(features: NDArray[np.float32], rows: Sequence[Mapping[str, Any]]) -> str:
    return hashlib.sha256(np.ascontiguousarray(features).tobytes() + json.dumps(rows, sort_keys=True).encode()).hexdigest()
