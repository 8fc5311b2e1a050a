"""What the reader is shown: Candidate, Measurement, Evidence, Statement, Finding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cad.model import ModelVersion
from cad.space import Box, FloatArray, Point
from cad.volume import Volume


@dataclass(frozen=True, slots=True)
class Candidate:
    """A place that might be a lesion.

    `centre_mm` is LPS (x, y, z); `scores` pairs a stage name with its raw score in [0, 1],
    in the order the stages ran.
    """

    centre_mm: Point
    box_mm: Box
    scores: tuple[tuple[str, float], ...]

    def score(self, stage: str) -> float | None:
        """The raw score of one stage, or None where that stage did not see the candidate."""
        return dict(self.scores).get(stage)


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with its unit (UCUM) and how sure it is; `value` None means not measurable.

    `interval` is a 95 % interval in the same unit, `method` how it was obtained,
    `outcome` "measured" or the code of why it was not. A qualitative evaluation (texture, location)
    carries its code in `label` instead of a value, e.g. "part_solid". `others` are estimates of the same by other ways
    (a code and the value, in the same unit), shown beside it and never averaged in.
    """

    name: str
    value: float | None
    unit: str
    method: str
    interval: tuple[float, float] | None = None
    outcome: str = "measured"
    position_mm: Point | None = None
    label: str = ""
    others: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """How well a heat map explains its network.

    `pointing_hit`: the map's peak lies in the mask. `mass_inside`: share of its mass there.
    `deletion_drop`: fall of the score when the hottest voxels are removed; `random_drop`: the
    same number of voxels at random, `edge_drop`: those with the steepest edges. `insertion_gain`: rise when the hottest voxels come
    back to a blurred picture, `random_gain` and `edge_gain` likewise. `model_check`: whether the model's maps depend on its weights
    ("passed", "failed", "not_measured"). `trustworthy` False means the map must be marked so.
    """

    pointing_hit: bool
    mass_inside: float
    deletion_drop: float
    random_drop: float
    trustworthy: bool
    edge_drop: float = 0.0
    insertion_gain: float = 0.0
    random_gain: float = 0.0
    edge_gain: float = 0.0
    model_check: str = "not_measured"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is claimed of a finding beyond its confidence, and how far.

    `verdict`: "lesion", "not_lesion", "unsure", or "" where no promise can be made; at most 1 - `level` of shown lesions of new scans
    are called not_lesion, of look-alikes lesion. `called`: (lesions, all) of the calibration candidates that were called the same.
    `calibrated` False: the calibration does not cover such a finding, `doubts` say why. `fall` of the logit under small changes beside
    `most_fall` of known findings; `distance` from the taught lesions (1: one known finding in twenty is further). `if_changed`: (change,
    confidence when scored again so).
    """

    verdict: str = ""
    level: float = 0.0
    called: tuple[int, int] = (0, 0)
    calibrated: bool = True
    doubts: tuple[str, ...] = ()
    fall: float | None = None
    most_fall: float | None = None
    distance: float | None = None
    if_changed: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class SimilarCase:
    """A known case: how far it is in standardised features, what it turned out to be, by which source; size and texture class."""

    distance: float
    outcome: str
    source: str
    diameter_mm: float | None = None
    texture: str = ""


@dataclass(frozen=True, slots=True)
class Similar:
    """The nearest of `size` known cases of a local index (its file's sha256), nearest first.

    Within `reach` 95 % of the index's own cases have their nearest neighbour: a finding further away is like none of them.
    Without an index `missing` says why.
    """

    cases: tuple[SimilarCase, ...] = ()
    size: int = 0
    index_sha256: str = ""
    reach: float | None = None
    missing: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a reader can check: the slices, the region, the map and its trustworthiness."""

    key_slices: tuple[str, ...]
    region_mm: Box
    mask_sha256: str = ""
    heatmap_sha256: str = ""
    faithfulness: Faithfulness | None = None
    images: tuple[str, ...] = ()
    similar: Similar | None = None


@dataclass(frozen=True, slots=True)
class Clause:
    """One clause of a statement and the measurements it rests on (by name)."""

    topic: str
    text: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """The sentence that says why, clause by clause, in one language ("en" or "ja")."""

    lang: str
    clauses: tuple[Clause, ...]

    @property
    def text(self) -> str:
        """The clauses joined as a person would read them."""
        joiner = "" if self.lang == "ja" else " "
        return joiner.join(clause.text for clause in self.clauses)


@dataclass(frozen=True, slots=True)
class Finding:
    """A ranked candidate with calibrated confidence, measurements, evidence and a statement.

    `rank` counts from 1, best first. `confidence` in [0, 1] is calibrated, not a raw score;
    `diameter_mm` is the longest diameter of the outline.
    """

    rank: int
    task: str
    kind: str
    candidate: Candidate
    diameter_mm: float
    confidence: float
    measurements: tuple[Measurement, ...]
    evidence: Evidence
    statement: Statement
    model: ModelVersion
    claim: Claim = Claim()


@dataclass(frozen=True, slots=True, eq=False)
class CrossSection:
    """A vessel cut at right angles to its course, `arc_mm` along the centreline.

    `diameter_mm` is that of a circle of equal area; `outline_mm` the measured outline, (n, 3) LPS millimetres.
    """

    arc_mm: float
    diameter_mm: float
    centre_mm: Point
    outline_mm: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """The arrays behind one finding, kept out of the report: what the key images are drawn from.

    `image` is the source volume itself (shared, not copied), `mask` 0/1 uint8, `heatmap` float32 in [0, 1] and `outline` the
    probabilities that the mask was cut from, where they are kept; each on a grid of its own in the same LPS frame. `rank` is the
    finding's within its task; rank 0 belongs to the task's case-level measurements (the aorta of a normal scan), whose `sections`
    run along the vessel.
    `parts` are the labels of a label map by name, each a mask; `features` are what cad.explain.similar looks for.
    """

    task: str
    rank: int
    image: Volume
    mask: Volume | None = None
    heatmap: Volume | None = None
    sections: tuple[CrossSection, ...] = ()
    features: Mapping[str, float] = field(default_factory=dict)
    parts: tuple[tuple[str, Volume], ...] = ()
    outline: Volume | None = None
