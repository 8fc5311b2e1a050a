"""One study as a job: de-identify into a private folder, screen from there only, install the case, forget the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cad.errors import Refusal
from cad.networks import sha256_of
from cad.report import CaseReport
from cad.write.manifest import ManifestRow
from cad.write.worklist import Counts, WorklistRow, row_of
from pipelines.case import CaseOrder, run_case
from pipelines.comparing import PriorOrder
from pipelines.intake import InputFile, PriorStudy
from pipelines.meter import Meter, StageCost
from pipelines.outfolder import OutFolder, install_case
from pipelines.ports import StageListener
from pipelines.runners.failure import explained
from pipelines.wiring import Tools


@dataclass(frozen=True, slots=True)
class StudyJob:
    """One study to screen. `key` is idempotent: the same study, content, priors, settings and models give the same key.

    `undated` counts studies of the same patient that no date puts in order.
    """

    key: str
    case: str
    study: str
    files: tuple[InputFile, ...]
    lang: str
    settings_sha256: str
    out: Path
    priors: tuple[PriorStudy, ...] = ()
    undated: int = 0


@dataclass(frozen=True, slots=True)
class StudyOutcome:
    """How one study ended: its worklist row, one manifest row a file, what it cost, the digest of its case.json."""

    key: str
    row: WorklistRow
    files: tuple[ManifestRow, ...]
    costs: tuple[StageCost, ...] = ()
    digest: str = ""
    resumed: bool = False


@dataclass(frozen=True, slots=True)
class ScreenStudy:
    """The work of a study job. Picklable where its parts are; desk and bench are opened in the process that works."""

    tools: Tools
    listener: StageListener

    def __call__(self, job: StudyJob) -> StudyOutcome:
        """De-identify, screen, install. Leaves nothing but the case folder, whatever happens."""
        out, meter = OutFolder(job.out), Meter(self.listener)
        private = out.work / job.case
        shutil.rmtree(private, ignore_errors=True)
        private.mkdir(mode=0o700)
        try:
            return self._screened(job, out, private, meter)
        finally:
            shutil.rmtree(private, ignore_errors=True)

    def _screened(self, job: StudyJob, out: OutFolder, private: Path, meter: Meter) -> StudyOutcome:
        meter.begin("deidentify")
        passed, refused = self.tools.open_desk().deidentify({file.handle: file.path for file in job.files}, private / "in")
        order = CaseOrder(
            case=job.case,
            study_instance_uid=job.study,
            files={path: handle for handle, path in passed.items()},
            refused=tuple(refused.values()),
            lang=job.lang,
            settings_sha256=job.settings_sha256,
            folder=private / "case",
            priors=tuple(PriorOrder(p.case, p.study, p.days, partial(self._prior, p, private / p.case)) for p in job.priors),
            undated=job.undated,
        )
        run = run_case(order, self.tools.open_bench(), meter)
        install_case(private / "case", out.case(job.case), private / "old")
        why = {**run.unused, **refused}
        rows = tuple(_manifest_row(file, job.case, why.get(file.handle), run.series_of.get(file.handle, "")) for file in job.files)
        row = row_of(run.report, files=len(job.files), series=run.series, thumbnail=_thumbnail(run.report))
        return StudyOutcome(job.key, row, rows, meter.costs(), sha256_of(out.case(job.case) / "case.json"))

    def _prior(self, prior: PriorStudy, folder: Path) -> tuple[Path, ...]:
        """An earlier study's files, de-identified into the private folder of this job; those refused tell so in their own case."""
        passed, _ = self.tools.open_desk().deidentify({file.handle: file.path for file in prior.files}, folder)
        return tuple(sorted(passed.values()))


def _thumbnail(report: CaseReport) -> str:
    """The first finding's small picture, relative to OUT; empty where there is none."""
    images = next((finding.evidence.images for finding in report.findings), ())
    return next((f"cases/{report.case}/{image}" for image in images if "thumbnail" in image), "")


def failed_study(job: StudyJob, error: BaseException) -> StudyOutcome:
    """A study whose job raised: status "failed" with the reason, its files refused, the run goes on."""
    told = explained(error)
    row = WorklistRow(job.case, "failed", None, Counts(files=len(job.files)), notes=(Refusal(job.case, told.reason, told.detail),))
    why = Refusal("", "study_failed", f"the study failed: {told.reason}")
    return StudyOutcome(job.key, row, tuple(_manifest_row(file, job.case, why) for file in job.files))


def to_document(outcome: StudyOutcome) -> str:
    """What a resumed run needs of a finished study, as JSON for the ledger."""
    return json.dumps({"row": asdict(outcome.row), "files": [asdict(row) for row in outcome.files]}, ensure_ascii=False, sort_keys=True)


def from_document(document: str, job: StudyJob, digest: str) -> StudyOutcome:
    """A finished study as the ledger knows it, its files at their places in the present walk."""
    stored: dict[str, Any] = json.loads(document)
    places = {file.handle: file.index for file in job.files}
    rows = (ManifestRow(**row) for row in stored["files"])
    files = tuple(replace(row, index=places[row.file]) for row in rows)
    return StudyOutcome(job.key, _stored_row(stored["row"]), files, digest=digest, resumed=True)


def _stored_row(row: Mapping[str, Any]) -> WorklistRow:
    notes = tuple(Refusal(**note) for note in row["notes"])
    return WorklistRow(**{**row, "counts": Counts(**row["counts"]), "notes": notes})


def _manifest_row(file: InputFile, case: str, why: Refusal | None, series: str = "") -> ManifestRow:
    if why is None:
        return ManifestRow(file.handle, file.index, "screened", case=case, series=series)
    return ManifestRow(file.handle, file.index, "refused", why.reason, why.detail, case, series)
