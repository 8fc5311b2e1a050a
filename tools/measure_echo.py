"""How well Clean Descriptors finds a patient's, physician's or institution's own values in free text, and what else it takes.

Usage: python tools/measure_echo.py            (a table in Markdown; the same figures every time)

Generated: invented people with Latin, kanji and kana names x ways a name is written in a text x sentences around it.
Recall is the share of texts from which everything of the inserted value is gone; over-removal is the share of the other
letters that are gone with it, and the share of innocent texts that are changed. Intervals are Wilson's, 95 %.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from math import sqrt
from re import sub

from anonymizer.echo import Echo, Identity, echo_of
from anonymizer.folding import fold, words_of

LATIN = """
Winterbourne^Ariadne Okafor^Ngozi Quillfeather^Bartholomew Müller-Lüdenscheidt^Anneliese Nguyen^Thi Lan O'Shaughnessy^Fionnuala
Papadopoulos^Konstantinos Szczepański^Wojciech García Márquez^Inés van der Velde^Joost Abdulrahman^Yusuf Kowalczyk^Zofia
Lindqvist^Åsa Fernandes^Thiago Rosenzweig^Miriam Haugland^Sigrún Castellano^Beatrice Novotná^Ludmila Thibodeaux^Marcelline
Ekström^Göran Villanueva^Rosario Bannerjee^Sudhir Adeyemi^Folasade Petrosyan^Anahit
"""
JAPANESE = """
Yamada^Tarou=山田^太郎=やまだ^たろう Satou^Hanako=佐藤^花子=さとう^はなこ Suzuki^Ichirou=鈴木^一郎=すずき^いちろう
Takahashi^Kyouko=高橋^京子=たかはし^きょうこ Hattori^Shouji=服部^昭二=はっとり^しょうじ Nanba^Yuuji=難波^雄二=なんば^ゆうじ
Watanabe^Chizuru=渡辺^千鶴=わたなべ^ちづる Kobayashi^Ryou=小林^亮=こばやし^りょう Shimizu^Junko=清水^順子=しみず^じゅんこ
Fujiwara^Tsutomu=藤原^努=ふじわら^つとむ Matsumoto^Fumie=松本^文江=まつもと^ふみえ Inoue^Satoshi=井上^聡=いのうえ^さとし
"""
INSTITUTIONS = (
    "St. Brendan Memorial Hospital",
    "Universitätsklinikum Hohenfels",
    "東都中央病院",
    "Kitagawa Medical Center",
    "Clínica Altamira",
)
ENGLISH_CARRIERS = (
    "CT chest with contrast {} follow-up",
    "{} thorax 1.5 B70f",
    "t2_tse_sag {} repeat scan",
    "Nodule in right upper lobe, compared with prior study of {}.",
    "protocol modified for {} (motion)",
    "Referred by {} for staging",
)
JAPANESE_CARRIERS = ("{} 胸部CT 造影", "頭部MRI {} 再検査", "前回検査({})と比較", "肺結節 経過観察 {}", "{}の胸部単純CT")
INNOCENT = tuple(
    """
CT chest with contrast follow-up
Thorax 1.5 B70f
t2_tse_sag_320
MPR Range coronal 3 mm
Nodule in right upper lobe, 12 mm
Head Neck CTA 0.75 H20f
ep2d_diff_3scan_trace_p2_ADC
Topogram 0.6 T20s
AX T1 FLAIR +C
Low dose screening chest
WB PET AC
3D TOF MRA circle of Willis
Lung 1.0 Br59 Q3
SAG STIR L-SPINE
胸部CT 造影
頭部MRI 再検査
肺結節 経過観察
腹部単純CT 同様の仕様
Dynamic liver arterial phase 35 s
DWI b1000 axial 5 mm
Cardiac gated 75% RR
MIP 93 mm slab
Perfusion 4D 70 kV
Patient breathing
Localizer 3 plane
Recon 2: ABD/PEL
kV 120 mAs 200 pitch 1.2
VRT spine
Screening LDCT 1.25 mm lung
CT 5.0 B30s C-A-P
""".strip().splitlines()
)


@dataclass(frozen=True, slots=True)
class Case:
    """One generated text: what was looked for, the text around it with a gap, what was inserted."""

    kind: str
    echo: Echo
    carrier: str
    inserted: str

    @property
    def cleaned(self) -> str:
        """The text after cleaning."""
        return self.echo.cleaned(self.carrier.format(self.inserted))

    @property
    def is_gone(self) -> bool:
        """Whether no word of what was inserted is left (Latin words from three letters on, East Asian runs from two)."""
        left, around = fold(self.cleaned), fold(self.carrier)
        return not any(part in left and part not in around for part in _parts(self.inserted))

    @property
    def lost(self) -> tuple[int, int]:
        """(letters and digits around it that are gone too, letters and digits around it)."""
        around, left = (len("".join(words_of(fold(text)))) for text in (self.carrier.replace("{}", " "), self.cleaned))
        return max(0, around - left), around


def _parts(inserted: str) -> list[str]:
    return [word for word in words_of(fold(inserted)) if len(word) >= (2 if ord(word[0]) >= 0x2E80 else 3)]


def _names(text: str) -> list[str]:
    found: list[str] = []
    for word in text.split():
        if "^" in word or not found:
            found.append(word)
        else:
            found[-1] += f" {word}"
    return [name.strip() for name in found]


LATIN_WAYS: dict[str, Callable[[str, str], str]] = {
    "as written": lambda family, given: f"{family} {given}",
    "given name first": lambda family, given: f"{given} {family}",
    "comma": lambda family, given: f"{family}, {given}",
    "family name alone": lambda family, _: family,
    "given name alone": lambda _, given: given,
    "upper case": lambda family, given: f"{family} {given}".upper(),
    "lower case, underscore": lambda family, given: f"{family}_{given}".lower(),
    "full width": lambda family, given: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in f"{family} {given}"),
    "glued": lambda family, given: f"{given}{family}",
    "accents dropped": lambda family, given: fold(f"{family} {given}"),
    "cut short": lambda family, given: family[: max(5, -(-len(family) * 7 // 10))],
    "initial and family name": lambda family, given: f"{given[0]}. {family}",
    "in a word": lambda family, _: f"{family.replace(' ', '')}2",
    "one letter wrong": lambda family, _: family[:3] + ("x" if family[3] != "x" else "k") + family[4:],
    "with a title": lambda family, _: f"Dr. {family}",
}


def japanese_ways(name: str) -> Iterator[tuple[str, str]]:
    """The ways a name of three components is written."""
    latin, kanji, kana = (group.split("^") for group in name.split("="))
    katakana = ["".join(chr(ord(letter) + 0x60) for letter in part) for part in kana]
    yield "kanji", "".join(kanji)
    yield "kanji, spaced", "　".join(kanji)
    yield "kanji, family name and honorific", f"{kanji[0]}様"
    yield "hiragana", "".join(kana)
    yield "katakana", " ".join(katakana)
    yield "romaji", " ".join(latin)
    yield "romaji, short vowels", " ".join(sub("ou(?!e)", "o", part).replace("uu", "u") for part in reversed(latin))


def romaji_only(name: str) -> Iterator[tuple[str, str, str]]:
    """(way, the header's name, what the text has): the script that the header does not give."""
    latin, _, kana = name.split("=")
    katakana = ["".join(chr(ord(letter) + 0x60) for letter in part) for part in kana.split("^")]
    yield "kana, header in romaji only", latin, " ".join(katakana)
    yield "romaji, header in kana only", kana, latin.replace("^", " ")


def cases() -> Iterator[Case]:
    """Every generated text."""
    english, japanese = cycle(ENGLISH_CARRIERS), cycle(JAPANESE_CARRIERS)
    for name in _names(LATIN):
        echo = echo_of(Identity(names=(name,), identifiers=("MRN00412345",), birth_dates=("19531107",)))
        family, given = name.split("^")
        for way, write in LATIN_WAYS.items():
            yield from (Case(f"Latin: {way}", echo, next(english), write(family, given)) for _ in range(3))
        yield Case("Latin: with a title, not in the header", echo_of(Identity()), next(english), f"Dr. {family}")
    for name in JAPANESE.split():
        echo = echo_of(Identity(names=(name,)))
        for way, written in japanese_ways(name):
            yield from (Case(f"Japanese: {way}", echo, next(japanese), written) for _ in range(5))
        for way, header, written in romaji_only(name):
            yield from (Case(f"Japanese: {way}", echo_of(Identity(names=(header,))), next(japanese), written) for _ in range(5))
    yield from _other_cases()


def _other_cases() -> Iterator[Case]:
    echo = echo_of(Identity(identifiers=("MRN00412345", "0007731"), phrases=INSTITUTIONS, birth_dates=("19531107",)))
    written = {
        "identifier": ("MRN00412345", "mrn 00412345", "MRN-0041-2345", "7731", "0007731", "ID:00412345"),
        "birth date": ("1953-11-07", "07.11.1953", "11/7/1953", "19531107", "昭和28年11月7日", "S28.11.7"),
        "institution": (*INSTITUTIONS, *(name.upper() for name in INSTITUTIONS), "Hohenfels", "Brendan Memorial", "Kitagawa", "SBMH"),
    }
    for kind, values in written.items():
        yield from (Case(kind, echo, carrier, value) for value in values for carrier in ENGLISH_CARRIERS)


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    z, share = 1.959964, hits / count
    middle, half = share + z * z / (2 * count), z * sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    return max(0.0, (middle - half) / (1 + z * z / count)), min(1.0, (middle + half) / (1 + z * z / count))


def line(name: str, hits: int, count: int) -> str:
    """One row of the table."""
    low, high = wilson(hits, count)
    return f"| {name} | {count} | {hits / count:.3f} | {low:.3f} to {high:.3f} |"


def innocent_changed() -> tuple[int, int]:
    """(innocent texts changed, innocent texts looked at), each under every invented person."""
    people = [echo_of(Identity(names=(name,), phrases=INSTITUTIONS)) for name in (*_names(LATIN), *JAPANESE.split())]
    texts = [(echo, text) for echo in people for text in INNOCENT]
    return sum(echo.cleaned(text) != text for echo, text in texts), len(texts)


def report() -> str:
    """The figures as Markdown."""
    found: dict[str, list[bool]] = {}
    lost = around = 0
    for case in cases():
        found.setdefault(case.kind, []).append(case.is_gone)
        lost, around = lost + case.lost[0], around + case.lost[1]
    every = [gone for results in found.values() for gone in results]
    changed, texts = innocent_changed()
    head = "| what | n | share | 95 % interval |\n|---|---|---|---|"
    rows = [line(f"found: {kind}", sum(results), len(results)) for kind, results in found.items()]
    totals = [line("**found: all**", sum(every), len(every)), line("letters around it that go too", lost, around)]
    return "\n".join([head, *rows, *totals, line("innocent texts that are changed", changed, texts)])


if __name__ == "__main__":
    print(report())
