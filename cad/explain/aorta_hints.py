"""What two guidelines say of an adult's aorta as wide as measured: hints with their conditions, never advice.

2022 ACC/AHA guideline for aortic disease (Isselbacher et al., Circulation 2022;146:e334-e482) and 2024 ESC guidelines for peripheral
arterial and aortic diseases (Mazzolai et al., Eur Heart J 2024;45:3538-3700). A scan tells neither the valve, nor a heritable disease,
nor growth, nor symptoms, nor height, all of which move the thresholds: the common ones are named, for a reader to apply.
"""

from __future__ import annotations

from collections.abc import Mapping

from cad.explain.facts import Facts
from cad.finding import Clause

ASCENDING = ("aorta_sinus", "aorta_sinotubular_junction", "aorta_ascending_max", "aorta_mid_ascending")
ARCH = ("aorta_proximal_arch", "aorta_mid_arch")
DESCENDING = ("aorta_proximal_descending", "aorta_mid_descending", "aorta_diaphragm")
ABDOMINAL = ("aorta_abdominal", "aorta_bifurcation")

Step = tuple[float, str, str]
STEPS: Mapping[tuple[str, ...], tuple[Step, ...]] = {
    ASCENDING: (
        (55.0, "from 55 mm both recommend repair", "55 mm以上は両ガイドラインとも手術を推奨"),
        (52.0, "from 52 mm ESC lets repair be considered where the risk is low", "52 mm以上はESCで低リスク例に手術を考慮"),
        (50.0, "from 50 mm ACC/AHA calls repair reasonable in experienced hands", "50 mm以上はACC/AHAで経験豊富な施設での手術が妥当"),
        (45.0, "from 45 mm ACC/AHA speaks of an aneurysm", "45 mm以上はACC/AHAで瘤と呼ばれる"),
        (40.0, "from 40 mm both speak of dilatation and ask for follow-up", "40 mm以上は両ガイドラインで拡張とされ経過観察の対象"),
    ),
    ARCH: ((55.0, "from 55 mm both name repair as reasonable", "55 mm以上は両ガイドラインとも手術を考慮"),),
    DESCENDING: ((55.0, "from 55 mm both recommend repair", "55 mm以上は両ガイドラインとも治療を推奨"),),
    ABDOMINAL: (
        (55.0, "from 55 mm both recommend repair in men", "55 mm以上は両ガイドラインとも男性で治療を推奨"),
        (50.0, "from 50 mm both name repair in women", "50 mm以上は両ガイドラインとも女性で治療の対象"),
        (30.0, "from 30 mm it is an aneurysm to follow", "30 mm以上は瘤とされ経過観察の対象"),
    ),
}
NAMES = {
    ASCENDING: ("root and ascending", "基部・上行大動脈"),
    ARCH: ("arch", "弓部"),
    DESCENDING: ("descending", "下行大動脈"),
    ABDOMINAL: ("abdominal", "腹部大動脈"),
}


def hint_clauses(facts: Facts) -> tuple[Clause, ...]:
    """One clause with the highest threshold that the widest landmark of each part reaches; none where no part reaches any."""
    reached = [(part, step, name) for part in STEPS if (found := _reached(facts, part)) for step, name in (found,)]
    if not reached:
        return ()
    said = [facts.say(f"{NAMES[part][0]}: {step[1]}", f"{NAMES[part][1]}：{step[2]}") for part, step, _ in reached]
    text = facts.say(
        f"Hints by size alone (2022 ACC/AHA, 2024 ESC; adults without heritable disease, tricuspid valve, no symptoms): {'; '.join(said)}.",
        f"径のみによる参考（2022 ACC/AHA、2024 ESC。遺伝性疾患・症状のない成人、三尖弁）：{'、'.join(said)}。",
    )
    return (Clause("follow_up", text, tuple(name for _, _, name in reached)),)


def _reached(facts: Facts, part: tuple[str, ...]) -> tuple[Step, str] | None:
    widest = max((name for name in part if facts.value(name) is not None), key=lambda name: facts.value(name) or 0.0, default=None)
    if widest is None:
        return None
    step = next((step for step in STEPS[part] if (facts.value(widest) or 0.0) >= step[0]), None)
    return None if step is None else (step, widest)
