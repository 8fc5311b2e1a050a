"""Hostile bytes in, a parsed data set or a verdict out. Nothing a file holds reaches a log, a warning or a message."""

from __future__ import annotations

import logging
import stat
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from pydicom import config, dcmread, uid
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError

from anonymizer.gate import Reason, Verdict

MAX_FILE_BYTES = 2 << 30
MAX_INFLATED_BYTES = 1 << 30
PREAMBLE_BYTES = 132
# What pydicom raises on bytes that are no DICOM; anything else is a bug of ours and must be seen.
PARSE_ERRORS = (
    InvalidDicomError,
    BytesLengthException,
    EOFError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    OverflowError,
    RecursionError,
    LookupError,
    MemoryError,
    struct.error,
    zlib.error,
)
_FIRST_GROUPS = (b"\x08\x00", b"\x02\x00")
_DEFLATED = uid.DeflatedExplicitVRLittleEndian.encode()


@contextmanager
def quietly() -> Iterator[None]:
    """Keep pydicom from warning or logging: its sentences repeat values and file names."""
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def read(path: Path) -> FileDataset | Verdict:
    """A whole file, parsed; or why not."""
    return _read(path, headers_only=False)


def read_headers(path: Path) -> FileDataset | Verdict:
    """A file up to its pixel data, parsed; or why not."""
    return _read(path, headers_only=True)


def _read(path: Path, *, headers_only: bool) -> FileDataset | Verdict:
    verdict = _file_verdict(path)
    if verdict is not None:
        return verdict
    try:
        with path.open("rb") as file:
            head = file.read(4096)
            verdict = _head_verdict(head)
            if verdict is not None:
                return verdict
            content = head + file.read() if not headers_only or _DEFLATED in head else b""
            source = BytesIO(content) if content else file
            source.seek(0)
            return _inflation_verdict(content) or _parsed(source, headers_only=headers_only)
    except PermissionError:
        return Verdict(Reason.UNREADABLE, "no permission to read the file")
    except OSError as error:
        return Verdict(Reason.UNREADABLE, f"the file cannot be read (error {error.errno})")


def _parsed(source: object, *, headers_only: bool) -> FileDataset | Verdict:
    try:
        with quietly():
            return dcmread(source, force=True, stop_before_pixels=headers_only)  # type: ignore[arg-type]
    except RecursionError:
        return Verdict(Reason.NESTED_TOO_DEEP, "sequences are nested too deep to parse")
    except PARSE_ERRORS as error:
        return Verdict(Reason.UNPARSEABLE, f"not parseable as DICOM ({type(error).__name__})")


def _file_verdict(path: Path) -> Verdict | None:
    try:
        facts = path.lstat()
    except OSError as error:
        return Verdict(Reason.UNREADABLE, f"the file cannot be looked at (error {error.errno})")
    return _kind_verdict(facts.st_mode) or _size_verdict(facts.st_size)


def _kind_verdict(mode: int) -> Verdict | None:
    if stat.S_ISLNK(mode):
        return Verdict(Reason.LINK_NOT_FOLLOWED, "a symbolic link; give the folder that holds the file itself")
    if stat.S_ISDIR(mode):
        return Verdict(Reason.UNREADABLE, "a folder that cannot be listed")
    return None if stat.S_ISREG(mode) else Verdict(Reason.NOT_A_FILE, "a device, pipe or socket")


def _size_verdict(size: int) -> Verdict | None:
    if size == 0:
        return Verdict(Reason.EMPTY_FILE, "zero bytes")
    if size > MAX_FILE_BYTES:
        return Verdict(Reason.TOO_LARGE, f"more than {MAX_FILE_BYTES >> 20} MiB")
    return None


def _head_verdict(head: bytes) -> Verdict | None:
    """DICOM with its prefix, or a bare data set that starts with group 0002 or 0008 as old exports do."""
    if head[128:PREAMBLE_BYTES] == b"DICM" or (head[:2] in _FIRST_GROUPS and len(head) > 8):
        return None
    return Verdict(Reason.NOT_DICOM, "no DICOM prefix and no DICOM data set")


def _inflation_verdict(content: bytes) -> Verdict | None:
    """Refuse a deflated data set that would grow past the limit, before anything holds it in memory."""
    if _DEFLATED not in content[:4096] or len(content) < 144:
        return None
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    start = 144 + int.from_bytes(content[140:144], "little")
    total, rest = 0, content[start:]
    try:
        while rest and not inflater.eof:
            total += len(inflater.decompress(rest, 1 << 20))
            rest = inflater.unconsumed_tail
            if total > MAX_INFLATED_BYTES:
                return Verdict(Reason.TOO_LARGE, f"inflates to more than {MAX_INFLATED_BYTES >> 20} MiB")
    except zlib.error:
        return Verdict(Reason.UNPARSEABLE, "the deflated data set is damaged")
    return None
