"""Readers' verdicts become known cases: once each, of the right model, shown to other patients only, and taken out again."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import replace

import pytest
from fake_task import BrightTask, FakeModels
from screening_runs import screened, worklist
from small_export import make_export
from worker_tools import open_fake_desk

from cad.errors import ModelError, ShokenError
from cad.networks import sha256_of
from pipelines import cli, wiring
from pipelines.answers import answers
from pipelines.registry import known_cases
from pipelines.registry.known_cases import KnownCases, digest_of
from pipelines.review.pages import case_file
from pipelines.review.verdicts import Verdict, Verdicts
from pipelines.wiring import Bench, Tools, equipped
from tests.cad.write.schema_check import faults, schema

VERSION = FakeModels.version


class SpotTask(BrightTask):
    """The bright spot, with features for its comparison."""

    def run(self, volume, model, *, lang, progress):
        result = super().run(volume, model, lang=lang, progress=progress)
        (spot,) = result.exhibits
        return replace(result, exhibits=(replace(spot, features={"feature_00": float(volume.voxels.max()), "long_axis": 1.25}),))


def open_spot_bench() -> Bench:
    return equipped({"bright_ct": SpotTask()}, FakeModels())


@pytest.fixture
def spots() -> Tools:
    return Tools(open_fake_desk, open_spot_bench)


@pytest.fixture
def out(tmp_path, spots):
    screened(make_export(tmp_path / "export", 3), tmp_path / "out", spots)
    return tmp_path / "out"


@pytest.fixture
def models(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.commands.models._store", lambda _folder: FakeModels())


def said(out, case, verdict, sha256=""):
    found = case_file(out, case)
    Verdicts(out / "results.db").add(Verdict("2026-03-04T05:06:07+00:00", case, 1, verdict, "dr.test", sha256 or found.sha256))
    return found.document["patient"]


def learn(out, capsys, expect=0):
    assert cli.run(["models", "index", "bright_ct", "--verdicts", str(out), "--json"]) == expect
    return json.loads(capsys.readouterr().out)


def neighbours(out):
    """What each case is shown, by its patient."""
    cases = [case_file(out, row["case"]).document for row in worklist(out)]
    return {case["patient"]: case["findings"][0]["evidence"]["similar"] for case in cases}


def test_verdicts_are_shown_to_other_patients_and_leave_when_a_patient_does(tmp_path, out, models, spots, capsys):
    cases = [row["case"] for row in worklist(out)]
    patients = [said(out, case, verdict) for case, verdict in zip(cases, ("accept", "reject", "accept"), strict=True)]
    assert {similar["missing"] for similar in neighbours(out).values()} == {"no_index"}
    facts = learn(out, capsys)
    assert (facts["added"], facts["cases"], facts["stale"]) == (3, 3, 0)

    screened(tmp_path / "export", tmp_path / "again", spots)
    shown = neighbours(tmp_path / "again")
    for patient in patients:
        assert [known["source"] for known in shown[patient]["cases"]] == ["reader", "reader"]  # never one's own
    outcomes = {patient: sorted(known["outcome"] for known in shown[patient]["cases"]) for patient in patients}
    assert outcomes == {
        patients[0]: ["confirmed", "dismissed"],
        patients[1]: ["confirmed", "confirmed"],
        patients[2]: ["confirmed", "dismissed"],
    }
    for row in worklist(tmp_path / "again"):
        assert list(faults(case_file(tmp_path / "again", row["case"]).document, schema("case"))) == []
    page = next((tmp_path / "again" / "cases").glob("*/report.html")).read_text()
    assert "confirmed by a reader" in page
    assert "readers here" in page

    assert cli.run(["models", "index", "bright_ct", "--withdraw", patients[0]]) == 0
    assert cli.run(["models", "index", "bright_ct", "--withdraw", patients[0]]) == 1  # nothing left, which is no success
    left = wiring.known_cases().of(VERSION)
    assert {case.patient for case in left} == {digest_of(patient) for patient in patients[1:]}
    events = [entry["event"] for entry in wiring.model_ledger().entries()]
    assert events == ["answers", "withdraw"]


def test_a_finding_enters_once_and_its_latest_answer_counts(out, models, capsys):
    case = worklist(out)[0]["case"]
    said(out, case, "accept")
    assert learn(out, capsys)["added"] == 1
    again = learn(out, capsys)
    assert (again["added"], again["changed"], again["cases"]) == (0, 0, 1)
    said(out, case, "reject")
    assert learn(out, capsys)["changed"] == 1
    (known,) = wiring.known_cases().of(VERSION)
    assert (known.known.outcome, known.day) == ("dismissed", "2026-03-04")
    said(out, case, "unsure")
    facts = learn(out, capsys)
    assert (facts["removed"], facts["cases"]) == (1, 0)


def test_they_are_read_once_and_again_when_they_changed(out, models, capsys, monkeypatch):
    reads = []
    monkeypatch.setattr(known_cases, "_read", lambda path, sha256, read=known_cases._read: reads.append(path) or read(path, sha256))
    first, second = (row["case"] for row in worklist(out)[:2])
    said(out, first, "accept")
    learn(out, capsys)
    reads.clear()
    for _ in range(3):  # three places that ask, as three studies do
        assert len(wiring.known_cases().of(VERSION)) == 1
    assert wiring.known_cases().sha256(VERSION) == sha256_of(wiring.known_cases().path(VERSION))
    assert len(reads) == 1
    said(out, second, "reject")
    learn(out, capsys)
    assert len(wiring.known_cases().of(VERSION)) == 2
    assert wiring.known_cases().sha256(VERSION) == sha256_of(wiring.known_cases().path(VERSION))


def test_nothing_that_is_kept_names_a_patient_or_an_image(out, models, capsys):
    case = worklist(out)[0]["case"]
    patient = said(out, case, "accept")
    learn(out, capsys)
    kept = wiring.known_cases().path(VERSION).read_text()
    assert patient not in kept
    assert case not in kept
    assert "2.25." not in kept
    features = json.loads((out / "cases" / case / "features.json").read_text())
    assert sorted(features) == ["case_sha256", "features"]
    assert features["features"] == {"1": {"feature_00": json.loads(kept)["cases"][0]["known"]["features"]["feature_00"], "long_axis": 1.25}}


def test_an_answer_to_what_a_case_said_before_does_not_count(out, models, capsys):
    said(out, worklist(out)[0]["case"], "accept", sha256="0" * 64)
    facts = learn(out, capsys, expect=1)
    assert (facts["stale"], facts["cases"]) == (1, 0)


def test_features_of_another_model_are_refused_and_nothing_is_added(out):
    for row in worklist(out):
        said(out, row["case"], "accept")
    with pytest.raises(ModelError, match="bright_ct 1, the current version is 2") as refused:
        answers(out, replace(VERSION, version="2", sha256="cd" * 32))
    assert "cases screened with bright_ct 2" in refused.value.sentence()


@pytest.mark.parametrize(
    ("harm", "match"),
    [
        (lambda path: path.unlink(), "is not there"),
        (lambda path: path.write_text("{"), "not readable"),
        (lambda path: path.write_text(path.read_text().replace("1.25", '"Infinity"')), "not readable"),
        (lambda path: path.write_text(path.read_text().replace('"case_sha256": "', '"case_sha256": "0')), "another case.json"),
    ],
)
def test_features_that_are_not_the_case_s_own_are_named(out, harm, match):
    case = worklist(out)[0]["case"]
    said(out, case, "accept")
    harm(out / "cases" / case / "features.json")
    with pytest.raises(ShokenError, match=match) as refused:
        answers(out, VERSION)
    assert f"{case}/features.json" in refused.value.sentence()


def test_a_changed_file_of_known_cases_is_noticed_and_not_used(tmp_path, out, models, spots, capsys):
    for row in worklist(out):
        said(out, row["case"], "accept")
    learn(out, capsys)
    path = wiring.known_cases().path(VERSION)
    path.write_text(path.read_text().replace("confirmed", "dismissed"))
    with pytest.raises(ModelError, match="was changed"):
        wiring.known_cases().of(VERSION)
    screened(tmp_path / "export", tmp_path / "again", spots)
    assert {similar["missing"] for similar in neighbours(tmp_path / "again").values()} == {"index_unusable"}


def test_other_weights_do_not_see_them(tmp_path, out, models, capsys):
    said(out, worklist(out)[0]["case"], "accept")
    learn(out, capsys)
    assert KnownCases(tmp_path / "none").of(VERSION) == ()
    assert wiring.known_cases().of(replace(VERSION, sha256="cd" * 32)) == ()
    path = wiring.known_cases().path(VERSION)
    other = replace(VERSION, sha256=VERSION.sha256[:16] + "0" * 48)  # the same file name
    with pytest.raises(ModelError, match="another model"):
        wiring.known_cases().of(other)
    assert path.is_file()


def test_an_out_without_verdicts_is_refused(tmp_path, models, capsys):
    with pytest.raises(ShokenError, match="no finished run"):
        answers(tmp_path, VERSION)
    for wrong in (["--withdraw", "P", "--verdicts", str(tmp_path)], []):
        assert cli.run(["models", "index", "bright_ct", *wrong]) == 2
    assert "--verdicts OUT or --withdraw PATIENT" in capsys.readouterr().err


def test_reading_verdicts_changes_none(out):
    said(out, worklist(out)[0]["case"], "accept")
    answers(out, VERSION)
    with sqlite3.connect(out / "results.db") as db:
        assert db.execute("SELECT count(*) FROM verdicts").fetchone() == (1,)
