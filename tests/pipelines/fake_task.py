"""A task that finds the brightest voxel, with a model that needs no torch: instant, deterministic, able to fail on demand."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from cad.errors import ModelError, Refusal
from cad.finding import Candidate, Clause, Evidence, Exhibit, Finding, Measurement, Statement
from cad.model import ModelVersion
from cad.networks import LoadedModel, ModelHeader
from cad.report import Funnel
from cad.space import Box
from cad.tasks.task import Suitability, TaskResult

ENTRY_POINT = "[cad.tasks]\nbright_ct = fake_task:TASK\n"


class BrightTask:
    """Finds the brightest voxel of a CT. FAKE_TASK=kind:peak makes it misbehave on volumes with that peak."""

    name = "bright_ct"
    kind = "bright spot"
    modality = "CT"

    def suits(self, series):
        suitable = series.modality == "CT"
        return Suitability(suitable, "a CT" if suitable else f"modality {series.modality}; CT is looked at", float(len(series.instances)))

    def run(self, volume, model, *, lang, progress):
        progress("look")
        peak = int(volume.voxels.max())
        refusal = misbehave(peak)
        if refusal:
            return refusal
        place = np.argwhere(volume.voxels == peak).mean(axis=0)
        x, y, z = (float(v) for v in volume.grid.to_mm(place))
        box = Box.cube((x, y, z), 4.0)
        size = Measurement("longest_diameter", 4.0, "mm", "brightest voxels")
        finding = Finding(
            rank=1,
            task=self.name,
            kind=self.kind,
            candidate=Candidate((x, y, z), box, (("peak", 0.9),)),
            diameter_mm=4.0,
            confidence=min(0.99, (peak + 1024) / 2000),
            measurements=(size,),
            evidence=Evidence((volume.sources[int(place[0])].sop_instance_uid,), box),
            statement=Statement(lang, (Clause("size", "A bright spot of 4 mm.", ("longest_diameter",)),)),
            model=model.version,
        )
        slices = volume.grid.shape[0]
        return TaskResult((finding,), Funnel(self.name, slices, slices, 1, 1, 1), model.version, exhibits=(Exhibit(self.name, 1, volume),))


def misbehave(peak: int) -> Refusal | None:
    kind, _, wanted = os.environ.get("FAKE_TASK", "").partition(":")
    if not kind or str(peak) != wanted:
        return None
    if kind == "raise":
        raise ValueError("YAMADA TARO was here")
    if kind == "refuse":
        return Refusal("bright_ct", "wrong_region", "not a chest")
    if kind == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "wait":
        Path(os.environ["FAKE_TASK_SIGN"]).touch()
        time.sleep(60)
    return None


class FakeModels:
    """A model store of one task, without files."""

    version = ModelVersion("bright_ct", "1", "ab" * 32, "data", "code")

    def versions(self, task):
        return (self.version,)

    def current(self, task):
        if task != "bright_ct":
            raise ModelError("no model for the task", subject=task, accepted=f"`shoken train {task}`")
        return self.version

    def verify(self, version): ...

    def load(self, version):
        return LoadedModel(ModelHeader("bright_ct", "1", "data", "code", {}, {}), version, {})


TASK = BrightTask()
