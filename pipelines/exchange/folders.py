"""Every file of an export, in one fixed order: folders, and zip archives opened with care.

A member's name never becomes a path: members are written under numbers, in the order of the archive,
and an archive that unpacks to far more than it weighs is refused before it fills the disk.
"""

from __future__ import annotations

import stat
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from anonymizer import files
from cad.errors import Refusal

ZIP_MAGIC = b"PK\x03\x04"
MAX_MEMBERS = 200_000
MAX_MEMBER_BYTES = 4 * 2**30
MAX_RATIO = 200
FREE_BYTES = 2**30
BLOCK = 2**20


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One input file: `name` is its identified place in the export (never shown), `path` where its bytes lie.

    `refusal` is set for an archive or a member that is read no further; its `path` field is empty, handles come later.
    """

    name: str
    path: Path
    refusal: Refusal | None = None


def walk(export: Path, unpack_into: Path) -> Iterator[FoundFile]:
    """Each file under a folder (or the one file given), sorted by name; an archive is followed by its members.

    Links and devices are named and not opened; whoever reads the files refuses them.
    """
    for path in files.walk(export) if export.is_dir() else [export]:
        name = path.relative_to(export).as_posix() if path != export else path.name
        if _is_zip(path):
            yield from _archive(name, path, unpack_into)
        else:
            yield FoundFile(name, path)


def is_empty(export: Path) -> bool:
    """Whether there is not one file."""
    return export.is_dir() and next(files.walk(export), None) is None


def _is_zip(path: Path) -> bool:
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return False
        with path.open("rb") as stream:
            return stream.read(len(ZIP_MAGIC)) == ZIP_MAGIC
    except OSError:
        return False


def _archive(name: str, path: Path, unpack_into: Path) -> Iterator[FoundFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            problem = _suspicious(members, path.stat().st_size)
            yield FoundFile(name, path, Refusal("", *(problem or ("archive", f"an archive: its {len(members)} files follow one by one"))))
            folder = unpack_into / str(len(list(unpack_into.iterdir())) if unpack_into.exists() else 0)
            folder.mkdir(parents=True, mode=0o700)
            for number, member in enumerate([] if problem else members):
                yield _member(archive, member, f"{name}!{member.filename}", folder / str(number))
    except (zipfile.BadZipFile, NotImplementedError):
        yield FoundFile(name, path, Refusal("", "archive_broken", "a zip archive that cannot be opened (accepted: a whole zip file)"))


def _suspicious(members: list[zipfile.ZipInfo], size: int) -> tuple[str, str] | None:
    total = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS:
        return "archive_too_large", f"{len(members)} files in one archive (accepted: at most {MAX_MEMBERS})"
    if total > max(FREE_BYTES, MAX_RATIO * size):
        return "archive_too_large", f"unpacks to {total // 2**20} MiB from {size // 2**20} (accepted: at most {MAX_RATIO} times its size)"
    return None


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, target: Path) -> FoundFile:
    if member.flag_bits & 1:
        return FoundFile(name, target, Refusal("", "archive_encrypted", "an encrypted archive member (accepted: without a password)"))
    if member.file_size > MAX_MEMBER_BYTES:
        return FoundFile(name, target, Refusal("", "archive_too_large", "an archive member of more than 4 GiB"))
    try:
        _copy(archive, member, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError):
        target.unlink(missing_ok=True)
        return FoundFile(name, target, Refusal("", "archive_broken", "an archive member that cannot be unpacked"))
    if _is_zip(target):
        return FoundFile(name, target, Refusal("", "archive_nested", "an archive inside an archive (accepted: unpack it first)"))
    return FoundFile(name, target)


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path) -> None:
    """Copy no more than the directory promised: the size field of an archive may lie."""
    left = member.file_size
    with archive.open(member) as source, target.open("xb") as sink:
        while block := source.read(min(BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                raise zipfile.BadZipFile("larger than its directory says")
            sink.write(block)
