"""`shoken deid`: an export in, a de-identified copy and an account of every file out. Survives `kill -9`, goes on with `resume`.

walk -> jobs -> workers -> vault, ledger -> receipts, manifest, report
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from anonymizer.profile import Option
from cad.errors import Refusal
from pipelines.deidentification import plan, report
from pipelines.deidentification.books import Books, Entries
from pipelines.deidentification.page import report_page
from pipelines.deidentification.plan import Chunk, Planned, SeriesNames
from pipelines.deidentification.rows import FILES, REFUSED, FileRow, manifest_line, packed, unpacked
from pipelines.deidentification.work import Deidentify, DeidJob, DeidOutcome, Kind, rows_refused
from pipelines.desk import Desk
from pipelines.exchange import folders
from pipelines.outfolder import OutError, OutFolder, check_apart, claimed
from pipelines.ports import Runner
from pipelines.runners.failure import explained
from pipelines.runners.ledger import JobLedger

MANIFEST, RECEIPTS, REPORT, PAGE = "manifest.jsonl", "receipts.jsonl", "report.json", "report.html"
DISK_FULL, WORKER_DIED = "disk_full", "worker_died"
_OUTPUT = re.compile(r"f[a-z2-7]{20}\.dcm")


class DeidListener(Protocol):
    """Hears how a run goes on; a progress bar, or nobody. Told nothing that identifies."""

    def done(self, files: int, refused: int) -> None:
        """So many more files are done, so many of them refused."""
        ...


@dataclass(frozen=True, slots=True)
class Deidentified:
    """How a run ended: its report as data, and how many files an earlier run had done already."""

    report: Mapping[str, Any]
    resumed: int

    @property
    def exit_code(self) -> int:
        """0 when nothing was refused, else 1."""
        return int(bool(self.report["files"]["refused"]))


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for. `out` None is a dry run; `vault` opens what takes the originals, None keeps none."""

    source: Path
    out: Path | None
    desk: Desk
    engine: Runner
    lang: str = "en"
    resume: bool = False
    vault: Callable[[], AbstractContextManager[Entries]] | None = None


def deidentify_export(order: Order, listener: DeidListener) -> Deidentified:
    """De-identify an export into OUT, or say what would happen.

    Raises ShokenError for wrong use, before anything is written, and DiskFullError when nothing can go on.
    """
    with contextlib.ExitStack() as stack:
        out = order.out or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="shoken-")), "out")
        check_apart(folders.root_of(order.source), out)
        if Option.CLEAN_PIXEL_DATA in order.desk.profile.options:
            _require_text_engine()
        if folders.is_empty(order.source):
            raise OutError("there is not one file in it", subject=f"IN {order.source}", accepted="a folder, DICOMDIR or zip of DICOM files")
        place = stack.enter_context(claimed(out, _identity(order), resume=order.resume))
        vault = stack.enter_context(order.vault()) if order.vault and order.out else None
        books = stack.enter_context(Books(place.root, JobLedger(place.results, owner="deid"), vault))
        return _Run(order, place, books, listener).whole()


def _require_text_engine() -> None:
    """Raise AnonymizerError, which names the extra, before the first file rather than at it."""
    from anonymizer.pixels import engine_version

    engine_version()


def _identity(order: Order) -> dict[str, str]:
    profile = order.desk.profile
    return {
        "profile": profile.name,
        "rules": f"{report.software_version()} {report.rules_sha256(profile)}",
        "key": order.desk.fingerprint,
        "vault": "no" if order.vault is None else "yes",
    }


@dataclass(slots=True)
class _Run:
    """One run, under way."""

    order: Order
    place: OutFolder
    books: Books
    listener: DeidListener
    resumed: int = 0

    def whole(self) -> Deidentified:
        """Every file done, then the account of them."""
        began = time.monotonic()
        for outcome in self._outcomes():
            self.books.record(outcome)
            self.listener.done(outcome.files, outcome.refused)
        self.books.flush()
        account = self._told()
        if self.order.out is not None:
            self._write_timings(time.monotonic() - began, account)
        return Deidentified(account, self.resumed)

    def _outcomes(self) -> Iterator[DeidOutcome]:
        keep = None if self.order.out is None else self.place.root / FILES
        desk = self.order.desk
        work = Deidentify(desk.key, desk.profile, self.place.work, keep, for_vault=self.books.vault is not None)
        for outcome in self.order.engine.run(work, self._waiting(self._planned()), _failed):
            yield outcome if outcome.broken is None else self._one_by_one(work, outcome.broken, outcome.why)

    def _planned(self) -> Iterator[Planned]:
        key = self.order.desk.key
        if Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES in self.order.desk.profile.options:
            return plan.by_series(self._scanned(), key)
        return plan.by_chunk(self.order.source, key)

    def _waiting(self, planned: Iterable[Planned]) -> Iterator[DeidJob]:
        """The jobs that are still to be done; what is done is counted in passing."""
        for one in planned:
            self.books.expect(one.job.key, one.places)
            rows = self.books.done(one.job.key)
            if rows is None:
                yield one.job
            else:
                self.resumed += len(rows)
                self.listener.done(len(rows), sum(row.status == REFUSED for row in rows))

    def _one_by_one(self, work: Deidentify, job: DeidJob, why: Refusal | None) -> DeidOutcome:
        """A job that broke, its files each on their own, so that one file costs no other; a series falls as a whole."""
        whole = job.kind is Kind.SERIES
        alone = [job] if whole else [DeidJob(f"{number:04d}{job.key}", (found,), job.kind) for number, found in enumerate(job.files)]
        ended = {} if whole else {done.key: done for done in self.order.engine.run(work, iter(alone), _failed)}
        rows: list[FileRow] = []
        for single in alone:
            done = ended.get(single.key)
            broken = done is None or done.broken is not None
            rows += (
                rows_refused(single, work.key, _blamed(done.why if done else why)) if broken or done is None else unpacked(done.document)
            )
        receipts = {digest: text for done in ended.values() for digest, text in done.receipts.items()}
        entries = tuple(entry for done in ended.values() for entry in done.entries)
        pictures = tuple(picture for done in ended.values() for picture in done.pictures)
        return DeidOutcome(job.key, packed(rows), len(rows), sum(row.status == REFUSED for row in rows), receipts, entries, pictures)

    def _scanned(self) -> Iterator[tuple[Chunk, list[str]]]:
        """The series of every file, from its headers, in the workers; remembered, since an export may be large."""
        key = self.order.desk.key
        chunks = {plan.job_key(key, "scan", chunk.files): chunk for chunk in plan.chunks(folders.listed(self.order.source))}
        known = {job: json.loads(text) for job in chunks if (text := self.books.scanned(job))}
        work, broken = SeriesNames(key, self.order.desk.profile, self.place.work), list[DeidJob]()
        waiting = (DeidJob(job, chunk.files) for job, chunk in chunks.items() if job not in known)
        for job, names in self.order.engine.run(work, waiting, _unscanned):
            if names is None:
                broken.append(DeidJob(job, chunks[job].files))
            else:
                known[job] = names
                self.books.record_scan(job, json.dumps(names))
        for crashed in broken:
            known[crashed.key] = self._scanned_one_by_one(work, crashed)
        return ((chunk, known[job]) for job, chunk in chunks.items())

    def _scanned_one_by_one(self, work: SeriesNames, job: DeidJob) -> list[str]:
        """Headers that crash their reader belong to no series; those of the other files are read all the same."""
        alone = (DeidJob(f"{number:04d}{job.key}", (found,)) for number, found in enumerate(job.files))
        ended = dict(self.order.engine.run(work, alone, _unscanned))
        return [(ended[f"{number:04d}{job.key}"] or [""])[0] for number in range(len(job.files))]

    def _told(self) -> dict[str, Any]:
        """Write receipts, manifest and report, each whole or not at all."""
        account = report.Account()
        if self.order.out is None:
            for _, row in self.books.rows():
                account.add(row)
        else:
            _write_lines(self.place.root / MANIFEST, self._manifest(account))
            self._sweep(account)
            self.books.forget_the_rest()
            _write_lines(self.place.root / RECEIPTS, _receipt_lines(self.books.ledger.shared(), account))
        desk = self.order.desk
        document = report.report_of(account, self.books.ledger.shared(), desk.profile, desk.fingerprint, vault=self.order.vault is not None)
        if self.order.out is not None:
            self.place.write_json(REPORT, document)
            _write_lines(self.place.root / PAGE, [report_page(document, self.order.lang)])
        return document

    def _manifest(self, account: report.Account) -> Iterator[str]:
        for index, row in self.books.rows():
            account.add(row)
            yield manifest_line(row, index)

    def _sweep(self, account: report.Account) -> None:
        """Delete outputs that no row names: the export has changed since an earlier run, or this one was killed before it said so."""
        root = self.place.root / FILES
        if not self.order.resume or sum(len(names) for _, _, names in os.walk(root)) == account.statuses["deidentified"]:
            return
        named = {row.output for _, row in self.books.rows()}
        for folder, _, names in os.walk(root, topdown=False):
            for name in names:
                path = Path(folder, name)
                if _OUTPUT.fullmatch(name) and path.relative_to(self.place.root).as_posix() not in named:
                    path.unlink()
            with contextlib.suppress(OSError):
                Path(folder).rmdir()  # only where nothing is left

    def _write_timings(self, seconds: float, document: Mapping[str, Any]) -> None:
        """Seconds stand beside the report, which holds no clock reading; those of earlier runs stay."""
        earlier = json.loads(self.place.timings.read_text(encoding="utf-8")) if self.place.timings.is_file() else {"runs": []}
        files = document["files"]["in"] - self.resumed
        run = {
            "seconds": round(seconds, 3),
            "files": files,
            "resumed": self.resumed,
            "files_per_second": round(files / max(seconds, 1e-9), 1),
        }
        self.place.write_json(self.place.timings.name, {"runs": [*earlier["runs"], run]})


def _failed(job: DeidJob, error: BaseException) -> DeidOutcome:
    """A job that gave no rows."""
    why = _told_of(error)
    return DeidOutcome(job.key, "", len(job.files), len(job.files), broken=job, why=why)


def _unscanned(job: DeidJob, error: BaseException) -> tuple[str, list[str] | None]:
    """Headers that could not be looked at together."""
    _told_of(error)
    return job.key, None


def _told_of(error: BaseException) -> Refusal:
    """What a failed job says. A full disk ends the run: it says nothing about the files."""
    told = explained(error)
    if told.reason == DISK_FULL:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return Refusal("", told.reason, told.detail)


def _blamed(why: Refusal | None) -> Refusal:
    if why is None or why.reason == WORKER_DIED:
        return Refusal("", "crashed", "its process ended without an answer, twice (a crash, memory, or an hour without an end)")
    return replace(why, reason="internal_error")


def _receipt_lines(shared: Iterable[tuple[str, str]], account: report.Account) -> Iterator[str]:
    for digest, text in shared:
        if account.receipts[digest]:
            yield json.dumps({"sha256": digest, **json.loads(text)}, ensure_ascii=False, sort_keys=True) + "\n"


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    """A file from lines as they come, there whole or not at all."""
    draft = path.with_name(f".{path.name}.partial")
    try:
        with draft.open("w", encoding="utf-8", newline="\n") as stream:
            stream.writelines(lines)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
