"""The sentence that says why: from measured descriptors only, in radiologists' order, each clause tied to its measurements.

Site, size, texture, margin, attachment, comparison, impression, follow-up, confidence; what could not be measured is said to be so. The
confidence clause says what would change the conclusion. Hints cite their guideline and are hints, not advice.
"""

from __future__ import annotations

from collections.abc import Sequence

from cad.explain.aorta_hints import hint_clauses
from cad.explain.claimed import confidence_clauses
from cad.explain.compared import comparison_clauses, follow_up_clauses
from cad.explain.facts import Facts, facts_of
from cad.explain.follow_up import FLEISCHNER
from cad.explain.wording import AORTA_PLACES, LOCATIONS, TEXTURES, table
from cad.finding import Claim, Clause, Measurement, Statement

SOLID_FOLLOW_UP_MM = 6.0
SPICULATED_FROM = 0.08
LOBULATED_FROM = 0.12
ILL_DEFINED_FROM_MM = 4.0
DILATED_MM = {"aorta_sinus": 40.0, "aorta_ascending_max": 40.0, "aorta_mid_ascending": 40.0, "aorta_max": 40.0}
DILATED_DESCENDING_MM = 35.0
SURGERY_MM = 55.0
NO_CLAIM = Claim()


def nodule_statement(measurements: Sequence[Measurement], confidence: float, lang: str, *, claim: Claim = NO_CLAIM) -> Statement:
    """The statement of a lung nodule. `confidence` in [0, 1] is calibrated where `claim` says so.

    Reads location, long_axis, short_axis, volume, texture, mean_hu, solid_fraction, spiculation_index, lobulation_index,
    margin_width, pleural_contact, what cad.measure.growth says of a prior, and the hints of cad.explain.follow_up.
    Raises ShokenError for a language other than "en" and "ja".
    """
    facts = facts_of(measurements, lang)
    seen = (_site(facts, "lung"), _size(facts), _texture(facts), _margin(facts), _attachment(facts), *comparison_clauses(facts))
    clauses = (*seen, _nodule_impression(facts), *follow_up_clauses(facts))
    return Statement(lang, (*clauses, *confidence_clauses(facts, confidence, claim, _grounds(facts), _nodule_doubts(facts))))


def lesion_statement(measurements: Sequence[Measurement], confidence: float, lang: str, *, claim: Claim = NO_CLAIM) -> Statement:
    """The statement of a brain lesion on MR. Reads location, long_axis, short_axis, volume, contrast_ratio, margin_width."""
    facts = facts_of(measurements, lang)
    clauses = (_site(facts, "brain"), _size(facts), _signal(facts), _margin(facts), *comparison_clauses(facts), _lesion_impression(facts))
    return Statement(lang, (*clauses, *confidence_clauses(facts, confidence, claim, _grounds(facts), _size_doubt(facts))))


def aorta_statement(measurements: Sequence[Measurement], confidence: float, lang: str, *, claim: Claim = NO_CLAIM) -> Statement:
    """The statement of the aorta: the widest place, each landmark, impression, confidence. Reads `aorta_*` measurements in mm."""
    facts = facts_of(measurements, lang)
    places = table(AORTA_PLACES, lang)
    named = [name for name in places if name in facts.by_name and name != "aorta_max"]
    clauses = (_widest(facts), *(_landmark(facts, name, places[name]) for name in named), _aorta_impression(facts), *hint_clauses(facts))
    return Statement(lang, (*clauses, *confidence_clauses(facts, confidence, claim, _grounds(facts), _aorta_doubts(facts))))


def _site(facts: Facts, organ: str) -> Clause:
    label = facts.label("location")
    place = table(LOCATIONS, facts.lang).get(label)
    what = facts.say("Nodule" if organ == "lung" else "Lesion", "結節" if organ == "lung" else "病変")
    if place is None:
        text = facts.say(
            f"{what}, site not determined ({facts.why_not('location')}).",
            f"{what}を認めます。部位は{facts.why_not('location')}特定できません。",
        )
    else:
        text = facts.say(f"{what} in the {place}.", f"{place}に{what}を認めます。")
    return Clause("site", text, ("location",))


def _size(facts: Facts) -> Clause:
    long, short, volume = (facts.value(name) for name in ("long_axis", "short_axis", "volume"))
    sources = ("long_axis", "short_axis", "volume")
    if long is None or short is None:
        why = facts.why_not("long_axis")
        return Clause("size", facts.say(f"Its diameter cannot be measured: {why}.", f"径は{why}計測できません。"), sources)
    text = facts.say(f"It measures {long:.1f} x {short:.1f} mm", f"大きさは{long:.1f}×{short:.1f} mm")
    if volume is None:
        why = facts.why_not("volume")
        return Clause("size", text + facts.say(f"; the volume cannot be measured: {why}.", f"、体積は{why}計測できません。"), sources)
    return Clause(
        "size",
        text + facts.say(f"; volume {volume:.0f} mm3{facts.range('volume')}.", f"、体積{volume:.0f} mm³{facts.range('volume')}です。"),
        sources,
    )


def _texture(facts: Facts) -> Clause:
    word = table(TEXTURES, facts.lang).get(facts.label("texture"))
    hu, solid = facts.value("mean_hu"), facts.value("solid_fraction")
    sources = ("texture", "mean_hu", "solid_fraction", "calcified_fraction")
    if word is None:
        why = facts.why_not("texture")
        return Clause("texture", facts.say(f"Its texture cannot be determined: {why}.", f"性状は{why}判定できません。"), sources)
    text = facts.say(f"It is {word}", f"{word}結節です" if facts.label("texture") == "calcified" else f"性状は{word}です")
    text += "" if hu is None else facts.say(f", mean {hu:.0f} HU", f"（平均CT値 {hu:.0f} HU")
    if solid is not None and facts.label("texture") == "part_solid":
        text += facts.say(f", solid part {solid:.0%}", f"、充実成分 {solid:.0%}" if hu is not None else f"（充実成分 {solid:.0%}")
    closed = "）" if "（" in text else ""
    return Clause("texture", text + facts.say(".", f"{closed}。"), sources)


def _signal(facts: Facts) -> Clause:
    ratio = facts.value("contrast_ratio")
    if ratio is None:
        why = facts.why_not("contrast_ratio")
        return Clause(
            "texture",
            facts.say(f"Its signal cannot be compared with its surroundings: {why}.", f"周囲との信号比較は{why}できません。"),
            ("contrast_ratio",),
        )
    side = facts.say("higher" if ratio > 1 else "lower", "高い" if ratio > 1 else "低い")
    text = facts.say(f"Its signal is {side} than its surroundings (ratio {ratio:.2f}).", f"信号は周囲より{side}です（比 {ratio:.2f}）。")
    return Clause("texture", text, ("contrast_ratio",))


def _margin(facts: Facts) -> Clause:
    sources = ("spiculation_index", "lobulation_index", "margin_width")
    spikes, lobes, width = (facts.value(name) for name in sources)
    words: list[str] = []
    if spikes is not None and spikes >= SPICULATED_FROM:
        words.append(facts.say("spiculated", "スピキュラ様"))
    if lobes is not None and lobes >= LOBULATED_FROM:
        words.append(facts.say("lobulated", "分葉状"))
    if width is not None:
        blurred = width >= ILL_DEFINED_FROM_MM
        words.append(facts.say("ill-defined" if blurred else "well-defined", "境界不明瞭" if blurred else "境界明瞭"))
    if not words:
        why = facts.why_not("margin_width") if spikes is None else facts.why_not("spiculation_index")
        return Clause("margin", facts.say(f"Its margin cannot be characterised: {why}.", f"辺縁の性状は{why}評価できません。"), sources)
    return Clause("margin", facts.say(f"Its margin is {' and '.join(words)}.", f"辺縁は{'、'.join(words)}です。"), sources)


def _attachment(facts: Facts) -> Clause:
    label, share = facts.label("pleural_contact"), facts.value("pleural_contact")
    if share is None:
        why = facts.why_not("pleural_contact")
        return Clause(
            "attachment",
            facts.say(f"Attachment to the pleura cannot be judged: {why}.", f"胸膜との関係は{why}評価できません。"),
            ("pleural_contact",),
        )
    text = facts.say(f"It touches the pleura ({share:.0%} of its rim).", f"胸膜に接しています（辺縁の{share:.0%}）。")
    if label != "attached":
        text = facts.say("It does not touch the pleura.", "胸膜との接触は認めません。")
    return Clause("attachment", text, ("pleural_contact",))


def _nodule_impression(facts: Facts) -> Clause:
    sources = ("long_axis", "short_axis", "texture")
    long, short = facts.value("long_axis"), facts.value("short_axis")
    if facts.label("texture") == "calcified":
        return Clause("impression", facts.say("Impression: calcified nodule.", "印象：石灰化結節。"), sources)
    if long is None or short is None:
        return Clause("impression", facts.say("Impression: nodule of unknown size.", "印象：大きさ不明の結節。"), sources)
    mean = (long + short) / 2
    if facts.label(FLEISCHNER):
        return Clause(
            "impression", facts.say(f"Impression: nodule, mean diameter {mean:.1f} mm.", f"印象：平均径{mean:.1f} mmの結節。"), sources
        )
    side, ja_side = ("below", "未満") if mean < SOLID_FOLLOW_UP_MM else ("at or above", "以上")
    text = facts.say(
        f"Impression: nodule, mean diameter {mean:.1f} mm, {side} the 6 mm where Fleischner 2017 follow-up begins (hint only).",
        f"印象：平均径{mean:.1f} mmの結節。Fleischner 2017の経過観察の目安6 mm{ja_side}です（参考）。",
    )
    return Clause("impression", text, sources)


def _lesion_impression(facts: Facts) -> Clause:
    long = facts.value("long_axis")
    size = "" if long is None else facts.say(f" of {long:.1f} mm", f"（長径{long:.1f} mm）")
    return Clause(
        "impression",
        facts.say(f"Impression: focal lesion{size}; its nature is not determined.", f"印象：限局性病変{size}。質的診断は行っていません。"),
        ("long_axis",),
    )


def _nodule_doubts(facts: Facts) -> list[tuple[str, str]]:
    """What would change the conclusion, as (words, measurement), nearest first."""
    doubts = _size_doubt(facts)
    solid = facts.value("solid_fraction")
    if facts.label("texture") in ("part_solid", "ground_glass") and solid is not None:
        doubts.append((facts.say("a growing solid part at follow-up", "経過での充実成分の増大"), "solid_fraction"))
    if facts.label("pleural_contact") == "attached":
        doubts.append(
            (
                facts.say(
                    "a pleural plaque or thickening seen at this place in another plane", "他断面で同部が胸膜肥厚・プラークと判断されること"
                ),
                "pleural_contact",
            )
        )
    if not doubts:
        doubts.append(
            (facts.say("continuity with a vessel in the adjacent slices", "隣接スライスで血管との連続性が確認されること"), "long_axis")
        )
    return doubts


def _size_doubt(facts: Facts) -> list[tuple[str, str]]:
    long, short = facts.value("long_axis"), facts.value("short_axis")
    if long is None or short is None:
        return [(facts.say("an outline that can be measured", "計測可能な輪郭が得られること"), "long_axis")]
    if (long + short) / 2 < SOLID_FOLLOW_UP_MM:
        return [(facts.say(f"growth beyond {SOLID_FOLLOW_UP_MM:g} mm", f"{SOLID_FOLLOW_UP_MM:g} mmを超える増大"), "long_axis")]
    return []


def _grounds(facts: Facts) -> list[tuple[str, str]]:
    """What speaks for the finding, as (words, measurement)."""
    grounds: list[tuple[str, str]] = []
    for name, en, ja in (("long_axis", "long axis", "長径"), ("aorta_max", "largest diameter", "最大径")):
        value = facts.value(name)
        if value is not None:
            grounds.append((facts.say(f"{en} {value:.1f} mm", f"{ja}{value:.1f} mm"), name))
    word = table(TEXTURES, facts.lang).get(facts.label("texture"))
    if word is not None:
        grounds.append((facts.say(f"{word} texture", f"{word}性状"), "texture"))
    if (facts.value("spiculation_index") or 0.0) >= SPICULATED_FROM:
        grounds.append((facts.say("spiculated margin", "スピキュラ様の辺縁"), "spiculation_index"))
    ratio = facts.value("contrast_ratio")
    if ratio is not None:
        grounds.append((facts.say(f"signal ratio {ratio:.2f}", f"信号比{ratio:.2f}"), "contrast_ratio"))
    return grounds


def _widest(facts: Facts) -> Clause:
    value = facts.value("aorta_max")
    if value is None:
        why = facts.why_not("aorta_max")
        return Clause(
            "size", facts.say(f"The diameter of the aorta cannot be measured: {why}.", f"大動脈径は{why}計測できません。"), ("aorta_max",)
        )
    text = facts.say(
        f"The aorta measures {value:.1f} mm at its widest{facts.range('aorta_max')}.",
        f"大動脈の最大径は{value:.1f} mm{facts.range('aorta_max')}です。",
    )
    return Clause("size", text, ("aorta_max",))


def _landmark(facts: Facts, name: str, place: str) -> Clause:
    value = facts.value(name)
    if value is None:
        why = facts.why_not(name)
        text = facts.say(f"Not measurable {place}: {why}.", f"{place}は{why}計測できません。")
    else:
        text = facts.say(f"{place[0].upper()}{place[1:]} {value:.1f} mm.", f"{place} {value:.1f} mm。")
    return Clause("landmark", text, (name,))


def _dilated(facts: Facts) -> list[str]:
    limits = {**DILATED_MM, "aorta_mid_descending": DILATED_DESCENDING_MM, "aorta_proximal_descending": DILATED_DESCENDING_MM}
    return [name for name, limit in limits.items() if (facts.value(name) or 0.0) >= limit]


def _aorta_impression(facts: Facts) -> Clause:
    wide = _dilated(facts)
    if wide:
        sources = tuple(wide)
        text = facts.say(
            "Impression: dilated aorta (40 mm or more ascending, 35 mm or more descending; ACC/AHA 2022 and common practice, hint only).",
            "印象：大動脈拡張（上行40 mm以上、下行35 mm以上。ACC/AHA 2022等の目安、参考）。",
        )
        return Clause("impression", text, sources)
    if facts.value("aorta_max") is None:
        return Clause("impression", facts.say("Impression: aorta not assessed.", "印象：大動脈は評価できません。"), ("aorta_max",))
    return Clause(
        "impression",
        facts.say("Impression: no dilatation of the measured aorta.", "印象：計測範囲の大動脈に拡張を認めません。"),
        ("aorta_max",),
    )


def _aorta_doubts(facts: Facts) -> list[tuple[str, str]]:
    value = facts.value("aorta_max")
    if value is None:
        return [(facts.say("an outline that can be measured", "計測可能な輪郭が得られること"), "aorta_max")]
    limit = SURGERY_MM if value >= (DILATED_MM["aorta_max"] + SURGERY_MM) / 2 else DILATED_MM["aorta_max"]
    return [
        (
            facts.say(
                f"a diameter on the other side of {limit:g} mm after reading the outline", f"輪郭の修正により径が{limit:g} mmをまたぐこと"
            ),
            "aorta_max",
        )
    ]
