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

_MOST_AT_ONCE = 1 << 30  # some systems refuse a longer write


def encoded(dataset: FileDataset) -> bytes:
    """A data set as the bytes of a DICOM file, in its own transfer syntax."""
    buffer = BytesIO()
    dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def written(path: str | Path, pieces: Sequence[bytes], drafts: str | Path = "") -> Verdict | None:
    """Write the pieces one behind the other, whole or not at all; a verdict when the disk refuses.

    `drafts` is a folder of the same file system for what is not whole yet; without one it lies beside the file.
    """
    folder, name = os.path.split(path)
    draft = os.path.join(drafts or folder, f".{name}.{os.getpid()}.part")  # noqa: PTH118 - for every file, and four times as fast
    try:
        try:
            _write(draft, pieces)
        except FileNotFoundError:
            Path(folder).mkdir(parents=True, exist_ok=True)
            _write(draft, pieces)
        os.replace(draft, path)  # noqa: PTH105
    except OSError as error:
        with contextlib.suppress(OSError):  # where the name itself is what the disk refuses
            Path(draft).unlink(missing_ok=True)
        return Verdict(Reason.NOT_WRITTEN, f"the output cannot be written ({error.strerror})")
    return None


def _write(path: str, pieces: Sequence[bytes]) -> None:
    """All pieces in one call where the system takes them all; it may take less."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        done = os.writev(handle, pieces) if sum(map(len, pieces)) <= _MOST_AT_ONCE else 0
        for piece in pieces:
            rest = memoryview(piece)[done:]
            done = max(0, done - len(piece))
            while rest:
                rest = rest[os.write(handle, rest[:_MOST_AT_ONCE]) :]
    finally:
        os.close(handle)
