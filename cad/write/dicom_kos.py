"""The key images of a case as a Key Object Selection document (PS3.3 A.35.4, PS3.16 TID 2010)."""

from __future__ import annotations

from collections.abc import Sequence

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from pydicom import Dataset
from pydicom.sr.codedict import codes

from cad.finding import Finding
from cad.write.dicom_made import MANUFACTURER, Made, Maker, finished
from cad.write.dicom_source import Source

NUMBER = 9003


def key_objects(name: str, findings: Sequence[Finding], sources: Sequence[Source], outlines: Sequence[Made], maker: Maker) -> Made | None:
    """The slices that findings name as their evidence, best finding first, then the outlines; None where no slice is named."""
    by_uid = {str(header.SOPInstanceUID): header for source in sources for header in source.headers}
    wanted = dict.fromkeys(uid for finding in findings for uid in finding.evidence.key_slices if uid in by_uid)
    if not wanted:
        return None
    chosen: list[Dataset] = [*(by_uid[uid] for uid in wanted), *(outline.dataset for outline in outlines)]
    content = KeyObjectSelection(
        document_title=codes.DCM.OfInterest,
        referenced_objects=chosen,
        description=f"Key images of {len(findings)} findings by Shoken, research use only",
    )
    arguments = maker.start(NUMBER)
    made = KeyObjectSelectionDocument(
        evidence=chosen, content=content, manufacturer=MANUFACTURER, series_description="Shoken key images", **arguments
    )
    return finished(name, made, sources[0], maker)
