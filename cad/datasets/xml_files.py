"""XML from outside: small, without a document type, or refused."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, XMLParser

from cad.errors import Refusal

MOST_BYTES = 64 << 20


def read_xml(path: Path) -> Element | Refusal:
    """The root element, its tags without namespaces; or why not. Document types are refused: they can expand without end."""
    try:
        if path.stat().st_size > MOST_BYTES:
            return Refusal("", "xml_too_large", f"an XML file of more than {MOST_BYTES >> 20} MiB")
        text = path.read_bytes()
    except OSError as error:
        return Refusal("", "unreadable", f"the file cannot be read ({type(error).__name__})")
    if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        return Refusal("", "xml_with_entities", "a document type or entities (accepted: plain XML)")
    try:
        parser = XMLParser()  # noqa: S314 - what expands is refused above
        parser.feed(text)
        root = parser.close()
    except (ParseError, ValueError, LookupError) as error:
        return Refusal("", "broken_xml", f"the XML cannot be parsed ({type(error).__name__})")
    for element in root.iter():
        element.tag = element.tag.rsplit("}", 1)[-1]
    return root


def text_at(element: Element, name: str) -> str:
    """The text of a child, stripped; "" where there is none."""
    return (element.findtext(name) or "").strip()
