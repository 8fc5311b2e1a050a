"""models list|show|index|register|import|audit: which weights there are, where from, and whether their history is whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.terminal import JsonOption, put, put_json, say, table

if TYPE_CHECKING:
    from cad.model import ModelVersion
    from pipelines.registry.shipped import FolderModels

app = typer.Typer(no_args_is_help=True, help="Model versions: list, show, index, register, import, audit.")
ModelsOption = Annotated[Path | None, typer.Option("--models", metavar="DIR", help="Another folder of model versions.")]


@app.command(name="list")
def list_versions(models: ModelsOption = None, json: JsonOption = False) -> int:
    """Every version of every task; `current` is the one that screening uses."""
    store = _store(models)
    rows = [_facts(version, store) for task in store.tasks() for version in store.versions(task)]
    if json:
        put_json(rows)
    else:
        table("Model versions", ("task", "version", "current", "sha256", "file"), [tuple(_cell(row[k]) for k in _COLUMNS) for row in rows])
    return int(any(row["file"] != "whole" for row in rows))


_COLUMNS = ("task", "version", "current", "sha256", "file")


def _cell(value: str | bool) -> str:
    return ("yes" if value else "") if isinstance(value, bool) else value


@app.command()
def show(task: Annotated[str, typer.Argument(metavar="TASK")], models: ModelsOption = None, json: JsonOption = False) -> int:
    """The current version of a task, with its card."""
    store = _store(models)
    version = store.current(task)
    card = store.card(version)
    put_json({**_facts(version, store), "card": card}) if json else put(
        card or f"{version.name} {version.version} {version.sha256}: no card"
    )
    return 0


@app.command()
def index(
    task: Annotated[str, typer.Argument(metavar="TASK")],
    data: Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Where `shoken train` keeps its cases (OUT/data).")] = None,
    scans: Annotated[int, typer.Option("--scans", metavar="N", help="The first N cases of --data only; 0 for all.", min=0)] = 0,
    verdicts: Annotated[
        Path | None, typer.Option("--verdicts", metavar="OUT", help="Add the findings that readers answered in `shoken review OUT`.")
    ] = None,
    withdraw: Annotated[
        str, typer.Option("--withdraw", metavar="PATIENT", help="Take a patient's answered findings out again (case.json: patient).")
    ] = "",
    models: ModelsOption = None,
    json: JsonOption = False,
) -> int:
    """Known cases that reports show beside a finding: from training's calibration cases, or from readers' verdicts. No image is kept."""
    from cad.errors import ShokenError

    if sum(map(bool, (data, verdicts, withdraw))) != 1:
        raise ShokenError("one source of cases is asked for", subject="index", accepted="--data DIR, --verdicts OUT or --withdraw PATIENT")
    store = _store(models)
    if withdraw:
        return _withdraw(task, withdraw, json=json)
    if verdicts:
        return _learn(store.current(task), verdicts, json=json)
    return _gather(task, store, Path(str(data)), scans, json=json)


def _gather(task: str, store: FolderModels, data: Path, scans: int, *, json: bool) -> int:
    """The index that lies beside the weights, from cases with a known truth."""
    from cad.errors import ShokenError
    from cad.explain.similar import save_index
    from cad.tasks.cascade_task import CascadeTask
    from cad.tasks.indexing import index_cases
    from cad.tasks.task import task_named
    from cad.train.dataset import make_cases

    chosen = task_named(task)
    if not isinstance(chosen, CascadeTask):
        raise ShokenError("has no findings to compare", subject=task, accepted="a task that detects lesions")
    version, recipe = store.current(task), chosen.recipe()
    paths = make_cases(recipe.at_most(scans, "calibration") if scans else recipe, "calibration", data, say)
    made = index_cases(chosen, store.load(version), paths, say)
    path = store.index_path(version)
    facts = {"task": task, "version": version.version, "cases": len(made.cases), "file": path.name, "sha256": save_index(path, made)}
    put_json(facts) if json else put(f"{len(made.cases)} known cases in {path.name}, sha256 {facts['sha256']}")
    return 0


def _learn(version: ModelVersion, out: Path, *, json: bool) -> int:
    """This place's known cases, from an OUT; answers to what a case said before it was written anew do not count."""
    from pipelines import wiring
    from pipelines.answers import answers

    told = answers(out, version)
    done = wiring.known_cases().learn(version, told.answered, told.unsure)
    wiring.model_ledger().append("answers", task=version.name, version=version.version, sha256=done.sha256)
    facts = {"task": version.name, "version": version.version, **asdict(done), "stale": told.stale}
    text = f"{done.added} findings added, {done.changed} answered anew, {done.removed} taken out, {done.cases} known cases of readers"
    left_out = f"; {told.stale} answers left out: their case was written anew since" if told.stale else ""
    put_json(facts) if json else put(text + left_out)
    return int(told.stale > 0)


def _withdraw(task: str, patient: str, *, json: bool) -> int:
    """Exit code 1 where there was nothing to take out: a misspelt pseudonym must not pass for a withdrawal."""
    from pipelines import wiring

    gone = wiring.known_cases().forget(task, patient)
    if gone:
        wiring.model_ledger().append("withdraw", task=task, findings=str(gone))
    put_json({"task": task, "removed": gone}) if json else put(f"{gone} findings of this patient were taken out")
    return int(gone == 0)


@app.command()
def register(
    weights: Annotated[Path, typer.Argument(metavar="FILE", help="What `shoken train` wrote.", show_default=False)],
    models: ModelsOption = None,
    json: JsonOption = False,
) -> int:
    """Add a model file to the versions of its task, make it current, and record that in the ledger."""
    from pipelines import wiring
    from pipelines.config import load_settings
    from pipelines.registry.shipped import SHIPPED, add_version

    card = weights.with_suffix(".card.md")
    folder = load_settings(models=models).models or SHIPPED
    version = add_version(folder, weights, card=card.read_text(encoding="utf-8") if card.is_file() else "")
    wiring.model_ledger().append("register", task=version.name, version=version.version, sha256=version.sha256)
    put_json(_facts(version, _store(models))) if json else put(f"{version.name} {version.version} is registered: sha256 {version.sha256}")
    return 0


@app.command(name="import")
def import_bundle(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The folder of a MONAI bundle.", show_default=False)],
    body: Annotated[str, typer.Option("--body", metavar="chest|abdomen|head", help="What its images show.")],
    name: Annotated[str, typer.Option("--name", metavar="TASK", help="The task's name; the bundle's own without it.")] = "",
    calibration: Annotated[
        Path | None, typer.Option("--calibration", metavar="SET", help="A data set (`shoken data`) to calibrate a detector on.")
    ] = None,
    agreement: Annotated[int, typer.Option("--agreement", min=1, max=4, help="Lesions that so many readers agree on.")] = 3,
    models: ModelsOption = None,
    json: JsonOption = False,
) -> int:
    """Register a network that others trained with MONAI. Nothing in the bundle is run; its weights become safetensors."""
    from pipelines import wiring
    from pipelines.config import load_settings
    from pipelines.registry.importing import import_model
    from pipelines.registry.shipped import SHIPPED

    folder = load_settings(models=models).models or SHIPPED
    version = import_model(bundle, body, folder, name=name, data=calibration, agreement=agreement, say=say)
    wiring.model_ledger().append("import", task=version.name, version=version.version, sha256=version.sha256)
    put_json(_facts(version, _store(models))) if json else put(f"{version.name} {version.version} is registered: sha256 {version.sha256}")
    return 0


@app.command()
def audit(models: ModelsOption = None, json: JsonOption = False) -> int:
    """Walk the model ledger and compare every model file with its registered digest."""
    from cad.errors import ModelError
    from pipelines import wiring

    chain, store = wiring.model_ledger().audit(), _store(models)
    versions, faults = [version for task in store.tasks() for version in store.versions(task)], list(chain.faults)
    for version in versions:
        try:
            store.verify(version)
        except ModelError as error:
            faults.append(error.sentence())
    for fault in faults:
        say(fault)
    document: dict[str, Any] = {"files": len(versions), "entries": chain.entries, "head": chain.head, "faults": faults}
    text = f"{len(versions)} model files compared, {chain.entries} ledger entries, head {chain.head[:16]}, {len(faults)} faults"
    put_json(document) if json else put(text)
    return int(bool(faults))


def _store(folder: Path | None) -> FolderModels:
    from pipelines import wiring
    from pipelines.config import load_settings

    return wiring.models(load_settings(models=folder))


def _facts(version: ModelVersion, store: FolderModels) -> dict[str, Any]:
    from cad.errors import ModelError

    try:
        store.verify(version)
        state = "whole"
    except ModelError as error:
        state = error.problem.split(":")[-1].strip()
    current = store.current(version.name).version == version.version
    return {"task": version.name, "version": version.version, "current": current, "sha256": version.sha256, "file": state}
