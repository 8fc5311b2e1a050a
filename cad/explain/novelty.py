"""How unlike the training data a scan is: Mahalanobis distance family by family, with levels that state their false alarms.

Lee et al., NeurIPS 2018, use the distance on network features; beside it stand plain statistics that can name what is odd. The
levels come from scans that were held out, as conformal quantiles (Bates et al., Ann Stat 2023;51:149-178): a new scan like those is
called "unusual" or worse with probability of at most 5 %, "unlike training data" of at most 1 / (n + 1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import ceil
from typing import Any

import numpy as np

from cad.errors import ShokenError
from cad.explain.features import PERCENTILES, Features
from cad.report import FamilyNovelty, Novelty, OddFeature
from cad.space import FloatArray

FAMILIAR, UNUSUAL, UNLIKE = "familiar", "unusual", "unlike training data"
LEAST_TRAINING, LEAST_HELD_OUT = 5, 19
TURNS = 3
UNUSUAL_AT_MOST = 0.05
SIGMA_SHOWN = 2.5
MOST_SHOWN = 3
UNCALIBRATED = (2.0, 4.0)  # cuts of a reference without held-out scans, in units of its training data's own 95th percentile
LEAST_SPREAD = {"far_above_permille": 0.2, "far_below_permille": 0.2, "in_plane_mm": 0.1, "slice_spacing_mm": 0.5}
LEAST_SPREAD |= {f"{where}_p{p:02d}": 0.02 for where in ("organ", "around") for p in PERCENTILES}  # of a window: air is air in every scan


@dataclass(frozen=True, slots=True)
class Family:
    """Training data of one family: each feature's mean, spread and central 98 %, the inverse covariance of the standardised
    features, and `scale`, the distance that 95 % of training scans keep when they are left out of the fit.
    """

    name: str
    names: tuple[str, ...]
    mean: tuple[float, ...]
    spread: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    precision: tuple[tuple[float, ...], ...]
    scale: float = 1.0

    @classmethod
    def fit(cls, name: str, training: Sequence[Mapping[str, float]]) -> Family:
        """From one mapping a scan, all with the same features. Covariance shrunk as Ledoit & Wolf (J Multivar Anal 2004;88:365)."""
        from sklearn.covariance import LedoitWolf

        names = tuple(sorted(training[0]))
        rows = np.array([[scan[feature] for feature in names] for scan in training], dtype=np.float64)
        mean = rows.mean(axis=0)
        floor = [max(LEAST_SPREAD.get(feature, 1e-3), 0.02 * abs(m)) for feature, m in zip(names, mean, strict=True)]
        spread = np.maximum(rows.std(axis=0, ddof=1), floor)
        shrunk = LedoitWolf(assume_centered=True).fit((rows - mean) / spread).covariance_
        low, high = np.quantile(rows, (0.01, 0.99), axis=0)
        inverse = np.linalg.inv(shrunk + 1e-2 * np.eye(len(names)))
        return cls(name, names, _plain(mean), _plain(spread), _plain(low), _plain(high), tuple(_plain(row) for row in inverse))

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Family:
        """Back from a model's header, where tuples are lists."""
        return cls(**{key: _frozen(value) for key, value in document.items()})

    def distance(self, features: Mapping[str, float]) -> float:
        """Mahalanobis distance, in units of `scale`."""
        z = self._standard(features)
        return float(np.sqrt(max(z @ np.array(self.precision) @ z, 0.0) / len(z)) / self.scale)

    def odd(self, features: Mapping[str, float]) -> tuple[OddFeature, ...]:
        """The features that stand out most, at most MOST_SHOWN; none where only their combination does."""
        z = self._standard(features)
        order = [i for i in np.argsort(-np.abs(z), kind="stable") if abs(z[i]) >= SIGMA_SHOWN][:MOST_SHOWN]
        return tuple(OddFeature(self.names[i], float(features[self.names[i]]), self.low[i], self.high[i]) for i in order)

    def _standard(self, features: Mapping[str, float]) -> FloatArray:
        missing = [name for name in self.names if name not in features]
        if missing:
            raise ShokenError(f"no {', '.join(missing)}", subject=f"novelty features of {self.name}", accepted=", ".join(self.names))
        values = np.array([features[name] for name in self.names], dtype=np.float64)
        return np.asarray((values - np.array(self.mean)) / np.array(self.spread))


@dataclass(frozen=True, slots=True)
class NoveltyReference:
    """The training data by family, and from which distance on a scan is unusual or unlike it.

    Plain numbers, so that it lives in a model file's header. `n` training scans, `held_out` scans that set the levels (0: the
    levels were not calibrated).
    """

    families: tuple[Family, ...]
    unusual_from: float
    unlike_from: float
    n: int
    held_out: int = 0

    @classmethod
    def fit(cls, training: Sequence[Features], held_out: Sequence[Features] = ()) -> NoveltyReference:
        """From the features of each training scan; with at least LEAST_HELD_OUT others, levels that keep what they state.

        Raises ShokenError for fewer than LEAST_TRAINING training scans.
        """
        if len(training) < LEAST_TRAINING:
            raise ShokenError(f"{len(training)} scans", subject="novelty reference", accepted="at least five training scans")
        shared = sorted(set.intersection(*(set(scan) for scan in (*training, *held_out))))
        families = tuple(_scaled(name, [scan[name] for scan in training]) for name in shared)
        if len(held_out) < LEAST_HELD_OUT:
            return cls(families, *UNCALIBRATED, len(training))
        worst = np.sort([max(family.distance(scan[family.name]) for family in families) for scan in held_out])
        place = ceil((1 - UNUSUAL_AT_MOST) * (len(worst) + 1))
        return cls(families, float(worst[min(place, len(worst)) - 1]), float(worst[-1]), len(training), len(worst))

    def judge(self, features: Features, task: str) -> Novelty:
        """The scan's level is that of its oddest family; the score is 0.5 at the edge of "unusual" and nears 1 beyond it."""
        known = [family for family in self.families if family.name in features]
        found = tuple(self._family(family, features[family.name]) for family in known)
        worst = max((family.distance for family in found), default=0.0)
        notes = tuple(_note(odd) for family in found if family.level != FAMILIAR for odd in family.odd)
        score = 1 - 2.0 ** -((worst / max(self.unusual_from, 1e-9)) ** 2)
        return Novelty(task, float(score), self._level(worst), notes, found, self.held_out, *self.false_alarms())

    def false_alarms(self) -> tuple[float | None, float | None]:
        """At most this share of scans like the held-out ones is called unusual or worse, and unlike; None where not calibrated."""
        return (UNUSUAL_AT_MOST, 1 / (self.held_out + 1)) if self.held_out else (None, None)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and lists for the model's header."""
        return asdict(self)

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> NoveltyReference:
        """What `to_dict` gave, or an older model's document. Raises ShokenError naming a missing field."""
        if "precision" in document:
            return _older(document)
        try:
            families = tuple(Family.from_dict(family) for family in document["families"])
            return cls(
                families, float(document["unusual_from"]), float(document["unlike_from"]), int(document["n"]), int(document["held_out"])
            )
        except KeyError as error:
            raise ShokenError(
                f"has no {error.args[0]!r}", subject="novelty reference", accepted="what NoveltyReference.to_dict gave"
            ) from None

    def _family(self, family: Family, features: Mapping[str, float]) -> FamilyNovelty:
        distance = min(family.distance(features), 1e3)
        level = self._level(distance)
        return FamilyNovelty(family.name, level, distance, () if level == FAMILIAR else family.odd(features))

    def _level(self, distance: float) -> str:
        return FAMILIAR if distance <= self.unusual_from else UNUSUAL if distance <= self.unlike_from else UNLIKE


def _scaled(name: str, training: Sequence[Mapping[str, float]]) -> Family:
    """A family whose `scale` comes from training scans left out in turn: the held-out ones stay unseen until the levels are set."""
    family, distances = Family.fit(name, training), list[float]()
    for part in range(TURNS):
        less = Family.fit(name, [scan for n, scan in enumerate(training) if n % TURNS != part])
        distances += [less.distance(scan) for scan in training[part::TURNS]]
    return replace(family, scale=max(float(np.quantile(distances, 0.95)), 1e-6))


def _older(document: Mapping[str, Any]) -> NoveltyReference:
    """A model from before there were families measured whole volumes, padding and all: of that only the slice spacing still holds."""
    place = list(document["names"]).index("slice_spacing_mm")
    mean, spread = float(document["mean"][place]), max(float(document["spread"][place]), LEAST_SPREAD["slice_spacing_mm"])
    low, high = mean - 2 * spread, mean + 2 * spread
    family = Family("protocol", ("slice_spacing_mm",), (mean,), (spread,), (low,), (high,), ((1.0,),), 2.0)
    return NoveltyReference((family,), *UNCALIBRATED, int(document.get("n", 0)))


def _note(odd: OddFeature) -> str:
    return f"{odd.name} {odd.value:.3g}, in training {odd.low:.3g} to {odd.high:.3g}"


def _plain(values: FloatArray) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _frozen(value: Any) -> Any:
    return tuple(_frozen(part) for part in value) if isinstance(value, list | tuple) else value
