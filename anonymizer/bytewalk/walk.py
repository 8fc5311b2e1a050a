"""One file through the fast way: parse, recognise, and put together what is already decided.

`cleaned` gives exactly what `anonymizer.deidentify` and `anonymizer.writing` give for the same file, or None where that is
not proven; it never refuses a file, for a refusal is the slow way's to say.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from pydicom.charset import default_encoding

from anonymizer import reading
from anonymizer.bytewalk.header import CHARACTER_SET, PIXEL_DATA, SOP_CLASS, UNDEFINED, Header, Pixels, header_of, is_sequence
from anonymizer.bytewalk.lens import Lens, NotProvenError, file_meta
from anonymizer.bytewalk.pattern import SOP_INSTANCE, Matched, Pattern, pattern_of
from anonymizer.bytewalk.plain import Lines
from anonymizer.bytewalk.remembered import Remembered
from anonymizer.bytewalk.settled import BytesAt, Settled, Stamped, plain_uid
from anonymizer.clean import Clean, EntriesOf
from anonymizer.deidentify import SERIES_UID, verdict_on_file, walk_for
from anonymizer.errors import InputRefusedError
from anonymizer.identity import STUDY_UID
from anonymizer.key import ProjectKey
from anonymizer.pixel_data import Described
from anonymizer.profile import ON_PIXELS, Profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.reading import Source
from anonymizer.rules import dictionary_vrs

if TYPE_CHECKING:
    from anonymizer.vault import Entry

_MAX_SETTLED, _MAX_PATTERNS = 32, 8
_FRAGMENTS_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_NOT_MINE = (NotProvenError, InputRefusedError, *reading.PARSE_ERRORS)


def cleaned(source: Source, key: ProjectKey, profile: Profile, vault: EntriesOf | None = None) -> Clean | None:
    """An open file de-identified, or None where the slow way must look at it. Raises InputRefusedError when the disk refuses.

    `vault` makes the entries of the result out of the original data set.
    """
    if profile.options & ON_PIXELS:
        return None
    of = _matched(source, _patterns(key, profile))
    if of is not None:
        return _proven(lambda: _cleaned_by_pattern(*of, key, vault))
    header = header_of(source)
    if header is None or header.pixels is None:
        return None
    with reading.quietly():
        return _proven(lambda: _cleaned(header, key, profile, vault))


def _matched(source: Source, patterns: deque[Pattern]) -> tuple[Pattern, Matched] | None:
    for pattern in patterns:
        matched = pattern.match(source)
        if matched is not None:
            pattern.settled.unmatched = 0
            if pattern is not patterns[0]:
                patterns.remove(pattern)
                patterns.appendleft(pattern)
            return pattern, matched
    return None


def _proven(make: Callable[[], Clean | None]) -> Clean | None:
    try:
        return make()
    except _NOT_MINE:
        return None


def identity_of(source: Source, key: ProjectKey, profile: Profile) -> tuple[str, str] | None:
    """The pseudonymous UIDs of study and series of a file that passes, from its header; None where the slow way must look."""
    header = header_of(source, with_pixels=False)
    if header is None:
        return None
    try:
        lens = Lens(dict(zip(header.tags, header.raws, strict=True)), header.implicit)
        if not _memory(key, profile, header.syntax, header.meta_key()).passes(header, lens, profile):
            return None
        return _pseudonym(header, lens.bytes_at, STUDY_UID, key), _pseudonym(header, lens.bytes_at, SERIES_UID, key)
    except _NOT_MINE:
        return None


def _cleaned(header: Header, key: ProjectKey, profile: Profile, vault: EntriesOf | None) -> Clean | None:
    raws = dict(zip(header.tags, header.raws, strict=True))
    lens = Lens(raws, header.implicit)
    bytes_at = lens.bytes_at
    memory = _memory(key, profile, header.syntax, header.meta_key())
    if not memory.passes(header, lens, profile):
        return None
    settled = memory.settled_for(header, key, profile)
    known = settled.known
    decided = [known.get(raw) or settled.decide(tag, raw, lens) for tag, raw in zip(header.tags, header.raws, strict=True)]
    pixels, pixel_lines = _pixels(header.pixels, settled, settled.description(bytes_at))
    lines = (*[one.lines for one in decided if one.lines], pixel_lines)
    tags, outs = list(header.tags), [one.out for one in decided]
    written: BytesAt = dict(zip(tags, outs, strict=True)).get
    _stamp(settled.stamped(written, tags, outs), tags, outs)
    at = bisect_left(tags, PIXEL_DATA)
    meta = settled.meta(header.meta, written(SOP_CLASS) or b"", written(SOP_INSTANCE) or b"")
    clean = Clean(
        pieces=(b"".join((meta, *outs[:at], pixels[0])), pixels[1], b"".join((pixels[2], *outs[at:]))),
        receipt=settled.receipt(lines),
        study=_pseudonym(header, bytes_at, STUDY_UID, key),
        series=_pseudonym(header, bytes_at, SERIES_UID, key),
        place="/".join(plain_uid(written(tag) or b"", implicit=header.implicit) for tag in (STUDY_UID, SERIES_UID)),
        entries=_entries(raws, header.implicit, key, vault) if vault else (),
    )
    memory.learn(header, lens, settled, clean, _patterns(key, profile))
    return clean


def _cleaned_by_pattern(pattern: Pattern, matched: Matched, key: ProjectKey, vault: EntriesOf | None) -> Clean:
    settled, implicit, written, like = pattern.settled, pattern.header.implicit, pattern.written, pattern.like
    plain_uid(dict(zip(pattern.varying, matched.raws, strict=True)).get(SOP_INSTANCE) or pattern.raws[SOP_INSTANCE], implicit=implicit)
    decided = pattern.decided(matched)
    pixels, pixel_lines = _pixels(matched.pixels, settled, pattern.description)
    instance = dict(zip(pattern.varying, decided, strict=True)).get(SOP_INSTANCE)
    meta = settled.meta(pattern.header.meta, written[SOP_CLASS], instance.out if instance else written[SOP_INSTANCE])
    return Clean(
        pieces=(b"".join((meta, *pattern.output(decided), pixels[0])), pixels[1], pixels[2] + pattern.tail),
        receipt=pattern.receipt(decided, pixel_lines),
        study=like.study,
        series=like.series,
        place=like.place,
        entries=_entries(pattern.all_raws(matched), implicit, key, vault) if vault else (),
    )


def _entries(raws: Mapping[int, bytes], implicit: bool, key: ProjectKey, vault: EntriesOf) -> tuple[Entry, ...]:
    """What the vault makes of the original without the elements that no vault asks for."""
    from anonymizer.vault.entries import ENTRY_TAGS

    asked = {CHARACTER_SET, *ENTRY_TAGS}
    with reading.quietly():
        return vault(Lens({tag: raw for tag, raw in raws.items() if tag in asked or _holds_uids(tag, raw, implicit)}, implicit).source, key)


def _holds_uids(tag: int, raw: bytes, implicit: bool) -> bool:
    stated = not implicit and raw[4:6] == b"UI"
    return stated or "UI" in dictionary_vrs(tag) or is_sequence(tag, raw, implicit=implicit)


def _pseudonym(header: Header, bytes_at: BytesAt, tag: int, key: ProjectKey) -> str:
    return Pseudonyms(key).uid(plain_uid(bytes_at(tag) or b"", implicit=header.implicit))


def _stamp(stamped: Stamped, tags: list[int], outs: list[bytes]) -> None:
    """Put what the stamp says between the elements, in order."""
    for tag, out in stamped:
        at = bisect_left(tags, tag)
        if tags[at : at + 1] == [tag]:
            outs[at] = out
        else:
            tags.insert(at, tag)
            outs.insert(at, out)


def _pixels(pixels: Pixels | None, settled: Settled, description: Described) -> tuple[tuple[bytes, bytes, bytes], Lines]:
    """Head, value and end of the pixel data as they are written, and their lines."""
    if pixels is None or not pixels.value or len(pixels.value) % 2:
        raise NotProvenError
    written, lines = settled.decide_pixels(pixels, description)
    length = UNDEFINED if pixels.encapsulated else len(written)
    return (pixels.head[:-4] + length.to_bytes(4, "little"), written, _FRAGMENTS_END if pixels.encapsulated else b""), lines


@dataclass(slots=True)
class _Memory:
    """What is remembered for files of one kind: one key, profile and file meta (but for the instance)."""

    passing: Remembered[bool] = field(default_factory=Remembered)
    settled: dict[tuple[tuple[int, bytes], ...], Settled] = field(default_factory=dict)

    def passes(self, header: Header, lens: Lens, profile: Profile) -> bool:
        """Whether a file like this has passed the gate, or passes it now: whichever instance it is, of that nothing hangs."""
        plain_uid(lens.bytes_at(SOP_INSTANCE) or b"", implicit=header.implicit)
        any_instance = _any_instance(header.implicit)

        def bytes_at(tag: int) -> bytes | None:
            return any_instance if tag == SOP_INSTANCE else lens.bytes_at(tag)

        if self.passing.find(bytes_at):
            return True
        with reading.quietly():
            looked = Lens(dict(zip(header.tags, header.raws, strict=True)) | {SOP_INSTANCE: any_instance}, header.implicit)
            looked.source.file_meta = file_meta(header.meta)
            if verdict_on_file(looked.source, profile) is not None:
                return False
        self.passing.keep(looked.watched, bytes_at, True)
        return True

    def learn(self, header: Header, lens: Lens, settled: Settled, clean: Clean, patterns: deque[Pattern]) -> None:
        """Keep a pattern for the files that follow, out of one that was of none; ever more seldom where none is of use."""
        settled.unmatched += 1
        if settled.unmatched & (settled.unmatched - 1):
            return
        before = next((one for one in patterns if one.settled is settled and [*one.raws] == header.tags), None)
        any_instance = _any_instance(header.implicit)
        passed = self.passing.found(lambda tag: any_instance if tag == SOP_INSTANCE else lens.bytes_at(tag))
        pattern = None if passed is None else pattern_of(header, settled, clean, passed[0], before)
        if pattern is not None:
            if before is not None:
                patterns.remove(before)
            patterns.appendleft(pattern)

    def settled_for(self, header: Header, key: ProjectKey, profile: Profile) -> Settled:
        """The settled choices for the patient of a file. Raises NotProvenError where its character set is not plain."""
        told = tuple(header.told)
        if told not in self.settled:
            if len(self.settled) >= _MAX_SETTLED:
                self.settled.clear()
            self.settled[told] = _settled(header, key, profile)
        return self.settled[told]


@lru_cache(maxsize=4)
def _patterns(key: ProjectKey, profile: Profile) -> deque[Pattern]:
    """The patterns that were of use last, the latest first."""
    return deque(maxlen=_MAX_PATTERNS)


@lru_cache(maxsize=16)
def _memory(key: ProjectKey, profile: Profile, syntax: str, meta: tuple[bytes, ...]) -> _Memory:
    """One memory a kind of file. `meta` names the kind: nothing else of the file meta reaches a decision."""
    return _Memory()


def _any_instance(implicit: bool) -> bytes:
    return b"\x08\0\x18\0" + (b"\x08\0\0\0" if implicit else b"UI\x08\0") + b"1.2.3.4\0"


def _settled(header: Header, key: ProjectKey, profile: Profile) -> Settled:
    raws = dict(zip(header.tags, header.raws, strict=True))
    if header.pixels is not None:
        raws[PIXEL_DATA] = header.pixels.head[:-4] + bytes(4)  # who the patient is hangs on whether there are pixels
    lens = Lens(raws, header.implicit)
    lens.source.file_meta = file_meta(header.meta)
    walk = walk_for(lens.source, key, profile)
    written = lens.source.get("SpecificCharacterSet")
    settled = Settled(walk, profile.plan(walk.family, 0), lens.charset, default_encoding if written is None else written)
    raw = lens.bytes_at(CHARACTER_SET)
    if raw is not None and settled.applied(lens.source, lens.source[CHARACTER_SET], raw)[0] != raw:
        raise NotProvenError
    return settled
