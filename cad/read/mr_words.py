"""What people write about MR series, in the words of several vendors and in Japanese. Weak evidence: it may be a habit or a mistake."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

# Each pattern is tried on the text in lower case with punctuation made blanks; the first that fits hides the ones it lists.
_PATTERNS: tuple[tuple[str, str], ...] = (
    ("localizer", r"\b(loc|locali[sz]ers?|scouts?|survey|smartbrain|3 ?plane( loc\w*)?|3 ?pl)\b|位置決め|ローカライザ|スカウト"),
    ("ADC", r"\b(e?adc|apparent diff\w*)\b|見かけの拡散"),
    ("perfusion", r"\b(perf|perfusion|dsc|dce|p?c?asl|[r ]?cbf|[r ]?cbv|mtt|tmax)\b|灌流|パーフュージョン"),
    ("fMRI", r"\b(bold|fmri|rs fmri|resting ?state|rest bold)\b"),
    ("SWI", r"\b(swi\w*|swan|swip|fsbb|venobold|t2 ?star|hemo|merge)\b|t2\*|磁化率|t2スター"),
    ("angio", r"\b(\d?d?tof|\d?d ?tof|mr[av]|angio\w*|inhance|pc ?mra)\b|血管|アンギオ"),
    ("DWI", r"\b(dwi|dw|dti|diff|diffusion|trace\w*|resolve|b ?= ?\d{3,4}|ep b\d+\w*|zz?dwi)\b|拡散"),
    ("FLAIR", r"flair|dark ?fluid|\btirm\b|水抑制|フレア"),
    ("T1", r"\bt1(?!\d)(?!ρ)|mp ?rage|\bbravo\b|\bf?spgr\b|\bvibe\b|\blava\b|\bthrive\b|\btfl\w*|\bquick3d\b"),
    ("T2", r"\bt2(?!\d)(?! ?\*)(?! ?star)(?!スター)|\bhaste\b|\bssfse\b|\bfase\b|\bpropeller t2\b"),
    ("PD", r"\bpd ?w?i?\b|\bproton( density)?\b|プロトン密度"),
)
# A name that holds another: "T2 FLAIR" is a FLAIR, "T1 FLAIR" a T1, a T1-weighted angiogram an angiogram.
_HIDES = {
    "localizer": {"T1", "T2", "PD"}, "FLAIR": {"T2"}, "ADC": {"DWI", "T2"}, "SWI": {"T2"}, "angio": {"T1", "T2", "PD"},
    "perfusion": {"T1", "T2", "SWI", "DWI"}, "fMRI": {"T2"}, "DWI": {"T2"},
}  # fmt: skip
_WITHOUT = re.compile(r"\b(non ?(contrast|ce)|no ?(contrast|gd)|w o|wo|without|plain|pre|unenhanced|native)\b|造影前|造影なし|非造影|単純")
_WITH = re.compile(r"\+ ?c\b|\bc ?\+|\b(gd\w*|gado\w*|post( ?con\w*)?|ce|cet1\w*|t1 ?ce?|t1w? ?(ce|gd)|contrast|enhanced|km|with)\b|造影")


@dataclass(frozen=True, slots=True)
class Named:
    """A type that words name, and the word."""

    name: str
    said: str


def named(text: str) -> tuple[Named, ...]:
    """The types a description names; more than one when it is not clear."""
    plain = plainly(text)
    found = {name: match.group().strip() for name, pattern in _PATTERNS if (match := re.search(pattern, plain))}
    if "FLAIR" in found and "T1" in found and "T2" not in found:
        del found["FLAIR"]  # T1 FLAIR
    hidden = {other for name in found for other in _HIDES.get(name, ())}
    return tuple(Named(name, f'"{word}"') for name, word in found.items() if name not in hidden)


def contrast_said(text: str) -> str:
    """ "with", "without" or "" (nothing said about contrast)."""
    plain = plainly(text)
    if _WITHOUT.search(plain):
        return "without"
    return "with" if _WITH.search(plain) else ""


def plainly(text: str) -> str:
    """Full-width letters made narrow, lower case, punctuation but + * = made blanks."""
    narrow = unicodedata.normalize("NFKC", text).lower()
    return " ".join(re.sub(r"[_\-/.,:;()\[\]^&\\|]+", " ", narrow).split())
