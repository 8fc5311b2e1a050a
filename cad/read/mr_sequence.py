"""What an MR series is weighted for, from its headers: T1, T1c, T2, FLAIR, PD, DWI, ADC, SWI, angio and more.

Three kinds of witnesses, strongest first: what a header says outright (ImageType, AcquisitionContrast, b-values), what
the timing makes of it (TE, TR, TI, family), and what people wrote (sequence name, description, protocol). A weaker
witness may name what a stronger one leaves open; where two contradict each other the answer is "other" and says why.
"""

from __future__ import annotations

from dataclasses import dataclass

from cad.read.mr_timing import weighting
from cad.read.mr_words import contrast_said, named
from cad.study import Series

TYPES = ("T1", "T1c", "T2", "FLAIR", "PD", "DWI", "ADC", "SWI", "angio", "perfusion", "fMRI", "localizer", "other")

# ImageType, FrameType and AcquisitionContrast values of the standard and of the vendors' own.
_OUTRIGHT = {
    "LOCALIZER": "localizer",
    "ADC": "ADC", "ADC_UNSPECIFIED": "ADC", "APPARENT_DIFFUSION_COEFFICIENT": "ADC", "DIFFUSION": "DWI", "TRACEW": "DWI", "DWI": "DWI",
    "DIFFUSION_ISO": "DWI", "DIFFUSION_ANISO": "other", "FA": "other", "FRACTIONAL_ANISOTROPY": "other", "TENSOR": "other",
    "SWI": "SWI", "SWAN": "SWI", "T2_STAR": "SWI", "SUSCEPTIBILITY": "SWI",
    "TOF": "angio", "ANGIO": "angio", "ANGIO_TIME": "angio", "FLOW_ENCODED": "angio", "PHASE_CONTRAST": "angio",
    "PERFUSION": "perfusion", "ASL": "perfusion", "CBF": "perfusion", "RCBF": "perfusion", "RCBV": "perfusion", "MTT": "perfusion",
    "FMRI": "fMRI", "MOCO_FMRI": "fMRI",
    "T1": "T1", "T2": "T2", "PROTON_DENSITY": "PD", "FLUID_ATTENUATED": "FLAIR", "STIR": "other",
    "P": "other", "PHASE": "other", "PHASE MAP": "other", "VELOCITY": "other", "SPECTROSCOPY": "other", "CSA REPORT": "other",
}  # fmt: skip
_RANK = ("localizer", "ADC", "perfusion", "angio", "SWI", "DWI", "fMRI", "FLAIR")  # of several outright words the rarest says most


@dataclass(frozen=True, slots=True)
class MrSequence:
    """`name` is one of `TYPES`; `confidence` in [0, 1]; `evidence` the header facts it rests on, in words."""

    name: str
    confidence: float
    evidence: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The evidence as one phrase."""
        return "; ".join(self.evidence)


@dataclass(frozen=True, slots=True)
class _Witness:
    name: str
    confidence: float
    said: str


def mr_sequence(series: Series) -> MrSequence:
    """The type of an MR series. "other" with confidence 0 where nothing is known or witnesses contradict each other."""
    strong = _outright(series)
    if strong is not None and strong.name not in {"T1", "T2", "PD"}:
        return _of(strong)
    timing = weighting(series)
    words = named(" ".join((series.description, series.acquisition.protocol, series.acquisition.sequence_name, series.sequence_name)))
    witnesses = [
        *((strong,) if strong else ()),
        *((_Witness(timing.name, timing.confidence, timing.said),) if timing else ()),
        *(_Witness(word.name, 0.5, f"described as {word.said}") for word in words),
    ]
    return _with_contrast(_agreed(witnesses), series)


def _outright(series: Series) -> _Witness | None:
    """What a header says without any arithmetic."""
    kinds = series.acquisition.image_types or (series.image_type,)
    said = {word.upper(): f"ImageType says {word.upper()}" for kind in kinds for word in kind[2:]}
    said |= {word.upper(): f"the header says contrast {word.upper()}" for word in series.acquisition.contrasts}
    found = [(_OUTRIGHT[word], sentence) for word, sentence in said.items() if word in _OUTRIGHT]
    if series.acquisition.angiography.upper() == "Y":
        found.append(("angio", "AngioFlag is Y"))
    highest = max(series.acquisition.b_values, default=0.0)
    if highest >= 50 and not any(name in {"ADC", "other"} for name, _ in found):
        found.append(("DWI", f"b-values up to {highest:g} s/mm2"))
    if _is_fmri(series) and not any(name in {"perfusion", "DWI", "ADC"} for name, _ in found):
        found.append(("fMRI", f"gradient echo-planar pictures {series.repeats} times at each place"))
    if not found:
        return None
    best = min(found, key=lambda pair: _RANK.index(pair[0]) if pair[0] in _RANK else len(_RANK))
    return _Witness(best[0], 0.95, best[1])


def _is_fmri(series: Series) -> bool:
    """Many gradient echo-planar pictures of the same place, no contrast agent to follow."""
    made = series.acquisition
    planar = "EP" in made.scanning_sequence or (made.echo_train_length or 0) >= 30
    return "GR" in made.scanning_sequence and planar and series.repeats >= 4 and made.dimensions != "3D" and not _agent(series)


def _agreed(witnesses: list[_Witness]) -> MrSequence:
    if not witnesses:
        return MrSequence("other", 0.0, ("the headers say neither timing nor type",))
    first, *rest = witnesses
    for other in rest:
        finer = _finer(first.name, other.name)
        if finer is None:
            return MrSequence("other", 0.0, (f"contradiction: {first.said} ({first.name}), {other.said} ({other.name})",))
        first = _Witness(finer, min(0.99, max(first.confidence, other.confidence) + 0.1), f"{first.said}; {other.said}")
    return _of(first)


def _finer(one: str, other: str) -> str | None:
    """The type both names can mean, None when they exclude each other."""
    if one == other:
        return one
    pair = {one, other}
    for wide, narrow in (
        ("T1", "T1c"),
        ("T2", "FLAIR"),
        ("T1", "angio"),
        ("DWI", "ADC"),
        ("T2*", "SWI"),
        ("T2*", "fMRI"),
        ("T2*", "perfusion"),
    ):
        if pair == {wide, narrow}:
            return narrow
    if "EPI" in pair or "T2*" in pair:
        narrow = (pair - {"EPI", "T2*"}).pop() if pair != {"EPI", "T2*"} else "T2*"
        return narrow if narrow in {"DWI", "ADC", "fMRI", "perfusion", "T2*", "SWI"} else None
    return None


def _of(witness: _Witness) -> MrSequence:
    vague = {"EPI": ("other", "echo-planar without b-values: diffusion, perfusion or function cannot be told"), "T2*": ("SWI", "")}
    name, remark = vague.get(witness.name, (witness.name, ""))
    return MrSequence(name, 0.0 if remark else witness.confidence, (witness.said, *((remark,) if remark else ())))


def _with_contrast(found: MrSequence, series: Series) -> MrSequence:
    """T1 becomes T1c where an agent was given; header and words that disagree about it make it "other"."""
    if found.name != "T1":
        return found
    agent, said = _agent(series), contrast_said(f"{series.description} {series.acquisition.protocol}")
    if agent and said == "without":
        return MrSequence("other", 0.0, (*found.evidence, "contradiction: contrast was given, the description says without"))
    if agent:
        return MrSequence("T1c", found.confidence, (*found.evidence, "contrast was given"))
    if series.acquisition.contrast_given == "likely" and said != "without":
        return MrSequence("T1c", min(found.confidence, 0.6), (*found.evidence, "the header keeps an emptied contrast agent"))
    if said == "with":
        return MrSequence("T1c", min(found.confidence, 0.6), (*found.evidence, "described as with contrast"))
    return found


def _agent(series: Series) -> bool:
    return series.acquisition.contrast_given == "yes"
