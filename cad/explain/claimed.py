"""The last clauses of a statement: how sure, on what grounds, what the verdict promises, and what would change it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cad.explain.claim import ESTIMATES, LOOKS_UNLIKE, SCAN_UNLIKE, SCAN_UNUSUAL, UNSTEADY
from cad.explain.conformal import LESION, NOT_LESION
from cad.explain.counterfactual import SMALL_MM
from cad.explain.facts import Facts
from cad.explain.wording import percent
from cad.finding import Claim, Clause

LOW, HIGH = 0.3, 0.7
Reasons = Sequence[tuple[str, str]]

_DOUBTS = {
    SCAN_UNLIKE: ("the scan is unlike the training data", "本検査は学習データと異質"),
    SCAN_UNUSUAL: ("the scan is unusual beside the training data", "本検査は学習データと比べやや異質"),
    UNSTEADY: ("the score does not hold under small changes of the picture", "画像のわずかな変化でスコアが保たれない"),
    LOOKS_UNLIKE: ("the finding looks unlike the lesions that the network was taught", "学習した病変と見え方が異なる"),
    ESTIMATES: ("two ways of measuring disagree", "二つの計測法が一致しない"),
}
_CHANGES = {
    "fat": ("with the density of fat", "脂肪濃度なら", ("mean_hu",)),
    "calcium": ("with the density of calcium", "石灰化濃度なら", ("mean_hu",)),
    "small": (f"shrunk to {SMALL_MM:g} mm", f"{SMALL_MM:g} mmまで縮小すると", ("long_axis",)),
    "erased": ("painted over", "消去すると", ("long_axis",)),
}


def confidence_clauses(facts: Facts, confidence: float, claim: Claim, grounds: Reasons, doubts: Reasons) -> tuple[Clause, ...]:
    """Confidence with its grounds and what would change it by the rules, the verdict, and what the network says of a changed lesion.

    `grounds` and `doubts` are (words, measurement); a clause that has nothing to say is left out.
    """
    return (_confidence(facts, confidence, claim, grounds, doubts), *_verdict(facts, claim), *_if_changed(facts, claim))


def _confidence(facts: Facts, confidence: float, claim: Claim, grounds: Reasons, doubts: Reasons) -> Clause:
    words = facts.say(" or ", "、または").join(text for text, _ in doubts) or facts.say("a clearer image", "より明瞭な画像")
    reasons = facts.say(", ", "、").join(ground for ground, _ in grounds) or facts.say("the image alone", "画像全体の印象")
    text = facts.say(
        f"{_sure(facts.say, confidence, claim)}, because of {reasons}; {words} would change this conclusion.",
        f"{_sure(facts.say, confidence, claim)}。根拠は{reasons}であり、{words}により結論は変わり得ます。",
    )
    why = facts.say("; ", "、").join(facts.say(*_DOUBTS[doubt]) for doubt in claim.doubts if doubt in _DOUBTS)
    if why:
        text += facts.say(f" Treat it with caution: {why}.", f"{why}ため、慎重に解釈してください。")
    return Clause("confidence", text, tuple(dict.fromkeys(name for _, name in (*grounds, *doubts))))


def _sure(say: Callable[[str, str], str], confidence: float, claim: Claim) -> str:
    share = percent(confidence)
    if not claim.calibrated:
        return say(f"Score {share}, not calibrated for such a finding", f"スコア{share}（このような所見には較正されていません）")
    return say(f"Confidence {share} ({_level(say, confidence)})", f"確信度{share}（{_level(say, confidence)}）")


def _level(say: Callable[[str, str], str], confidence: float) -> str:
    if confidence >= HIGH:
        return say("high", "高い")
    return say("moderate", "中等度") if confidence >= LOW else say("low", "低い")


def _verdict(facts: Facts, claim: Claim) -> tuple[Clause, ...]:
    if not claim.verdict:
        return ()
    called = {
        LESION: facts.say("Called a lesion", "判定は病変"),
        NOT_LESION: facts.say("Called a look-alike", "判定は偽陽性"),
    }.get(claim.verdict, facts.say("Undecided between lesion and look-alike", "判定は保留"))
    lesions, n = claim.called
    counted = facts.say(
        f": of {n} calibration findings called so, {lesions} ({lesions / max(n, 1):.0%}) were lesions",
        f"（較正データの同判定{n}件中{lesions}件、{lesions / max(n, 1):.0%}が病変）",
    )
    return (Clause("verdict", called + (counted if n else "") + facts.say(_promise_en(claim), _promise_ja(claim)), ("confidence",)),)


def _promise_en(claim: Claim) -> str:
    wrong = {LESION: "look-alikes", NOT_LESION: "lesions"}.get(claim.verdict)
    return f"; at most {1 - claim.level:.0%} of the {wrong} of scans like those are." if wrong else "."


def _promise_ja(claim: Claim) -> str:
    wrong = {LESION: "偽陽性", NOT_LESION: "病変"}.get(claim.verdict)
    return f"。同様の検査で{wrong}がこう判定されるのは最大{1 - claim.level:.0%}です。" if wrong else "。"


def _if_changed(facts: Facts, claim: Claim) -> tuple[Clause, ...]:
    known = [(_CHANGES[name], then) for name, then in claim.if_changed if name in _CHANGES]
    if not known:
        return ()
    parts = facts.say(", ", "、").join(facts.say(f"{en} {percent(then)}", f"{ja}{percent(then)}") for (en, ja, _), then in known)
    text = facts.say(
        f"Scored again by the classifier alone, the lesion would get: {parts}.", f"分類器による再評価では、{parts}となります。"
    )
    return (Clause("if_changed", text, tuple(dict.fromkeys(name for (_, _, names), _ in known for name in names))),)
