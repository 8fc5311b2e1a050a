"""deid, convert: images in, images out, every file accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.commands.screening import LangOption, SettingsOption, WorkersOption
from pipelines.commands.terminal import DeidBar, JsonOption, put, put_json, say, spinner, table

if TYPE_CHECKING:
    from pipelines.config import Settings
    from pipelines.converting import Conversion, SeriesRow
    from pipelines.deidentification.run import Order

InArgument = Annotated[Path, typer.Argument(metavar="IN", help="A folder, file, zip or DICOMDIR of DICOM files.", show_default=False)]
OutArgument = Annotated[Path, typer.Argument(metavar="OUT", help="A new or empty folder.", show_default=False)]
PROFILES = "screening|basic[+OPTION...]"


def deid(
    source: Annotated[
        Path | None, typer.Argument(metavar="IN", help="A folder, file, zip or DICOMDIR of DICOM files.", show_default=False)
    ] = None,
    out: Annotated[
        Path | None, typer.Argument(metavar="OUT", help="A new or empty folder; not needed for a dry run.", show_default=False)
    ] = None,
    profile: Annotated[str | None, typer.Option(metavar=PROFILES, help="Which rules; --describe says what they do.")] = None,
    vault: Annotated[Path | None, typer.Option(metavar="FILE", help="Keep the way back in this encrypted file.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen, write nothing.")] = False,
    workers: WorkersOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that OUT holds.")] = False,
    describe: Annotated[bool, typer.Option("--describe", help="Print what the profile does, as Markdown, and stop.")] = False,
    lang: LangOption = None,
    settings: SettingsOption = None,
    json: JsonOption = False,
) -> int:
    """De-identify every file; what cannot be is refused with a reason."""
    from anonymizer import lean

    lean.import_pydicom()  # pixels are decoded by the workers, where at all
    from pipelines.config import load_settings

    chosen = load_settings(settings, profile=profile, workers=workers, lang=lang)
    if describe:
        return _describe(chosen)
    if source is None or (out is None and not dry_run):
        missing = "Missing argument 'IN'." if source is None else "Missing argument 'OUT' (accepted without it: --dry-run)."
        raise typer.BadParameter(missing)
    return _deidentified(_order(chosen, source, None if dry_run else out, vault, resume=resume), out, as_json=json)


def convert(source: InArgument, out: OutArgument, settings: SettingsOption = None, json: JsonOption = False) -> int:
    """Write every series as NIfTI, de-identified, and what happened to every file."""
    from pipelines.config import load_settings
    from pipelines.converting import convert_export

    with spinner("converting") as bar:
        done = convert_export(source, out, load_settings(settings), bar["update"])
    return _tell_conversion(done, out, as_json=json)


def _describe(settings: Settings) -> int:
    from anonymizer.describe import describe
    from anonymizer.profile import profile_named

    put(describe(profile_named(settings.profile)).rstrip("\n"))
    return 0


def _order(settings: Settings, source: Path, out: Path | None, vault: Path | None, *, resume: bool) -> Order:
    from pipelines import wiring
    from pipelines.deidentification.run import Order
    from pipelines.deidentification.vaults import check_vault, opened

    if vault is not None:
        check_vault(vault, source, out)
    engine, desk = wiring.batch_runner(settings), wiring.desk(settings)
    return Order(source, out, desk, engine, settings.lang, resume, partial(opened, vault) if vault else None)


def _deidentified(order: Order, out: Path | None, *, as_json: bool) -> int:
    from pipelines.deidentification.run import deidentify_export

    with DeidBar(order.source) as bar:
        result = deidentify_export(order, bar)
    report = result.report
    if as_json:
        put_json({**report, "out": None if order.out is None else str(order.out), "resumed": result.resumed})
    else:
        _tell(report)
    files = report["files"]
    if files["refused"]:
        where = f"; each is named in {order.out / 'manifest.jsonl'}" if order.out else ""
        say(f"{files['refused']} of {files['in']} files were refused{where}")
    if not as_json:
        put(f"Report: {order.out / 'report.html'}" if order.out else f"A dry run: nothing was written{f' to {out}' if out else ''}.")
    return result.exit_code


def _tell(report: Mapping[str, Any]) -> None:
    """The same numbers as the report's, shorter."""
    files, profile = report["files"], report["profile"]
    codes = ", ".join(code["code"] for code in profile["method_codes"])
    put(f"{files['in']} files in = {files['deidentified']} de-identified + {files['refused']} refused")
    put(f"{report['studies']} studies, {report['series']} series; profile {profile['name']} ({codes}); key {report['key_fingerprint']}")
    table("What was done", ("action", "values"), Counter(report["actions"]).most_common())
    _tell_pixels(report)
    if report["refusals"]:
        rows = [(row["reason"], row["count"], row["explanation"]) for row in report["refusals"]]
        table("Refused", ("reason", "files", "what it means"), rows)


def _tell_pixels(report: Mapping[str, Any]) -> None:
    rows = [("pixels", code.replace("_", " "), f"{count} files") for code, count in sorted(report["pixels"].items())]
    rows += [
        ("faces", f"{row['status']} ({row['evidence']})".replace("_", " "), f"{row['series']} series")
        for row in report["defacing"]["series"]
    ]
    rows.append(("dates", "shifted" if report["dates"]["shifted"] else report["dates"]["policy"], ""))
    table("Pixels, faces, dates", ("what", "done", "count"), rows)


def _tell_conversion(done: Conversion, out: Path, *, as_json: bool) -> int:
    counts: dict[tuple[str, str], int] = {}
    for row in done.files:
        counts[row.status, row.reason] = counts.get((row.status, row.reason), 0) + 1
    refused = {reason: count for (status, reason), count in counts.items() if status == "refused"}
    if as_json:
        volumes = [volume.name for series in done.series for volume in series.volumes]
        warned = {series.series: [warning.reason for warning in series.warnings] for series in done.series if series.warnings}
        put_json({"out": str(out), "files": len(done.files), "refused": refused, "volumes": volumes, "warnings": warned})
    else:
        table(f"Files of {out}", ("status", "reason", "files"), [(*key, count) for key, count in sorted(counts.items())])
        _tell_series(done.series)
    if refused:
        say(f"{sum(refused.values())} of {len(done.files)} files were refused; each is named in {out / 'manifest.jsonl'}")
    return int(bool(refused))


def _tell_series(series: tuple[SeriesRow, ...]) -> None:
    """What each volume is, and what was put right on the way to it."""
    rows = [
        (volume.name, one.modality, " x ".join(map(str, volume.shape)), " x ".join(f"{mm:.4g}" for mm in volume.spacing_mm), volume.unit)
        for one in series
        for volume in one.volumes
    ]
    table("Volumes", ("file", "modality", "slices x rows x columns", "mm", "unit"), rows)
    for one in series:
        for warning in one.warnings:
            put(f"{one.volumes[0].name if one.volumes else one.series}: {warning.detail} ({warning.reason})")
