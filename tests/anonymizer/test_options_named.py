"""A profile has a name that can be typed, printed and read back."""

from __future__ import annotations

import pytest

from anonymizer.actions import Action
from anonymizer.element import depends_on_siblings
from anonymizer.errors import ProfileError
from anonymizer.profile import Decision, Option, basic_profile, profile_named, research_profile, screening_profile


@pytest.mark.parametrize(
    "profile", [basic_profile(), screening_profile(), research_profile(), *map(basic_profile, Option)], ids=lambda profile: profile.name
)
def test_a_printed_name_reads_back(profile) -> None:
    assert profile_named(profile.name) == profile
    assert profile_named(profile.name.upper()) == profile
    start, *rest = profile.name.split("+")
    assert profile_named("+".join((start, *reversed(rest)))) == profile


def test_aliases_and_what_is_added_to_them() -> None:
    assert profile_named(" Screening ") == screening_profile()
    assert profile_named("research") == research_profile()
    assert profile_named("screening+clean-pixel-data").options == {Option.RETAIN_MODIFIED_DATES, Option.CLEAN_PIXEL_DATA}
    assert profile_named("basic+retain_uids+retain_uids") == basic_profile(Option.RETAIN_UIDS)


@pytest.mark.parametrize("text", ["", "strict", "basic+", "basic+everything", "retain_uids", "basic,retain_uids", "+basic"])
def test_an_unknown_name_says_what_is_accepted(text: str) -> None:
    with pytest.raises(ProfileError, match=r"basic \| screening \| research.*retain_safe_private"):
        profile_named(text)


def test_contradicting_dates_are_refused_by_name_too() -> None:
    with pytest.raises(ProfileError, match="contradict"):
        profile_named("screening+retain_full_dates")


def test_elements_that_rest_on_their_siblings_say_so() -> None:
    kept, gone = Decision(Action.CLEAN, "test"), Decision(Action.REMOVE, "test")
    for tag in (0x7FE00010, 0x60023000, 0x60000022, 0x00091001, 0x00090010, 0x0040A160, 0x0040A124, 0x0040A730, 0x00420011):
        assert depends_on_siblings(tag, kept)
        assert not depends_on_siblings(tag, gone)
    assert not depends_on_siblings(0x0008103E, kept)
