"""A header as a pydicom data set that is parsed where it is looked at, and knows where that was."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from io import BytesIO
from typing import Any

from pydicom.charset import default_encoding
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from anonymizer import elements
from anonymizer.bytewalk.header import CHARACTER_SET, is_sequence, value_in
from anonymizer.bytewalk.remembered import Watched


class NotProvenError(Exception):
    """Something whose one reading is not certain; the slow way decides the file."""


class Lens:
    """Looks at the elements of a header, given as whole elements by tag. `source` is the data set, `watched` its record."""

    def __init__(self, raws: Mapping[int, bytes], implicit: bool, charset: Any = None) -> None:
        self.bytes_at: Callable[[int], bytes | None] = raws.get
        self._implicit = implicit
        self.charset = _charset(raws.get(CHARACTER_SET), implicit) if charset is None else charset
        self.watched = Watched(raws, self._element)
        self.source = Dataset(self.watched, parent_encoding=self.charset)
        self.source.set_original_encoding(implicit, True, self.charset)

    def element(self, tag: int) -> DataElement | RawDataElement:
        """One element as the walk through a data set meets it: a sequence is parsed, all else is raw. Raises NotProvenError."""
        raw = self.bytes_at(tag)
        plain = None if raw is None else self._raw(tag, raw)
        if plain is not None:
            return plain
        element: DataElement | RawDataElement | None = self.watched.get(BaseTag(tag))
        if element is None or element.value is None:
            element = elements.get(self.source, tag)
        if element is None:
            raise NotProvenError
        if elements.is_sequence(element):
            elements.items_at(self.source, BaseTag(tag))
            element = elements.get(self.source, tag) or element
        return element

    def _element(self, tag: int, raw: bytes) -> DataElement | RawDataElement:
        plain = self._raw(tag, raw)
        if plain is not None:
            return plain
        alone = parsed(raw, self._implicit, self.charset)
        if len(alone) != 1:
            raise NotProvenError
        return alone.get_item(tag, keep_deferred=True)

    def _raw(self, tag: int, raw: bytes) -> RawDataElement | None:
        """An element that holds something and is no sequence, as it stands."""
        value = value_in(raw, implicit=self._implicit)
        if not value or is_sequence(tag, raw, implicit=self._implicit):
            return None
        vr = None if self._implicit else raw[4:6].decode()
        return RawDataElement(BaseTag(tag), vr, len(value), value, 0, self._implicit, True)


def parsed(content: bytes, implicit: bool, charset: Any = default_encoding) -> Dataset:
    """Whole elements as pydicom reads them. Raises NotProvenError when it stops before their end."""
    file = BytesIO(content)
    dataset = read_dataset(file, implicit, True, parent_encoding=charset)
    if file.tell() != len(content):
        raise NotProvenError
    return dataset


def file_meta(meta: Mapping[int, bytes]) -> FileMetaDataset:
    """The file meta as pydicom reads it."""
    return FileMetaDataset(parsed(b"".join(meta.values()), implicit=False))


@lru_cache(maxsize=64)
def _charset(raw: bytes | None, implicit: bool) -> Any:
    return parsed(raw, implicit).original_character_set if raw else default_encoding
