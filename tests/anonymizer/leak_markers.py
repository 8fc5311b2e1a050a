"""Every row of table E.1-1 with a marker in it that cannot come about by chance: all rows in one data set, at any depth."""

from __future__ import annotations

import zlib
from datetime import date, timedelta

from deid_factory import ct
from pydicom import uid
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.rules import Rule, dictionary_vrs, standard_rules

DEPTHS = (0, 1, 2, 5)
NUMBERS = ("US", "SS", "UL", "SL", "FL", "FD")


def tag_of(rule: Rule) -> int:
    if rule.pattern == "ODD":
        return 0x00991001
    return int(rule.pattern.replace("50XXXXXX", "50003000").replace("60XX", "6002"), 16)


def vr_of(tag: int) -> str:
    return (dictionary_vrs(tag) or ("LO",))[0]


def marker(number: int, depth: int) -> str:
    return f"ZQ{number:04d}D{depth}W"


def value_for(vr: str, number: int, depth: int) -> object:
    """A value of the VR that cannot come about by chance."""
    plain = {
        "DA": (date(2031, 1, 1) + timedelta(days=5 * number + depth)).strftime("%Y%m%d"),
        "DT": f"2047{number % 12 + 1:02d}{depth + 10}{number % 10:02d}5959.{number:04d}{depth}",
        "TM": f"{number % 24:02d}{depth:02d}59.{number:04d}9",
        "UI": f"1.2.826.0.1.999.{number}.{depth}.3",
        "IS": f"77{number:04d}{depth}",
        "DS": f"{number}.{depth}375",
        "AS": f"{number % 100:03d}Y",
    }
    if vr == "SQ":
        item = Dataset()
        item.ReferencedSOPInstanceUID = f"1.2.826.0.1.999.{number}.{depth}.3"
        return Sequence([item])
    if vr in NUMBERS:
        return 4000 + number
    return plain.get(vr, b"\x01\x02" + marker(number, depth).encode() + b"\0" if vr in ("OB", "OW", "UN") else marker(number, depth))


def marked(depth: int) -> Dataset:
    """All rows in one data set at a depth, on top of a CT slice."""
    image = ct()
    target = image
    for _ in range(depth):
        inner = Dataset()
        target.add(DataElement(0x00082218, "SQ", Sequence([inner])))  # Anatomic Region Sequence: not in the table
        target = inner
    for number, rule in enumerate(standard_rules()):
        tag = tag_of(rule)
        if tag >> 16 not in (0, 2):
            target.add(DataElement(tag, vr_of(tag), value_for(vr_of(tag), number, depth)))
    image.SOPClassUID = uid.CTImageStorage
    return image


def innermost(image: Dataset, depth: int) -> Dataset:
    for _ in range(depth):
        image = image[0x00082218].value[0]
    return image


def plain_bytes(content: bytes, syntax: uid.UID) -> bytes:
    if syntax != uid.DeflatedExplicitVRLittleEndian:
        return content
    start = 144 + int.from_bytes(content[140:144], "little")
    return content[:start] + zlib.decompress(content[start:], -zlib.MAX_WBITS)


def sought(rule: Rule, number: int, depth: int) -> bytes | None:
    """The bytes of a row's marker as a little-endian file holds them; None for numbers and ages, too short to be told apart."""
    vr = vr_of(tag_of(rule))
    if vr in NUMBERS or vr == "AS" or tag_of(rule) >> 16 in (0, 2):
        return None
    value = value_for("UI" if vr == "SQ" else vr, number, depth)
    return value if isinstance(value, bytes) else str(value).encode()


def leaks_in(content: bytes, depth: int) -> list[Rule]:
    """The rows whose marker is in these bytes."""
    rows = enumerate(standard_rules())
    return [rule for number, rule in rows if (marker := sought(rule, number, depth)) is not None and marker in content]
