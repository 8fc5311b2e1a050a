"""demo, simulate, screen, review: from an export to a worklist that a reader answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.terminal import JsonOption, ScreeningBar, put, put_json, say, spinner, table

if TYPE_CHECKING:
    from pipelines.config import Settings
    from pipelines.screening import Screening

ExportArgument = Annotated[Path, typer.Argument(metavar="EXPORT", help="A folder, file or zip of DICOM files.", show_default=False)]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder for the results.", show_default=False)]
SettingsOption = Annotated[Path | None, typer.Option("--settings", metavar="FILE", help="A TOML file of settings.")]
LangOption = Annotated[str | None, typer.Option("--lang", metavar="en|ja", help="Language of the reports.")]
EngineOption = Annotated[str | None, typer.Option("--engine", metavar="serial|processes|ray", help="What runs the studies.")]
WorkersOption = Annotated[int | None, typer.Option("--workers", metavar="N", help="Worker processes (0: half the cores).")]
SeedOption = Annotated[int, typer.Option("--seed", metavar="S", help="The same seed gives the same bytes.")]


def screen(
    export: ExportArgument,
    out: OutArgument,
    tasks: Annotated[str | None, typer.Option(metavar="A,B", help="Only these tasks (default: every installed one).")] = None,
    lang: LangOption = None,
    engine: EngineOption = None,
    workers: WorkersOption = None,
    models: Annotated[Path | None, typer.Option(metavar="DIR", help="Another folder of model versions.")] = None,
    settings: SettingsOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that OUT holds.")] = False,
    json: JsonOption = False,
) -> int:
    """De-identify an export, look through every study, rank what was found."""
    from pipelines.config import load_settings

    chosen = load_settings(settings, tasks=tasks, lang=lang, engine=engine, workers=workers, models=models)
    result = _screened(export, out, chosen, resume=resume)
    _tell(result, out, as_json=json)
    return result.exit_code


def demo(
    out: Annotated[Path, typer.Argument(metavar="[OUT]", help="Where export and results go.")] = Path("demo"),
    seed: SeedOption = 1,
    lang: LangOption = None,
    engine: EngineOption = None,
    workers: WorkersOption = None,
    json: JsonOption = False,
) -> int:
    """Simulate a small export with invented patients, screen it, say where to look."""
    from cad.simulate.export import demo_export
    from pipelines.config import load_settings

    chosen = load_settings(lang=lang, engine=engine, workers=workers)
    export, results = out / f"export-{seed}", out / f"results-{seed}"
    if not results.exists():
        with spinner("simulating an export") as bar:
            demo_export(export, seed, bar["update"])
    result = _screened(export / "DICOM", results, chosen, resume=results.exists())
    _tell(result, results, as_json=json)
    if not json:
        put(f"Open {results / 'worklist.html'} in a browser, or run: shoken review {results}")
    return int(bool(result.failed))  # the demo's export holds files that must be refused


def simulate(
    out: OutArgument,
    studies: Annotated[int, typer.Option("--studies", metavar="N", min=1)] = 4,
    priors: Annotated[int, typer.Option("--priors", metavar="N", min=0, help="So many chest patients have an earlier study too.")] = 0,
    seed: SeedOption = 1,
    json: JsonOption = False,
) -> int:
    """Write an export with invented patients, and beside it the truth."""
    from cad.simulate.export import simulate_export
    from pipelines.outfolder import require_new

    require_new(out)
    with spinner("simulating an export") as bar:
        simulate_export(out, studies, seed, bar["update"], priors=priors)
    files = sum(path.is_file() for path in out.rglob("*"))
    put_json({"out": str(out), "studies": studies, "seed": seed, "files": files}) if json else put(f"{files} files in {out}")
    return 0


def review(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="What `shoken screen` wrote.", show_default=False)],
    host: Annotated[str, typer.Option(metavar="H", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="P", min=0, max=65535, help="Port to listen on (0: any free one).")] = 8765,
    reader: Annotated[str, typer.Option(metavar="NAME", help="Who answers; stored with each verdict.")] = "reader",
) -> int:
    """Serve the worklist and its cases, and keep the reader's verdicts."""
    from pipelines.review.server import serve

    serve(out, host, port, reader, lambda address: say(f"Worklist at {address} - stop with Ctrl-C"))
    return 0


def _screened(export: Path, out: Path, settings: Settings, *, resume: bool) -> Screening:
    from pipelines.screening import screen as run

    with ScreeningBar() as bar:
        return run(export, out, settings, bar, resume=resume)


def _tell(result: Screening, out: Path, *, as_json: bool) -> None:
    for refusal in result.models_refused:
        say(f"{refusal.path} was not run: {refusal.detail}")
    for row in result.rows:
        if row.status == "failed":
            say(f"{row.case} failed: {row.notes[0].reason}: {row.notes[0].detail}")
    if result.refused:
        say(f"{sum(result.refused.values())} of {result.files} files were refused; each is named in {out / 'manifest.jsonl'}")
    if result.unprinted:
        say(f"Cases are without a report.pdf: {result.unprinted}; `shoken doctor` says how to get it. The HTML reports are complete.")
    if as_json:
        put_json(_document(result, out))
        return
    table(
        "Studies: not screened first, then by priority",
        ("case", "status", "findings", "top finding", "confidence", "files", "note"),
        _study_rows(result),
    )
    if result.refused:
        reasons = sorted(result.refused.items(), key=lambda item: (-item[1], item[0]))
        table("Files refused", ("reason", "files"), reasons)
    if all(row.status != "screened" for row in result.rows):
        say("No study could be screened (accepted: CT or MR images of a body part that an installed task looks at).")


def _study_rows(result: Screening) -> list[tuple[object, ...]]:
    from cad.write.worklist import in_order

    return [
        (
            row.case,
            row.status,
            row.counts.findings,
            f"{row.top_kind} {row.top_diameter_mm:.1f} mm" if row.top_diameter_mm is not None else "",
            "" if row.top_confidence is None else f"{row.top_confidence:.2f}" if row.top_calibrated else "no claim",
            row.counts.files,
            ", ".join(dict.fromkeys((*row.unclaimed_why, *(note.reason for note in row.notes)))),
        )
        for _, row in in_order(result.rows)
    ]


def _document(result: Screening, out: Path) -> dict[str, Any]:
    statuses = [row.status for row in result.rows]
    return {
        "out": str(out),
        "worklist": str(out / "worklist.json"),
        "studies": {status: statuses.count(status) for status in sorted(set(statuses))},
        "findings": sum(row.counts.findings for row in result.rows),
        "files": result.files,
        "refused": dict(result.refused),
        "models_refused": [refusal.path for refusal in result.models_refused],
        "resumed": result.resumed,
        "unprinted": result.unprinted,
    }
