"""The bytes of one frame as they lie in the file: uncompressed values, or one whole codestream."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import IO

from cad.read.extent import Fragments, FrameError, fragments
from cad.read.header import Header, InflatedBytes


@dataclass(frozen=True, slots=True)
class FrameFile:
    """A file and its header; frames may be read by several threads at once. `frames` is how many the header declares."""

    path: Path
    header: Header

    @property
    def frames(self) -> int:
        """The number of frames declared."""
        return max(1, int(self.header.get("NumberOfFrames") or 1))

    def native_into(self, frame: int, out: memoryview) -> None:
        """Fill `out` with the bytes of an uncompressed frame, all frames being of that length. Raises FrameError and OSError."""
        place = self.header.pixels
        if place is None:
            raise FrameError("no_pixels", "no pixel data after the header")
        at, count = frame * len(out), len(out)
        room = count if place.length is None else max(0, min(count, place.length - at))
        with self.path.open("rb", buffering=0) as file:
            read = self._inflated if self.header.inflated else _read_at
            missing = count - read(file, place.offset + at, out[:room])
        if missing:
            raise FrameError("truncated", f"pixel data end {missing} bytes before the end of frame {frame + 1}")

    def _inflated(self, file: IO[bytes], at: int, out: memoryview) -> int:
        source = InflatedBytes(file, self.header.start)
        _skip(source, at)
        data = source.more(len(out))
        out[: len(data)] = data
        return len(data)

    def codestream(self, frame: int) -> bytes:
        """One compressed frame, its fragments joined. Raises FrameError and OSError."""
        with self.path.open("rb") as file:
            table, *parts = fragments(file, self.header)
            chosen = _parts_of(frame, self.frames, tuple(parts), partial(_table, file.fileno(), table), partial(_starts, file.fileno()))
            return b"".join(os.pread(file.fileno(), length, at) for at, length in chosen)


def _read_at(file: IO[bytes], at: int, out: memoryview) -> int:
    """Bytes read into `out`; fewer than its length where the file ends."""
    file.seek(at)
    done = 0
    while done < len(out) and (got := file.readinto(out[done:])):  # type: ignore[attr-defined]
        done += got
    return done


_CODESTREAM_STARTS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51")  # neither occurs inside a codestream of its kind


def _table(file: int, place: tuple[int, int]) -> tuple[int, ...]:
    """The basic offset table: where each frame begins, counted from the first fragment's item."""
    at, length = place
    return struct.unpack(f"<{length // 4}L", os.pread(file, length // 4 * 4, at))


def _starts(file: int, part: tuple[int, int]) -> bool:
    """Whether a fragment is the first of a JPEG, JPEG-LS or JPEG 2000 codestream."""
    return os.pread(file, 4, part[0]).startswith(_CODESTREAM_STARTS)


def _parts_of(
    frame: int, frames: int, parts: Fragments, table: Callable[[], tuple[int, ...]], starts: Callable[[tuple[int, int]], bool]
) -> Fragments:
    """Which fragments hold a frame: one each, what the offset table says, or from one codestream's first to the next's.

    With an extended offset table each frame is one fragment (PS3.3 C.7.6.3.1.8), so that it tells nothing more.
    """
    if len(parts) == frames:
        return parts[frame : frame + 1]
    first = [place for place, part in enumerate(parts) if starts(part)]
    if frames == 1:
        if len(first) > 1:
            raise FrameError("undecodable", f"{len(first)} compressed images where the header declares one frame")
        return parts
    begins = _places(parts, table()) or first
    if len(begins) != frames or frame >= frames or begins[0] != 0:
        raise FrameError("undecodable", f"{len(parts)} fragments for {frames} frames and nothing that tells them apart")
    return parts[begins[frame] : [*begins[1:], len(parts)][frame]]


def _places(parts: Fragments, table: tuple[int, ...]) -> list[int]:
    """The fragments that the offset table points to; none without one. Raises FrameError where it points to no fragment, or back."""
    items = {at - parts[0][0]: place for place, (at, _) in enumerate(parts)}
    places = [items.get(offset, -1) for offset in table]
    if -1 in places or any(later <= earlier for earlier, later in pairwise(places)):
        raise FrameError("undecodable", "the offset table points to places where no fragment begins")
    return places


def _skip(source: InflatedBytes, count: int) -> None:
    while count > 0:
        part = source.more(min(count, 1 << 20))
        if not part:
            return
        count -= len(part)
