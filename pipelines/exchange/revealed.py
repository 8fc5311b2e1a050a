"""Writing what was led back: private files, a table, a page of pictures. Everything here identifies patients: mode 0600."""

from __future__ import annotations

import csv
import io
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.exchange.reidentify import Identity

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,80}")
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Blanked regions</title>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src 'self'; style-src 'unsafe-inline'">
<style>body {{ font: 16px sans-serif; margin: 2em; }} figure {{ margin: 0 0 1.5em; }}
.pair {{ display: flex; flex-wrap: wrap; gap: 1em; margin-top: .4em; }} .pair p {{ margin: .2em 0; color: #555; }}
img {{ max-width: min(640px, 90vw); image-rendering: pixelated; border: 1px solid #888; }}
section {{ border-top: 1px solid #888; }}</style></head>
<body><h1>Blanked regions, before and after</h1>
<p>This page shows identified pixels. It was written from the vault; keep it as you keep patient records.</p>
{sections}
</body></html>
"""


def write_private(path: Path, content: bytes) -> None:
    """Write whole or not at all, mode 0600, in folders of mode 0700. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_table(path: Path, identities: Iterable[Identity]) -> None:
    """A CSV file of identities, UTF-8 with a byte order mark so that spreadsheets show every script."""
    from pipelines.exchange.reidentify import Identity

    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(field.name for field in fields(Identity))
    for identity in identities:
        table.writerow(_cell(value) for value in astuple(identity))
    write_private(path, text.getvalue().encode("utf-8-sig", "surrogatepass"))


def write_page(folder: Path, pictures: Mapping[str, tuple[tuple[str, bytes], ...]]) -> int:
    """Each file's pictures as folder/<handle>/<n>-<name>.png and one index.html; gives how many were written.

    On the page the pictures of one region, before and after, stand side by side in one figure.
    """
    from markupsafe import Markup, escape

    figure = Markup('<figure><figcaption>{}</figcaption><div class="pair">{}</div></figure>')
    sections, written = [], 0
    for handle, each in pictures.items():
        pairs: dict[str, list[Markup]] = {}
        for number, (name, png) in enumerate(each, 1):
            if not png.startswith(PNG_MAGIC):
                continue
            place = f"{_safe(handle)}/{number:03d}-{_safe(name)}.png"
            write_private(folder / place, png)
            region, which = _region(name)
            pairs.setdefault(region, []).append(Markup('<div><img src="{}" alt="{}"><p>{}</p></div>').format(place, name, which))
            written += 1
        shown = [figure.format(region, Markup("").join(pair)) for region, pair in pairs.items()]
        sections.append(Markup("<section><h2>{}</h2>{}</section>").format(escape(handle), Markup("").join(shown)))
    write_private(folder / "index.html", _PAGE.format(sections=Markup("\n").join(sections)).encode())
    return written


def _region(name: str) -> tuple[str, str]:
    """What a picture shows, and whether before or after: (`frame-0-at-4-8-20x10`, `before`); ("", name) for other names."""
    region, _, which = name.rpartition("-")
    return (region, which) if which in ("before", "after") else ("", name)


def _safe(name: str) -> str:
    return name if _PLAIN.fullmatch(name) else "picture"


def _cell(value: str) -> str:
    """A spreadsheet must not run what a header says: text that would be a formula is quoted."""
    return f"'{value}" if value[:1] in ("=", "+", "@", "\t", "\r") or re.match(r"-(?!\d+$)", value) else value
