"""What has been decided for one patient's files, by the bytes of the elements it was decided for.

An element that is not remembered goes through `anonymizer.element.Element` like any other and is written by pydicom once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_data_element
from pydicom.tag import BaseTag

from anonymizer import pixel_data, reading
from anonymizer.bytewalk.header import PIXEL_DATA, UNDEFINED, Pixels, is_long, uid_text, value_in
from anonymizer.bytewalk.lens import Lens, NotProvenError, file_meta, parsed
from anonymizer.bytewalk.plain import PADDING, Decided, Lines, Plainly, head_and_value, plainly
from anonymizer.bytewalk.remembered import Remembered
from anonymizer.element import Element
from anonymizer.profile import Plan
from anonymizer.receipt import Receipt
from anonymizer.stamp import as_file, stamp
from anonymizer.walk import Walk
from anonymizer.writing import encoded

BytesAt = Callable[[int], bytes | None]
Stamped = tuple[tuple[int, bytes], ...]
_MAX_ELEMENT_BYTES, _MAX_BYTES, _OVERHEAD, _MAX_RECEIPTS, _MAX_DESCRIBED = 1 << 14, 3 << 20, 250, 256, 64
_RESERVED = b"\x00\x00"
_MAX_PLAIN = 128


@dataclass(slots=True)
class Settled:
    """The settled choices of one patient's files of one kind, and everything decided under them.

    `unmatched` counts the files since the last one that was of a pattern.
    """

    walk: Walk
    plan: Plan
    charset: Any
    written_charset: Any
    known: dict[bytes, Decided] = field(default_factory=dict)
    beside: dict[int, Remembered[Decided]] = field(default_factory=dict)
    room: int = _MAX_BYTES
    described: dict[bytes, pixel_data.Described] = field(default_factory=dict)
    stamps: Remembered[Stamped] = field(default_factory=Remembered)
    metas: dict[tuple[bytes, int], tuple[bytes, bytes]] = field(default_factory=dict)
    receipts: dict[tuple[Lines, ...], Receipt] = field(default_factory=dict)
    unmatched: int = 0

    def plainly(self, tag: int, raw: bytes) -> Plainly | None:
        """How elements like this one are decided by the text of their value, where that is enough."""
        return plainly(tag, raw, self.walk, self.plan[tag])

    def decide(self, tag: int, raw: bytes, lens: Lens) -> Decided:
        """The result for a whole element that is not known yet. Raises InputRefusedError."""
        beside = self.beside.get(tag)
        found = beside.find(lens.bytes_at) if beside else None
        if found is not None:
            return found
        lens.watched.forget()
        decided = Decided(*self.applied(lens.source, lens.element(tag), raw))
        if len(raw) <= _MAX_ELEMENT_BYTES:
            self._keep(tag, raw, decided, lens)
        return decided

    def applied(self, source: Dataset, element: DataElement | RawDataElement, raw: bytes) -> tuple[bytes, Lines]:
        """One element through the rules: its bytes in the output and its lines."""
        tag = int(element.tag)
        self.walk.tally = Counter()
        written = Element(self.walk, source, BaseTag(tag), element, (tag,)).applied(self.plan[tag])
        lines = tuple(self.walk.tally.items())
        if written is None or (not tag & 0xFFFF and tag >> 16 > 6):  # group lengths are never written
            return b"", lines
        if written is element and isinstance(written, RawDataElement) and (self.walk.implicit or _is_plain(raw)):
            return raw, lines
        return self.encode(written), lines

    def description(self, bytes_at: BytesAt) -> pixel_data.Described:
        """How the pixels of a data set with these elements lie."""
        describing = b"".join(filter(None, map(bytes_at, pixel_data.DESCRIBING)))
        source = self.described.get(describing)
        if source is None:
            source = pixel_data.Described(parsed(describing, self.walk.implicit, self.charset))
            if len(self.described) < _MAX_DESCRIBED:
                self.described[describing] = source
        return source

    def decide_pixels(self, pixels: Pixels, source: pixel_data.Described) -> tuple[bytes, Lines]:
        """The value of pixel data to write, where `source` says how it lies, and its lines. Raises NotProvenError."""
        known = source.unchanged.get(pixels.head[:-4])
        if known is not None and source.layout is not None and pixel_data.is_only_pixels(pixels.value, source.layout):
            return pixels.value, known
        implicit, length = self.walk.implicit, UNDEFINED if pixels.encapsulated else len(pixels.value)
        vr = None if implicit else pixels.head[4:6].decode()
        with reading.quietly():
            element = RawDataElement(BaseTag(PIXEL_DATA), vr, length, pixels.value, 0, implicit, True)
            written, lines = self._pixels_applied(element, source)
        if written is pixels.value and not pixels.encapsulated:
            source.unchanged[pixels.head[:-4]] = lines
        return written, lines

    def _pixels_applied(self, pixels: RawDataElement, source: pixel_data.Described) -> tuple[bytes, Lines]:
        source[pixels.tag] = pixels
        try:
            if pixel_data.pixel_verdict(source) is not None:
                raise NotProvenError
            self.walk.tally = Counter()
            written = Element(self.walk, source, pixels.tag, pixels, (int(pixels.tag),)).applied(self.plan[int(pixels.tag)])
        finally:
            del source[pixels.tag]
        if not isinstance(written, RawDataElement) or written.VR != pixels.VR or not written.value:
            raise NotProvenError
        return written.value, tuple(self.walk.tally.items())

    def encode(self, element: DataElement | RawDataElement) -> bytes:
        """An element as pydicom writes it."""
        plain = _plain_bytes(element, implicit=self.walk.implicit)
        if plain is not None:
            return plain
        buffer = DicomBytesIO()
        buffer.is_implicit_VR, buffer.is_little_endian = self.walk.implicit, True
        write_data_element(buffer, element, self.written_charset)
        return bytes(buffer.getvalue())

    def stamped(self, bytes_at: BytesAt, tags: list[int], outs: list[bytes]) -> Stamped:
        """What the stamp adds (bytes) and takes away (no bytes) in a data set that has these elements; no bytes: gone."""
        found = self.stamps.find(bytes_at)
        if found is None:
            lens = Lens({tag: out for tag, out in zip(tags, outs, strict=True) if out}, self.walk.implicit, self.charset)
            stamp(lens.source, self.walk.profile)
            found = tuple(sorted((tag, self._stamp_bytes(now)) for tag, now in lens.watched.changes()))
            self.stamps.keep(lens.watched, bytes_at, found)
        return found

    def _stamp_bytes(self, element: DataElement | RawDataElement | None) -> bytes:
        return b"" if element is None else self.encode(element)

    def meta(self, original: Mapping[int, bytes], sop_class: bytes, instance: bytes) -> bytes:
        """Preamble and file meta of an output whose SOP class and instance elements are these, `original` the input's file meta.

        Raises NotProvenError.
        """
        uid = plain_uid(instance, implicit=self.walk.implicit)
        at = sop_class, len(uid)
        if at not in self.metas:
            self.metas[at] = self._meta_around(original, sop_class, instance, "9" * len(uid))
        before, after = self.metas[at]
        return before + uid.encode() + after

    def _meta_around(self, original: Mapping[int, bytes], sop_class: bytes, instance: bytes, stand_in: str) -> tuple[bytes, bytes]:
        clean = parsed(sop_class + instance, self.walk.implicit, self.charset)
        clean.SOPInstanceUID = stand_in
        source = parsed(b"", self.walk.implicit, self.charset)
        source.file_meta = file_meta(original)
        content = encoded(as_file(clean, source))
        content = content[: 144 + int.from_bytes(content[140:144], "little")]
        before, found, after = content.partition(stand_in.encode())
        if not found or stand_in.encode() in after or len(stand_in) < 8:
            raise NotProvenError
        return before, after

    def receipt(self, lines: tuple[Lines, ...]) -> Receipt:
        """The account of a file with these lines."""
        if lines not in self.receipts:
            if len(self.receipts) >= _MAX_RECEIPTS:
                self.receipts.clear()
            self.walk.tally = Counter()
            for some in lines:
                self.walk.tally.update(dict(some))
            self.receipts[lines] = self.walk.receipt()
        return self.receipts[lines]

    def _keep(self, tag: int, raw: bytes, decided: Decided, lens: Lens) -> None:
        self.room -= len(raw) + len(decided.out) + _OVERHEAD
        if self.room < 0:
            self.known.clear()
            self.beside.clear()
            self.room = _MAX_BYTES
        if lens.watched.all_seen or lens.watched.seen - {tag}:
            lens.watched.seen.add(tag)
            self.beside.setdefault(tag, Remembered()).keep(lens.watched, lens.bytes_at, decided)
        else:
            self.known[raw] = decided


def plain_uid(raw: bytes, *, implicit: bool) -> str:
    """The UID of a whole element that is written in the one proper way. Raises NotProvenError."""
    value = value_in(raw, implicit=implicit)
    text = uid_text(value)
    if text is None or len(value) % 2 or value.endswith(_RESERVED[:1]) != bool(len(text) % 2):
        raise NotProvenError
    return text


def _plain_bytes(element: DataElement | RawDataElement, *, implicit: bool) -> bytes | None:
    """A UID, date or time of one value as pydicom writes it, at a tenth of its price; None for anything else."""
    vr, value = element.VR or "", element.value
    if vr not in PADDING or not isinstance(value, str) or not 0 < len(value) < _MAX_PLAIN or not value.isascii():
        return None
    return head_and_value(int(element.tag), vr, value, implicit=implicit)


def _is_plain(raw: bytes) -> bool:
    """Whether pydicom would write the head of an explicit element as it stands: reserved bytes are zero."""
    return not is_long(raw) or raw[6:8] == _RESERVED
