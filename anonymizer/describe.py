"""A profile in words: what it does to every attribute, as Markdown. The pages in docs/ are asserted against this."""

from __future__ import annotations

from collections import Counter

from anonymizer import report_concepts, rules, safe_private
from anonymizer.actions import Action
from anonymizer.attribute_types import Family
from anonymizer.content import letter_for
from anonymizer.gate import Reason, opened_by
from anonymizer.profile import Decision, Option, Profile
from anonymizer.standard import ADDITIONS_EDITION, EDITION

_WORDS = {
    Action.REMOVE: "removed",
    Action.ZERO: "emptied (patient name, patient ID, accession number: pseudonym)",
    Action.DUMMY: "replaced by a dummy",
    Action.MAP_UID: "UID mapped by the project key (a sequence is searched)",
    Action.CLEAN: "cleaned (dates: shifted; texts: identifying words cut out; sequences: searched)",
    Action.KEEP: "kept (a sequence is searched)",
}
_OPTION_TEXT = """
clean_pixel_data: text burned into pixels is found and blanked;
  what passes the gate only for this option is refused unless that succeeds
clean_recognizable_visual_features: faces are removed from head CT and MR; a series that cannot be defaced is refused
clean_graphics: overlays stay when text recognition sees no letters in them (what it sees is blanked first),
  their labels and comments are cleaned; graphic annotations keep shapes, their texts are cleaned; curves, which are retired, go
clean_structured_content: report content stays, item by item as table E.3.4-1 says; a PDF stays when every word of it was searched
clean_descriptors: descriptions and comments stay without what repeats the patient, a physician or an institution,
  and without titled names, dates, telephone numbers, mail addresses and UIDs; ages over 89 become 90+
retain_full_dates: dates and times stay; the birth date goes
retain_modified_dates: dates move by one number of days per patient, times of day stay; the birth date goes
retain_patient_characteristics: sex, age, size, weight and the like stay; ages over 89 become 090Y; the birth date goes
retain_device_identity: serial numbers and station names stay; application entity titles,
  which name institutions, get a keyed name
retain_uids: UIDs stay
retain_safe_private: private attributes that the standard lists stay under the exact name of their creator,
  cleaned like descriptors; bytes that nobody can search go even where listed
retain_institution_identity: institution names, addresses and departments stay
"""


def _option_words() -> dict[Option, str]:
    lines = " ".join(_OPTION_TEXT.split("\n  ")).strip().splitlines()
    return {Option[name.upper()]: words for name, words in (line.split(": ", 1) for line in lines)}


_OPTION_WORDS = _option_words()


def describe(profile: Profile, family: Family = Family.CLASSIC) -> str:
    """The profile as Markdown: codes it claims, options, the policy outside the table, every row of the table, the gate.

    Compound actions are shown as they are settled at the top level of an IOD family.
    """
    return "\n\n".join([summary(profile, family), _table(_decided(profile, family))]) + "\n"


def summary(profile: Profile, family: Family = Family.CLASSIC) -> str:
    """`describe` without the table row by row."""
    return "\n\n".join([_head(profile), _options(profile), _policy(), _counts(_decided(profile, family)), _gate(profile)])


def options_table() -> str:
    """Every option, its code, what it does, and how many rows of the tables name it, as Markdown."""
    lines = [f"| `{option.name.lower()}` | {option.code} | {_rows_named(option)} | {_OPTION_WORDS[option]} |" for option in _by_code()]
    head = "| option | code | rows that name it | what it does here |\n|---|---|---|---|"
    return "\n".join([head, *lines])


def _by_code() -> list[Option]:
    return sorted(Option, key=lambda option: option.code)


def _rows_named(option: Option) -> str:
    letters = Counter(rule.options[option.column] for rule in rules.standard_rules() if option.column in rule.options)
    concepts = Counter(letter for row in report_concepts.concept_rows() for column, letter in row.options if column == option.column)
    parts = [f"{count} {letter}" for letter, count in sorted(letters.items())]
    parts += [f"report: {count} {letter}" for letter, count in sorted(concepts.items())]
    return ", ".join(parts) or "none: pixels"


def _decided(profile: Profile, family: Family) -> list[tuple[rules.Rule, Decision]]:
    return [(rule, profile.decide(_example(rule), family, 0)) for rule in rules.standard_rules()]


def _head(profile: Profile) -> str:
    codes = "\n".join(f"- {code} (DCM): {meaning}" for code, meaning in profile.method_codes)
    source = f"Table E.1-1 of DICOM PS3.15 {EDITION} with the additions up to {ADDITIONS_EDITION}. The output says of itself:"
    temporal = f"- (0028,0303) Longitudinal Temporal Information Modified: {profile.temporal_information}"
    stated = f"- (0012,0062) Patient Identity Removed: YES\n{temporal}"
    return f"## Profile `{profile.name}`\n\n{source}\n\n{stated}\n\nand carries in (0012,0064) the codes\n\n{codes}"


def _options(profile: Profile) -> str:
    lines = [f"- `{option.name.lower()}`: {_OPTION_WORDS[option]}" for option in _by_code() if option in profile.options]
    return "### Options\n\n" + ("\n".join(lines + _tables(profile)) or "None: the basic profile alone.")


def _tables(profile: Profile) -> list[str]:
    found = []
    if Option.RETAIN_SAFE_PRIVATE in profile.options:
        rows = safe_private.safe_attributes()
        found.append(f"- private dictionary: {safe_private.TABLE} {safe_private.EDITION}, {len(rows)} rows")
    if Option.CLEAN_STRUCTURED_CONTENT in profile.options:
        letters = Counter(letter_for(row, profile) for row in report_concepts.concept_rows())
        settled = ", ".join(f"{count} {letter}" for letter, count in sorted(letters.items()))
        found.append(f"- report concepts: {report_concepts.TABLE} {report_concepts.EDITION}, here {settled}")
    return found


def _policy() -> str:
    text = (rules.__doc__ or "").split("\n\n", 1)[1].strip()
    return f"### The table, and what it leaves out\n\n{text}"


def _counts(rows: list[tuple[rules.Rule, Decision]]) -> str:
    lines = [f"- {sum(decision.action is action for _, decision in rows)} {words}" for action, words in _WORDS.items()]
    return f"### What happens to the {len(rows)} rows\n\n" + "\n".join(lines)


def _table(rows: list[tuple[rules.Rule, Decision]]) -> str:
    lines = [f"| {_tag(rule)} | {rule.name} | {rule.basic} | {decision.action.value} | {decision.reason} |" for rule, decision in rows]
    return "### Row by row\n\n| tag | attribute | basic profile | here | because |\n|---|---|---|---|---|\n" + "\n".join(lines)


def _gate(profile: Profile) -> str:
    passes = "\n".join(f"- {what}" for what in opened_by(profile))
    return "### What passes\n\n" + passes + "\n\n### Refused with a reason\n\n" + "\n".join(f"- `{reason.value}`" for reason in Reason)


def _tag(rule: rules.Rule) -> str:
    return "odd groups" if rule.pattern == rules.PRIVATE_PATTERN else f"({rule.pattern[:4]},{rule.pattern[4:]})"


def _example(rule: rules.Rule) -> int:
    """A tag that the row means."""
    return 0x00091001 if rule.pattern == rules.PRIVATE_PATTERN else int(rule.pattern.replace("X", "0"), 16)
