"""The long job: an export in, a ranked worklist and an account of every file out. Survives `kill -9`, goes on with `resume`.

walk -> group by study -> one job a study -> ledger -> manifest, worklist
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from cad.errors import Refusal
from cad.networks import sha256_of
from cad.write.folder import write_manifest, write_worklist
from cad.write.worklist import WorklistRow
from pipelines import wiring
from pipelines.config import Settings, settings_digest
from pipelines.desk import Desk
from pipelines.exchange.folders import is_empty, walk
from pipelines.intake import Intake, case_of, content_of
from pipelines.logs import log
from pipelines.outfolder import OutError, OutFolder, check_apart, claimed
from pipelines.ports import Runner, ScreenListener
from pipelines.runners.ledger import JobLedger
from pipelines.studies import ScreenStudy, StudyJob, StudyOutcome, failed_study, from_document, to_document
from pipelines.wiring import Bench, Tools


@dataclass(frozen=True, slots=True)
class Screening:
    """How a run ended.

    `refused` counts files by reason; `models_refused` names tasks without a usable model; `unprinted` says why cases are
    without a `report.pdf`, "" where each has one.
    """

    rows: tuple[WorklistRow, ...]
    files: int
    refused: Mapping[str, int]
    models_refused: tuple[Refusal, ...]
    resumed: int
    unprinted: str = ""

    @property
    def failed(self) -> int:
        """Studies that failed."""
        return sum(row.status == "failed" for row in self.rows)

    @property
    def exit_code(self) -> int:
        """0 when every file and study was screened, else 1."""
        return int(bool(self.failed or self.refused or self.models_refused))


def screen(
    export: Path, out: Path, settings: Settings, listener: ScreenListener, *, resume: bool = False, tools: Tools | None = None
) -> Screening:
    """Screen an export into OUT (DESIGN section 4).

    Raises ShokenError for wrong use, before anything is written, and DiskFullError when nothing can go on.
    `tools` are opened from the settings unless given; with worker processes they must be picklable.
    """
    check_apart(export, out)
    if is_empty(export):
        raise OutError("there is not one file in it", subject=f"EXPORT {export}", accepted="a folder or zip of DICOM files")
    engine, tools = wiring.runner(settings), tools or wiring.tools(settings)
    bench, desk = tools.open_bench(), tools.open_desk()
    settings_sha256 = settings_digest(settings, bench.names)
    with claimed(out, _identity(settings_sha256, bench, desk), resume=resume) as place:
        intake = _take_in(export, place, desk, listener)
        jobs = [_job(study, intake, settings, settings_sha256, bench, place) for study in sorted(intake.studies)]
        listener.studies(len(jobs))
        log("info", "screening_began", total=len(jobs), count=len(intake.rows), engine=settings.engine)
        stage = listener.stage if settings.engine == "serial" else silent
        outcomes = tuple(_outcomes(ScreenStudy(tools, stage), jobs, _ledger(place, jobs), engine, listener))
        done = _close(place, intake, outcomes, bench, settings)
        log("error" if done.failed else "info", "screening_ended", total=len(jobs), count=done.failed, status=f"exit {done.exit_code}")
        return done


def silent(_stage: str) -> None:
    """Nobody listens to the stages of a worker process."""


def _identity(settings_sha256: str, bench: Bench, desk: Desk) -> dict[str, str]:
    models = hashlib.sha256(json.dumps(bench.digests, sort_keys=True).encode()).hexdigest()
    return {"settings": settings_sha256, "models": models, "key": desk.fingerprint}


def _take_in(export: Path, place: OutFolder, desk: Desk, listener: ScreenListener) -> Intake:
    intake = Intake()
    for index, found in enumerate(walk(export, place.work / "unpacked")):
        listener.file(index)
        intake.admit(index, found, desk)
    return intake


def _job(study: str, intake: Intake, settings: Settings, settings_sha256: str, bench: Bench, place: OutFolder) -> StudyJob:
    files, priors, undated = intake.studies[study].files, intake.priors(study), intake.undated(study)
    seen: list[Any] = [study, settings_sha256, bench.digests, content_of(files)]
    if priors or undated:
        seen.append([[(prior.study, prior.days, content_of(prior.files)) for prior in priors], undated])
    key = hashlib.sha256(json.dumps(seen, sort_keys=True).encode()).hexdigest()
    return StudyJob(key, case_of(study), study, tuple(files), settings.lang, settings_sha256, place.root, priors, undated)


def _ledger(place: OutFolder, jobs: Sequence[StudyJob]) -> JobLedger:
    ledger = JobLedger(place.results, owner="screen")
    ledger.reclaim()
    if ledger.cases() - {job.case for job in jobs}:
        raise OutError("holds cases that EXPORT does not", subject=f"OUT {place.root}", accepted="the export that OUT was made from")
    return ledger


def _outcomes(
    work: ScreenStudy, jobs: Sequence[StudyJob], ledger: JobLedger, engine: Runner, listener: ScreenListener
) -> Iterator[StudyOutcome]:
    finished = {job.key: outcome for job in jobs if (outcome := _kept(job, ledger))}
    for outcome in finished.values():
        listener.finished(outcome.row)
        yield outcome
    waiting = (job for job in jobs if job.key not in finished and ledger.claim(job.key, job.case))
    for outcome in engine.run(work, waiting, failed_study):
        ledger.record(outcome.key, outcome.digest, outcome.row.status, to_document(outcome), outcome.row.case)
        listener.finished(outcome.row)
        _log(outcome)
        yield outcome


def _log(outcome: StudyOutcome) -> None:
    """How a study ended: what an operator looks for in the morning, and nothing of the patient."""
    row, seconds = outcome.row, sum(cost.seconds for cost in outcome.costs)
    level: Literal["info", "error"] = "error" if row.status == "failed" else "info"
    why = ",".join(note.reason for note in row.notes)
    log(level, "study_ended", case=row.case, status=row.status, findings=row.counts.findings, reason=why, seconds=round(seconds, 1))


def _kept(job: StudyJob, ledger: JobLedger) -> StudyOutcome | None:
    """What the ledger says of a finished job whose case is still on disk as it was recorded."""
    digest, path = ledger.done(job.key), OutFolder(job.out).case(job.case) / "case.json"
    if digest is None or not path.is_file() or sha256_of(path) != digest:
        return None
    return from_document(ledger.document(job.key), job, digest)


def _close(place: OutFolder, intake: Intake, outcomes: Sequence[StudyOutcome], bench: Bench, settings: Settings) -> Screening:
    rows = tuple(outcome.row for outcome in outcomes)
    files = [*intake.rows, *(row for outcome in outcomes for row in outcome.files)]
    refused = Counter(row.reason for row in files if row.status == "refused")
    write_manifest(place.root, files)
    write_worklist(place.root, rows, lang=settings.lang, totals={"files": len(files), "refused_files": refused.total()})
    _write_timings(place, outcomes)
    return Screening(rows, len(files), refused, bench.refused, sum(outcome.resumed for outcome in outcomes), _unprinted(place, settings))


def _unprinted(place: OutFolder, settings: Settings) -> str:
    """Asked only where a PDF is missing: the answer loads the whole printing library."""
    from cad.write.pdf import lacking

    whole = all((case / "report.pdf").is_file() for case in place.cases.glob("case-*"))
    return "" if whole else lacking(settings.lang) or "they were made where none could be printed"


def _write_timings(place: OutFolder, outcomes: Sequence[StudyOutcome]) -> None:
    """Seconds and peak memory stand beside the results, which hold no clock reading; earlier ones stay for resumed cases."""
    earlier = json.loads(place.timings.read_text(encoding="utf-8")) if place.timings.is_file() else {}
    measured = {outcome.row.case: [asdict(cost) for cost in outcome.costs] for outcome in outcomes if outcome.costs}
    place.write_json(place.timings.name, earlier | measured)
