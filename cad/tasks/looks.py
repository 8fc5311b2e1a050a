"""Whether a volume shows what a task needs: the pixels decide, the header is heard as a second witness.

Pixels name the wanted part: looked through, with a warning where the header names another one. Pixels name another part: refused,
whatever the header says. Pixels are unsure ("other": half a chest, a child, an odd crop): looked through with a warning when
the header names the wanted part and some of its signs are there, since hiding half a thorax from a reader helps nobody; refused
when either witness is missing.
"""

from __future__ import annotations

from cad.errors import Refusal
from cad.prepare.bodypart import BodyPart, body_part
from cad.read.mr_sequence import mr_sequence
from cad.study import Series
from cad.tasks.choosing import Needs, leads, names_body
from cad.tasks.task import Fit
from cad.volume import Volume


def fits(task: str, needs: Needs, volume: Volume, series: Series) -> Fit:
    """Whether `task` may look through the volume made of the series. Reasons: wrong_body_part, body_part_unknown,
    leading_sequence_missing; warnings:
    body_part_contradicted, body_part_unsure, outside_training.
    """
    fit = _shows(task, needs, volume, series)
    if not fit.refusal and not leads(series, needs):
        return Fit(refusal=_alone(task, needs, series))
    if fit.refusal or not needs.tolerated or (found := mr_sequence(series)).name not in needs.tolerated:
        return fit
    detail = f"MR type {found.name} ({found.reason}); {needs.says}, so its answer here is less sure"
    return Fit(warnings=(*fit.warnings, Refusal(series.series_instance_uid, "outside_training", detail)))


def _shows(task: str, needs: Needs, volume: Volume, series: Series) -> Fit:
    part, header = body_part(volume), names_body(series, needs)
    if part.name == needs.body:
        return Fit(warnings=(_contradicted(part, series),)) if header == "no" else Fit()
    if part.name != "other":
        return Fit(refusal=wrong_part(task, needs.body, part))
    if header == "yes" and part.partly == needs.body:
        return Fit(warnings=(_unsure(needs, part, series),))
    said = f"names {series.body_part}" if series.body_part else "names no body part"
    detail = f"{task} needs a {needs.body}; the pixels do not show one for certain ({part.reason}) and the header {said}"
    return Fit(refusal=Refusal(series.series_instance_uid, "body_part_unknown", detail))


def wrong_part(task: str, body: str, part: BodyPart) -> Refusal:
    """The refusal of a volume that shows another part."""
    return Refusal("", "wrong_body_part", f"{task} needs a {body}; the pixels look like {part.name}: {part.reason}")


def _alone(task: str, needs: Needs, series: Series) -> Refusal:
    """The refusal of a study of which only types are there that the networks find nothing on by themselves."""
    detail = f"not screened: {task} needs {' or '.join(needs.leading)}, and looks at MR type {mr_sequence(series).name} only beside it"
    return Refusal(series.series_instance_uid, "leading_sequence_missing", detail)


def _contradicted(part: BodyPart, series: Series) -> Refusal:
    detail = f"the header says body part {series.body_part}, the pixels look like {part.name} ({part.reason}): the pixels were believed"
    return Refusal(series.series_instance_uid, "body_part_contradicted", detail)


def _unsure(needs: Needs, part: BodyPart, series: Series) -> Refusal:
    detail = (
        f"the header says {series.body_part}, the pixels do not show a whole {needs.body} ({part.reason}): "
        f"only the part of the {needs.body} that was found has been looked through"
    )
    return Refusal(series.series_instance_uid, "body_part_unsure", detail)
