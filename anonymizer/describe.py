"""A profile in words: what it does to every attribute, as Markdown. The page in docs/ is asserted against this."""

from __future__ import annotations

from anonymizer import rules
from anonymizer.actions import Action
from anonymizer.attribute_types import Family
from anonymizer.gate import Reason
from anonymizer.profile import Decision, Profile
from anonymizer.standard import ADDITIONS_EDITION, EDITION

_WORDS = {
    Action.REMOVE: "removed",
    Action.ZERO: "emptied (patient name, patient ID, accession number: pseudonym)",
    Action.DUMMY: "replaced by a dummy",
    Action.MAP_UID: "UID mapped by the project key (a sequence is searched)",
    Action.CLEAN: "cleaned (dates: shifted; texts: identifying words dropped; sequences: searched)",
    Action.KEEP: "kept",
}


def describe(profile: Profile, family: Family = Family.CLASSIC) -> str:
    """The profile as Markdown: codes it claims, the policy outside the table, every row of the table, the gate's reasons.

    Compound actions are shown as they are settled at the top level of an IOD family.
    """
    rows = [(rule, profile.decide(_example(rule), family, 0)) for rule in rules.standard_rules()]
    parts = [_head(profile), _policy(), _counts(rows), _table(rows), _gate()]
    return "\n\n".join(parts) + "\n"


def _head(profile: Profile) -> str:
    codes = "\n".join(f"- {code} (DCM): {meaning}" for code, meaning in profile.method_codes)
    source = f"Table E.1-1 of DICOM PS3.15 {EDITION} with the additions up to {ADDITIONS_EDITION}. The output says of itself:"
    temporal = f"- (0028,0303) Longitudinal Temporal Information Modified: {profile.temporal_information}"
    stated = f"- (0012,0062) Patient Identity Removed: YES\n{temporal}"
    return f"## Profile `{profile.name}`\n\n{source}\n\n{stated}\n\nand carries in (0012,0064) the codes\n\n{codes}"


def _policy() -> str:
    text = (rules.__doc__ or "").split("\n\n", 1)[1].strip()
    return f"### The table, and what it leaves out\n\n{text}"


def _counts(rows: list[tuple[rules.Rule, Decision]]) -> str:
    lines = [f"- {sum(decision.action is action for _, decision in rows)} {words}" for action, words in _WORDS.items()]
    return f"### What happens to the {len(rows)} rows\n\n" + "\n".join(lines)


def _table(rows: list[tuple[rules.Rule, Decision]]) -> str:
    lines = [f"| {_tag(rule)} | {rule.name} | {rule.basic} | {decision.action.value} | {decision.reason} |" for rule, decision in rows]
    return "### Row by row\n\n| tag | attribute | basic profile | here | because |\n|---|---|---|---|---|\n" + "\n".join(lines)


def _gate() -> str:
    return "### Refused with a reason\n\n" + "\n".join(f"- `{reason.value}`" for reason in Reason)


def _tag(rule: rules.Rule) -> str:
    return "odd groups" if rule.pattern == rules.PRIVATE_PATTERN else f"({rule.pattern[:4]},{rule.pattern[4:]})"


def _example(rule: rules.Rule) -> int:
    """A tag that the row means."""
    return 0x00091001 if rule.pattern == rules.PRIVATE_PATTERN else int(rule.pattern.replace("X", "0"), 16)
