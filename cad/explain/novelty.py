"""How unlike the training data a volume is: Mahalanobis distance of a few global statistics.

Lee et al., NeurIPS 2018, use the distance on network features; a dozen plain statistics catch wrong body parts, odd
protocols, noise and artefacts, and can name what is odd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.errors import ShokenError
from cad.report import Novelty
from cad.space import FloatArray
from cad.volume import Volume

FAMILIAR, UNUSUAL, UNLIKE = "familiar", "unusual", "unlike training data"
SHRINKAGE = 0.2
ODD_SIGMA = 3.0
SAMPLE_STEPS = 96


@dataclass(frozen=True, slots=True)
class NoveltyReference:
    """Mean and inverse covariance (row by row) of `names`, and the distance that 95 % of the training data keep.

    Plain numbers, so that it lives in a model file's header. `spread` is each feature's standard deviation.
    """

    names: tuple[str, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    usual_distance: float
    n: int

    @classmethod
    def fit(cls, training: Sequence[Mapping[str, float]]) -> NoveltyReference:
        """From one mapping of features a training volume. Raises ShokenError for fewer than five.

        The covariance is drawn a fifth of the way to its diagonal, and no standard deviation is below 2 % of the mean's size, so
        that a feature constant in training does not make every other volume infinitely strange.
        """
        if len(training) < 5:
            raise ShokenError(f"{len(training)} volumes", subject="novelty reference", accepted="at least five training volumes")
        names = tuple(sorted(training[0]))
        rows = np.array([[features[name] for name in names] for features in training], dtype=np.float64)
        mean, spread = rows.mean(axis=0), _spread(rows)
        precision = _precision((rows - mean) / spread)
        usual = float(np.quantile(_distances((rows - mean) / spread, precision), 0.95))
        return cls(
            names, tuple(mean.tolist()), tuple(spread.tolist()), tuple(tuple(r) for r in precision.tolist()), max(usual, 1.0), len(rows)
        )

    def distance(self, features: Mapping[str, float]) -> float:
        """Mahalanobis distance in units of the distance that 95 % of the training volumes keep."""
        return float(_distances(self._standard(features)[None], np.array(self.precision))[0] / self.usual_distance)

    def judge(self, features: Mapping[str, float], task: str) -> Novelty:
        """Score 1 - 2^-d^2 (0.5 at the edge of the usual), level, and up to three notes naming odd features.

        "familiar" up to distance 1, "unusual" up to 2 (score 0.94), beyond that "unlike training data".
        """
        d = min(self.distance(features), 1e3)
        level = FAMILIAR if d <= 1 else UNUSUAL if d <= 2 else UNLIKE
        return Novelty(task, float(1 - 2.0 ** -(d * d)), level, () if level == FAMILIAR else self._notes(features))

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists for the model's header."""
        return {
            "names": list(self.names),
            "mean": list(self.mean),
            "spread": list(self.spread),
            "precision": [list(row) for row in self.precision],
            "usual_distance": self.usual_distance,
            "n": self.n,
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> NoveltyReference:
        """What `to_dict` gave. Raises ShokenError naming a missing field."""
        try:
            return cls(
                tuple(document["names"]),
                tuple(float(v) for v in document["mean"]),
                tuple(float(v) for v in document["spread"]),
                tuple(tuple(float(v) for v in row) for row in document["precision"]),
                float(document["usual_distance"]),
                int(document["n"]),
            )
        except KeyError as error:
            raise ShokenError(
                f"has no {error.args[0]!r}", subject="novelty reference", accepted="what NoveltyReference.to_dict gave"
            ) from None

    def _standard(self, features: Mapping[str, float]) -> FloatArray:
        missing = [name for name in self.names if name not in features]
        if missing:
            raise ShokenError(f"no {', '.join(missing)}", subject="novelty features", accepted=", ".join(self.names))
        values = np.array([features[name] for name in self.names], dtype=np.float64)
        return np.asarray((values - np.array(self.mean)) / np.array(self.spread))

    def _notes(self, features: Mapping[str, float]) -> tuple[str, ...]:
        """Odd features, strongest first; percentiles last, since noise or spacing says more to a reader."""
        z = self._standard(features)
        strongest = sorted(range(len(z)), key=lambda i: -abs(z[i]))
        odd = [i for i in strongest if abs(z[i]) >= ODD_SIGMA]
        chosen = sorted(odd, key=lambda i: self.names[i].startswith("p") and self.names[i][1:].isdigit())[:3] or strongest[:1]
        return tuple(_note(self.names[i], features[self.names[i]], self.mean[i], self.spread[i]) for i in chosen)


def volume_features(volume: Volume) -> dict[str, float]:
    """A dozen statistics of a volume: spacing, size, intensity distribution, noise, air and bone share.

    CT intensities stay in HU; MR intensities are divided by the 99th percentile of the foreground, since their scale is
    arbitrary. Large volumes are thinned to at most 96 steps an axis (noise is taken from neighbouring columns beforehand).
    """
    step = tuple(slice(None, None, max(1, n // SAMPLE_STEPS)) for n in volume.grid.shape)
    values = np.asarray(volume.voxels[step], dtype=np.float32)
    scale = 1.0 if volume.unit == "HU" else max(float(np.percentile(values, 99)), 1e-6)
    percentiles = np.percentile(values, (1, 10, 25, 50, 75, 90, 99)) / scale
    features = {f"p{p:02d}": float(v) for p, v in zip((1, 10, 25, 50, 75, 90, 99), percentiles, strict=True)}
    size = np.asarray(volume.grid.spacing_mm) * np.asarray(volume.grid.shape)
    features |= {"slice_spacing_mm": volume.grid.spacing_mm[0], "pixel_spacing_mm": volume.grid.spacing_mm[1]}
    features |= {"height_mm": float(size[0]), "width_mm": float(size[2]), "noise": _noise(volume) / scale}
    if volume.unit == "HU":
        features |= {"air_share": float((values < -300).mean()), "bone_share": float((values > 200).mean())}
    return features


def _noise(volume: Volume) -> float:
    """Standard deviation of voxel noise from second differences along rows of every few slices (median absolute deviation)."""
    rows = np.asarray(volume.voxels[:: max(1, volume.grid.shape[0] // 8), ::4], dtype=np.float32)
    if rows.shape[-1] < 3:
        return 0.0
    curvature: NDArray[np.float32] = rows[..., 2:] - 2 * rows[..., 1:-1] + rows[..., :-2]
    return float(np.median(np.abs(curvature)) / 0.6745 / 6**0.5)


def _spread(rows: FloatArray) -> FloatArray:
    return np.asarray(np.maximum(rows.std(axis=0, ddof=1), np.maximum(0.02 * np.abs(rows.mean(axis=0)), 1e-6)))


def _precision(standard: FloatArray) -> FloatArray:
    covariance = np.cov(standard, rowvar=False).reshape(standard.shape[1], standard.shape[1])
    drawn = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.diag(np.maximum(np.diag(covariance), 1e-2))
    return np.asarray(np.linalg.inv(drawn))


def _distances(standard: FloatArray, precision: FloatArray) -> FloatArray:
    squared = np.einsum("ni,ij,nj->n", standard, precision, standard) / standard.shape[1]
    return np.asarray(np.sqrt(np.maximum(squared, 0)))


def _note(name: str, value: float, mean: float, spread: float) -> str:
    side = "above" if value > mean else "below"
    return f"{name} {value:.3g} is {abs(value - mean) / spread:.1f} standard deviations {side} training ({mean:.3g})"
