"""The report as a page: self-contained, no script, no request, every value escaped; it prints as well."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pipelines.deidentification.words import because, explanation, word, words

MOST_ROWS = 1500
_PRIVATE = re.compile(r"\([0-9A-F]{3}[13579BDF],")


def report_page(report: Mapping[str, Any], lang: str = "en") -> str:
    """`report.html` from the document of `report.report_of`, in a language of `words.LANGUAGES`."""
    known = words(lang)
    attributes = _without_private_numbers(report["attributes"])
    return (
        _environment()
        .get_template("report.html")
        .render(
            r=report,
            w=known,
            lang=lang,
            csp=_policy(),
            css=Markup(_stylesheet()),  # noqa: S704 - our own files, no value goes into them
            say=lambda code: word(known, code),
            because=lambda code: because(code, lang),
            explain=lambda reason: explanation(reason, lang),
            actions=sorted(report["actions"].items(), key=lambda pair: (-pair[1], pair[0])),
            tables=[(level, rows[:MOST_ROWS], len(rows[MOST_ROWS:])) for level in ("top", "nested") if (rows := _of(attributes, level))],
        )
    )


def _of(attributes: Sequence[Mapping[str, Any]], level: str) -> list[Mapping[str, Any]]:
    return [row for row in attributes if row["level"] == level]


def _without_private_numbers(attributes: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Private attributes as one row an action and reason: their numbers say nothing to a reader, and there may be thousands."""
    private: dict[tuple[str, str, str], dict[str, Any]] = {}
    shown: list[Mapping[str, Any]] = []
    for row in attributes:
        if not _PRIVATE.search(row["path"]):
            shown.append(row)
            continue
        first = {**row, "path": "", "name": "", "files": 0, "values": 0}
        held = private.setdefault((row["level"], row["action"], row["reason"]), first)
        held["files"] = max(held["files"], row["files"])
        held["values"] += row["values"]
    return [*shown, *private.values()]


def _policy() -> str:
    digest = base64.b64encode(hashlib.sha256(_stylesheet().encode()).digest()).decode("ascii")
    return f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@cache
def _stylesheet() -> str:
    """The style of the other pages, and what only this one needs."""
    loader, environment = _templates(), Environment(autoescape=True)
    return "".join(loader.get_source(environment, name)[0] for name in ("style.css", "report.css"))


@cache
def _templates() -> ChoiceLoader:
    return ChoiceLoader([PackageLoader("pipelines.deidentification"), PackageLoader("cad.write")])


@cache
def _environment() -> Environment:
    made = Environment(loader=_templates(), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters["grouped"] = lambda number: f"{number:,}".replace(",", "\u202f")
    return made
