"""What is claimed of a finding, what takes it away, and what the classifier says of a changed lesion."""

import numpy as np
import pytest
import torch

from cad.explain.claim import claim, claim_of_scan
from cad.explain.conformal import Verdicts
from cad.explain.counterfactual import rescored
from cad.explain.novelty import Family
from cad.explain.stability import Probe, StabilityReference

VERDICTS = Verdicts(0.9, -1.0, 1.0, 20, 30, (("lesion", 10, 9), ("not_lesion", 40, 1), ("unsure", 5, 2)))
LOOK = Family("finding", ("a",), (0.0,), (1.0,), (-2.0,), (2.0,), ((1.0,),), 2.0)
STABILITY = StabilityReference(LOOK, 1.5, 1.0, 40, 20)


@pytest.mark.parametrize(
    ("logit", "probe", "novelty", "verdict", "doubts"),
    [
        (3.0, Probe({"a": 0.5}, 0.2), "familiar", "lesion", ()),
        (-3.0, Probe({"a": 0.5}, 0.2), "familiar", "not_lesion", ()),
        (3.0, Probe({"a": 0.5}, 0.2), "unusual", "lesion", ("scan_unusual",)),
        (3.0, Probe({"a": 0.5}, 0.2), "unlike training data", "unsure", ("scan_unlike",)),
        (3.0, Probe({"a": 0.5}, 2.0), "familiar", "unsure", ("unsteady",)),
        (3.0, Probe({"a": 9.0}, 2.0), "familiar", "unsure", ("unsteady", "looks_unlike")),
    ],
)
def test_doubts_take_the_claim_away(logit, probe, novelty, verdict, doubts):
    found = claim(logit, probe, VERDICTS, STABILITY, novelty)
    assert (found.verdict, found.doubts) == (verdict, doubts)
    assert found.calibrated is (not set(doubts) - {"scan_unusual"})
    assert found.called == ((9, 10) if verdict == "lesion" else (1, 40) if verdict == "not_lesion" else (0, 0))


def test_an_older_model_claims_nothing_and_doubts_nothing():
    found = claim(3.0, Probe({"a": 9.0}, 99.0), Verdicts(), StabilityReference(), "familiar")
    assert (found.verdict, found.doubts, found.calibrated, found.most_fall, found.distance) == ("", (), True, None, None)
    assert claim_of_scan("unlike training data").calibrated is False
    assert claim_of_scan("familiar").doubts == ()
    apart = claim_of_scan("unusual", disagree=True)
    assert (apart.doubts, apart.calibrated) == (("scan_unusual", "estimates_disagree"), True)


class Brightness(torch.nn.Module):
    """Its logit is the brightness of soft tissue: what is denser (calcium) counts less."""

    def __init__(self) -> None:
        super().__init__()
        self.avgpool = torch.nn.AdaptiveAvgPool3d(1)

    def forward(self, x):
        return 1000 * self.avgpool(x * (x < 0.9)).flatten(1)


def test_the_classifier_is_asked_about_another_density_and_size():
    window, patch, outline = (-1000.0, 400.0), np.full((24, 24, 24), 0.1, np.float32), np.zeros((24, 24, 24), np.uint8)
    z = np.indices(patch.shape) - 11.5
    outline[np.sqrt((z**2).sum(axis=0)) < 6] = 1
    patch[outline > 0] = 0.74
    moved = dict(rescored(patch, outline, 1.0, Brightness(), window))
    assert set(moved) == {"erased", "small", "fat", "calcium"}
    assert moved["erased"] < moved["small"] < 0
    assert moved["calcium"] < moved["fat"] < 0
    assert set(dict(rescored(patch, outline, 1.0, Brightness(), None))) == {"erased", "small"}
    assert rescored(patch, np.zeros_like(outline), 1.0, Brightness(), window) == ()
    tiny = np.zeros_like(outline)
    tiny[10:13, 10:13, 10:13] = 1
    assert "small" not in dict(rescored(patch, tiny, 1.0, Brightness(), window))
