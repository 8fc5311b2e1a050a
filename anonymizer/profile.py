"""A profile: the basic profile of PS3.15 plus the options that were asked for. It settles what happens to each attribute."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

from anonymizer import rules
from anonymizer.actions import Action, is_compound, resolve
from anonymizer.attribute_types import AttributeType, Family, attribute_type
from anonymizer.errors import ProfileError

BASIC_CODE = ("113100", "Basic Application Confidentiality Profile")


class Option(Enum):
    """The options of PS3.15: (code in CID 7050, code meaning, column of table E.1-1 or empty)."""

    RETAIN_FULL_DATES = ("113106", "Retain Longitudinal Temporal Information Full Dates Option", "rtnLongFullDatesOpt")
    RETAIN_MODIFIED_DATES = ("113107", "Retain Longitudinal Temporal Information Modified Dates Option", "rtnLongModifDatesOpt")
    RETAIN_PATIENT_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option", "rtnPatCharsOpt")
    RETAIN_DEVICE_IDENTITY = ("113109", "Retain Device Identity Option", "rtnDevIdOpt")
    RETAIN_UIDS = ("113110", "Retain UIDs Option", "rtnUIDsOpt")
    RETAIN_INSTITUTION_IDENTITY = ("113112", "Retain Institution Identity Option", "rtnInstIdOpt")
    CLEAN_DESCRIPTORS = ("113105", "Clean Descriptors Option", "cleanDescOpt")
    CLEAN_STRUCTURED_CONTENT = ("113104", "Clean Structured Content Option", "cleanStructContOpt")
    CLEAN_GRAPHICS = ("113103", "Clean Graphics Option", "cleanGraphOpt")
    CLEAN_PIXEL_DATA = ("113101", "Clean Pixel Data Option", "")
    CLEAN_RECOGNIZABLE_VISUAL_FEATURES = ("113102", "Clean Recognizable Visual Features Option", "")
    RETAIN_SAFE_PRIVATE = ("113111", "Retain Safe Private Option", "rtnSafePrivOpt")

    @property
    def code(self) -> str:
        """Code value in CID 7050, scheme DCM."""
        return self.value[0]

    @property
    def meaning(self) -> str:
        """Code meaning in CID 7050."""
        return self.value[1]

    @property
    def column(self) -> str:
        """The column of table E.1-1 that the option reads; empty for the two options on pixels, which name no attribute."""
        return self.value[2]


ON_PIXELS = frozenset({Option.CLEAN_PIXEL_DATA, Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES})


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to an attribute and why: `reason` is `profile`, an option's name, or a rule of the unlisted policy."""

    action: Action
    reason: str


@dataclass(frozen=True, slots=True)
class Profile:
    """The basic profile with a set of options.

    Raises ProfileError for options that contradict each other.
    """

    name: str
    options: frozenset[Option] = frozenset()

    def __post_init__(self) -> None:
        if {Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES} <= self.options:
            raise ProfileError("full and modified dates contradict each other", subject=self.name, accepted="one of the two, or neither")

    @property
    def method_codes(self) -> tuple[tuple[str, str], ...]:
        """(code, meaning) of CID 7050 for (0012,0064), the basic profile first, options by code."""
        return (BASIC_CODE, *sorted((option.code, option.meaning) for option in self.options))

    @property
    def header_codes(self) -> tuple[tuple[str, str], ...]:
        """The codes that cleaning the header earns; the two options on pixels are claimed by those who did that work."""
        later = {option.code for option in ON_PIXELS}
        return tuple(code for code in self.method_codes if code[0] not in later)

    @property
    def temporal_information(self) -> str:
        """The value of (0028,0303) Longitudinal Temporal Information Modified."""
        if Option.RETAIN_FULL_DATES in self.options:
            return "UNMODIFIED"
        return "MODIFIED" if Option.RETAIN_MODIFIED_DATES in self.options else "REMOVED"

    @property
    def keeps_uids(self) -> bool:
        """Whether UIDs stay as they are."""
        return Option.RETAIN_UIDS in self.options

    def decide(self, tag: int, family: Family, depth: int) -> Decision:
        """What happens to an attribute (tag = group * 65536 + element) of an IOD family at a nesting depth."""
        return self.plan(family, depth)[tag]

    def plan(self, family: Family, depth: int) -> Plan:
        """Every decision for an IOD family at a depth, filled as tags are asked for."""
        return _plan(self, family, min(depth, 1))


class Plan(dict[int, "Decision"]):
    """Decisions by tag; a tag seen for the first time is decided then. Bounded, so that made-up tags cannot fill memory."""

    _LIMIT = 16384

    def __init__(self, profile: Profile, family: Family, depth: int) -> None:
        super().__init__()
        self._settled = (profile, family, depth)

    @property
    def profile(self) -> Profile:
        """The profile that decides."""
        return self._settled[0]

    def __missing__(self, tag: int) -> Decision:
        profile, family, depth = self._settled
        decision = _decide(profile, tag, family, depth)
        if len(self) < self._LIMIT:
            self[tag] = decision
        return decision


@lru_cache(maxsize=64)
def _plan(profile: Profile, family: Family, depth: int) -> Plan:
    return Plan(profile, family, depth)


def basic_profile(*options: Option) -> Profile:
    """The basic profile with any options; with none it is the strict profile: dates are removed or replaced by a dummy."""
    return Profile("+".join(("basic", *sorted({option.name.lower() for option in options}))), frozenset(options))


def screening_profile() -> Profile:
    """What screening uses: dates shifted per patient, so that a prior can be compared and growth dated."""
    return basic_profile(Option.RETAIN_MODIFIED_DATES)


def research_profile() -> Profile:
    """What public research archives publish under: texts and pixels cleaned, dates shifted, what the science needs kept.

    The set of the Cancer Imaging Archive's submission standard (Moore et al., RadioGraphics 2015;35:727).
    """
    return basic_profile(
        Option.CLEAN_PIXEL_DATA,
        Option.CLEAN_DESCRIPTORS,
        Option.RETAIN_MODIFIED_DATES,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
        Option.RETAIN_DEVICE_IDENTITY,
        Option.RETAIN_SAFE_PRIVATE,
    )


_STARTS = {"basic": basic_profile, "screening": screening_profile, "research": research_profile}


def profile_named(text: str) -> Profile:
    """The profile of a name: `basic`, `screening` or `research`, then `+option` any number of times, in any order and case.

    A profile's own `name` is such a text. Raises ProfileError naming what is accepted.
    """
    start, *wanted = (word.strip().casefold().replace("-", "_") for word in text.split("+"))
    known = {option.name.lower(): option for option in Option}
    strange = [word for word in (start,) if word not in _STARTS] + [word for word in wanted if word not in known]
    if strange:
        raise ProfileError(f"{strange[0]!r} is not known", subject="profile", accepted=_grammar())
    return basic_profile(*_STARTS[start]().options, *(known[word] for word in wanted))


def _grammar() -> str:
    return f"{' | '.join(_STARTS)}, then any of +{' +'.join(option.name.lower() for option in Option)}"


def _decide(profile: Profile, tag: int, family: Family, depth: int) -> Decision:
    decision = _before_the_table(profile, tag)
    if decision is not None:
        return decision
    rule = rules.rule_for(tag)
    if rule is None:
        return _unlisted(profile, tag)
    letters = {option: rule.options[option.column] for option in profile.options if option.column in rule.options}
    for wanted in ("C", "K"):  # where two options speak, cleaning wins over keeping
        named = sorted(option.name.lower() for option, letter in letters.items() if letter == wanted)
        if named:
            return Decision(Action(wanted), named[0])
    kind = attribute_type(family, tag, depth) if is_compound(rule.basic) else AttributeType.UNKNOWN
    return Decision(resolve(rule.basic, kind), "profile")


def _before_the_table(profile: Profile, tag: int) -> Decision | None:
    """Whole groups, and the content that one option opens; None where the table or the unlisted policy decides."""
    if tag >> 16 in (0x0000, 0x0002):
        return Decision(Action.REMOVE, "not_of_a_data_set")  # commands and file meta; the output gets a meta of its own
    if tag >> 16 & 1:
        return _optional(profile, Option.RETAIN_SAFE_PRIVATE, Action.CLEAN, "private")
    if rules.is_repeating_group(tag):
        kept = rules.is_overlay(tag) and tag & 0xFFFF in rules.OVERLAY_ELEMENTS
        return _optional(profile, Option.CLEAN_GRAPHICS, Action.CLEAN if kept else Action.REMOVE, "curve_or_overlay")
    if tag in _CONTENT and Option.CLEAN_STRUCTURED_CONTENT in profile.options:
        return Decision(_CONTENT[tag], Option.CLEAN_STRUCTURED_CONTENT.name.lower())
    return None


# Where the content of a report or a document lies; without Clean Structured Content the rows and the unlisted policy hold.
_CONTENT = {
    0x0040A160: Action.CLEAN,  # Text Value
    0x00420010: Action.CLEAN,  # Document Title
    0x00420011: Action.CLEAN,  # Encapsulated Document: only what was searched passes the gate, and is written anew
}


def _optional(profile: Profile, option: Option, action: Action, otherwise: str) -> Decision:
    """The action under an option; without it the attribute is removed."""
    return Decision(action, option.name.lower()) if option in profile.options else Decision(Action.REMOVE, otherwise)


def _unlisted(profile: Profile, tag: int) -> Decision:
    """The policy of `rules` for an attribute that the table does not list."""
    vrs = rules.dictionary_vrs(tag)
    gone = _never_kept(tag, vrs)
    if gone:
        return Decision(Action.REMOVE, gone)
    if set(vrs) & rules.BYTE_VRS:
        return _allowed(tag, rules.KEPT_BYTES, Decision(Action.REMOVE, "unlisted_bytes"))
    if set(vrs) & (rules.TEXT_VRS - {"CS"}):
        return _allowed(tag, rules.TECHNICAL_TEXTS, Decision(Action.DUMMY, "unlisted_text"))
    if set(vrs) & rules.TIME_VRS:
        return _unlisted_time(profile)
    if vrs == ("UI",) and Option.RETAIN_UIDS not in profile.options:
        return Decision(Action.MAP_UID, "unlisted_uid")
    return Decision(Action.KEEP, "unlisted")


def _never_kept(tag: int, vrs: tuple[str, ...]) -> str:
    if rules.vouches_for_itself(tag):
        return "private"
    if tag >> 16 == 0x0004:
        return "not_of_a_data_set"  # of a DICOMDIR: names of files and file sets
    if not tag & 0xFFFF:
        return "group_length"
    return "" if vrs else "unknown_attribute"


def _allowed(tag: int, allowed: frozenset[int], otherwise: Decision) -> Decision:
    return Decision(Action.KEEP, "technical") if tag in allowed else otherwise


def _unlisted_time(profile: Profile) -> Decision:
    if Option.RETAIN_FULL_DATES in profile.options:
        return Decision(Action.KEEP, Option.RETAIN_FULL_DATES.name.lower())
    if Option.RETAIN_MODIFIED_DATES in profile.options:
        return Decision(Action.CLEAN, Option.RETAIN_MODIFIED_DATES.name.lower())
    return Decision(Action.DUMMY, "unlisted_time")
