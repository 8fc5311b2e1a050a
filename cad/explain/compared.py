"""The clauses that look back and ahead: how a lesion stands against the prior, and what two guidelines hint at."""

from __future__ import annotations

from cad.explain.facts import Facts
from cad.explain.follow_up import FLEISCHNER, LUNG_RADS, RADS
from cad.explain.wording import FOLLOW_UPS, table
from cad.finding import Clause


def comparison_clauses(facts: Facts) -> tuple[Clause, ...]:
    """One clause where there was a prior to compare with, else none."""
    label, days = facts.label("comparison"), facts.value("prior_interval")
    if not label or days is None:
        return ()
    said = {"new": _new, "outside_prior": _outside, "not_comparable": _not_comparable}.get(label, _changed)
    sources = ("comparison", "prior_interval", *_changed_by(facts)) if said is _changed else ("comparison", "prior_interval")
    return (Clause("comparison", said(facts, int(days)), sources),)


def follow_up_clauses(facts: Facts) -> tuple[Clause, ...]:
    """One clause with both guidelines' hints and for whom each holds; none where there is no hint."""
    hint = table(FOLLOW_UPS, facts.lang).get(facts.label(FLEISCHNER))
    if hint is None:
        return ()
    category = facts.label(LUNG_RADS).removeprefix(RADS)
    text = facts.say(
        "Follow-up hints, should a reader confirm a nodule: "
        f"Fleischner 2017 (found by chance, from 35 years, without known cancer or immune suppression): {hint};"
        f" Lung-RADS v2022 (low-dose CT in screening only): category {category}.",
        f"読影医が結節と確認した場合の経過観察の参考：Fleischner 2017（偶発結節、35歳以上、悪性腫瘍の既往・免疫不全なし）では{hint}、"
        f"Lung-RADS v2022（低線量CT検診のみ）ではカテゴリー{category}に相当します。",
    )
    return (Clause("follow_up", text, (FLEISCHNER, LUNG_RADS, "long_axis", "short_axis", "texture", *_looked_back(facts))),)


def _looked_back(facts: Facts) -> tuple[str, ...]:
    return tuple(name for name in ("solid_diameter", "comparison", "mean_diameter_change") if name in facts.by_name)


def _changed_by(facts: Facts) -> tuple[str, ...]:
    names = ("prior_volume", "volume_change", "least_change", "doubling_time")
    return tuple(name for name in names if name in facts.by_name)


def _new(facts: Facts, days: int) -> str:
    return facts.say(f"It was not seen on the prior scan {days} days earlier: new.", f"{days}日前の前回検査では認めず、新出です。")


def _outside(facts: Facts, days: int) -> str:
    return facts.say(
        f"The prior scan, {days} days earlier, does not reach this place.", f"{days}日前の前回検査はこの部位を含まず、比較できません。"
    )


def _not_comparable(facts: Facts, days: int) -> str:
    why = facts.why_not("comparison")
    return facts.say(
        f"It was there on the prior scan {days} days earlier; the change cannot be measured: {why}.",
        f"{days}日前の前回検査でも認めますが、変化量は{why}計測できません。",
    )


def _changed(facts: Facts, days: int) -> str:
    percent, least = facts.value("volume_change") or 0.0, facts.value("least_change") or 0.0
    span = facts.range("volume_change")
    text = facts.say(
        f"Compared with the prior scan {days} days earlier, its volume changed by {percent:+.0f} %{span}",
        f"{days}日前の前回検査と比べ、体積は{percent:+.0f}%変化しました{span}",
    )
    if facts.label("volume_change") in ("slightly_larger", "slightly_smaller"):
        return text + facts.say(
            ", more than measurement noise but less than counts as growth or shrinking (a quarter of the volume): compare again.",
            "。計測誤差を超えますが、増大・縮小の基準（体積の4分の1）未満であり、再度の比較を要します。",
        )
    if facts.label("comparison") == "unchanged":
        within = facts.say(
            f": unchanged, since only an increase of {least:.0f} % or more would count as growth.",
            f"。増大とみなすのは{least:.0f}%以上の増加であり、不変と判断します。",
        )
        return text + within
    if facts.label("comparison") == "shrunk":
        return text + facts.say(", more than measurement noise: it has shrunk.", "。計測誤差を超えており、縮小しています。")
    double = facts.value("doubling_time") or 0.0
    return text + facts.say(
        f", more than measurement noise: it has grown, doubling in {double:.0f} days{facts.range('doubling_time')}.",
        f"。計測誤差を超えており、増大しています。体積倍加時間は{double:.0f}日{facts.range('doubling_time')}です。",
    )
