"""A case folder is there whole or not at all; so is every single file beside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from cad.errors import ShokenError
from cad.write.canonical import document_bytes
from cad.write.html import worklist_page
from cad.write.manifest import ManifestRow, manifest_bytes
from cad.write.worklist import WorklistRow, worklist_document


def write_worklist(out: Path, rows: Sequence[WorklistRow], *, lang: str = "en", totals: Mapping[str, int] | None = None) -> None:
    """Write `worklist.json` and `worklist.html`. Raises ShokenError."""
    write_file(out / "worklist.json", document_bytes(worklist_document(rows)))
    write_file(out / "worklist.html", worklist_page(rows, lang=lang, totals=totals).encode())


def write_manifest(out: Path, rows: Sequence[ManifestRow]) -> None:
    """Write `manifest.jsonl`. Raises ShokenError."""
    write_file(out / "manifest.jsonl", manifest_bytes(rows))


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """All files (by relative path) in a new folder that appears at once; an older one is replaced.

    Built beside its place as `.<name>.partial`, which a killed run may leave and the next one clears.
    Raises ShokenError when the disk refuses; then neither the folder nor its partial has changed or stayed.
    """
    partial, aside = (folder.with_name(f".{folder.name}.{kind}") for kind in ("partial", "old"))
    try:
        shutil.rmtree(partial, ignore_errors=True)
        if aside.exists() and not folder.exists():  # a run was killed between two renames
            aside.rename(folder)
        for name, data in sorted(files.items()):
            target = partial / name
            target.parent.mkdir(parents=True, exist_ok=True)
            _write_through(target, data)
        for place in sorted({(partial / name).parent for name in files} | {partial}):
            _sync_folder(place)
        _put_in_place(partial, folder, aside)
    except OSError as error:
        raise _refused(folder, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_file(path: Path, data: bytes) -> None:
    """One file, replaced at once. Raises ShokenError when the disk refuses."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write_through(partial, data)
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _refused(path, error) from error
    finally:
        partial.unlink(missing_ok=True)


def _put_in_place(partial: Path, folder: Path, aside: Path) -> None:
    """Rename; an older folder steps aside first and comes back if the rename fails."""
    shutil.rmtree(aside, ignore_errors=True)
    if folder.exists():
        folder.rename(aside)
    try:
        partial.rename(folder)
    except OSError:
        if aside.exists():
            aside.rename(folder)
        raise
    shutil.rmtree(aside, ignore_errors=True)
    _sync_folder(folder.parent)


def _write_through(path: Path, data: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refused(path: Path, error: OSError) -> ShokenError:
    why = error.strerror or type(error).__name__
    return ShokenError(f"could not be written ({why})", subject=path.name, accepted="a writable folder with enough free space")
