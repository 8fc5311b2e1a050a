"""Out to the disk: a data set as bytes, and bytes as a file that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataset import FileDataset

from anonymizer.gate import Reason, Verdict


def encoded(dataset: FileDataset) -> bytes:
    """A data set as the bytes of a DICOM file, in its own transfer syntax."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def written(path: Path, pieces: Sequence[bytes]) -> Verdict | None:
    """Write the pieces one behind the other, whole or not at all; a verdict when the disk refuses."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            _write(draft, pieces)
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
            _write(draft, pieces)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # where the name itself is what the disk refuses
            draft.unlink(missing_ok=True)
        return Verdict(Reason.NOT_WRITTEN, f"the output cannot be written ({error.strerror})")
    return None


def _write(path: Path, pieces: Sequence[bytes]) -> None:
    with path.open("wb", buffering=0) as file:
        for piece in pieces:
            rest = memoryview(piece)
            while rest:
                rest = rest[file.write(rest) or 0 :]
