"""A parcel under its patient's own identity again: what a PACS needs to file results under the study that they belong to.

Only for a caller that has logged the use (`pipelines.exchange.reidentify.logged`). An object comes back whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO

from pydicom import Dataset, dcmread

from anonymizer import reading
from anonymizer.errors import InputRefusedError
from anonymizer.vault import UnmappedError, Vault, restored
from anonymizer.writing import encoded
from cad.errors import Refusal
from cad.write.dicom_made import derived_uid
from pipelines.exchange.parcels import Parcel, packed

_OWN = ("SOPInstanceUID", "SeriesInstanceUID")


@dataclass(frozen=True, slots=True, eq=False)
class LeadingBack:
    """The way back for the objects of one OUT. `own` are the UIDs that these objects have themselves."""

    vault: Vault
    own: frozenset[str]

    def __call__(self, parcel: Parcel) -> Parcel | Refusal:
        """The same object with original names, numbers, UIDs and dates; a Refusal naming what the vault does not know.

        Its own UIDs, and references to them, become others: a receiver of both forms must not take one for the other.
        """
        try:
            with reading.quietly():
                identified = restored(parcel.dataset(), self.vault, self.own)
                _renamed(identified, self.own)
                identified.file_meta.MediaStorageSOPInstanceUID = identified.SOPInstanceUID
                return packed(parcel.case, parcel.name, encoded(identified))
        except UnmappedError as error:
            return Refusal(f"{parcel.case}/{parcel.name}", error.unmapped[0].reason, error.problem)
        except InputRefusedError as error:
            return Refusal(f"{parcel.case}/{parcel.name}", error.reason, error.detail)


def own_uids(parcel: Parcel) -> frozenset[str]:
    """The UIDs under which an object and its series are known."""
    head = dcmread(BytesIO(parcel.data), stop_before_pixels=True, specific_tags=list(_OWN))
    return frozenset(str(head[keyword].value) for keyword in _OWN if keyword in head)


def _renamed(dataset: Dataset, own: frozenset[str]) -> None:
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value or ():
                _renamed(item, own)
        elif element.VR == "UI" and str(element.value) in own:
            element.value = derived_uid(str(element.value), "identified")
