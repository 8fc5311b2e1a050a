"""What may be served: the known files of OUT, and one page that puts the verdict buttons beside a report."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pipelines.review.verdicts import ANSWERS, Verdict

CASE = r"case-[0-9a-f]{12}"
TYPES = {".html": "text/html; charset=utf-8", ".png": "image/png", ".json": "application/json", ".pdf": "application/pdf"}
_FILES = re.compile(rf"worklist\.(html|json)|cases/{CASE}/(report\.(html|pdf)|case\.json|images/[a-z0-9_-]{{1,80}}\.png)")
_KEYS = ("accept", "reject", "unsure", "back", "keyboard", "none", "findings")
_WORDS = {
    "en": dict(zip(_KEYS, ("Accept", "Reject", "Unsure", "Worklist", "keys", "No finding to answer", "Findings"), strict=True)),
    "ja": dict(zip(_KEYS, ("採用", "却下", "保留", "ワークリスト", "キー", "判定する所見はありません", "所見"), strict=True)),
}


@dataclass(frozen=True, slots=True)
class CaseFile:
    """A case.json as it lies on disk, with its digest."""

    document: Mapping[str, Any]
    sha256: str

    @property
    def ranks(self) -> frozenset[int]:
        """The ranks that can be answered."""
        return frozenset(int(finding["rank"]) for finding in self.document["findings"])


def known_file(out: Path, name: str) -> Path | None:
    """The file of OUT that a request path names, or None. Only names of the known layout exist; links are not followed."""
    if not _FILES.fullmatch(name):
        return None
    path = out / name
    inside = path.resolve().is_relative_to(out.resolve()) and not path.is_symlink()
    return path if inside and path.is_file() else None


def case_file(out: Path, case: str) -> CaseFile | None:
    """The case of that name, or None."""
    path = known_file(out, f"cases/{case}/case.json")
    if path is None:
        return None
    content = path.read_bytes()
    return CaseFile(json.loads(content), hashlib.sha256(content).hexdigest())


def review_page(case: CaseFile, verdicts: Mapping[int, Verdict], token: str, nonce: str) -> str:
    """A report in a frame with its findings and three buttons each; every value escaped."""
    document = case.document
    lang = document["lang"] if document["lang"] in _WORDS else "en"
    return _environment().get_template("review.html").render(
        case=document["case"],
        findings=document["findings"],
        verdicts=verdicts,
        answers=ANSWERS,
        w=_WORDS[lang],
        lang=lang,
        token=token,
        nonce=nonce,
    )  # fmt: skip


@cache
def _environment() -> Environment:
    return Environment(loader=PackageLoader("pipelines.review"), autoescape=True, undefined=StrictUndefined)
