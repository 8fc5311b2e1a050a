"""The edge: the files of one series, in a private folder, rewritten without the face - all of them, or none.

Every file is read, cut and written to a draft beside it, one at a time; only when the checks hold on the whole series do the drafts
take the files' places. Until then a reader of the folder sees the series as it was.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pydicom import dcmwrite
from pydicom.dataset import FileDataset

from anonymizer import reading
from anonymizer.defacing.account import FaceVerdict, SeriesOutcome, refused
from anonymizer.defacing.deface import deface_source
from anonymizer.defacing.pixels import PixelsUnreadableError
from anonymizer.gate import Reason, Verdict
from anonymizer.profile import Option
from anonymizer.stamp import claim


def deface_series(paths: Sequence[Path]) -> SeriesOutcome:
    """Take the face out of the files of one series, in place. They must be header-cleaned and nobody else's to read yet.

    With a verdict in the outcome no file was changed and the caller quarantines the series. A file that cannot be replaced after
    others were (a full or failing disk) is reported as `not_written`; the series must then be quarantined too. Holds one file's
    pixels and a small picture of the series at a time. Picklable arguments and result, for worker processes.
    """
    drafts = _Drafts(tuple(paths))
    try:
        source = _OnDisk(tuple(paths))
        outcome = deface_source(source, drafts.write)
        if isinstance(outcome, FaceVerdict):
            return SeriesOutcome(outcome.account, outcome.as_verdict())
        drafts.write_rest(source)
        return SeriesOutcome(outcome, rewritten=drafts.take_places())
    except OSError as error:
        failed = refused("not_written", "the series cannot be rewritten").account
        return SeriesOutcome(failed, Verdict(Reason.NOT_WRITTEN, f"the series cannot be rewritten ({error.strerror})"))
    finally:
        drafts.clear()


class _OnDisk:
    """A series as files; the last one read is kept, for a multi-frame object is asked for more than once."""

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = paths
        self._last: tuple[int, FileDataset] | None = None

    def __len__(self) -> int:
        return len(self._paths)

    def image(self, index: int) -> FileDataset:
        if self._last is None or self._last[0] != index:
            self._last = None
            dataset = reading.read(self._paths[index])
            if isinstance(dataset, Verdict):
                raise PixelsUnreadableError(f"a file of the series cannot be read ({dataset.reason})")
            self._last = index, dataset
        return self._last[1]


@dataclass(frozen=True, slots=True)
class _Drafts:
    paths: tuple[Path, ...]

    def write(self, index: int, dataset: FileDataset) -> None:
        """Write one image beside its file, with the option's code, and check that it reached the disk."""
        claim(dataset, Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES)
        buffer = BytesIO()
        dcmwrite(buffer, dataset, enforce_file_format=True)
        with self._draft(index).open("wb") as file:
            file.write(buffer.getbuffer())
            file.flush()
            os.fsync(file.fileno())

    def write_rest(self, source: _OnDisk) -> None:
        """The images that had no face in them: only the code is new."""
        for index in range(len(source)):
            if not self._draft(index).exists():
                self.write(index, source.image(index))

    def take_places(self) -> int:
        """Put every draft in the place of its file; how many there were."""
        written = [index for index in range(len(self.paths)) if self._draft(index).exists()]
        for index in written:
            self._draft(index).replace(self.paths[index])
        return len(written)

    def clear(self) -> None:
        """Remove what is left of the drafts."""
        for index in range(len(self.paths)):
            self._draft(index).unlink(missing_ok=True)

    def _draft(self, index: int) -> Path:
        path = self.paths[index]
        return path.with_name(f".{path.name}.{os.getpid()}.face")
