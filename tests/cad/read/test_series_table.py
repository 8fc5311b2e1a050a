"""The table of every real series in docs/reading.md is what reading makes of them today."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import test_dcm2niix

from cad.errors import Refusal
from cad.read.assemble import assemble
from cad.read.headers import read_headers
from cad.volume import Volume

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "reading.md"


def rows(text: str) -> list[tuple[str, ...]]:
    """The cells of the table's lines, without its head."""
    section = text.split("## Every real test series and what becomes of it")[1]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]]


def said(refusals: Iterable[Refusal]) -> list[str]:
    counts = Counter(refusal.reason for refusal in refusals)
    return [f"`{reason}`" if n == 1 else f"`{reason}` ({n})" for reason, n in counts.items()]


def told(volumes: Sequence[Volume]) -> str:
    if not volumes:
        return "none"
    volume = volumes[0]
    shape, spacing = "x".join(map(str, volume.grid.shape)), "x".join(f"{mm:.4g}" for mm in volume.grid.spacing_mm)
    many = f"{len(volumes)} of " if len(volumes) > 1 else ""
    return f"{many}{shape}, {spacing} {volume.unit}"


def made(folder: str, shared_data: Path) -> list[tuple[str, ...]]:
    """A row a series, and one for the files that are in none."""
    place = shared_data / folder
    paths = [place] if place.is_file() else [path for path in sorted(place.rglob("*")) if path.is_file()]
    scan = read_headers(paths)
    out: list[tuple[str, ...]] = []
    for one in (series for study in scan.studies for series in study.series):
        read = assemble(one)
        files = len({ref.path for ref in one.instances})
        warned = list(dict.fromkeys(f"`{warning.reason}`" for warning in read.warnings))
        out.append((folder, one.modality, str(files), told(read.volumes), ", ".join([*said(read.refusals), *warned])))
    if scan.refusals:
        out.append((folder, "-", str(len(scan.refusals)), "none", ", ".join(said(scan.refusals))))
    return out


def test_every_row_of_the_table_is_what_becomes_of_the_series(shared_data: Path) -> None:
    documented = rows(DOCUMENT.read_text(encoding="utf-8"))
    folders = list(dict.fromkeys(row[0] for row in documented))
    today = [row for folder in folders for row in made(folder, shared_data)]
    assert Counter(today) == Counter(documented)


def test_the_table_leaves_no_folder_of_dicom_out(shared_data: Path) -> None:
    folders = {row[0] for row in rows(DOCUMENT.read_text(encoding="utf-8"))}
    for path in shared_data.rglob("*"):
        relative = path.relative_to(shared_data).as_posix()
        if path.is_file() and _is_dicom(path):
            assert any(relative == folder or relative.startswith(folder + "/") for folder in folders), relative


def test_the_document_counts_the_volumes_that_equal_those_of_dcm2niix() -> None:
    folders, volumes = len(test_dcm2niix.FOLDERS), sum(test_dcm2niix.FOLDERS.values())
    assert f"({folders} folders, {volumes} volumes)" in " ".join(DOCUMENT.read_text(encoding="utf-8").split())


def test_every_code_of_the_table_is_explained_below_it() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    used = {code for row in rows(text) for code in re.findall(r"`(\w+)`", row[4])}
    heads = re.findall(r"^- (`.*?`): ", text.split("## Every real test series")[1], flags=re.MULTILINE)
    explained = {code for head in heads for code in re.findall(r"`(\w+)`", head)}
    assert used == explained


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"
