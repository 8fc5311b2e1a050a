"""An encapsulated PDF: may it pass? Only a document that is nothing but text, every word of which was searched, is let through.

Refused: encryption, pictures, forms, annotations, attachments, scripts, drawn curves (letters and signatures are curves),
fonts whose letters cannot be told, a page without text, text that repeats who the patient is or has a personal form.
What passes is written anew from its pages alone, so document information, XMP and everything unseen is left behind.
Needs the extra `documents` (pypdf).
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

from anonymizer.echo import Echo
from anonymizer.errors import AnonymizerError

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

EXTRA = "pip install 'shoken[documents]'"
MAX_BYTES = 32 << 20
MAX_PAGES = 200
_ROOT_KEYS = frozenset({"/Type", "/Pages", "/Version", "/Metadata", "/Lang", "/PageMode", "/PageLayout", "/ViewerPreferences", "/MarkInfo"})
_BOXES = frozenset({"/MediaBox", "/CropBox", "/TrimBox", "/BleedBox", "/ArtBox"})
_PAGE_KEYS = _BOXES | {"/Type", "/Parent", "/Resources", "/Contents", "/Rotate", "/Tabs", "/Group"}
_RESOURCES = frozenset({"/Font", "/ProcSet", "/ExtGState", "/ColorSpace"})
_TEXT = frozenset({b"BT", b"ET", b"Tf", b"Td", b"TD", b"Tm", b"T*", b"Tj", b"TJ", b"'", b'"', b"Tc", b"Tw", b"Tz", b"TL", b"Tr", b"Ts"})
_STATE = frozenset({b"q", b"Q", b"cm", b"w", b"J", b"j", b"M", b"d", b"i", b"ri", b"gs", b"g", b"G", b"rg", b"RG", b"k", b"K"})
_COLOUR = frozenset({b"cs", b"CS", b"sc", b"SC", b"scn", b"SCN"})
_FRAMES = frozenset({b"re", b"m", b"l", b"h", b"S", b"s", b"f", b"F", b"f*", b"B", b"B*", b"b", b"b*", b"n", b"W", b"W*"})
_KNOWN_OPERATORS = _TEXT | _STATE | _COLOUR | _FRAMES
_KNOWN_ENCODINGS = frozenset({"/WinAnsiEncoding", "/MacRomanEncoding", "/StandardEncoding"})
_STANDARD_FONTS = ("/Helvetica", "/Times", "/Courier")
_MOST_LINES = 500
_READING_ERRORS = (ValueError, TypeError, AttributeError, LookupError, RecursionError, OverflowError, OSError, AssertionError)


class DocumentsExtraMissingError(AnonymizerError):
    """pypdf is not installed."""

    def __init__(self) -> None:
        super().__init__("pypdf is not installed", subject="encapsulated documents", accepted=EXTRA)


class _FaultError(Exception):
    """Why a document must not pass, in words without any of its text."""


def document_fault(content: bytes, echo: Echo) -> str:
    """Why a PDF must not pass, empty when it may. No text of it is repeated.

    Raises DocumentsExtraMissingError when pypdf is not installed.
    """
    try:
        with _quietly():
            texts = tuple(_texts(content))
        if any(echo.cleaned(text) != text for text in texts):
            return "the text holds personal values, or forms such as dates, titles and telephone numbers"
    except _FaultError as fault:
        return str(fault)
    except _parse_errors() as error:
        return f"not readable as PDF ({type(error).__name__})"
    return ""


def rewritten(content: bytes) -> bytes:
    """The pages of a PDF that passed `document_fault` as a new document: no information, no XMP, nothing between the objects."""
    from pypdf import PdfReader, PdfWriter

    writer, buffer = PdfWriter(), BytesIO()
    with _quietly():
        for page in PdfReader(BytesIO(content)).pages:
            writer.add_page(page)
        writer.metadata = None
        writer.write(buffer)
    return buffer.getvalue() + b"\x00" * (buffer.tell() % 2)


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep pypdf from logging: its sentences repeat what a document holds."""
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def _texts(content: bytes) -> Iterator[str]:
    reader = _reader(content)
    for page in reader.pages:
        _check_page(page)
        text = page.extract_text()
        if not text.strip():
            raise _FaultError("a page without a text layer")
        if not all(letter.isprintable() or letter in "\n\t\r" for letter in text) or "\ufffd" in text:
            raise _FaultError("the text of a page cannot be read")
        yield from filter(str.strip, (*text.splitlines(), " ".join(text.split())))


def _reader(content: bytes) -> PdfReader:
    try:
        from pypdf import PdfReader
    except ImportError:
        raise DocumentsExtraMissingError from None
    if not content.startswith(b"%PDF-") or len(content) > MAX_BYTES:
        raise _FaultError("not a PDF, or larger than 32 MiB")
    reader = PdfReader(BytesIO(content), strict=True)
    if reader.is_encrypted:
        raise _FaultError("the document is encrypted")
    strange = set(reader.root_object) - _ROOT_KEYS
    if strange:
        raise _FaultError("forms, attachments, scripts, outlines or layers")
    if not 0 < len(reader.pages) <= MAX_PAGES:
        raise _FaultError(f"no page, or more than {MAX_PAGES}")
    return reader


def _check_page(page: PageObject) -> None:
    if set(page) - _PAGE_KEYS:
        raise _FaultError("annotations, actions or private data on a page")
    resources = page.get("/Resources", {}).get_object()
    if set(resources) - _RESOURCES:
        raise _FaultError("pictures, forms or patterns on a page")
    for font in resources.get("/Font", {}).get_object().values():
        _check_font(font.get_object())
    _check_operators(page)


def _check_font(font: Any) -> None:
    """Type 3 fonts draw pictures; a font without a known encoding and without a map to Unicode says nothing readable."""
    encoding = font.get("/Encoding")
    known = str(encoding) in _KNOWN_ENCODINGS or (encoding is None and str(font.get("/BaseFont", "")).startswith(_STANDARD_FONTS))
    if font.get("/Subtype") == "/Type3" or not (known or "/ToUnicode" in font):
        raise _FaultError("a font whose letters cannot be told")


def _check_operators(page: PageObject) -> None:
    contents = page.get_contents()
    lines = 0
    for _, operator in contents.operations if contents is not None else ():
        if operator not in _KNOWN_OPERATORS:
            raise _FaultError("pictures, curves or marked content on a page")
        lines += operator == b"l"
    if lines > _MOST_LINES:
        raise _FaultError("drawings on a page")


def _parse_errors() -> tuple[type[Exception], ...]:
    try:
        from pypdf.errors import PyPdfError
    except ImportError:
        return _READING_ERRORS
    return (*_READING_ERRORS, PyPdfError)
