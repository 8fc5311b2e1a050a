"""What the files of a series share, as a few long runs of bytes: a file like the one before is recognised run by run.

A `Pattern` is made of one file that the walk has been through, and of the elements in which files like it have differed.
Between those the bytes must be the same, whole elements of them, so they read the same and what was decided for them holds;
the others are looked at one by one. Anything that a decision rests on lies in the runs, or there is no pattern.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from anonymizer import pixel_data, reading
from anonymizer.bytewalk.header import (
    META_INSTANCE,
    META_LENGTH,
    META_START,
    PIXEL_DATA,
    SOP_CLASS,
    Header,
    Pixels,
    head_of,
    pixels_at,
    varies_freely,
)
from anonymizer.bytewalk.lens import Lens
from anonymizer.bytewalk.plain import Decided, Lines, Plainly
from anonymizer.bytewalk.settled import BytesAt, Settled
from anonymizer.clean import Clean
from anonymizer.deidentify import SERIES_UID
from anonymizer.identity import STUDY_UID
from anonymizer.reading import HEAD_BYTES, Source
from anonymizer.receipt import Receipt

SOP_INSTANCE = 0x00080018
_META_BEGINS, _MAX_VARYING, _MAX_RECEIPTS = 144, 64, 256
_INSTANCE_HEAD = b"\x02\0\x03\0UI"
_RESTED_ON = frozenset({SOP_CLASS, STUDY_UID, SERIES_UID, *pixel_data.DESCRIBING})


class _Step(NamedTuple):
    """A run of bytes, and the first bytes of the element behind it with the way to its end."""

    run: bytes
    head: bytes
    length_in: struct.Struct
    size: int


class Matched(NamedTuple):
    """A file of a pattern: its elements that are not in the runs, and its pixel data."""

    raws: list[bytes]
    pixels: Pixels


@dataclass(slots=True, eq=False)
class Pattern:
    """Files with these tags, and these bytes but for the elements `varying`.

    `header` and `raws` are those of the file that it was made of, without its pixels; `like` what became of that one.
    `written` and `lines` are what becomes of the constant elements and their lines of the receipt; `runs` and `tail` the
    bytes of the output between the varying elements and behind the pixel data. `meta` are the elements of the file meta
    before and behind the instance; `steps` and `last` lead through a data set up to its pixel data. `by_text` decides a varying
    element by the text of its value where that is enough; `description` says how the pixels lie.
    """

    header: Header
    settled: Settled
    like: Clean
    varying: tuple[int, ...]
    raws: Mapping[int, bytes]
    written: Mapping[int, bytes]
    lines: tuple[Lines, ...]
    runs: tuple[bytes, ...]
    tail: bytes
    meta: tuple[bytes, bytes]
    steps: tuple[_Step, ...]
    last: bytes
    by_text: tuple[Plainly | None, ...]
    description: pixel_data.Described
    receipts: dict[tuple[Lines, ...], Receipt] = field(default_factory=dict)

    def match(self, source: Source) -> Matched | None:
        """What is a file's own, when it is of this pattern. Raises InputRefusedError when the disk refuses."""
        content = source.head
        at = self._meta_ends(content)
        if not at:
            return None
        raws: list[bytes] = []
        for run, head, length_in, size in self.steps:
            start = at + len(run)
            value = start + size
            if not content.startswith(run, at) or not content.startswith(head, start) or value > len(content):
                return None
            at = value + length_in.unpack_from(content, start)[0]
            if at > len(content):
                return None
            raws.append(content[start:at])
        if not content.startswith(self.last, at):
            return None
        return self._with_pixels(source, at + len(self.last), raws)

    def _meta_ends(self, content: bytes) -> int:
        """Where the data set begins behind a file meta of this pattern, whatever instance it names; 0 behind any other."""
        stop = _META_BEGINS + int.from_bytes(content[140:144], "little")
        before, after = self.meta
        meta = content[_META_BEGINS:stop]
        instance = meta[len(before) : len(meta) - len(after)]
        known = (
            content[128:140] == META_START
            and stop < len(content)
            and len(meta) >= len(before) + len(after)
            and meta.startswith(before)
            and meta.endswith(after)
            and instance[:6] == _INSTANCE_HEAD
            and int.from_bytes(instance[6:8], "little") == len(instance) - 8
        )
        return stop if known else 0

    def _with_pixels(self, source: Source, at: int, raws: list[bytes]) -> Matched | None:
        assert self.header.pixels is not None  # noqa: S101 - or there is no pattern
        head, _, encapsulated = self.header.pixels
        if source.stretch(at, at + len(head) - 4) != head[:-4]:
            return None
        found = pixels_at(source, at, implicit=self.header.implicit, encapsulated=encapsulated)
        return None if found is None or found[1] != self.header.tail else Matched(raws, found[0])

    def all_raws(self, matched: Matched) -> dict[int, bytes]:
        """Every element of a file of this pattern, by tag."""
        return {**self.raws, **dict(zip(self.varying, matched.raws, strict=True))}

    def decided(self, matched: Matched) -> list[Decided]:
        """What becomes of the varying elements of a file of this pattern. Raises InputRefusedError and NotProvenError."""
        known, lens, decided = self.settled.known, None, list[Decided]()
        for tag, raw, by_text in zip(self.varying, matched.raws, self.by_text, strict=True):
            one = known.get(raw) or (by_text(raw) if by_text else None)
            if one is None:
                lens = lens or Lens(self.all_raws(matched), self.header.implicit, self.settled.charset)
                with reading.quietly():
                    one = self.settled.decide(tag, raw, lens)
            decided.append(one)
        return decided

    def output(self, decided: list[Decided]) -> list[bytes]:
        """The elements before the pixel data as they are written, where these are the varying ones."""
        pieces = [b""] * (2 * len(decided) + 1)
        pieces[::2] = self.runs
        pieces[1::2] = [one.out for one in decided]
        return pieces

    def receipt(self, decided: list[Decided], pixels: Lines) -> Receipt:
        """The account of a file where these are the varying elements."""
        own = (*[one.lines for one in decided], pixels)
        found = self.receipts.get(own)
        if found is None:
            if len(self.receipts) >= _MAX_RECEIPTS:
                self.receipts.clear()
            found = self.receipts[own] = self.settled.receipt((*self.lines, *filter(None, own)))
        return found


def pattern_of(header: Header, settled: Settled, clean: Clean, gate: Collection[int], before: Pattern | None) -> Pattern | None:
    """A pattern out of a file that the walk has been through; None where there is none to be had.

    `gate` are the tags on which its passing rests, `before` the pattern that did not fit it: what varied goes on varying.
    """
    if header.pixels is None or META_INSTANCE not in header.meta or sum(map(len, header.raws)) > HEAD_BYTES:
        return None
    raws = dict(zip(header.tags, header.raws, strict=True))
    varying = _varying(raws, settled, _told_apart(raws, before))
    constant = {tag: one for tag, raw in raws.items() if tag not in varying and (one := _known(tag, raw, settled, raws.get))}
    stamped = settled.stamps.found(lambda tag: _VARIES if tag in varying else constant[tag].out if tag in constant else None)
    if stamped is None or not _may_vary(varying, header, raws):
        return None
    if varying & (_RESTED_ON | set(gate) - {SOP_INSTANCE} | {tag for tag, _ in stamped[1]}):
        return None
    return _laid_out(header, settled, clean, constant, dict(stamped[1]))


_VARIES = b"no element"


def _may_vary(varying: set[int], header: Header, raws: Mapping[int, bytes]) -> bool:
    """Whether a file stays readable in one way, and of the same patient, whatever these elements hold."""
    few = len(varying) <= _MAX_VARYING and header.tags[0] not in varying and max(varying, default=0) < PIXEL_DATA
    return few and all(varies_freely(raws[tag], implicit=header.implicit) for tag in varying)


def _told_apart(raws: Mapping[int, bytes], before: Pattern | None) -> set[int]:
    """The tags in which files like this one have differed."""
    if before is None or before.raws.keys() != raws.keys():
        return set()
    return {tag for tag, raw in raws.items() if before.raws[tag] != raw}.union(before.varying)


def _varying(raws: Mapping[int, bytes], settled: Settled, own: set[int]) -> set[int]:
    """The same and every element whose decision rests on one of them or is not remembered."""
    rests = {tag: _rests_on(tag, raw, settled, raws.get) for tag, raw in raws.items()}
    varying = own | {tag for tag, tags in rests.items() if tags is None}
    while more := {tag for tag, tags in rests.items() if tags and tag not in varying and not varying.isdisjoint(tags)}:
        varying |= more
    return varying


def _rests_on(tag: int, raw: bytes, settled: Settled, bytes_at: BytesAt) -> tuple[int, ...] | None:
    """The other elements that a remembered decision rests on; None when it is not remembered."""
    if raw in settled.known:
        return ()
    found = settled.beside[tag].found(bytes_at) if tag in settled.beside else None
    return None if found is None else found[0]


def _known(tag: int, raw: bytes, settled: Settled, bytes_at: BytesAt) -> Decided | None:
    beside = settled.beside.get(tag)
    return settled.known.get(raw) or (beside.find(bytes_at) if beside else None)


def _laid_out(header: Header, settled: Settled, clean: Clean, constant: Mapping[int, Decided], stamped: dict[int, bytes]) -> Pattern:
    assert header.pixels is not None  # noqa: S101 - seen by `pattern_of`
    raws = dict(zip(header.tags, header.raws, strict=True))
    written = {tag: one.out for tag, one in constant.items()} | stamped
    varying = tuple(tag for tag in header.tags if tag not in constant)
    steps, last = _steps(header, raws, varying)
    runs, out_tags = [], sorted(written)
    for low, high in zip((-1, *varying), (*varying, PIXEL_DATA), strict=True):
        runs.append(b"".join(written[tag] for tag in out_tags[bisect_left(out_tags, low) : bisect_left(out_tags, high)]))
    return Pattern(
        header=replace(header, pixels=header.pixels._replace(value=b"")),
        settled=settled,
        like=replace(clean, pieces=(), entries=()),
        varying=varying,
        raws=raws,
        written=written,
        lines=tuple(one.lines for one in constant.values() if one.lines),
        runs=tuple(runs),
        tail=b"".join(written[tag] for tag in out_tags if tag > PIXEL_DATA),
        meta=_meta_around(header),
        steps=steps,
        last=last,
        by_text=tuple(settled.plainly(tag, raws[tag]) for tag in varying),
        description=settled.description(raws.get),
    )


def _steps(header: Header, raws: Mapping[int, bytes], varying: Collection[int]) -> tuple[tuple[_Step, ...], bytes]:
    steps, run = list[_Step](), list[bytes]()
    for tag, raw in raws.items():
        if tag > PIXEL_DATA:
            break
        if tag in varying:
            steps.append(_Step(b"".join(run), *head_of(raw, implicit=header.implicit)))
            run = []
        else:
            run.append(raw)
    return tuple(steps), b"".join(run)


def _meta_around(header: Header) -> tuple[bytes, bytes]:
    """The elements of the file meta before and behind the instance."""
    before = b"".join(raw for tag, raw in header.meta.items() if META_LENGTH < tag < META_INSTANCE)
    return before, b"".join(raw for tag, raw in header.meta.items() if tag > META_INSTANCE)
