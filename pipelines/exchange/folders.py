"""Every file of an export, in one fixed order: folders, zip archives opened with care, media listed by a DICOMDIR.

Listing reads names only, so that a run can begin while the walk goes on; `fetched` gives the bytes of one file a path.
A member's name never becomes a path, and an archive that unpacks to far more than it weighs is refused before it fills
the disk. Links and devices are named and not opened; whoever reads the files refuses them.
"""

from __future__ import annotations

import lzma
import os
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from cad.errors import Refusal
from pipelines.exchange.media import Reference, is_index, is_index_name, references

ZIP_MAGIC = b"PK\x03\x04"
MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 4 * 2**30
MAX_RATIO = 200
FREE_BYTES = 2**30
BLOCK = 2**20
ARCHIVE = "archive"
MISSING = "missing_from_media"
_MISSING_DETAIL = "a DICOMDIR refers to this file and it is not there (accepted: the whole medium)"


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One input file: `name` is its identified place in the export (never shown), `path` where its bytes lie.

    `refusal` is set for an archive or a member that is read no further; its `path` field is empty, handles come later.
    `member` is its number in the archive at `path`. `size` (bytes) and `stamp` (time of change, or checksum of a
    member) tell whether it is the file it was; both are 0 where they could not be read.
    """

    name: str
    path: Path
    refusal: Refusal | None = None
    member: int | None = None
    size: int = 0
    stamp: int = 0


def walk(export: Path, unpack_into: Path) -> Iterator[FoundFile]:
    """Each file of an export as `listed`, members of archives unpacked under numbers into a folder as they are come by."""
    for number, found in enumerate(listed(export)):
        yield fetched(found, unpack_into / str(number))


def listed(export: Path) -> Iterator[FoundFile]:
    """Each file under a folder (or the one file given), sorted by name; an archive is followed by its members.

    A folder that holds a DICOMDIR starts with the files this one refers to, in its order; what it refers to and is not
    there is listed as refused. A DICOMDIR given alone stands for its folder.
    """
    root = root_of(export)
    if root.is_dir():
        yield from _Listing(root).folder("")
    else:
        yield from _file(root.name, root)


def root_of(export: Path) -> Path:
    """The folder (or single file) that an export means: the folder of a DICOMDIR, else what was given."""
    return export.parent if export.is_file() and is_index(export) else export


def is_empty(export: Path) -> bool:
    """Whether there is not one file."""
    return next(listed(export), None) is None


def counted(export: Path) -> int:
    """How many files there are, archives not opened: quick, for a progress bar."""
    root = root_of(export)
    return sum(len(files) for _, _, files in os.walk(root)) if root.is_dir() else 1


def fetched(found: FoundFile, target: Path) -> FoundFile:
    """The same file with its bytes at `path`: a member is unpacked to `target`, or refused; others stay where they are."""
    if found.member is None or found.refusal:
        return found
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        archive = _opened(found.path)
        _copy(archive, archive.infolist()[found.member], target)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError, IndexError, OSError) as error:
        target.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk, not the archive
        return replace(found, refusal=Refusal("", "archive_broken", "an archive member that cannot be unpacked"))
    if _is_zip(target):
        target.unlink()
        return replace(found, refusal=Refusal("", "archive_nested", "an archive inside an archive (accepted: unpack it first)"))
    return replace(found, path=target, member=None)


class _Listing:
    """The walk below one folder. Names are relative to it, with slashes; links are never followed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.seen: set[str] = set()  # what a DICOMDIR has brought forward; empty without one

    def folder(self, name: str) -> Iterator[FoundFile]:
        """Every file below that was not seen yet."""
        path = self.root / name
        try:
            with os.scandir(path) as scanned:
                entries = sorted(
                    (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False)) for entry in scanned
                )
        except OSError:
            yield FoundFile(name or ".", path)
            return
        for own, _, regular in entries:
            if regular and is_index_name(own):
                yield from self._medium(name, references(path, own))
        for own, is_folder, regular in entries:
            below = f"{name}/{own}" if name else own
            if is_folder:
                yield from self.folder(below)
            elif below not in self.seen:
                yield from _file(below, path / own) if regular else [FoundFile(below, path / own)]

    def _medium(self, name: str, found: Sequence[Reference]) -> Iterator[FoundFile]:
        """The files a DICOMDIR in a folder refers to, in its order, there or not."""
        for reference in found:
            below = f"{name}/{reference.place or reference.wanted}" if name else reference.place or reference.wanted
            if not reference.place:
                yield FoundFile(f"{below}\0missing", self.root, Refusal("", MISSING, _MISSING_DETAIL))
            elif below not in self.seen:
                self.seen.add(below)
                yield from _file(below, self.root / below)


def _file(name: str, path: Path) -> Iterator[FoundFile]:
    """One file, and the members of an archive after it. What cannot be looked at is listed too."""
    try:
        facts = os.lstat(path)
    except OSError:
        yield FoundFile(name, path)
        return
    found = FoundFile(name, path, None, None, facts.st_size, facts.st_mtime_ns)
    if stat.S_ISREG(facts.st_mode) and _is_zip(path):
        yield from _archive(found)
    else:
        yield found


def _is_zip(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(descriptor, len(ZIP_MAGIC)) == ZIP_MAGIC
    except OSError:
        return False
    finally:
        os.close(descriptor)


def _archive(found: FoundFile) -> Iterator[FoundFile]:
    """The archive itself, which is not read further, then its members; their names are no paths and cannot collide with any."""
    try:
        with zipfile.ZipFile(found.path) as archive:
            members = [(number, member) for number, member in enumerate(archive.infolist()) if not member.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, OSError, ValueError):
        yield replace(found, refusal=Refusal("", "archive_broken", "a zip archive that cannot be opened (accepted: a whole zip file)"))
        return
    problem = _suspicious([member for _, member in members], found.size)
    yield replace(found, refusal=problem or Refusal("", ARCHIVE, f"an archive: its {len(members)} files follow one by one"))
    for number, member in () if problem else members:
        name = f"{found.name}\0{number}\0{member.filename}"
        yield FoundFile(name, found.path, _member_problem(member), number, member.file_size, member.CRC)


def _suspicious(members: Sequence[zipfile.ZipInfo], size: int) -> Refusal | None:
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS:
        return Refusal("", "archive_too_large", f"{len(members)} files in one archive (accepted: at most {MAX_MEMBERS})")
    if total > max(FREE_BYTES, MAX_RATIO * size):
        detail = f"unpacks to {total // 2**20} MiB from {size // 2**20} (accepted: at most {MAX_RATIO} times its size)"
        return Refusal("", "archive_too_large", detail)
    return None


def _member_problem(member: zipfile.ZipInfo) -> Refusal | None:
    if member.flag_bits & 1:
        return Refusal("", "archive_encrypted", "an encrypted archive member (accepted: without a password)")
    if member.file_size > MAX_MEMBER_BYTES:
        return Refusal("", "archive_too_large", "an archive member of more than 4 GiB")
    if stat.S_ISLNK(member.external_attr >> 16):
        return Refusal("", "link_not_followed", "a symbolic link in an archive (accepted: the file itself)")
    return None


def _opened(path: Path) -> zipfile.ZipFile:
    facts = path.stat()
    return _open(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=2)
def _open(path: Path, _size: int, _changed: int) -> zipfile.ZipFile:
    """An archive kept open, since reading the directory of a large one takes longer than unpacking a member."""
    return zipfile.ZipFile(path)


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Copy no more than the directory promised: the size field of an archive may lie."""
    left = member.file_size
    with archive.open(member) as source, target.open("xb") as sink:
        while block := source.read(min(BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise zipfile.BadZipFile("larger than its directory says")
            sink.write(block)
