"""What there is to send: the DICOM objects in the case folders of an OUT of `shoken screen`, each with what a receiver must know of it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRLittleEndian

from cad.errors import Refusal, ShokenError
from pipelines.outfolder import OutFolder

_SUFFIX = ".dcm"
# Segmentations and maps before what refers to them, so that a viewer that follows a reference finds its target.
_ORDER = ("seg", "map", "sr", "kos", "pdf")


class ExportError(ShokenError):
    """An export that cannot begin: a target or OUT that is not what it must be, or an extra that is missing."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One object: `name` is its file in the case's folder, `data` the whole file; neither data nor data set shows in a repr."""

    case: str
    name: str
    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """Of the file's bytes."""
        return hashlib.sha256(self.data).hexdigest()

    def dataset(self) -> Dataset:
        """The object, parsed."""
        return dcmread(BytesIO(self.data))

    def decompressed(self) -> Parcel | None:
        """The same object without any compression; None where there is none anyway."""
        syntax, plain = UID(self.transfer_syntax_uid), BytesIO()
        if not syntax.is_encapsulated and not syntax.is_deflated:
            return None
        dataset = self.dataset()
        if syntax.is_encapsulated:
            dataset.decompress(generate_instance_uid=False)
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.save_as(plain, enforce_file_format=True)
        return packed(self.case, self.name, plain.getvalue())


def parcels(out: Path) -> Iterator[Parcel | Refusal]:
    """Every object of every case, by case and then in the order in which a receiver should get them; a damaged one as a Refusal.

    Raises ExportError for a folder that is no OUT of `shoken screen`.
    """
    cases = OutFolder(out).cases
    if not (out / "worklist.json").is_file() or not cases.is_dir():
        raise ExportError("is not what `shoken screen` wrote", subject=f"OUT {out}", accepted="an OUT with worklist.json and cases/")
    for folder in sorted(path for path in cases.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for path in sorted(folder.glob(f"*{_SUFFIX}"), key=_place):
            yield _parcel(path, folder.name)


def packed(case: str, name: str, data: bytes) -> Parcel:
    """A parcel from a file's bytes. Raises InvalidDicomError or AttributeError for what is no DICOM object."""
    head = dcmread(BytesIO(data), stop_before_pixels=True, specific_tags=["SOPClassUID", "SOPInstanceUID"])
    return Parcel(case, name, str(head.SOPClassUID), str(head.SOPInstanceUID), str(head.file_meta.TransferSyntaxUID), data)


def _parcel(path: Path, case: str) -> Parcel | Refusal:
    try:
        return packed(case, path.name, path.read_bytes())
    except (InvalidDicomError, AttributeError, OSError, EOFError, ValueError) as error:
        return Refusal(f"{case}/{path.name}", "unreadable", f"is not a whole DICOM file ({type(error).__name__}); screen the study again")


def _place(path: Path) -> tuple[int, str]:
    kind = path.stem.partition("-")[0]
    return (_ORDER.index(kind) if kind in _ORDER else len(_ORDER)), path.name
