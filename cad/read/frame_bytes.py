"""The bytes of one frame as they lie in the file: uncompressed values, or one whole codestream."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path

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

    def native(self, frame: int, count: int) -> bytes:
        """`count` bytes of an uncompressed frame, all frames being of that length. Raises FrameError and OSError."""
        place = self.header.pixels
        if place is None:
            raise FrameError("no_pixels", "no pixel data after the header")
        at = place.offset + frame * count
        with self.path.open("rb") as file:
            if self.header.inflated:
                source = InflatedBytes(file, self.header.start)
                _skip(source, at)
                data = source.more(count)
            else:
                room = count if place.length is None else min(count, place.length - frame * count)
                data = os.pread(file.fileno(), max(0, room), at)
        if len(data) < count:
            raise FrameError("truncated", f"pixel data end {count - len(data)} bytes before the end of frame {frame + 1}")
        return data

    def codestream(self, frame: int) -> bytes:
        """One compressed frame, its fragments joined. Raises FrameError and OSError."""
        with self.path.open("rb") as file:
            found = fragments(file, self.header)
            parts = _parts_of(frame, self.frames, found, _table(file.fileno(), found))
            return b"".join(os.pread(file.fileno(), length, at) for at, length in parts)


def _table(file: int, found: Fragments) -> tuple[int, ...]:
    """The basic offset table: where each frame begins, counted from the first fragment's item."""
    at, length = found[0]
    return struct.unpack(f"<{length // 4}L", os.pread(file, length // 4 * 4, at))


def _parts_of(frame: int, frames: int, found: Fragments, table: tuple[int, ...]) -> Fragments:
    """Which fragments hold a frame: all of a single one, one each, or what the offset table says."""
    parts = found[1:]
    if frames == 1:
        return parts
    if len(parts) == frames:
        return parts[frame : frame + 1]
    if len(table) != frames or frame >= frames:
        raise FrameError("undecodable", f"{len(parts)} fragments for {frames} frames and no offset table that tells them apart")
    base = parts[0][0] - 8
    ends = (*table[1:], parts[-1][0] + parts[-1][1] - base)
    chosen = tuple(part for part in parts if table[frame] <= part[0] - 8 - base < ends[frame])
    if not chosen:
        raise FrameError("undecodable", f"the offset table points to no fragment for frame {frame + 1}")
    return chosen


def _skip(source: InflatedBytes, count: int) -> None:
    while count > 0:
        part = source.more(min(count, 1 << 20))
        if not part:
            return
        count -= len(part)
