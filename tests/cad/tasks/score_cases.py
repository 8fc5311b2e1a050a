"""Stage scores of made-up cases: one candidate a logit, every earlier stage passed unless told."""

from __future__ import annotations

import numpy as np

from cad.tasks.looking import CaseScores, LesionScores


def lesion(label, diameter_mm=8.0, kind="solid"):
    return LesionScores(0.9, 0.9, diameter_mm, kind, label)


def case_scores(logits, hits, lesions=(), planes=(0.5, 0.5), *, second=None, nearby=None, crossed=None, spans=None):
    """`second` and `nearby` are NaN (nobody looked twice) and the best plane unless given."""
    n, planes = len(logits), np.array(planes if len(planes) else (0.5,), np.float32)
    return CaseScores(
        planes=planes,
        lesions=tuple(lesions),
        proposed=np.full(n, 0.5),
        reduced=np.array(logits, float),
        hits=tuple(int(hit) for hit in hits),
        second=np.full(n, np.nan) if second is None else np.array(second, float),
        nearby=np.full(n, float(planes.max())) if nearby is None else np.array(nearby, float),
        spans=np.zeros((n, 2), int) if spans is None else np.array(spans, int),
        crossed=np.eye(len(planes), dtype=bool) if crossed is None else np.array(crossed, bool),
    )
