"""How an export becomes jobs: its files in the order of the walk, some at a time; or, where faces are removed, by series."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anonymizer.files import scan_identity
from anonymizer.gate import Verdict
from anonymizer.key import ProjectKey
from anonymizer.profile import Profile
from pipelines.deidentification.work import DeidJob, Kind
from pipelines.exchange import folders
from pipelines.exchange.folders import FoundFile

CHUNK_FILES = 64
CHUNK_BYTES = 256 * 2**20


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some files that follow each other in the walk; `first` is the place of the first one, from 0."""

    first: int
    files: tuple[FoundFile, ...]

    @property
    def places(self) -> range:
        """The place of each file in the walk."""
        return range(self.first, self.first + len(self.files))


@dataclass(frozen=True, slots=True)
class Planned:
    """A job and the place of each of its files in the walk."""

    job: DeidJob
    places: Sequence[int]


def chunks(found: Iterable[FoundFile]) -> Iterator[Chunk]:
    """Cut the walk: never more files or bytes together than one worker should hold back a result for."""
    held: list[FoundFile] = []
    first = weight = 0
    for place, file in enumerate(found):
        if held and (len(held) == CHUNK_FILES or weight + file.size > CHUNK_BYTES):
            yield Chunk(first, tuple(held))
            held, first, weight = [], place, 0
        held.append(file)
        weight += file.size
    if held:
        yield Chunk(first, tuple(held))


def by_chunk(export: Path, key: ProjectKey) -> Iterator[Planned]:
    """One job a chunk, as the walk goes on."""
    for chunk in chunks(folders.listed(export)):
        yield Planned(DeidJob(job_key(key, Kind.FILES, chunk.files), chunk.files), chunk.places)


def by_series(scanned: Iterable[tuple[Chunk, Sequence[str]]], key: ProjectKey) -> Iterator[Planned]:
    """One job a series, then the files of none in chunks. Holds the names of all files until the last one was looked at."""
    series: dict[str, list[tuple[int, FoundFile]]] = {}
    for chunk, names in scanned:
        for place, file, name in zip(chunk.places, chunk.files, names, strict=True):
            series.setdefault(name, []).append((place, file))
    loose = series.pop("", [])
    for start in range(0, len(loose), CHUNK_FILES):
        yield _planned(loose[start : start + CHUNK_FILES], key, Kind.LOOSE)
    for members in series.values():
        yield _planned(sorted(members, key=lambda member: member[0]), key, Kind.SERIES)


def job_key(key: ProjectKey, kind: str, files: Sequence[FoundFile]) -> str:
    """The same files, by name, size and time of change, give the same key; a name cannot be read off it."""
    told = [(file.name, file.size, file.stamp, file.member, file.refusal.reason if file.refusal else "") for file in files]
    return key.digest(f"job:{kind}", json.dumps(told)).hex()


@dataclass(frozen=True, slots=True)
class SeriesNames:
    """The work of looking at headers: for each file of a chunk the pseudonym of its series, "" where it will be refused or has none."""

    key: ProjectKey
    profile: Profile
    work: Path

    def __call__(self, job: DeidJob) -> tuple[str, list[str] | None]:
        """The job's key, and the names."""
        target = self.work / f"{job.key[:32]}-scan"
        target.unlink(missing_ok=True)  # of a worker that died
        return job.key, [self._name(found, target) for found in job.files]

    def _name(self, found: FoundFile, target: Path) -> str:
        here = folders.fetched(found, target)
        if here.refusal:
            return ""
        scanned = scan_identity(here.path, self.key, self.profile)
        if found.member is not None:
            here.path.unlink()
        return "" if isinstance(scanned, Verdict) else "/".join(scanned)


def _planned(members: Sequence[tuple[int, FoundFile]], key: ProjectKey, kind: Kind) -> Planned:
    files = tuple(file for _, file in members)
    return Planned(DeidJob(job_key(key, kind, files), files, kind), tuple(place for place, _ in members))
