"""One file through the fast way: parse, recognise, and put together what is already decided.

`cleaned` gives exactly what `anonymizer.deidentify` and `anonymizer.writing` give for the same file, or None where that is
not proven; it never refuses a file, for a refusal is the slow way's to say.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from pydicom.charset import default_encoding
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from anonymizer import pixel_data, reading
from anonymizer.bytewalk.header import CHARACTER_SET, PIXEL_DATA, UNDEFINED, Header, header_of, is_sequence
from anonymizer.bytewalk.lens import Lens, NotProvenError, file_meta
from anonymizer.bytewalk.remembered import Remembered
from anonymizer.bytewalk.settled import Lines, Settled, Stamped, plain_uid
from anonymizer.clean import Clean, EntriesOf
from anonymizer.deidentify import SERIES_UID, verdict_on_file, walk_for
from anonymizer.errors import InputRefusedError
from anonymizer.identity import STUDY_UID
from anonymizer.key import ProjectKey
from anonymizer.profile import Option, Profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.reading import Source
from anonymizer.rules import dictionary_vrs

_SOP_CLASS, _SOP_INSTANCE = 0x00080016, 0x00080018
_PIXEL_OPTIONS = frozenset({Option.CLEAN_PIXEL_DATA, Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES})
_MAX_SETTLED = 32
_FRAGMENTS_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
_NOT_MINE = (NotProvenError, InputRefusedError, *reading.PARSE_ERRORS)
BytesAt = Callable[[int], bytes | None]


def cleaned(source: Source, key: ProjectKey, profile: Profile, vault: EntriesOf | None = None) -> Clean | None:
    """An open file de-identified, or None where the slow way must look at it. Raises InputRefusedError when the disk refuses.

    `vault` makes the entries of the result out of the original data set.
    """
    if profile.options & _PIXEL_OPTIONS:
        return None
    header = header_of(source)
    if header is None or header.pixels is None:
        return None
    try:
        with reading.quietly():
            return _cleaned(header, key, profile, vault)
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
    lens = Lens(dict(zip(header.tags, header.raws, strict=True)), header.implicit)
    bytes_at = lens.bytes_at
    memory = _memory(key, profile, header.syntax, header.meta_key())
    if not memory.passes(header, lens, profile):
        return None
    settled = memory.settled_for(header, key, profile)
    known = settled.known
    decided = [known.get(raw) or settled.decide(tag, raw, lens) for tag, raw in zip(header.tags, header.raws, strict=True)]
    pixels, pixel_lines = _pixels(header, settled, bytes_at)
    lines = (*[one.lines for one in decided if one.lines], pixel_lines)
    tags, outs = list(header.tags), [one.out for one in decided]
    written: BytesAt = dict(zip(tags, outs, strict=True)).get
    _stamp(settled.stamped(written, tags, outs), tags, outs)
    at = bisect_left(tags, PIXEL_DATA)
    meta = settled.meta(header, written(_SOP_CLASS) or b"", written(_SOP_INSTANCE) or b"")
    return Clean(
        pieces=(b"".join((meta, *outs[:at], pixels[0])), pixels[1], b"".join((pixels[2], *outs[at:]))),
        receipt=settled.receipt(lines),
        study=_pseudonym(header, bytes_at, STUDY_UID, key),
        series=_pseudonym(header, bytes_at, SERIES_UID, key),
        place="/".join(plain_uid(written(tag) or b"", implicit=header.implicit) for tag in (STUDY_UID, SERIES_UID)),
        entries=vault(_for_vault(header), key) if vault else (),
    )


def _for_vault(header: Header) -> Dataset:
    """The original without the elements that no vault asks for."""
    from anonymizer.vault.entries import ENTRY_TAGS

    asked, implicit = {CHARACTER_SET, *ENTRY_TAGS}, header.implicit
    raws = zip(header.tags, header.raws, strict=True)
    return Lens({tag: raw for tag, raw in raws if tag in asked or _holds_uids(tag, raw, implicit)}, implicit).source


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


def _pixels(header: Header, settled: Settled, bytes_at: BytesAt) -> tuple[tuple[bytes, bytes, bytes], Lines]:
    """Head, value and end of the pixel data as they are written, and their lines."""
    if header.pixels is None or not header.pixels.value or len(header.pixels.value) % 2:
        raise NotProvenError
    head, value, encapsulated = header.pixels
    vr = None if header.implicit else head[4:6].decode()
    element = RawDataElement(BaseTag(PIXEL_DATA), vr, UNDEFINED if encapsulated else len(value), value, 0, header.implicit, True)
    written, lines = settled.decide_pixels(element, b"".join(filter(None, map(bytes_at, pixel_data.DESCRIBING))))
    length = UNDEFINED if encapsulated else len(written)
    return (head[:-4] + length.to_bytes(4, "little"), written, _FRAGMENTS_END if encapsulated else b""), lines


@dataclass(slots=True)
class _Memory:
    """What is remembered for files of one kind: one key, profile and file meta (but for the instance)."""

    passing: Remembered[bool] = field(default_factory=Remembered)
    settled: dict[tuple[tuple[int, bytes], ...], Settled] = field(default_factory=dict)

    def passes(self, header: Header, lens: Lens, profile: Profile) -> bool:
        """Whether a file like this has passed the gate, or passes it now: whichever instance it is, of that nothing hangs."""
        plain_uid(lens.bytes_at(_SOP_INSTANCE) or b"", implicit=header.implicit)
        any_instance = _any_instance(header.implicit)

        def bytes_at(tag: int) -> bytes | None:
            return any_instance if tag == _SOP_INSTANCE else lens.bytes_at(tag)

        if self.passing.find(bytes_at):
            return True
        with reading.quietly():
            looked = Lens(dict(zip(header.tags, header.raws, strict=True)) | {_SOP_INSTANCE: any_instance}, header.implicit)
            looked.source.file_meta = file_meta(header.meta)
            if verdict_on_file(looked.source, profile) is not None:
                return False
        self.passing.keep(looked.watched, bytes_at, True)
        return True

    def settled_for(self, header: Header, key: ProjectKey, profile: Profile) -> Settled:
        """The settled choices for the patient of a file. Raises NotProvenError where its character set is not plain."""
        told = tuple(header.told)
        if told not in self.settled:
            if len(self.settled) >= _MAX_SETTLED:
                self.settled.clear()
            self.settled[told] = _settled(header, key, profile)
        return self.settled[told]


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
