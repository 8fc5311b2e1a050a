"""Hostile bytes in, a parsed data set or a verdict out. Nothing a file holds reaches a log, a warning or a message."""

from __future__ import annotations

import logging
import os
import stat
import struct
import warnings
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from io import BufferedReader, BytesIO, FileIO
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from pydicom import config, dcmread, uid
from pydicom.dataset import FileDataset
from pydicom.errors import BytesLengthException, InvalidDicomError
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from anonymizer.errors import InputRefusedError
from anonymizer.gate import Reason, Verdict

MAX_FILE_BYTES = 2 << 30
MAX_INFLATED_BYTES = 1 << 30
PREAMBLE_BYTES = 132
HEAD_BYTES = 1 << 16
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


class quietly:  # noqa: N801 - reads as the context manager it is
    """Keep pydicom from warning or logging: its sentences repeat values and file names.

    What it turns off holds for the whole process, until whoever was last inside leaves; being inside again costs next to nothing.
    """

    _inside, _kept, _lock = 0, ExitStack(), Lock()

    def __enter__(self) -> None:
        with quietly._lock:
            if not quietly._inside:
                quietly._kept.enter_context(_silence())
            quietly._inside += 1

    def __exit__(self, *_: object) -> None:
        with quietly._lock:
            quietly._inside -= 1
            if not quietly._inside:
                quietly._kept.close()


@contextmanager
def _silence() -> Iterator[None]:
    logger = logging.getLogger("pydicom")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings(), config.disable_value_validation():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


@dataclass(slots=True)
class Source:
    """An input file, open: read by stretches, or parsed. A context manager that closes it.

    `file` is its descriptor, `head` its first HEAD_BYTES, `size` its length in bytes when it was opened.
    """

    file: int
    size: int
    head: bytes = field(repr=False)

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self.file)

    def stretch(self, start: int, stop: int) -> bytes:
        """The bytes from start to stop, fewer where the file ends before. Raises InputRefusedError when the disk refuses."""
        stop = min(stop, self.size)
        if stop <= max(start, len(self.head)):
            return self.head[start:stop]
        try:
            return _read_up_to(self.file, start, stop - start)
        except OSError as error:
            raise InputRefusedError(Reason.UNREADABLE, f"the file cannot be read (error {error.errno})") from None

    def parsed(self) -> FileDataset | Verdict:
        """The whole file, parsed; or why not."""
        content = self.stretch(0, self.size)
        return _meta_verdict(self.head) or _inflation_verdict(content) or _parsed(BytesIO(content), headers_only=False)

    def parsed_headers(self) -> FileDataset | Verdict:
        """The file up to its pixel data, parsed; or why not."""
        verdict = _meta_verdict(self.head)
        if verdict is not None:
            return verdict
        if _DEFLATED in self.head[: _meta_end(self.head)]:
            content = self.stretch(0, self.size)
            return _inflation_verdict(content) or _parsed(BytesIO(content), headers_only=True)
        os.lseek(self.file, 0, os.SEEK_SET)
        return _parsed(BufferedReader(FileIO(self.file, closefd=False)), headers_only=True)


def read(path: Path) -> FileDataset | Verdict:
    """A whole file, parsed; or why not."""
    return _in(path, Source.parsed)


def read_headers(path: Path) -> FileDataset | Verdict:
    """A file up to its pixel data, parsed; or why not."""
    return _in(path, Source.parsed_headers)


def opened(path: Path) -> Source | Verdict:
    """A file that may be DICOM, open for reading; or why not."""
    verdict = _file_verdict(path)
    if verdict is not None:
        return verdict
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except PermissionError:
        return Verdict(Reason.UNREADABLE, "no permission to read the file")
    except OSError as error:
        return Verdict(Reason.UNREADABLE, f"the file cannot be read (error {error.errno})")
    return _begun(file)


def _begun(file: int) -> Source | Verdict:
    try:
        size = os.fstat(file).st_size
        head = _read_up_to(file, 0, min(size, HEAD_BYTES))
    except OSError as error:
        os.close(file)
        return Verdict(Reason.UNREADABLE, f"the file cannot be read (error {error.errno})")
    verdict = _head_verdict(head)
    if verdict is not None:
        os.close(file)
        return verdict
    return Source(file, size, head)


def _in(path: Path, parse: Callable[[Source], FileDataset | Verdict]) -> FileDataset | Verdict:
    source = opened(path)
    if isinstance(source, Verdict):
        return source
    with source:
        try:
            return parse(source)
        except InputRefusedError as refusal:
            return Verdict(Reason(refusal.reason), refusal.detail)


def _read_up_to(file: int, start: int, count: int) -> bytes:
    """A file may give less than it was asked for; ask until there is no more."""
    content = os.pread(file, count, start)
    while content and len(content) < count:
        more = os.pread(file, count - len(content), start + len(content))
        if not more:
            break
        content += more
    return content


def _parsed(source: BinaryIO, *, headers_only: bool) -> FileDataset | Verdict:
    try:
        with quietly():
            return dcmread(source, force=True, stop_before_pixels=headers_only)
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
    if head[128:PREAMBLE_BYTES] != b"DICM" and (head[:2] not in _FIRST_GROUPS or len(head) <= 8):
        return Verdict(Reason.NOT_DICOM, "no DICOM prefix and no DICOM data set")
    return None


def _meta_verdict(head: bytes) -> Verdict | None:
    if _meta_end(head) >= HEAD_BYTES:
        return Verdict(Reason.UNPARSEABLE, f"a file meta of more than {HEAD_BYTES >> 10} KiB")
    return None


def _meta_end(head: bytes) -> int:
    """Where the file meta ends, whatever its group length says: at the first element of another group. Explicit VR, always."""
    at = PREAMBLE_BYTES if head[128:PREAMBLE_BYTES] == b"DICM" else 0
    while head[at : at + 2] == _FIRST_GROUPS[1] and len(head) >= at + 12:
        long = head[at + 4 : at + 6].decode("latin-1") in EXPLICIT_VR_LENGTH_32
        at += 12 + int.from_bytes(head[at + 8 : at + 12], "little") if long else 8 + int.from_bytes(head[at + 6 : at + 8], "little")
    return at


def _inflation_verdict(content: bytes) -> Verdict | None:
    """Refuse a deflated data set that would grow past the limit, before anything holds it in memory."""
    start = _meta_end(content[:HEAD_BYTES])
    if _DEFLATED not in content[:start]:
        return None
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
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
