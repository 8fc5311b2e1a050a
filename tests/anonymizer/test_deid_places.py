"""UIDs that a profile keeps name folders; none of them leads out of the output."""

from __future__ import annotations

from pathlib import Path

import pytest
from deid_factory import KEY, ct, encode

from anonymizer.files import DEIDENTIFIED, deidentify_file
from anonymizer.profile import profile_named

KEEPS_UIDS = profile_named("basic+retain_uids")


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")
@pytest.mark.parametrize("study", ["..", ".", "../..", "1.2/3", "1..2", ".1", ""])
@pytest.mark.parametrize("series", ["..", "1.2.3"])
def test_a_uid_that_is_none_names_no_folder(tmp_path: Path, study: str, series: str) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.dcm").write_bytes(encode(ct(StudyInstanceUID=study, SeriesInstanceUID=series)))
    outcome = deidentify_file(tmp_path / "in" / "one.dcm", tmp_path / "a" / "b" / "out", KEY, KEEPS_UIDS)
    assert (outcome.status, outcome.reason, outcome.output) == ("refused", "missing_identity", "")
    assert [path.name for path in tmp_path.rglob("*.dcm")] == ["one.dcm"]


def test_uids_that_are_kept_name_folders(tmp_path: Path) -> None:
    (tmp_path / "one.dcm").write_bytes(encode(ct()))
    outcome = deidentify_file(tmp_path / "one.dcm", tmp_path / "out", KEY, KEEPS_UIDS)
    assert outcome.status == DEIDENTIFIED
    assert outcome.output.startswith("1.2.826.0.1.3680043.9.7777.1/1.2.826.0.1.3680043.9.7777.1.1/")
