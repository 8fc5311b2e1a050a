"""data list|import|split|check: other people's images and marks, made ready to learn from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.screening import SettingsOption
from pipelines.commands.terminal import JsonOption, put, put_json, say, spinner, table

if TYPE_CHECKING:
    from cad.datasets.readers import ReaderRow
    from cad.datasets.store import DataSet

app = typer.Typer(no_args_is_help=True, help="Data sets: list layouts, import, split by patient, check for leaks and readers.")
DirArgument = Annotated[Path, typer.Argument(metavar="DIR", help="What `shoken data import` wrote.", show_default=False)]
AgreementOption = Annotated[int, typer.Option("--agreement", metavar="N", help="Count lesions that N readers or more agree on.")]


@app.command(name="list")
def list_layouts(
    folders: Annotated[list[Path] | None, typer.Argument(metavar="[DIR]...", help="Imported data sets.", show_default=False)] = None,
    json: JsonOption = False,
) -> int:
    """The layouts that can be imported; or, for folders given, what each data set holds."""
    from cad.datasets.layouts import LAYOUTS
    from cad.datasets.store import open_data

    if folders:
        rows = [_facts(open_data(folder)) for folder in folders]
        columns = ("folder", "layout", "licence", "patients", "scans", "lesions", "fingerprint")
        put_json(rows) if json else table("Data sets", columns, [tuple(row[c] for c in columns) for row in rows])
        return 0
    layouts = [{"name": each.name, "licence": each.licence, "expects": each.expects.splitlines()} for each in LAYOUTS.values()]
    if json:
        put_json(layouts)
    else:
        table("Layouts", ("name", "expects", "licence"), [(row["name"], "\n".join(row["expects"]), row["licence"]) for row in layouts])
    return 0


@app.command(name="import")
def import_(
    layout: Annotated[str, typer.Argument(metavar="LAYOUT", help="See `shoken data list`.", show_default=False)],
    source: Annotated[Path, typer.Argument(metavar="IN", help="The folder as it was downloaded.", show_default=False)],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder.", show_default=False)],
    region: Annotated[list[str] | None, typer.Option(metavar="NAME", help="A segment that is a lesion; may be given again.")] = None,
    licence: Annotated[str, typer.Option(metavar="TEXT", help="Under what the data may be used, for the manifest.")] = "",
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> int:
    """Read a data set in its own layout; every file is used or refused with a reason."""
    from cad.datasets.store import MANIFEST
    from pipelines.config import load_settings
    from pipelines.datasets import Import, import_data_set

    with spinner("importing") as bar:
        order = Import(layout, source, tuple(region or ()), licence)
        data = import_data_set(order, out, load_settings(settings), bar["update"])
    facts = _facts(data)
    if json:
        put_json({**facts, "manifest": str(out / MANIFEST)})
    else:
        put(f"{facts['files_in']} files in = {facts['used']} used + {sum(facts['refused'].values())} refused")
        put((out / "coverage.txt").read_text(encoding="utf-8").rstrip("\n"))
        put(f"Fingerprint {facts['fingerprint']}; licence: {facts['licence']}")
    for reason, count in facts["refused"].items():
        say(f"{count} of {facts['files_in']} files refused: {reason}")
    return int(bool(facts["refused"]))


@app.command()
def split(
    folder: DirArgument,
    seed: Annotated[int, typer.Option(metavar="S", help="The same seed, the same split.")] = 7,
    shares: Annotated[str, typer.Option(metavar="A,B,C", help="Of patients: train, calibration, test.")] = "0.7,0.15,0.15",
    agreement: AgreementOption = 1,
    json: JsonOption = False,
) -> int:
    """Put every patient on one side, each side with its share of patients with lesions; written beside the data set."""
    from cad.datasets.splits import split_patients, write_split
    from cad.datasets.store import open_data

    data = open_data(folder)
    made = split_patients(data, seed, _numbers(shares), agreement)
    path = write_split(made, data)
    sick = {row["patient"] for row in data.cases if any(lesion["agreement"] >= agreement for lesion in row["lesions"])}
    rows = [(part, len(names), len(sick & set(names))) for part, names in made.parts.items()]
    if json:
        parts = [{"part": part, "patients": patients, "with_lesions": with_lesions} for part, patients, with_lesions in rows]
        put_json({"file": str(path), "seed": seed, "parts": parts, "joined": [list(group) for group in made.joined]})
    else:
        table(f"{path}", ("part", "patients", "with lesions"), rows)
    for group in made.joined:
        say(f"{len(group)} patient names share slices pixel for pixel and stay on one side")
    return 0


@app.command()
def check(
    folder: DirArgument,
    against: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="Another data set that must share no patient.")] = None,
    gold: Annotated[Path | None, typer.Option(metavar="FILE", help="CSV case,lesion,answer: questions whose answer is known.")] = None,
    agreement: AgreementOption = 1,
    json: JsonOption = False,
) -> int:
    """Digests, leaks (by name and by pixels), what is missing, how good the readers are; 1 when something is wrong."""
    from cad.datasets.coverage import coverage, coverage_text
    from cad.datasets.readers import read_gold, reader_table
    from cad.datasets.store import open_data

    data = open_data(folder)
    with spinner("checking") as bar:
        bar["update"]("digests")
        faults = [*data.faults(), *_leaks(data, against or [])]
        report = coverage(data.cases, agreement)
        readers = [_reader(row) for row in reader_table(data.cases, read_gold(gold) if gold else None)]
    if json:
        put_json({"faults": faults, "coverage": report, "readers": readers, "fingerprint": data.fingerprint})
    else:
        put(coverage_text(report).rstrip("\n"))
        table("Readers", _READER_COLUMNS, [tuple(_shown(row[c]) for c in _READER_COLUMNS) for row in readers])
        put(f"{len(faults)} faults; fingerprint {data.fingerprint}")
    for fault in faults:
        say(fault)
    return int(bool(faults))


_READER_COLUMNS = ("reader", "lesion", "small", "not_a_lesion", "not_marked", "finds", "false_alarms", "gold_asked", "gold_rate", "gold_95")


def _leaks(data: DataSet, others: list[Path]) -> list[str]:
    """Of the split, if there is one, and against every other data set."""
    from cad.datasets.layout import DataSetError
    from cad.datasets.splits import FILE, LeakError, check_split, leaks, leaks_between, load_split
    from cad.datasets.store import open_data

    found = []
    if (data.root / FILE).exists():
        try:
            made = load_split(data)
            found += [leak.sentence() for leak in leaks(data, made)]
            check_split(data, made)
        except LeakError:
            pass  # said one by one already
        except DataSetError as error:
            found.append(error.sentence())
    for folder in others:
        found += [f"{leak.sentence()}: {folder}" for leak in leaks_between(data, open_data(folder))]
    return found


def _facts(data: DataSet) -> dict[str, Any]:
    kept = ("layout", "licence", "patients", "studies", "scans", "lesions", "files_in", "used", "refused", "fingerprint")
    return {"folder": str(data.root), **{key: data.manifest[key] for key in kept}}


def _reader(row: ReaderRow) -> dict[str, Any]:
    quality = {"finds": row.finds, "false_alarms": row.false_alarms}
    return {
        "reader": row.reader,
        **row.answers,
        **quality,
        "gold_asked": row.gold.asked,
        "gold_rate": row.gold.rate,
        "gold_95": row.gold.interval,
    }


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, tuple):
        return " to ".join(f"{each:.2f}" for each in value)
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} (accepted: three numbers with commas)") from None
