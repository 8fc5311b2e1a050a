"""Reading single elements of a pydicom data set without changing it: raw bytes where possible, values where needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from anonymizer.errors import InputRefusedError
from anonymizer.rules import dictionary_vrs

MAX_DEPTH = 32
UNDEFINED_LENGTH = 0xFFFFFFFF


def charset(dataset: Dataset) -> Any:
    """The Python encodings that the raw values of a data set are in."""
    return dataset.original_character_set or dataset._character_set


def get(dataset: Dataset, tag: int) -> DataElement | RawDataElement | None:
    """An element as it is held, raw or converted; None when absent."""
    key = BaseTag(tag)
    return cast(DataElement | RawDataElement, dataset.get_item(key)) if key in dataset else None


def held(dataset: Dataset) -> list[tuple[BaseTag, DataElement | RawDataElement]]:
    """Every element as it is held, raw or converted, with its tag; nothing is converted by looking."""
    return [(tag, cast(DataElement | RawDataElement, dataset.get_item(tag))) for tag in dataset.keys()]  # noqa: SIM118


def glanced(dataset: Dataset) -> Dataset:
    """The same elements in a data set of its own, to look into: what pydicom converts by looking stays raw in the original."""
    seen = Dataset({tag: dataset.get_item(tag, keep_deferred=True) for tag in dataset.keys()})  # noqa: SIM118
    implicit, little = dataset.original_encoding
    seen.set_original_encoding(implicit, little, charset(dataset))
    if hasattr(dataset, "file_meta"):
        seen.file_meta = dataset.file_meta
    return seen


def converted(dataset: Dataset, element: DataElement | RawDataElement) -> DataElement:
    """The element with a Python value; the data set keeps its own.

    Raises InputRefusedError when the bytes are not a value of their VR; the value is not repeated.
    """
    if isinstance(element, DataElement):
        return element
    try:
        return convert_raw_data_element(element, encoding=charset(dataset), ds=dataset)
    except (ValueError, TypeError, KeyError, NotImplementedError, OverflowError, LookupError, AttributeError, EOFError, RecursionError):
        raise InputRefusedError("unparseable", f"the value of {BaseTag(element.tag)} cannot be read") from None


def text_of(dataset: Dataset, element: DataElement | RawDataElement) -> str:
    """The value as text, several values joined by a backslash; padding stripped. Empty for an empty value."""
    if isinstance(element, RawDataElement):
        raw = element.value or b""
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii").strip(" \x00")
        if element.VR in (None, "UN"):
            element = element._replace(VR=(dictionary_vrs(element.tag) or ("UN",))[0])
    value = converted(dataset, element).value
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("latin-1").strip(" \x00")
    parts = [value] if isinstance(value, str) or not isinstance(value, Sequence) else list(value)
    return "\\".join(str(part) for part in parts).strip(" \x00")


def text_at(dataset: Dataset, tag: int) -> str:
    """The text of one attribute, empty when absent."""
    element = get(dataset, tag)
    return "" if element is None else text_of(dataset, element)


def is_sequence(element: DataElement | RawDataElement) -> bool:
    """Whether the element is a sequence: stated so, or implicit or UN with a tag that is one in the dictionary."""
    if isinstance(element, DataElement) or element.VR not in (None, "UN"):
        return bool(element.VR == "SQ")
    return dictionary_vrs(element.tag) == ("SQ",)


def items_at(dataset: Dataset, tag: BaseTag) -> list[Dataset]:
    """The items of a sequence; none when it is empty.

    Raises InputRefusedError when its bytes are no sequence, and when the items of a sequence are cut short.
    """
    element = get(dataset, tag)
    if isinstance(element, RawDataElement):
        try:
            element = dataset[tag]  # parsed once and kept by pydicom; the value is the same
        except (ValueError, TypeError, KeyError, NotImplementedError, OSError, OverflowError, AttributeError, RecursionError, EOFError):
            raise InputRefusedError("unparseable", f"the sequence {tag} cannot be read") from None
    value = element.value if element is not None else None
    if value is None or isinstance(value, bytes):
        if value:
            raise InputRefusedError("unparseable", f"the sequence {tag} cannot be read")
        return []
    return list(value)


def check_length(element: RawDataElement) -> None:
    """Raise InputRefusedError when fewer bytes were there than the element announced."""
    if element.length != UNDEFINED_LENGTH and len(element.value or b"") < element.length:
        raise InputRefusedError("truncated", f"{BaseTag(element.tag)} announces more bytes than there are")
