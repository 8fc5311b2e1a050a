"""Forms that free text has no business keeping, whoever they mean: titled names, addresses of mail, dates, telephone numbers."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_LATIN_NAME = r"[A-ZÀ-Þ][\w'’.-]*"
_TITLED = rf"\b(?i:dr|prof|mr|mrs|ms|md|doctor|physician|radiologist|operator)\b[.:]*\s*(?:{_LATIN_NAME}\s*){{1,3}}"
_TITLE = r"\b(?i:dr|prof|mr|mrs|ms)\b\.?\s+\w+"
_ROLE = r"(?:担当医師?|主治医|読影医|医師|技師|執刀医)\s*[:：]\s*\S{1,8}"
_HONORED = r"[\u3400-\u9fff\u3005\u3040-\u30ff]{1,8}(?:医師|先生|(?<![仕同模多異一])様(?![式子々相態])|殿|氏)"
_ADDRESS = r"\S*@\S*|\S*\^\S*"
_DATE = r"\d{2,4}[-/.年]\d{1,2}[-/.月]\d{1,4}日?|(?<!\d)(?:19|20)\d{6}(?!\d)"
_DAY_FIRST = r"(?<![\d./-])\d{1,2}(?P<one>[./-])\d{1,2}(?P=one)(?:(?:19|20)\d{2}|\d{2})(?![\d./-]*\d)"
_SHORT_ERA_DATE = r"(?<![^\W_])[MTSHRmtshr]\d{1,2}(?P<two>[./-])\d{1,2}(?P=two)\d{1,2}(?!\d)"
_MONTHS = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_WORDED_DATE = rf"\b\d{{1,2}}(?:st|nd|rd|th)?[\s.-]?{_MONTHS}[\s.,-]*\d{{2,4}}\b|\b{_MONTHS}[\s.]+\d{{1,2}}(?:st|nd|rd|th)?,?\s+\d{{4}}\b"
_ERA_DATE = r"(?:明治|大正|昭和|平成|令和)\s*\d{1,2}\s*年(?:\s*\d{1,2}\s*月)?(?:\s*\d{1,2}\s*日)?"
_TELEPHONE = r"\+?\d[\d ()-]{8,}\d"
_DATES = (_WORDED_DATE, _ERA_DATE, _DATE, _DAY_FIRST, _SHORT_ERA_DATE)
_FORMS = "|".join((_TITLED, _TITLE, _ROLE, _HONORED, _ADDRESS, *_DATES, _TELEPHONE))


@lru_cache(maxsize=1)
def _forms() -> re.Pattern[str]:
    """Compiled when first asked for: most profiles never do, and it takes as long as ten files."""
    return re.compile(_FORMS)


def looks_personal(text: str) -> bool:
    """Whether a text holds such a form."""
    return _forms().search(unicodedata.normalize("NFKC", text)) is not None


def personal_spans(text: str) -> list[tuple[int, int]]:
    """Where such forms stand in a text, as (first, behind the last) letter."""
    return [match.span() for match in _forms().finditer(text)]
