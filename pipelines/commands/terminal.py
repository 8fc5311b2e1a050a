"""What a person at a terminal sees: results on stdout, everything else on stderr."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any, Self

import typer

if TYPE_CHECKING:
    from rich.progress import Progress

    from cad.write.worklist import WorklistRow

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def say(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(text + "\n")


def put(text: str) -> None:
    """One line of result on stdout."""
    sys.stdout.write(text + "\n")


def put_json(document: Any) -> None:
    """The result as JSON on stdout."""
    put(json.dumps(document, ensure_ascii=False, indent=1, sort_keys=True))


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on stdout, as wide as its content where stdout is no terminal; values are never read as markup."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*columns, title=title, title_justify="left", header_style="bold")
    for row in rows:
        drawn.add_row(*(Text(str(value)) for value in row))
    console = Console(file=sys.stdout)
    console.print(drawn) if console.is_terminal else Console(file=sys.stdout, width=160).print(drawn)


@contextlib.contextmanager
def spinner(text: str) -> Iterator[Mapping[str, Any]]:
    """Something long is running and says what it does; `update` takes a line."""
    with _progress() as progress:
        task = progress.add_task(text, total=None)
        yield {"update": lambda line: progress.update(task, description=f"{text}: {line}")}


class ScreeningBar:
    """`pipelines.ports.ScreenListener` as progress bars on stderr; silent where stderr is no terminal."""

    def __init__(self) -> None:
        self._progress = _progress()
        self._files = self._progress.add_task("reading the export", total=None)
        self._studies = self._progress.add_task("studies", total=None, visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def file(self, index: int) -> None:
        """A file of the export is being looked at."""
        self._progress.update(self._files, completed=index + 1, description=f"reading the export: {index + 1} files")

    def studies(self, total: int) -> None:
        """The export is walked; so many studies follow."""
        self._progress.update(self._files, visible=False)
        self._progress.update(self._studies, total=total, visible=True)

    def stage(self, name: str) -> None:
        """A stage of the present study begins."""
        self._progress.update(self._studies, description=name)

    def finished(self, row: WorklistRow) -> None:
        """A study ended."""
        self._progress.advance(self._studies)
        self._progress.console.print(f"{row.case}: {row.status}, {row.counts.findings} findings", highlight=False)


class DeidBar:
    """Files done, a second, refused, and the time left; silent where stderr is no terminal. Counts the export meanwhile."""

    def __init__(self, source: Path) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        times = (TextColumn("{task.fields[rate]}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
        self._progress = Progress(*columns, *times, console=Console(stderr=True), transient=True)
        self._task = self._progress.add_task("de-identifying", total=None, rate="")
        self._source, self._files, self._refused = source, 0, 0
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        if self._progress.console.is_terminal:
            Thread(target=self._count, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._progress.stop()

    def done(self, files: int, refused: int) -> None:
        """So many more files are done, so many of them refused."""
        self._files += files
        self._refused += refused
        rate = f"{self._files / max(time.monotonic() - self._began, 1e-3):,.0f} files/s, {self._refused} refused"
        self._progress.update(self._task, completed=self._files, rate=rate)

    def _count(self) -> None:
        from pipelines.exchange.folders import counted

        with contextlib.suppress(OSError):
            self._progress.update(self._task, total=counted(self._source))


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=Console(stderr=True), transient=True)
