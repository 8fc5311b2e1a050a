"""The profile in words is the profile in code; the table is the standard's; compound actions follow the IOD."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from anonymizer import standard
from anonymizer.actions import Action
from anonymizer.attribute_types import Family
from anonymizer.describe import describe, options_table
from anonymizer.errors import ProfileError
from anonymizer.gate import Reason
from anonymizer.profile import Option, basic_profile, research_profile, screening_profile

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _tools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))


def test_the_pages_in_docs_are_what_the_code_says() -> None:
    pages = _generator().pages((ROOT / "docs" / "deidentification.md").read_text(encoding="utf-8"))
    assert set(pages) == {"deidentification.md", "profiles/basic.md", "profiles/screening.md", "profiles/research.md"}
    for name, text in pages.items():
        assert (ROOT / "docs" / name).read_text(encoding="utf-8") == text, f"{name}: run tools/generate_profile_pages.py"


def test_a_profile_in_words_names_every_row_code_option_and_reason() -> None:
    for profile in (basic_profile(), screening_profile(), research_profile(), *map(basic_profile, Option)):
        page = describe(profile)
        assert page.count("\n| (") + page.count("\n| odd") == 656
        assert all(f"- {code} (DCM): {meaning}" in page for code, meaning in profile.method_codes)
        assert all((f"- `{option.name.lower()}`: " in page) is (option in profile.options) for option in Option)
        assert all(f"`{reason}`" in page for reason in Reason)
        assert f"`{profile.name}`" in page


def test_every_option_is_in_the_table_of_options_with_its_counts() -> None:
    lines = options_table().splitlines()[2:]
    assert len(lines) == len(Option) == 12
    assert any(line.startswith("| `clean_descriptors` | 113105 | 136 C, report: 45 C |") for line in lines), lines


def test_echoes_are_found_as_well_as_the_page_says() -> None:
    measure = importlib.import_module("measure_echo")
    found = [case.is_gone for case in measure.cases() if "one letter wrong" not in case.kind]
    assert sum(found) / len(found) >= 0.99
    changed, looked_at = measure.innocent_changed()
    assert changed / looked_at <= 0.01


def _generator() -> ModuleType:
    return importlib.import_module("generate_profile_pages")


def test_the_generated_table_is_what_the_sources_give(shared_data: Path, tmp_path: Path) -> None:
    script = ROOT / "tools" / "generate_standard.py"
    subprocess.run([sys.executable, str(script), str(shared_data / "dicom_standard"), str(tmp_path / "standard.py")], check=True)
    assert (tmp_path / "standard.py").read_bytes() == Path(standard.__file__).read_bytes()


@pytest.mark.parametrize(
    ("tag", "family", "depth", "action"),
    [
        (0x00080021, Family.CLASSIC, 0, Action.REMOVE),  # Series Date X/D: type 3
        (0x00080021, Family.PET, 0, Action.DUMMY),  # type 1 in PET Series
        (0x00080023, Family.CLASSIC, 0, Action.ZERO),  # Content Date Z/D: type 2C
        (0x00080023, Family.ENHANCED, 0, Action.DUMMY),  # type 1
        (0x00080022, Family.CLASSIC, 0, Action.REMOVE),  # Acquisition Date X/Z: type 3
        (0x00400555, Family.ENHANCED, 0, Action.ZERO),  # Acquisition Context Sequence X/Z: type 2
        (0x00181000, Family.ENHANCED, 0, Action.DUMMY),  # Device Serial Number X/Z/D: type 1
        (0x00181000, Family.CLASSIC, 0, Action.REMOVE),  # type 3
        (0x00081140, Family.ENHANCED, 0, Action.MAP_UID),  # Referenced Image Sequence X/Z/U*
        (0x00081140, Family.CLASSIC, 0, Action.REMOVE),
        (0x00181000, Family.CLASSIC, 2, Action.DUMMY),  # inside a sequence the type is not known
        (0x00181000, Family.OTHER, 0, Action.DUMMY),
        (0x00100020, Family.CLASSIC, 0, Action.ZERO),  # Patient ID Z/D: type 2
    ],
)
def test_compound_actions_follow_the_type(tag: int, family: Family, depth: int, action: Action) -> None:
    assert basic_profile().decide(tag, family, depth).action is action


def test_options_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ProfileError, match="contradict"):
        basic_profile(Option.RETAIN_FULL_DATES, Option.RETAIN_MODIFIED_DATES)


def test_cleaning_wins_over_keeping() -> None:
    both = basic_profile(Option.RETAIN_DEVICE_IDENTITY, Option.RETAIN_MODIFIED_DATES)
    assert both.decide(0x00181200, Family.CLASSIC, 0).action is Action.CLEAN  # Date of Last Calibration
    assert both.decide(0x00181000, Family.CLASSIC, 0).action is Action.KEEP
