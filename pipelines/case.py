"""One study from its de-identified files to a written case: the table of contents of the product.

read -> choose -> look (detect, segment, measure, explain: each task does its own) -> compare with a prior -> rank -> report -> write
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cad.errors import Refusal
from cad.finding import Exhibit
from cad.model import ModelVersion
from cad.prepare.prior import COMPARED
from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.report import CaseReport, Comparison
from cad.write.case import write_case
from pipelines.accounts import fates, summarised
from pipelines.choosing import Choosing, Look, choose
from pipelines.comparing import PriorOrder, PriorShelf, compared
from pipelines.merging import ranked
from pipelines.meter import Meter
from pipelines.similar import with_similar
from pipelines.technique import techniques
from pipelines.wiring import Bench


@dataclass(frozen=True, slots=True)
class CaseOrder:
    """What one case is made of.

    `files` maps each de-identified file to the handle a report may show; `refused` are the files that
    did not get this far. `folder` is written whole or not at all. `priors` are earlier studies of the patient, nearest first;
    `undated` counts those that no date puts in order.
    """

    case: str
    study_instance_uid: str
    files: Mapping[Path, str]
    refused: tuple[Refusal, ...]
    lang: str
    settings_sha256: str
    folder: Path
    priors: tuple[PriorOrder, ...] = ()
    undated: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class CaseRun:
    """The report as written, and by file handle: its series, and why it was not looked at (where it was not)."""

    report: CaseReport
    series: int
    series_of: Mapping[str, str]
    unused: Mapping[str, Refusal]


def run_case(order: CaseOrder, bench: Bench, meter: Meter) -> CaseRun:
    """Screen one study and write its folder.

    A study nothing can be said of gives status "not_screened" and the reasons. Raises ModelError when a
    registered model was edited, and whatever a task raises: the caller fails the study.
    """
    meter.begin("read")
    scan = read_headers(sorted(order.files))
    series = tuple(series for study in scan.studies for series in study.series)
    meter.begin("assemble")
    choosing = choose(series, bench.tasks, partial(assemble, limits=bench.limits))
    patient = next((study.patient for study in scan.studies), "")
    looks = tuple(_look(look, bench, patient, order.lang, meter) for look in choosing.looks)
    shelf = PriorShelf(order.priors, bench)
    seen = tuple(compared(look, shelf, bench, order.lang, meter) for look in looks)
    looks = tuple(look for look, _ in seen)
    comparisons = tuple(said for _, said in seen if said)
    meter.begin("write")
    report = _report(order, patient, (*scan.refusals, *choosing.refusals), choosing, looks, bench, comparisons)
    written = write_case(report, _exhibits(looks), order.folder, bench.receiver)
    meter.end()
    unused, series_of = fates(order.files, series, scan.refusals, choosing, looks)
    return CaseRun(written, len(series), series_of, unused)


def _look(look: Look, bench: Bench, patient: str, lang: str, meter: Meter) -> Look:
    """One task over its volume: the same look with its result, or with the task's refusal; one refused at the choice stays so."""
    if look.refusal:
        return look
    name = look.task.name
    meter.begin(f"{name}: load model")
    model = bench.model(name)
    outcome = look.task.run(look.volume, model, lang=lang, progress=lambda stage: meter.begin(f"{name}: {stage}"))
    return look.done(outcome if isinstance(outcome, Refusal) else with_similar(outcome, bench.similar(model.version, patient)))


def _report(
    order: CaseOrder,
    patient: str,
    refused: Sequence[Refusal],
    choosing: Choosing,
    looks: Sequence[Look],
    bench: Bench,
    comparisons: Sequence[Comparison],
) -> CaseReport:
    results = [look.result for look in looks if look.result]
    warned = (*_prior_warnings(comparisons, order), *choosing.warnings, *(w for result in results for w in result.warnings))
    refusals = (*order.refused, *refused, *_refused(looks), *bench.refused)
    return CaseReport(
        case=order.case,
        patient=patient,
        study_instance_uid=order.study_instance_uid,
        status="screened" if results else "not_screened",
        findings=ranked(results),
        measurements=tuple(measurement for result in results for measurement in result.measurements),
        funnels=tuple(result.funnel for result in results),
        refusals=summarised(refusals, order.files) or _nothing_to_look_at(order.case, results),
        warnings=summarised(warned, order.files),
        choices=choosing.explained(looks),
        technique=techniques(looks),
        novelty=tuple(result.novelty for result in results if result.novelty),
        reliability=tuple(result.reliability for result in results if result.reliability),
        models=_models([result.model for result in results]),
        comparisons=tuple(comparisons),
        settings_sha256=order.settings_sha256,
        lang=order.lang,
    )


def _refused(looks: Sequence[Look]) -> tuple[Refusal, ...]:
    """Volumes a task would not look through, unless another series served it: then the choices tell."""
    served = {look.task.name for look in looks if look.result}
    return tuple(look.refusal for look in looks if look.refusal and look.task.name not in served)


def _prior_warnings(comparisons: Sequence[Comparison], order: CaseOrder) -> tuple[Refusal, ...]:
    """A prior that was not compared is never passed over in silence."""
    left = [Refusal(said.case, said.status, said.detail) for said in comparisons if said.status != COMPARED]
    if order.undated:
        count = f"{order.undated} other stud{'y' if order.undated == 1 else 'ies'} of this patient"
        left.append(Refusal(order.case, "prior_without_date", f"{count} cannot be put in order: a study date is missing or was removed"))
    return tuple(dict.fromkeys(left))


def _nothing_to_look_at(case: str, results: Sequence[object]) -> tuple[Refusal, ...]:
    if results:
        return ()
    return (Refusal(case, "no_task_for_study", "no installed task looks at any series of this study"),)


def _models(used: Sequence[ModelVersion]) -> tuple[ModelVersion, ...]:
    return tuple(sorted({model.sha256: model for model in used}.values(), key=lambda model: model.name))


def _exhibits(looks: Sequence[Look]) -> tuple[Exhibit, ...]:
    """What the tasks show; one that shows nothing of the whole case still names the volume it looked through."""
    done = [(look, look.result) for look in looks if look.result]
    shown = [exhibit for _, result in done for exhibit in result.exhibits]
    whole = {exhibit.task for exhibit in shown if exhibit.rank == 0}
    return (*shown, *(Exhibit(look.task.name, 0, look.volume) for look, _ in done if look.task.name not in whole))
