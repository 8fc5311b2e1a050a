"""How a series was acquired, from one object's header: classic attributes, or the functional groups of an enhanced object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from cad.read.facts import BROKEN, Frame, Frames
from cad.read.header import Header
from cad.study import Acquisition

# Enhanced MR says what a picture shows in attributes of their own (PS3.3 C.8.13.5); these values say "yes".
_FLAGS = {
    "InversionRecovery": "INVERSION_RECOVERY",
    "TimeOfFlightContrast": "TOF",
    "EchoPlanarPulseSequence": "EPI",
    "ArterialSpinLabelingContrast": "ASL",
    "PhaseContrast": "PHASE_CONTRAST",
}
NO_AGENT = frozenset({"NO", "NONE", "N", "OFF", "0", "なし", "無し", "無"})
_NO = frozenset({"", "NO", "NONE"})
_PULSES = {"SPIN": "SE", "GRADIENT": "GR", "BOTH": "SE"}  # EchoPulseSequence


def acquisition_of(header: Header) -> Acquisition:
    """The acquisition facts of one object, over all its frames. May raise anything in `cad.read.facts.BROKEN`."""
    frames = Frames(header)
    seen = [frames.frame(index) for index in range(len(frames))]
    first = seen[0]
    train = _number(first, "EchoTrainLength") or _number(first, "RFEchoTrainLength")
    return Acquisition(
        echo_times_ms=_distinct(_first(frame, "EchoTime", "EffectiveEchoTime") for frame in seen),
        repetition_time_ms=_number(first, "RepetitionTime"),
        inversion_time_ms=_inversion(first),
        flip_angle_deg=_number(first, "FlipAngle"),
        echo_train_length=int(train) if train is not None else None,
        b_values=_distinct(_number(frame, "DiffusionBValue") for frame in seen),
        scanning_sequence=_words(first.find("ScanningSequence")) or _pulse(first),
        sequence_variant=_words(first.find("SequenceVariant")),
        dimensions=_text(first.find("MRAcquisitionType")),
        angiography=_text(first.find("AngioFlag")),
        sequence_name=_text(first.find("SequenceName")) or _text(first.find("PulseSequenceName")),
        protocol=_text(first.find("ProtocolName")),
        contrast_given=_contrast_given(header),
        contrasts=tuple(dict.fromkeys(word for frame in seen for word in _contrasts(frame))),
        image_types=tuple(dict.fromkeys(kind for frame in seen if (kind := _words(frame.find("FrameType") or frame.find("ImageType"))))),
    )


def anatomy_of(header: Header) -> str:
    """What body part the header names: BodyPartExamined, or the meaning of the (frame) anatomic region's code."""
    named = _text(header.get("BodyPartExamined"))
    try:
        return named or _region(header)
    except BROKEN:
        return ""


def _region(header: Header) -> str:
    shared: Any = header.get("SharedFunctionalGroupsSequence") or ()
    holders = [*(shared[0].get("FrameAnatomySequence") or () if len(shared) else ())]
    regions = [*(header.get("AnatomicRegionSequence") or ()), *(r for h in holders for r in h.get("AnatomicRegionSequence") or ())]
    return next((str(region.get("CodeMeaning") or "") for region in regions), "")


def _contrast_given(header: Header) -> str:
    """ "yes", "likely" or "" (see Acquisition)."""
    agent = _text(header.get("ContrastBolusAgent"))
    if agent.upper() in NO_AGENT:
        return ""
    doses = [_text(header.get(keyword)) for keyword in ("ContrastBolusVolume", "ContrastBolusTotalDose")]
    named = [agent, _text(header.get("ContrastBolusRoute")), _text(header.get("ContrastBolusIngredient")), *doses]
    if any(value not in {"", "0", "0.0"} for value in named):
        return "yes"
    return "likely" if header.holds("ContrastBolusAgent") else ""


def _inversion(frame: Frame) -> float | None:
    """The inversion time; of several (FD with one value each pulse) the first. Zero means that there was no inversion."""
    several: Any = frame.find("InversionTimes")
    first = several if isinstance(several, int | float) else next(iter(several or ()), None)
    value = float(first) if isinstance(first, int | float) else _number(frame, "InversionTime")
    return value or None


def _pulse(frame: Frame) -> tuple[str, ...]:
    """ScanningSequence of an enhanced object, in the words of a classic one."""
    pulse = _PULSES.get(_text(frame.find("EchoPulseSequence")))
    planar = _text(frame.find("EchoPlanarPulseSequence")) == "YES"
    inverted = _text(frame.find("InversionRecovery")) == "YES"
    return tuple(word for word in (pulse, "EP" if planar else None, "IR" if inverted else None) if word)


def _contrasts(frame: Frame) -> Iterator[str]:
    named = _text(frame.find("AcquisitionContrast"))
    if named not in _NO | {"UNKNOWN", "MIXED"}:
        yield named
    for keyword, word in _FLAGS.items():
        if _text(frame.find(keyword)) not in _NO:
            yield word


def _number(frame: Frame, keyword: str) -> float | None:
    """A number, or None where it is missing, several, or no number at all: a bad optional value costs no file its place."""
    try:
        return frame.number(keyword)
    except (ValueError, TypeError):
        return None


def _first(frame: Frame, *keywords: str) -> float | None:
    return next((value for keyword in keywords if (value := _number(frame, keyword)) is not None), None)


def _distinct(values: Iterator[float | None]) -> tuple[float, ...]:
    return tuple(sorted({round(value, 3) for value in values if value is not None}))


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _words(value: Any) -> tuple[str, ...]:
    if value is None or value == "":
        return ()
    return tuple(str(word) for word in value) if not isinstance(value, str) else (value,)
