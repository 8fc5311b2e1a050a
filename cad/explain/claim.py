"""What is claimed of a finding, and what takes it away: a scan or a close-up unlike the training data, a score that does not hold."""

from __future__ import annotations

from cad.explain.conformal import UNSURE, Verdicts
from cad.explain.novelty import FAMILIAR, UNLIKE
from cad.explain.stability import Probe, StabilityReference
from cad.finding import Claim

SCAN_UNLIKE, SCAN_UNUSUAL, UNSTEADY, LOOKS_UNLIKE = "scan_unlike", "scan_unusual", "unsteady", "looks_unlike"
ESTIMATES = "estimates_disagree"
TAKES_AWAY = frozenset({SCAN_UNLIKE, UNSTEADY, LOOKS_UNLIKE})


def claim(logit: float, probed: Probe, verdicts: Verdicts, stability: StabilityReference, novelty: str) -> Claim:
    """The verdict on a finding of fused logit `logit` in a scan of the level `novelty`.

    A doubt in TAKES_AWAY means that neither the calibration nor the promise behind the verdict covers such a finding: it is
    then "unsure", and its confidence is shown as not calibrated.
    """
    distance = stability.distance(probed)
    doubts = tuple(
        doubt
        for doubt, there in (
            (SCAN_UNLIKE, novelty == UNLIKE),
            (SCAN_UNUSUAL, novelty not in (FAMILIAR, UNLIKE)),
            (UNSTEADY, not stability.steady(probed)),
            (LOOKS_UNLIKE, distance is not None and distance > stability.most_distance),
        )
        if there
    )
    calibrated = not TAKES_AWAY & set(doubts)
    said = verdicts.of(logit)
    verdict = said if calibrated or not said else UNSURE
    return Claim(
        verdict=verdict,
        level=verdicts.level,
        called=verdicts.called(verdict) if calibrated else (0, 0),
        calibrated=calibrated,
        doubts=doubts,
        fall=probed.fall,
        most_fall=None if stability.look is None else stability.most_fall,
        distance=distance,
    )


def claim_of_scan(novelty: str, *, disagree: bool = False) -> Claim:
    """What is claimed where nothing but the scan was tested: no verdict, and no calibration for a scan unlike the training data.

    `disagree` says that two ways of measuring do: that doubt stands beside the others, the interval says how large it is.
    """
    doubts = {UNLIKE: (SCAN_UNLIKE,), FAMILIAR: ()}.get(novelty, (SCAN_UNUSUAL,)) + ((ESTIMATES,) if disagree else ())
    return Claim(calibrated=SCAN_UNLIKE not in doubts, doubts=doubts)
