"""Validation figures that decide when a stage has learned enough: sensitivity as a FROC has it, never the loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from cad.availability import channels_of
from cad.backends import Network, forward
from cad.detect.propose import candidates
from cad.score.froc import curve_of
from cad.score.match import ScanMatch
from cad.space import Point
from cad.train.dataset import TrainingCase, load_cases
from cad.train.loop import Watch
from cad.train.mining import MINING_THRESHOLD, lesion_at, whole_map

MOST_MARKS = 40


def watches(paths: Sequence[Path], sets: Sequence[tuple[str, ...]] = ()) -> Mapping[str, Watch]:
    """For propose: the mean sensitivity at 1/8 to 8 false positives a scan, over scans that nothing is trained on.

    `sets` of MR sequences: the average over the same scans shown with each, since pooled a few bad ones would decide it all.
    """

    def figure(network: torch.nn.Module) -> float:
        return float(np.mean([proposal_cpm(paths, network, shown) for shown in sets or ((),)]))

    return {"propose": figure} if paths else {}


def proposal_cpm(paths: Sequence[Path], network: torch.nn.Module, sequences: tuple[str, ...] = ()) -> float:
    """The CPM of the proposals alone; 0 where no scan holds a lesion. `sequences`: with these alone, in place of those drawn."""
    run = forward(network, channels_of(network), 3)
    cases = load_cases(paths, whole=bool(sequences))
    matches = [matched(replace(case, seen=case.seen.only(sequences)) if sequences else case, run) for case in cases]
    return curve_of(matches).cpm if any(match.lesions for match in matches) else 0.0


def matched(case: TrainingCase, network: Network) -> ScanMatch:
    """The proposals of one scan against its lesions."""
    marks = candidates(whole_map(case, network), MINING_THRESHOLD, MOST_MARKS)
    return against_lesions(case, [(mark.centre_mm, mark.score("propose") or 0.0) for mark in marks])


def against_lesions(case: TrainingCase, marks: Sequence[tuple[Point, float]]) -> ScanMatch:
    """Marks of one scan, each a place in LPS mm and a score, against its lesions."""
    scores = [(lesion_at(case, place), score) for place, score in marks]
    best = tuple(max((score for hit, score in scores if hit == lesion.label), default=None) for lesion in case.lesions)
    return ScanMatch(str(case.seed), best, tuple(score for hit, score in scores if not hit))
