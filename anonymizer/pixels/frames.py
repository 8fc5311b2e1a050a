"""Stored pixel values one frame at a time, from native and compressed pixel data, and back into a data set.

Native values are changed in place in a copy of their bytes, so that all other bits stay as they were. Compressed frames
are decoded by pydicom's decoders; only when something was changed are they stored, decoded, as Explicit VR Little Endian.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import FileDataset
from pydicom.pixels.decoders.base import get_decoder

from anonymizer import reading
from anonymizer.errors import InputRefusedError
from anonymizer.gate import Reason
from anonymizer.pixels.engine import Stored

MAX_FRAME_BYTES = 1 << 28
MAX_DECODED_BYTES = 1 << 31
MAX_FRAMES = 20_000
_LOSSY = {
    uid.JPEGBaseline8Bit: "ISO_10918_1",
    uid.JPEGExtended12Bit: "ISO_10918_1",
    uid.JPEGLSNearLossless: "ISO_14495_1",
    uid.JPEG2000: "ISO_15444_1",
    uid.HTJ2K: "ISO_15444_15",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """What the header says of the pixels."""

    rows: int
    columns: int
    samples: int
    frames: int
    allocated: int
    stored: int
    high: int
    signed: bool
    planar: bool
    photometric: str

    @property
    def frame_bytes(self) -> int:
        """Bytes of one decoded frame."""
        return self.rows * self.columns * self.samples * self.allocated // 8


def layout_of(dataset: FileDataset) -> Layout:
    """The layout, checked before anything is decoded. Raises InputRefusedError (`unparseable` or `too_large`)."""
    try:
        number = {name: int(dataset[name].value) for name in ("Rows", "Columns", "BitsAllocated", "PixelRepresentation")}
        samples, frames = int(dataset.get("SamplesPerPixel") or 1), int(dataset.get("NumberOfFrames") or 1)
        stored = int(dataset.get("BitsStored") or number["BitsAllocated"])
        high = int(dataset.get("HighBit") or stored - 1)
    except reading.PARSE_ERRORS:
        raise InputRefusedError(Reason.UNPARSEABLE, "rows, columns or bits of the pixels are missing or malformed") from None
    sane = min(number["Rows"], number["Columns"], frames) > 0 and samples in (1, 3) and number["BitsAllocated"] in (8, 16, 32)
    if not sane or not 0 < stored <= number["BitsAllocated"] or not stored - 1 <= high < number["BitsAllocated"]:
        raise InputRefusedError(Reason.UNPARSEABLE, "pixels of this layout cannot be examined")
    layout = Layout(
        number["Rows"], number["Columns"], samples, frames, number["BitsAllocated"], stored, high,
        signed=number["PixelRepresentation"] == 1,
        planar=samples > 1 and int(dataset.get("PlanarConfiguration") or 0) == 1,
        photometric=str(dataset.get("PhotometricInterpretation", "")).strip().upper(),
    )  # fmt: skip
    if layout.frame_bytes > MAX_FRAME_BYTES or layout.frame_bytes * frames > MAX_DECODED_BYTES or frames > MAX_FRAMES:
        raise InputRefusedError(Reason.TOO_LARGE, "the decoded pixels are larger than can be examined")
    return layout


@dataclass(frozen=True, slots=True)
class Fill:
    """Places of a frame (a pair of slices, or a mask of rows and columns) that get one stored value."""

    where: tuple[slice, slice] | NDArray[np.bool_]
    value: Stored


class Frames:
    """The frames of one data set. `read` gives a frame's stored values, `fill` changes places of it, `finish` puts all back.

    Of compressed pixel data only the fills are kept, and one decoded frame at a time is held.
    """

    def __init__(self, dataset: FileDataset) -> None:
        self._dataset = dataset
        self._syntax = uid.UID(str(dataset.file_meta.TransferSyntaxUID))
        self._fills: dict[int, list[Fill]] = {}
        self.layout = layout_of(dataset)
        self.photometric = self.layout.photometric
        self._bytes = np.zeros(0, dtype=np.uint8)
        self._native = self._native_view()
        if self._native is None:
            self._check_count()

    @property
    def filled(self) -> tuple[int, ...]:
        """The frames that were changed so far."""
        return tuple(sorted(self._fills))

    def read(self, frame: int) -> Stored:
        """Stored values (rows, columns) or (rows, columns, samples) of a frame, changes included; a copy."""
        if self._native is not None:
            return np.array(self._native[frame])
        values = self._decoded(frame).copy()
        for fill in self._fills.get(frame, ()):
            values[fill.where] = fill.value
        return values

    def fill(self, frame: int, fill: Fill) -> None:
        """Give places of a frame one stored value."""
        self._fills.setdefault(frame, []).append(fill)
        if self._native is not None:
            self._native[frame][fill.where] = fill.value

    def finish(self) -> int:
        """Put changed frames into the data set; without changes it is left alone. Returns how many pixels have another value."""
        if not self._fills:
            return 0
        changed = sum(self._pixels_changed(frame) for frame in self._fills)
        if self._native is not None:
            self._dataset[0x7FE00010].value = self._bytes.tobytes()
        else:
            self._store_decoded()
        for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue", "PixelDataProviderURL"):
            if keyword in self._dataset:
                del self._dataset[keyword]
        return changed

    def _pixels_changed(self, frame: int) -> int:
        before = self._decoded(frame) if self._native is None else self._view(self._dataset[0x7FE00010].value)[frame]
        different = before != self.read(frame)
        return int(np.count_nonzero(different.any(axis=2) if different.ndim == 3 else different))

    def values_of(self, stored: Stored) -> Stored:
        """The numbers that stored words mean: bits outside Bits Stored dropped, sign extended."""
        layout = self.layout
        shift = layout.high + 1 - layout.stored
        if self._native is None or (shift == 0 and layout.stored == layout.allocated):
            return stored
        words = (stored.astype(np.int64) >> shift) & ((1 << layout.stored) - 1)
        sign = 1 << (layout.stored - 1)
        return np.asarray((words ^ sign) - sign if layout.signed else words)

    def _native_view(self) -> Stored | None:
        """Stored words as (frames, rows, columns[, samples]), a view on own bytes; None when they must be decoded."""
        layout = self.layout
        if self._syntax.is_encapsulated or layout.photometric == "YBR_FULL_422":
            return None
        if self._syntax == uid.ExplicitVRBigEndian and layout.allocated == 8 and self._dataset[0x7FE00010].VR == "OW":
            raise InputRefusedError(Reason.UNPARSEABLE, "8-bit pixels in big-endian words cannot be examined")
        content = self._dataset[0x7FE00010].value or b""
        if len(content) < layout.frames * layout.frame_bytes:
            raise InputRefusedError(Reason.TRUNCATED, "the pixel data is shorter than rows, columns and frames need")
        self._bytes = np.frombuffer(content, dtype=np.uint8).copy()
        return self._view(self._bytes)

    def _view(self, content: bytes | Stored) -> Stored:
        layout = self.layout
        order = ">" if self._syntax == uid.ExplicitVRBigEndian else "<"
        count = layout.frames * layout.rows * layout.columns * layout.samples
        words = np.frombuffer(content, dtype=f"{order}{'i' if layout.signed else 'u'}{layout.allocated // 8}", count=count)
        if layout.samples == 1:
            return words.reshape(layout.frames, layout.rows, layout.columns)
        if layout.planar:
            return np.moveaxis(words.reshape(layout.frames, layout.samples, layout.rows, layout.columns), 1, 3)
        return words.reshape(layout.frames, layout.rows, layout.columns, layout.samples)

    def _check_count(self) -> None:
        """Decode all frames once, so that frames behind the declared ones do not pass unseen."""
        count = sum(1 for _ in self._decoded_all())
        if count != self.layout.frames:
            raise InputRefusedError(Reason.UNPARSEABLE, "the pixel data holds another number of frames than the header says")

    def _decoded_all(self) -> Iterator[Stored]:
        try:
            with reading.quietly():
                for values, about in get_decoder(self._syntax).iter_array(self._dataset, raw=True):
                    self.photometric = _decoded_as(str(about["photometric_interpretation"]))
                    yield values
        except (*reading.PARSE_ERRORS, RuntimeError) as error:
            raise _undecodable(error) from None

    def _decoded(self, frame: int) -> Stored:
        try:
            with reading.quietly():
                values, about = get_decoder(self._syntax).as_array(self._dataset, index=frame, raw=True)
        except (*reading.PARSE_ERRORS, RuntimeError) as error:
            raise _undecodable(error) from None
        self.photometric = _decoded_as(str(about["photometric_interpretation"]))
        return values

    def _store_decoded(self) -> None:
        dataset, layout = self._dataset, self.layout
        before = len(dataset.PixelData)
        content = bytearray()
        for frame in range(layout.frames):
            content += np.ascontiguousarray(self.read(frame)).astype(f"<{'i' if layout.signed else 'u'}{layout.allocated // 8}").tobytes()
        self._state_loss(before, len(content))
        content += b"\x00" * (len(content) % 2)
        for keyword in ("ExtendedOffsetTable", "ExtendedOffsetTableLengths"):
            if keyword in dataset:
                del dataset[keyword]
        dataset.add_new(0x7FE00010, "OW" if layout.allocated > 8 else "OB", bytes(content))
        dataset[0x7FE00010].is_undefined_length = False
        dataset.PhotometricInterpretation = self.photometric
        if layout.samples > 1:
            dataset.PlanarConfiguration = 0
        if self._syntax.is_encapsulated:
            dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian

    def _state_loss(self, before: int, after: int) -> None:
        """Pixels that were ever compressed with loss stay so; the header must go on saying it (PS3.3 C.7.6.1.1.5)."""
        dataset = self._dataset
        if self._syntax in _LOSSY and str(dataset.get("LossyImageCompression", "")) != "01":
            dataset.LossyImageCompression = "01"
            dataset.LossyImageCompressionMethod = _LOSSY[self._syntax]
            dataset.LossyImageCompressionRatio = f"{after / max(before, 1):.3f}"


def _decoded_as(photometric: str) -> str:
    """Decoders fill in the samples that 4:2:2 leaves out."""
    return "YBR_FULL" if photometric == "YBR_FULL_422" else photometric


def _undecodable(error: BaseException) -> InputRefusedError:
    return InputRefusedError(Reason.UNPARSEABLE, f"the pixel data cannot be decoded ({type(error).__name__})")
