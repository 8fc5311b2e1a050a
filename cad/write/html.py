"""Pages people read: one case, and the worklist. Self-contained, no script, no request; every value escaped."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from cad.errors import ShokenError
from cad.explain.wording import percent
from cad.finding import Clause, Finding, Measurement
from cad.report import CaseReport
from cad.space import Point
from cad.write.charts import curve_figure, funnel_figure
from cad.write.growth_chart import growth_figure
from cad.write.numbers import millimetres, number, span
from cad.write.pdf import PICTURE
from cad.write.sentences import in_language
from cad.write.words import unit, word, words
from cad.write.worklist import SCREENED, WorklistRow, in_order, worklist_document

FAMILIAR = "familiar"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_FINDING_IMAGE = re.compile(r"finding-(\d+)-(\w+)\.png")
_VARIABLE = re.compile(r"(--\w+): ([^;]+);")
_CASE_IMAGE = re.compile(r"case-(\w+)\.png")


@dataclass(frozen=True, slots=True)
class Link:
    """A numbered jump from a clause to a row of the measurement table."""

    anchor: str
    label: str


@dataclass(frozen=True, slots=True)
class LinkedClause:
    """A clause with what it rests on: jumps, and the values as words for the pointer to hover over."""

    text: str
    hover: str
    links: tuple[Link, ...]


def embedded(name: str, data: bytes) -> str:
    """A picture inside the page itself. Raises ShokenError for bytes that are not PNG."""
    if not data.startswith(PNG_SIGNATURE):
        raise ShokenError("is not a PNG picture", subject=name, accepted="PNG bytes")
    return "data:image/png;base64," + base64.b64encode(data).decode("ascii")


def case_page(
    report: CaseReport,
    images: Mapping[str, bytes],
    curve: Sequence[tuple[float, float]] = (),
    *,
    paper: bool = False,
) -> str:
    """`report.html` of one case in the report's language; with `paper` the page that becomes `report.pdf` (see cad.write.pdf).

    A page for paper says the same in fewer elements, since its printer takes a millisecond for each: measurements as columns of
    lines, methods as letters, no jumps. Its style is `paper_style`, which the printer reads once for all cases.

    `images` are PNG bytes by file name: `finding-01-key.png` and `case-aorta_ct.png` (see key_images);
    `curve` is (mm along the centreline, diameter in mm).
    """
    known = words(report.lang)
    sources = {name: PICTURE + name if paper else embedded(name, data) for name, data in sorted(images.items())}
    return (
        _environment(report.lang)
        .get_template("case.html")
        .render(
            report=report,
            w=known,
            paper=paper,
            csp=_policy("img-src data:"),
            css=Markup("" if paper else _stylesheet()),  # noqa: S704 - our own file, no value goes into it
            findings=sorted(report.findings, key=lambda finding: finding.rank),
            growth_of=growth_figure,
            images_of=lambda finding: _pictures(sources, finding.rank),
            site_of=lambda finding: next((m.label for m in finding.measurements if m.name == "location"), ""),
            unfamiliar=[novelty for novelty in report.novelty if novelty.level != FAMILIAR],
            clauses_of=lambda finding: [_linked(clause, finding, known) for clause in finding.statement.clauses],
            case_pictures=[(match[1], uri) for name, uri in sources.items() if (match := _CASE_IMAGE.fullmatch(name))],
            curve=curve_figure(curve),
            funnels=[funnel_figure(funnel) for funnel in report.funnels],
        )
    )


def worklist_page(rows: Sequence[WorklistRow], *, lang: str = "en", totals: Mapping[str, int] | None = None) -> str:
    """`worklist.html`, beside `cases/`: studies that were not screened first, then by falling priority.

    `totals` adds counts of the run (label or word key to number), such as files refused.
    """
    known, ranked = words(lang), in_order(rows)
    return (
        _environment(lang)
        .get_template("worklist.html")
        .render(
            w=known,
            lang=lang,
            paper=False,
            csp=_policy("img-src 'self' file: data:"),
            css=Markup(_stylesheet()),  # noqa: S704 - our own file, no value goes into it
            totals=worklist_document(rows)["totals"],
            extra_totals=sorted((totals or {}).items()),
            unscreened=[_row(row, rank) for rank, row in ranked if row.status != SCREENED],
            unclaimed=[_row(row, rank) for rank, row in ranked if row.status == SCREENED and not row.ranked],
            screened=[_row(row, rank) for rank, row in ranked if row.ranked],
            notes=lambda row: _notes(row["notes"], lang, known),
        )
    )


def _row(row: WorklistRow, rank: int | None) -> dict[str, Any]:
    shown = {name: getattr(row, name) for name in row.__slots__}
    return {**shown, "rank": rank, "link": _relative(row.report), "thumbnail": _relative(row.thumbnail)}


def _notes(notes: Sequence[Any], lang: str, known: Mapping[str, str]) -> Markup:
    return Markup("<br>").join(escape(f"{word(known, note.reason)}: {in_language(lang, note.detail)}") for note in notes)


def _relative(path: str) -> str:
    """A link that stays inside the output folder, whatever the name holds; empty for one that would leave it."""
    parts = path.split("/")
    return "" if not path or path.startswith("/") or ".." in parts else "./" + "/".join(quote(part, safe="") for part in parts)


def _pictures(sources: Mapping[str, str], rank: int) -> dict[str, str] | None:
    views = {"key": "", "planes": "", "heat": ""}
    matches = [(_FINDING_IMAGE.fullmatch(name), uri) for name, uri in sources.items()]
    views |= {match[2]: uri for match, uri in matches if match and int(match[1]) == rank}
    return views if any(views.values()) else None


def _linked(clause: Clause, finding: Finding, known: Mapping[str, str]) -> LinkedClause:
    rows = {m.name: (place, m) for place, m in enumerate(finding.measurements, 1)}
    found = [rows[source] for source in clause.sources if source in rows]
    said = [f"{word(known, m.name)}: {_said(m, known)}" for _, m in found]
    said += [word(known, source) for source in clause.sources if source not in rows]
    return LinkedClause(clause.text, " · ".join(said), tuple(Link(f"f{finding.rank}-m{place}", str(place)) for place, _ in found))


def _said(measurement: Measurement, known: Mapping[str, str]) -> str:
    if measurement.value is None:
        return word(known, measurement.label or measurement.outcome)
    return f"{number(measurement.value)} {unit(known, measurement.unit)}".strip()


def _policy(images: str) -> str:
    """A page may show its own style and pictures, and nothing else: no script, no frame, no request, no form."""
    digest = base64.b64encode(hashlib.sha256(_stylesheet().encode()).digest()).decode("ascii")
    return f"default-src 'none'; {images}; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def _point(point: Point) -> str:
    return ", ".join(f"{value:.1f}".replace("-", "−") for value in point)


@cache
def _stylesheet() -> str:
    return f"{_source('style.css')}@media print {{\n{_source('paper.css')}}}\n"


@cache
def paper_style() -> str:
    """What a printer needs: its variables filled in, which saves it a tenth of its time."""
    both = _source("style.css") + _source("paper.css")
    values = dict(_VARIABLE.findall(both))
    return re.sub(r"var\((--\w+)\)", lambda used: values[used[1]], _VARIABLE.sub("", both))


def _source(name: str) -> str:
    source, _, _ = _templates().get_source(Environment(autoescape=True), name)
    return source


@cache
def _templates() -> PackageLoader:
    return PackageLoader("cad.write")


@cache
def _environment(lang: str) -> Environment:
    known = words(lang)
    made = Environment(loader=_templates(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {
        "mm": millimetres,
        "span": span,
        "number": number,
        "percent": partial(percent, gap=" "),
        "point": _point,
        "unit": partial(unit, known),
        "said": lambda text: in_language(lang, text),
        "word": lambda name: word(known, name),
        "scored": lambda stage: f"{word(known, stage[0])} {number(stage[1])}",
    }
    return made
