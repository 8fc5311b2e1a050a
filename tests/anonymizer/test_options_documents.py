"""Encapsulated PDF: only a searched, text-only document passes, under Clean Structured Content, and it is written anew."""

from __future__ import annotations

import logging
import sys

import pytest
from deid_factory import KEY, ct, decode, encode
from pydicom import uid
from pydicom.dataset import Dataset

from anonymizer.deidentify import deidentify
from anonymizer.documents import document_fault
from anonymizer.echo import Identity, echo_of
from anonymizer.errors import InputRefusedError
from anonymizer.files import encoded
from anonymizer.gate import Reason, verdict_on
from anonymizer.profile import Option, basic_profile

pytest.importorskip("pypdf")
READS = basic_profile(Option.CLEAN_STRUCTURED_CONTENT)
PLAIN = "BT /F1 12 Tf 72 700 Td (Follow-up of a nodule of 12 mm.) Tj ET"
FONT = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>"


def pdf(
    stream: str = PLAIN,
    *,
    root: str = "",
    page: str = "",
    resources: str = "",
    font: str = FONT,
    info: str = "/Title (Report of Winterbourne) /CreationDate (D:20240229)",
) -> bytes:
    """A one-page document; keyword arguments add raw dictionary entries."""
    objects = [
        f"<< /Type /Catalog /Pages 2 0 R {root} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        f"/Resources << /Font << /F1 5 0 R >> {resources} >> {page} >>",
        f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        font,
        f"<< {info} >>",
    ]
    body, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n".encode("latin-1")
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    trailer = f"trailer << /Size {len(objects) + 1} /Root 1 0 R /Info 6 0 R >>\nstartxref\n{len(body)}\n%%EOF\n"
    return body + f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}{trailer}".encode("latin-1")


def encapsulated(document: bytes) -> Dataset:
    image = ct(SOPClassUID=uid.EncapsulatedPDFStorage, Modality="DOC")
    for keyword in ("Rows", "Columns", "PixelData"):
        delattr(image, keyword)
    image.BurnedInAnnotation, image.MIMETypeOfEncapsulatedDocument = "NO", "application/pdf"
    image.DocumentTitle = "Report of Ariadne Winterbourne"
    image.EncapsulatedDocument = document + b"\x00" * (len(document) % 2)
    return image


def test_a_text_without_anything_personal_passes_and_is_written_anew() -> None:
    result = encoded(deidentify(decode(encode(encapsulated(pdf()))), KEY, READS)[0])
    assert b"Winterbourne" not in result
    assert b"20240229" not in result
    clean = decode(result)
    assert clean.DocumentTitle == "Report of"
    assert document_fault(clean.EncapsulatedDocument.rstrip(b"\0"), echo_of(Identity())) == ""
    from io import BytesIO

    from pypdf import PdfReader

    assert PdfReader(BytesIO(clean.EncapsulatedDocument)).pages[0].extract_text() == "Follow-up of a nodule of 12 mm."
    again = encoded(deidentify(decode(encode(encapsulated(pdf()))), KEY, READS)[0])
    assert again == result


def text(words: str) -> str:
    return f"BT /F1 12 Tf 72 700 Td ({words}) Tj ET"


REFUSED = {
    "the patient's name": {"stream": text("Nodule in Winterbourne")},
    "the name letter by letter": {"stream": "BT /F1 12 Tf 72 700 Td [(Win) 20 (ter) -10 (bourne)] TJ ET"},
    "a date": {"stream": text("seen on 12/03/2024")},
    "a telephone number": {"stream": text("call +44 20 7946 0958")},
    "an age": {"stream": text("a man of 93 years")},
    "no text": {"stream": "0 0 100 100 re f"},
    "a curve": {"stream": PLAIN + " 0 0 m 1 1 2 2 3 3 c S"},
    "an inline picture": {"stream": PLAIN + " BI /W 1 /H 1 /BPC 8 /CS /G ID x EI"},
    "a picture": {"resources": "/XObject << /Im1 4 0 R >>", "stream": PLAIN + " /Im1 Do"},
    "marked content": {"stream": "/Span << /ActualText (Winterbourne) >> BDC " + PLAIN + " EMC"},
    "drawings": {"stream": PLAIN + " 0 0 m" + " 1 1 l" * 600 + " S"},
    "an annotation": {"page": "/Annots [<< /Type /Annot /Subtype /Text /Contents (Winterbourne) >>]"},
    "a form": {"root": "/AcroForm << /Fields [] >>"},
    "an attachment": {"root": "/Names << /EmbeddedFiles << /Names [] >> >>"},
    "a script": {"root": "/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"},
    "an unknown encoding": {"font": "<< /Type /Font /Subtype /TrueType /BaseFont /ABCDEF+Odd /Encoding << /Differences [1 /g1] >> >>"},
    "a drawn font": {"font": "<< /Type /Font /Subtype /Type3 /Encoding /WinAnsiEncoding >>"},
}


@pytest.mark.parametrize("what", REFUSED)
def test_quarantined(what: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        verdict = verdict_on(encapsulated(pdf(**REFUSED[what])), READS)
    assert verdict is not None
    assert verdict.reason is Reason.ENCAPSULATED_DOCUMENT
    assert "interbourne" not in verdict.detail + caplog.text


@pytest.mark.parametrize(
    "document", [b"", b"not a pdf", b"%PDF-1.7\n", pdf()[:200], pdf().replace(b"/Pages 2 0 R", b"/Pages 9 0 R")], ids=range(5)
)
def test_what_is_no_whole_pdf_is_quarantined(document: bytes) -> None:
    with pytest.raises(InputRefusedError) as refusal:
        deidentify(encapsulated(document), KEY, READS)
    assert refusal.value.reason == Reason.ENCAPSULATED_DOCUMENT


def test_without_the_extra_the_refusal_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypdf", None)
    verdict = verdict_on(encapsulated(pdf()), READS)
    assert verdict is not None
    assert "pip install 'shoken[documents]'" in verdict.detail


def test_a_document_in_another_place_is_replaced() -> None:
    image = ct(EncapsulatedDocument=pdf(text("Nodule in Winterbourne")), DocumentTitle="plan")
    assert b"Nodule" not in deidentify(image, KEY, READS)[0].EncapsulatedDocument
    assert b"nodule" not in deidentify(ct(EncapsulatedDocument=pdf()), KEY)[0].EncapsulatedDocument
