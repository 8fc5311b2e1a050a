"""One finished case: `case.json`, `features.json`, reports, `images/` and the DICOM objects in a folder that appears whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cad.finding import Exhibit, Finding
from cad.report import CaseReport
from cad.write import drawing
from cad.write.aorta import aorta_picture, diameter_curve
from cad.write.aorta_course import CUTS, course_picture
from cad.write.canonical import document_bytes
from cad.write.dicom_receiver import USUAL, Receiver
from cad.write.document import case_document
from cad.write.features import features_file
from cad.write.folder import write_folder
from cad.write.html import case_page, paper_style
from cad.write.key_images import case_pictures, image_name
from cad.write.pdf import lacking, pdf_bytes

if TYPE_CHECKING:
    from PIL import Image

    from cad.write.dicom import DicomFiles

IMAGES = "images"


def write_case(report: CaseReport, exhibits: Sequence[Exhibit], folder: Path, receiver: Receiver = USUAL) -> CaseReport:
    """Write one case, replacing `folder` if it is there. `receiver` is who gets the DICOM objects, where the defaults do not suit.

    Returns the report as written: the evidence of each finding names its pictures, and it warns of what the DICOM objects lack.
    Where this machine cannot print (see `cad.write.pdf.lacking`) there is no `report.pdf`. Raises ShokenError when the disk
    refuses, leaving nothing half-written.
    """
    pictures = case_pictures(report.findings, exhibits) | _case_level(exhibits)
    images = {name: drawing.png(picture) for name, picture in pictures.items()}
    curve = diameter_curve([section for exhibit in exhibits for section in exhibit.sections])
    named = replace(report, findings=tuple(_naming(finding, images) for finding in report.findings))
    objects = _dicom(named, exhibits, images, receiver)
    if objects:
        named = replace(named, warnings=(*named.warnings, *objects.warnings))
    files = {f"{IMAGES}/{name}": data for name, data in images.items()}
    files |= {"case.json": document_bytes(case_document(named)), "report.html": case_page(named, images, curve).encode()}
    files |= features_file(named.findings, exhibits, files["case.json"])
    if not lacking(report.lang):
        files["report.pdf"] = pdf_bytes(case_page(named, images, curve, paper=True), pictures, paper_style())
    if objects:
        files |= objects.with_report(files["report.pdf"]) if "report.pdf" in files else objects.files
    write_folder(folder, files)
    return named


def _dicom(report: CaseReport, exhibits: Sequence[Exhibit], images: Mapping[str, bytes], receiver: Receiver) -> DicomFiles | None:
    """The DICOM objects of a case; None where no images are behind it, and then highdicom is not even loaded."""
    if not any(exhibit.image.sources for exhibit in exhibits):
        return None
    from cad.write.dicom import dicom_files

    return dicom_files(report, exhibits, images, receiver)


def _naming(finding: Finding, images: Mapping[str, bytes]) -> Finding:
    prefix = image_name(finding, "").removesuffix(".png")
    names = tuple(f"{IMAGES}/{name}" for name in sorted(images) if name.startswith(prefix))
    return replace(finding, evidence=replace(finding.evidence, images=names))


def _case_level(exhibits: Sequence[Exhibit]) -> dict[str, Image.Image]:
    shown = [exhibit for exhibit in exhibits if exhibit.rank == 0 and exhibit.mask is not None and exhibit.mask.voxels.any()]
    pictures = {f"case-{exhibit.task}.png": aorta_picture(exhibit) for exhibit in shown}
    followed = [exhibit for exhibit in shown if len(exhibit.sections) >= CUTS]
    return pictures | {f"case-{exhibit.task}_course.png": course_picture(exhibit) for exhibit in followed}
