"""The report for people as an Encapsulated PDF (PS3.3 A.45.1)."""

from __future__ import annotations

from highdicom.base import SOPClass
from pydicom.sr.codedict import codes
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from cad.errors import ShokenError
from cad.write.dicom_made import Made, Maker, finished
from cad.write.dicom_source import Source

NUMBER = 9004
TITLE = "Shoken report, research use only"
_MAGIC = b"%PDF-"


def encapsulated_pdf(name: str, pdf: bytes, source: Source, maker: Maker) -> Made:
    """PDF bytes as a DICOM object of the source's study. Raises ShokenError for bytes that are no PDF."""
    if not pdf.startswith(_MAGIC):
        raise ShokenError("is not a PDF", subject=name, accepted="bytes that begin with %PDF-")
    header = source.headers[0]
    made = SOPClass(
        study_instance_uid=header.StudyInstanceUID,
        sop_class_uid=EncapsulatedPDFStorage,
        modality="DOC",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        series_description="Shoken report",
        **maker.start(NUMBER),
        **maker.equipment(),
    )
    made.ConversionType = "WSD"
    made.AcquisitionDateTime = None
    made.BurnedInAnnotation = "NO"  # the pages name pseudonyms only
    made.DocumentTitle = TITLE
    made.ConceptNameCodeSequence = [_title()]
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    made.EncapsulatedDocumentLength = len(pdf)
    made.EncapsulatedDocument = pdf + b"\0" * (len(pdf) % 2)
    return finished(name, made, source, maker)


def _title() -> object:
    from highdicom.sr import CodedConcept

    return CodedConcept.from_code(codes.LN.DiagnosticImagingReport)
