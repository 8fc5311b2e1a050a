"""The pages: nothing a name holds can act, nothing is fetched, every figure stands next to what it means."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import fields, is_dataclass, replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from case_phantom import exhibits, report, sections

from cad.errors import Refusal, ShokenError
from cad.explain.calibrators import METHODS
from cad.explain.claim import SCAN_UNUSUAL, TAKES_AWAY
from cad.finding import Claim, Measurement
from cad.report import CaseReport
from cad.write import drawing
from cad.write.aorta import diameter_curve
from cad.write.html import case_page, worklist_page
from cad.write.key_images import case_pictures
from cad.write.words import LANGUAGES, words
from cad.write.worklist import WorklistRow, row_of

HOSTILE = "<script>alert(1)</script>\"'><img src=http://evil.example/x onerror=alert(2)>{{7*7}}&"
VOID = {"meta", "img", "br", "link", "input", "hr", "col"}


class Page(HTMLParser):
    """Every tag with its attributes, the words between them, and whether tags close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attrs for name, attrs in self.tags if name == tag]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def poisoned(value: Any) -> Any:
    """The same value with every free text in it replaced by a hostile one."""
    if isinstance(value, str):
        return HOSTILE
    if isinstance(value, tuple):
        return tuple(poisoned(item) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: poisoned(getattr(value, f.name)) for f in fields(value)})
    return value


def poisoned_report(status: str) -> CaseReport:
    shown = poisoned(report())
    statements = (replace(f, statement=replace(f.statement, lang="en")) for f in shown.findings)
    return replace(shown, lang="en", status=status, findings=tuple(statements))


@cache
def images() -> dict[str, bytes]:
    return {name: drawing.png(picture) for name, picture in case_pictures(report().findings, exhibits()).items()}


def page(lang: str = "en") -> str:
    return case_page(report(lang), images(), diameter_curve(sections()))


@pytest.mark.parametrize("status", ["screened", "not_screened", HOSTILE])
def test_hostile_text_in_every_field_stays_text(status):
    made = Page(case_page(poisoned_report(status), {}, diameter_curve(sections())))
    assert {tag for tag, _ in made.tags}.isdisjoint({"script", "iframe", "object", "embed", "form", "img", "base", "link"})
    assert not [attrs for _, attrs in made.tags if any(name.startswith("on") or name == "style" for name in attrs)]
    assert HOSTILE in "".join(made.words)
    assert "49" not in "".join(w for w in made.words if "script" in w)


def test_hostile_rows_stay_text_and_links_stay_inside_the_folder():
    bad = Refusal(HOSTILE, HOSTILE, HOSTILE)
    rows = [
        WorklistRow(
            HOSTILE, "screened", 0.4, top_kind=HOSTILE, report="javascript:alert(1)", thumbnail="//evil.example/x.png", notes=(bad,)
        ),
        WorklistRow(HOSTILE, HOSTILE, None, report="../../etc/passwd", notes=(bad,)),
        WorklistRow("c", "screened", 0.3, report='cases/"><script>/report.html', thumbnail="http://evil.example/x.png"),
    ]
    made = Page(worklist_page(rows, totals={HOSTILE: 3}))
    assert not made.all("script")
    links = [attrs["href"] for attrs in made.all("a")] + [attrs["src"] for attrs in made.all("img")]
    assert links
    assert all(link.startswith("./") for link in links)
    assert not any(".." in link.split("/") or '"' in link for link in links)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_holds_everything_and_fetches_nothing(lang):
    text = page(lang)
    made = Page(text)
    assert re.findall(r"https?://|//[a-z]+\.|@import|url\(", re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)) == []
    assert {attrs["src"][:22] for attrs in made.all("img")} == {"data:image/png;base64,"}
    assert not made.all("link") + made.all("script")
    assert made.all("html")[0]["lang"] == lang


def test_the_policy_allows_its_own_style_and_data_pictures_only():
    text = page()
    policy = next(attrs["content"] for attrs in Page(text).all("meta") if attrs.get("http-equiv") == "Content-Security-Policy")
    style = re.search(r"<style>(.*?)</style>", text, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


def test_the_same_report_gives_the_same_page():
    assert page() == page()


def test_every_jump_lands_and_no_place_is_named_twice():
    made = Page(page())
    places = [attrs["id"] for _, attrs in made.tags if "id" in attrs]
    assert len(places) == len(set(places))
    assert {attrs["href"][1:] for attrs in made.all("a") if attrs["href"].startswith("#")} <= set(places)


def test_a_clause_leads_to_what_it_rests_on():
    made = Page(page())
    clause = next(attrs for attrs in made.all("span") if attrs.get("class") == "clause")
    assert clause["title"] == "long axis: 14.0 mm · short axis: 13.6 mm"
    assert {"#f1-m1", "#f1-m2", "#f1-m4"} <= {attrs["href"] for attrs in made.all("a")}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_reader_finds_what_the_case_must_say(lang):
    known, text = words(lang), Page(page(lang)).text
    for key in ("banner", "summary", "funnel", "left_out", "novelty", "models", "settings", "untrustworthy", "case_measurements", "curve"):
        assert known[key] in text
    for said in ("14.0 mm", "87 %", "13.1 – 15.1", "c-7f3a91d2", "a3" * 32, "e7" * 32, "2.25.1046123", "62.0, 12.0, 20.0", "46"):
        assert said in text
    assert report(lang).findings[0].statement.clauses[0].text in text


def test_a_study_that_was_not_screened_says_so_before_anything_else():
    refused = replace(report(findings=0), status="not_screened", funnels=(), models=())
    text = Page(case_page(refused, {})).text
    assert words("en")["not_screened_long"] in text
    assert words("en")["none_shown"] not in text
    assert text.index("not screened") < text.index("DICOM preamble")


def test_no_finding_is_not_called_normal():
    assert "not proof" in Page(case_page(report(findings=0), {})).text


def test_what_could_not_be_measured_says_why():
    assert "not measured: it runs out of the scanned volume" in Page(page()).text
    odd = replace(report(), measurements=(Measurement("new_thing", None, "mm", "m", None, "some_new_code"),))
    assert "new thing not measured: some new code" in Page(case_page(odd, {})).text


def test_the_worklist_shows_unscreened_studies_first_and_the_rest_by_priority():
    rows = [
        row_of(replace(report(findings=1), case="c-some")),
        row_of(replace(report(findings=0), case="c-none")),
        row_of(replace(report(), case="c-best")),
        row_of(replace(report(findings=0), case="c-left-out", status="not_screened")),
        row_of(replace(report(findings=0), case="c-broken", status="failed")),
    ]
    text = Page(worklist_page(rows, totals={"refused_files": 5})).text
    order = [text.index(case) for case in ("c-broken", "c-left-out", "c-best", "c-some", "c-none")]
    assert order == sorted(order)
    assert "5 Files refused" in text
    assert "no finding shown" in text


@pytest.mark.parametrize(("lang", "said"), [("en", ("no claim", "1 without a claim")), ("ja", ("確信度なし", "較正が及ばない所見 1 件"))])
def test_the_worklist_shows_no_chance_where_none_is_claimed_and_says_why(lang, said):
    odd = replace(report().findings[0], confidence=0.9876, claim=Claim(calibrated=False, doubts=("scan_unlike",)))
    rows = [row_of(replace(report(), case="c-known")), row_of(replace(report(), case="c-odd", findings=(odd,)))]
    text = Page(worklist_page(rows, lang=lang)).text
    assert text.index(words(lang)["unclaimed_next"]) < text.index("c-odd") < text.index(words(lang)["ranked"]) < text.index("c-known")
    assert all(word in text for word in (*said, words(lang)["scan_unlike"], "0.99"))
    assert "99 %" not in text


def test_a_confidence_is_never_rounded_to_certainty():
    sure, doubtful = (replace(report().findings[0], confidence=value) for value in (0.9996, 0.0004))
    text = Page(worklist_page([row_of(replace(report(), case=f"c-{n}", findings=(f,))) for n, f in enumerate((sure, doubtful))])).text
    assert text.count("> 99 %") == text.count("< 1 %") == 2
    assert "100 %" not in text


def test_an_empty_worklist_says_so():
    assert words("ja")["empty_worklist"] in worklist_page([], lang="ja")


def test_bytes_that_are_no_png_and_languages_there_are_none_of_are_refused():
    with pytest.raises(ShokenError, match=r"finding-01-key\.png: is not a PNG"):
        case_page(report(), {"finding-01-key.png": b"<svg onload=alert(1)>"})
    with pytest.raises(ShokenError, match="en, ja"):
        case_page(replace(report(), lang="fr"), {})


def test_every_word_is_there_in_both_languages():
    english, japanese = words("en"), words("ja")
    assert english.keys() == japanese.keys()
    assert all(english.values())
    assert all(japanese.values())


@pytest.mark.parametrize(
    ("lang", "shown"),
    [
        (
            "en",
            (
                "slice spacing, mm 6.00 (1.25 – 5.00)",
                "at most 5 % of scans like those are called unusual or worse, 2.0 % unlike",
                "38 / 41",
            ),
        ),
        ("ja", ("スライス間隔 mm 6.00 (1.25 – 5.00)", "異質以上と判定されるのは最大5 %", "38 / 41")),
    ],
)
def test_novelty_by_family_the_verdict_and_the_prevalence_are_said_with_n(lang, shown):
    text = Page(page(lang)).text
    assert all(said in text for said in shown)
    assert f"60 % / {words(lang)['not_stated']}" in text


@pytest.mark.parametrize("lang", LANGUAGES)
def test_there_are_words_for_every_code_of_trust(lang):
    changes = {"if_erased", "if_small", "if_fat", "if_calcium"}
    verdicts = {"claim_lesion", "claim_not_lesion", "claim_unsure", "check_passed", "check_failed", "check_not_measured"}
    families = {"protocol", "anatomy", "intensity", "noise", "network", "slice_spacing_mm", "organ_p50", "jump"}
    assert {SCAN_UNUSUAL, *TAKES_AWAY, *METHODS, *changes, *verdicts, *families} <= set(words(lang))
