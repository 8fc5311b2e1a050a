"""`report.pdf`: a case's page on A4 with page numbers. Fetches nothing, reads no clock: the same page gives the same bytes."""

from __future__ import annotations

import atexit
import gc
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from cad.errors import ShokenError
from cad.write.words import words

if TYPE_CHECKING:
    from PIL import Image
    from weasyprint import Document

PICTURE = "picture:"  # the one scheme a page for print may name, and only with a name that was handed over
JPEG_QUALITY = 90
INSTALL = "the system library Pango, and fonts for the report's language (Debian: libpango-1.0-0, libpangoft2-1.0-0, fonts-noto-cjk)"


def pdf_bytes(page: str, pictures: Mapping[str, Image.Image], style: str = "") -> bytes:
    """An HTML page as PDF. `pictures` go by the name that the page gives after `picture:`; `style` is a style sheet for it.

    Whatever else the page points at (files of this machine, the network, data of any kind, attachments) stays out. Raises
    ShokenError where this machine cannot print.
    """
    printed, _ = _printed(page, pictures, style)
    return printed


@cache
def lacking(lang: str) -> str:
    """Why reports in a language cannot be printed on this machine; "" when they can.

    Looks for every letter of our own words, so that no Japanese report comes out as rows of empty boxes.
    """
    letters = "".join(sorted(set("".join(words(lang).values())), key=ord))
    try:
        _, unknown = _printed(f'<html lang="{lang}"><p>{"".join(letter for letter in letters if letter not in "<&")}', {})
    except ShokenError as error:
        return error.problem
    return f"no installed font shows {len(unknown)} of the {len(letters)} letters that its reports use" if unknown else ""


def _printed(page: str, pictures: Mapping[str, Image.Image], style: str = "") -> tuple[bytes, frozenset[int]]:
    """The PDF, and the code points that no font of this machine shows."""
    try:
        from weasyprint import HTML
    except (ImportError, OSError) as error:  # WeasyPrint looks for Pango when it is imported
        problem = "a library that prints pages is not installed" + (f" ({error.name})" if isinstance(error, ImportError) else " (Pango)")
        raise ShokenError(problem, subject="report.pdf", accepted=INSTALL) from None
    with _uncollected():
        read = HTML(string=page, url_fetcher=_only(pictures), media_type="print")
        document: Document = read.render(font_config=_fonts(), stylesheets=[_parsed(style)])
        data: bytes = document.write_pdf()
    return data, frozenset(letter for font in document.fonts.values() for letter in font.missing)


@cache
def _fonts() -> Any:
    """This machine's fonts, found once a process: what was learned of them in one case serves the next."""
    from weasyprint.text.fonts import FontConfiguration

    atexit.register(_let_go)
    return FontConfiguration()


def _let_go() -> None:
    """Fonts go while what frees them is still there: at the interpreter's end it would complain on the user's screen."""
    _parsed.cache_clear()
    _fonts.cache_clear()


@lru_cache(maxsize=4)
def _parsed(style: str) -> Any:
    """A style sheet ready for use: all cases have the same."""
    from weasyprint import CSS

    return CSS(string=style, media_type="print", font_config=_fonts(), url_fetcher=_only({}))


@contextmanager
def _uncollected() -> Iterator[None]:
    """No search for garbage meanwhile: a page's hundred thousand boxes all live until it is printed, and a seventh of the time goes
    into looking at them again and again."""
    searching = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searching:
            gc.enable()


def _jpeg(picture: Image.Image) -> bytes:
    """JPEG, whose bytes a PDF takes as they are: a third of the size, and nothing is compressed a second time.

    Thin coloured lines stay sharp without chroma subsampling. The pictures beside the report are lossless.
    """
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, format="JPEG", quality=JPEG_QUALITY, subsampling=0)
    return stream.getvalue()


def _only(pictures: Mapping[str, Image.Image]) -> Any:
    """A fetcher that knows these pictures and nothing else. WeasyPrint's own would read local files and call the network."""
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OnlyPictures(URLFetcher):  # type: ignore[misc, unused-ignore]
        def fetch(self, url: str, headers: object = None) -> URLFetcherResponse:
            name = url.removeprefix(PICTURE)
            if not url.startswith(PICTURE) or name not in pictures:
                raise ValueError("a report holds its own pictures only")
            return URLFetcherResponse(url, _jpeg(pictures[name]), {"Content-Type": "image/jpeg"})

        open = fetch

    return OnlyPictures(allowed_protocols=())
