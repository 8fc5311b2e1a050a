"""The authorised way back: who may, what is logged, and that nothing shows before the log holds it."""

from __future__ import annotations

import csv
import io
import json
import stat

import pytest
from small_export import NAME, UID, make_export
from worker_tools import SECRET as PROJECT_SECRET

from anonymizer.files import deidentify_tree
from anonymizer.key import ProjectKey
from anonymizer.reading import read
from anonymizer.vault import entries_of, open_vault
from pipelines import cli
from pipelines.exchange.use_log import log_path

pytest.importorskip("cryptography", reason="the vault's package is not installed")
VAULT_SECRET = bytes(range(60, 92))
SECRETS = ("YAMADA", "山田", "ID-1", "ID-2", "ACC1", UID)
WHY = "referring ward asks for two findings"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A de-identified OUT with its vault, as `shoken deid --vault` leaves them, and the key in the environment."""
    export, out, key = make_export(tmp_path / "export"), tmp_path / "out", ProjectKey(PROJECT_SECRET)
    outcomes = list(deidentify_tree(export, out / "files", key))
    (out / "manifest.jsonl").write_text("".join(json.dumps({"file": each.file, "status": each.status}) + "\n" for each in outcomes))
    with open_vault(tmp_path / "study.vault", VAULT_SECRET, create=True) as vault:
        for path in export.rglob("*.dcm"):
            vault.add(entries_of(read(path), key))
        vault.add_picture(outcomes[1].file, "frame 1 <before>", PNG)
    monkeypatch.setenv("SHOKEN_VAULT_KEY", VAULT_SECRET.hex())
    return tmp_path


def told(capsys, *arguments) -> tuple[int, str, str]:
    code = cli.run(["reidentify", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def uses(project) -> list[dict]:
    path = log_path(project / "study.vault")
    return [json.loads(line)["facts"] for line in path.read_text().splitlines()] if path.exists() else []


def asked(project, *more):
    return (project / "out", "--vault", project / "study.vault", "--reason", WHY, *more)


def test_a_table_on_stdout_and_a_line_in_the_log(capsys, project):
    code, out, err = told(capsys, *asked(project, "--json"))
    assert code == 0
    found = json.loads(out)["identities"]
    assert sorted((i["patient_name"], i["patient_id"], i["accession_number"], i["study_instance_uid"]) for i in found) == [
        (NAME, f"ID-{n}", f"ACC{n}", f"{UID}{n}") for n in (1, 2)
    ]
    assert {(i["birth_date"], i["sex"], i["fault"]) for i in found} == {("19500101", "M", "")}
    assert all(int(i["shift_days"]) < 0 for i in found)
    log = log_path(project / "study.vault").read_text()
    assert not [secret for secret in SECRETS if secret in err + log]
    (use,) = uses(project)
    assert (use["reason"], use["pseudonyms"], use["asked"]) == (WHY, "2", "identities")
    assert {"user", "host", "vault", "vault_key", "vault_rows", "digest"} <= set(use)
    assert VAULT_SECRET.hex()[:8] not in log
    assert stat.S_IMODE(log_path(project / "study.vault").stat().st_mode) == 0o600
    assert "YAMADA" in told(capsys, *asked(project))[1]
    assert len(uses(project)) == 2


def test_restored_copies_hold_what_the_originals_held(capsys, project):
    code, out, err = told(capsys, *asked(project, "--out", project / "back"))
    assert (code, err.strip()) == (0, "")
    assert "12 files restored" in out
    originals = {read(path).SOPInstanceUID: read(path) for path in (project / "export").rglob("*.dcm")}
    for path in (project / "back" / "files").rglob("*.dcm"):
        back = read(path)
        original = originals.pop(back.SOPInstanceUID)
        for keyword in (
            "PatientName",
            "PatientID",
            "StudyDate",
            "AccessionNumber",
            "SeriesInstanceUID",
            "FrameOfReferenceUID",
            "PixelData",
        ):
            assert back[keyword].value == original[keyword].value
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert originals == {}
    table = project / "back" / "reidentified.csv"
    rows = list(csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig"))))
    assert {row["patient_name"] for row in rows} == {NAME}
    assert stat.S_IMODE(table.stat().st_mode) == 0o600
    assert stat.S_IMODE((project / "back").stat().st_mode) == 0o700


def test_a_file_that_does_not_lead_back_is_named_and_not_written(capsys, project):
    path = sorted((project / "out" / "files").rglob("*.dcm"))[0]
    stranger = read(path)
    stranger.FrameOfReferenceUID = "2.25." + str((8 << 76) | (2 << 62) | 5)
    stranger.save_as(path)
    (path.parent / "note.txt").write_text("x")
    code, _, err = told(capsys, *asked(project, "--out", project / "back"))
    assert code == 1
    assert "1 did not lead back: unknown_pseudonym" in err
    assert "1 did not lead back: not_dicom" in err
    assert len(list((project / "back").rglob("*.dcm"))) == 11
    lines = [json.loads(line) for line in (project / "back" / "manifest.jsonl").read_text().splitlines()]
    assert sorted(line["reason"] for line in lines) == ["not_dicom", "unknown_pseudonym"]
    assert "(0020,0052)" in json.dumps(lines)


def test_pictures_come_out_of_the_vault_as_a_page(capsys, project):
    assert told(capsys, *asked(project, "--pictures", project / "seen"))[0] == 0
    page = (project / "seen" / "index.html").read_text()
    (png,) = (project / "seen").rglob("*.png")
    assert png.read_bytes() == PNG
    assert png.relative_to(project / "seen").as_posix() in page
    assert "&lt;before&gt;" in page
    assert "<before>" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert uses(project)[0]["asked"] == "identities pictures"


def test_a_screening_is_led_back_by_its_cases(capsys, project):
    _, text, _ = told(capsys, *asked(project, "--json"))
    identities = json.loads(text)["identities"]
    out = project / "screened"
    for n, identity in enumerate(identities):
        (out / "cases" / f"case-{n}").mkdir(parents=True)
        document = {"case": f"case-{n}", "patient": identity["patient"], "study_instance_uid": identity["study"]}
        (out / "cases" / f"case-{n}" / "case.json").write_text(json.dumps(document))
    studies = [{"case": "case-0"}, {"case": "case-1"}, {"case": "case-9", "status": "failed"}]
    (out / "worklist.json").write_text(json.dumps({"studies": studies}))
    code, text, err = told(capsys, out, *asked(project)[1:], "--json")
    assert (code, "no_case" in err) == (1, True)
    by_case = {identity["case"]: identity["patient_id"] for identity in json.loads(text)["identities"]}
    assert by_case == {f"case-{n}": identity["patient_id"] for n, identity in enumerate(identities)}


def test_single_pseudonyms_come_on_stdin(capsys, project, monkeypatch):
    _, text, _ = told(capsys, *asked(project, "--json"))
    known = json.loads(text)["identities"][0]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(f"{known['patient']}\n\n{known['study']}\nPAAAA\n".encode())))
    code, text, err = told(capsys, "-", *asked(project)[1:], "--json")
    found = {identity["case"]: identity for identity in json.loads(text)["identities"]}
    assert (code, "unknown_pseudonym" in err) == (1, True)
    assert found[known["patient"]]["patient_name"] == NAME
    assert found[known["study"]]["accession_number"] == known["accession_number"]
    assert found["PAAAA"]["fault"] == "unknown_pseudonym"


def _wrong_key(project, monkeypatch):
    monkeypatch.setenv("SHOKEN_VAULT_KEY", "00" * 32)


def _no_key(project, monkeypatch):
    monkeypatch.delenv("SHOKEN_VAULT_KEY")


def _no_vault(project, monkeypatch):
    (project / "study.vault").unlink()


def _edited(project, monkeypatch):
    path = project / "study.vault"
    content = bytearray(path.read_bytes())
    content[-200:] = bytes(200)
    path.write_bytes(content)


def _foreign(project, monkeypatch):
    (project / "study.vault").unlink()
    open_vault(project / "study.vault", VAULT_SECRET, create=True).close()


def _log_is_a_folder(project, monkeypatch):
    log_path(project / "study.vault").mkdir()


def _nothing_there(project, monkeypatch):
    (project / "out").rename(project / "elsewhere")


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (_wrong_key, "key does not fit"),
        (_no_key, "no vault key"),
        (_no_vault, "no such vault"),
        (_edited, "accepted"),
        (_foreign, "knows none of the 2 pseudonyms"),
        (_log_is_a_folder, "nothing is revealed"),
        (_nothing_there, "no such folder"),
    ],
)
def test_whatever_is_wrong_nothing_is_revealed(capsys, project, monkeypatch, harm, words):
    harm(project, monkeypatch)
    code, out, err = told(capsys, *asked(project, "--out", project / "back"))
    assert (code, out) == (2, "")
    assert words in err
    assert not [secret for secret in SECRETS if secret in err]
    assert not list((project / "back").rglob("*.dcm"))
    assert not (project / "back" / "reidentified.csv").exists()


def _cut(lines):
    return lines[:-1]


def _changed(lines):
    return [lines[0].replace(WHY, "another reason"), *lines[1:]]


@pytest.mark.parametrize("harm", [_cut, _changed, lambda lines: [], lambda lines: None])
def test_a_log_that_was_touched_stops_everything(capsys, project, harm):
    for _ in range(2):
        assert told(capsys, *asked(project))[0] == 0
    log = log_path(project / "study.vault")
    lines = harm(log.read_text().splitlines())
    if lines is None:  # log and anchor both gone: only the vault remembers
        log.unlink()
        log.with_suffix(".head.json").unlink()
    else:
        log.write_text("".join(line + "\n" for line in lines))
    code, out, err = told(capsys, *asked(project))
    assert (code, out) == (2, "")
    assert "whole log that belongs to this vault" in err


def test_an_older_copy_of_the_vault_is_noticed(capsys, project):
    vault = project / "study.vault"
    older = vault.read_bytes()
    with open_vault(vault, VAULT_SECRET) as opened:
        opened.add_picture("f1", "more", PNG)
    assert told(capsys, *asked(project))[0] == 0
    vault.write_bytes(older)
    code, out, err = told(capsys, *asked(project))
    assert (code, out, "older copy" in err) == (2, "", True)


@pytest.mark.parametrize("reason", ["", "   ", "two\nlines", "asked for ID-1", "for YAMADA TARO", "山田太郎の件", "x" * 501])
def test_a_reason_is_needed_and_names_nobody(capsys, project, reason):
    code, out, err = told(capsys, project / "out", "--vault", project / "study.vault", "--reason", reason)
    assert (code, out, "--reason" in err) == (2, "", True)
    assert uses(project) == []
    assert told(capsys, project / "out", "--vault", project / "study.vault")[0] == 2
