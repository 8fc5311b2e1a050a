"""A model from outside into the folder of versions: read, calibrated where it marks lesions, written as one file with a card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from cad.datasets.consensus import Agreement
from cad.datasets.phantoms import phantom_of
from cad.datasets.store import SCANS, DataSet, open_data
from cad.datasets.stored import read_scan
from cad.errors import ModelError
from cad.explain.calibrators import choose
from cad.model import ModelVersion
from cad.networks import LoadedModel, save
from cad.prepare.bodypart import CT_PARTS
from cad.score.match import Truth
from cad.tasks.outside import STAGE, OutsideSettings, candidates_of, seen_by
from pipelines.registry.bundles import Bundle, read_bundle
from pipelines.registry.shipped import add_version

Say = Callable[[str], None]


def import_model(bundle: Path, body: str, folder: Path, *, name: str, data: Path | None, agreement: int, say: Say) -> ModelVersion:
    """Register a bundle; with `data`, a detector's scores are calibrated on it first. Raises ModelError, DataSetError."""
    if body not in CT_PARTS:
        raise ModelError(f"is {body[:32]!r}", subject="--body", accepted=", ".join(part for part in CT_PARTS if part != "other"))
    found = read_bundle(bundle, body, name)
    if found.settings.boxes and data:
        found = found.calibrated(lambda model: calibrated_on(open_data(data), model, Agreement(agreement), say))
    elif found.settings.boxes:
        say("this detector has no calibration: it is registered, and refuses to run until it is imported with --calibration")
    with tempfile.TemporaryDirectory() as draft:
        path = Path(draft) / "model.safetensors"
        save(path, found.header, {STAGE: found.network})
        return add_version(folder, path, card=found.card())


def calibrated_on(data: DataSet, bundle: Bundle, rule: Agreement, say: Say) -> OutsideSettings:
    """The bundle's settings with the calibration that every labelled scan of a data set gives: does a mark of this score hit a lesion?"""
    version = ModelVersion(bundle.header.task, bundle.header.version, "", "", "")
    model = LoadedModel(bundle.header, version, {STAGE: bundle.network})
    scores, truths, groups, with_lesion = [], [], [], 0
    rows = [row for row in data.cases if row["labelled"]]
    for n, row in enumerate(rows):
        say(f"calibrating on scan {n + 1} of {len(rows)}")
        phantom = phantom_of(read_scan(data.root / SCANS / row["case"]), rule)
        lesions = [Truth(row["case"], lesion.centre_mm, lesion.diameter_mm) for lesion in phantom.lesions]
        with_lesion += bool(lesions)
        for mark in candidates_of(seen_by(phantom.volume, bundle.settings), model, bundle.settings):
            scores.append(mark.scores[0][1])
            truths.append(any(lesion.holds(mark.centre_mm) for lesion in lesions))
            groups.append(n)
    chosen = choose(np.asarray(scores), np.asarray(truths, dtype=int), groups)
    calibration = replace(chosen.calibration, scans=len(rows), scans_with_lesion=with_lesion)
    source = (*bundle.settings.source, ("calibrated on data set", data.fingerprint))
    return replace(bundle.settings, calibration=calibration, source=source)
