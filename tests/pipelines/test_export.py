"""shoken export: each object once, to whoever takes it; under the patient's own identity only with the vault."""

from __future__ import annotations

import json
import shutil
import stat

import pytest
from export_stubs import CLASSES, OBJECTS, node_stub, screened_export, vault_of, web_stub
from pydicom import dcmread
from pydicom.uid import Comprehensive3DSRStorage
from small_export import NAME, UID
from worker_tools import SECRET as PROJECT_SECRET

from anonymizer.key import ProjectKey
from anonymizer.reading import read
from pipelines import cli
from pipelines.exchange import sending
from pipelines.exchange.parcels import ExportError
from pipelines.exchange.targets import target_of
from pipelines.exchange.use_log import log_path

pytest.importorskip("pynetdicom", reason="the extra `exchange` is not installed")
pytest.importorskip("cryptography", reason="the vault's package is not installed")
VAULT_SECRET = bytes(range(60, 92))
WHY = "results go back to the archive"


@pytest.fixture(scope="module")
def screened_once(tmp_path_factory):
    return screened_export(tmp_path_factory.mktemp("screened"))


@pytest.fixture
def out(screened_once, tmp_path):
    return shutil.copytree(screened_once / "out", tmp_path / "out")


@pytest.fixture
def vault(screened_once, tmp_path, monkeypatch):
    monkeypatch.setenv("SHOKEN_VAULT_KEY", VAULT_SECRET.hex())
    return vault_of(screened_once / "export", tmp_path / "study.vault", VAULT_SECRET, ProjectKey(PROJECT_SECRET))


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(sending, "FIRST_WAIT_SECONDS", 0.0)


def told(capsys, *arguments):
    code = cli.run(["export", *(str(argument) for argument in arguments), "--json"])
    captured = capsys.readouterr()
    return code, json.loads(captured.out) if captured.out else {}, captured.err


def test_a_folder_gets_every_object_once(capsys, out, tmp_path):
    code, done, _ = told(capsys, out, "--to", tmp_path / "there")
    assert (code, done["counts"]) == (0, {"sent": OBJECTS})
    for path in (tmp_path / "there").rglob("*.dcm"):
        assert path.read_bytes() == (out / "cases" / path.parent.name / path.name).read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert told(capsys, out, "--to", tmp_path / "there")[1]["counts"] == {"already_sent": OBJECTS}
    next((tmp_path / "there").rglob("sr.dcm")).unlink()
    assert told(capsys, out, "--to", tmp_path / "there")[1]["counts"] == {"already_sent": OBJECTS - 1, "sent": 1}


def test_a_server_gets_every_object_once_and_again_only_when_told(capsys, out):
    with web_stub() as server:
        to = f"dicomweb:{server.url}"
        assert told(capsys, out, "--to", to)[1]["counts"] == {"sent": OBJECTS}
        assert told(capsys, out, "--to", to)[:2] == (0, told(capsys, out, "--to", to)[1])
        assert server.requests == OBJECTS
        assert told(capsys, out, "--to", to, "--again")[1]["counts"] == {"sent": OBJECTS}
    assert server.requests == 2 * OBJECTS


def test_what_passes_by_itself_is_tried_again_and_a_refusal_is_not(capsys, out):
    with web_stub() as server:
        server.answers = [503, 429, 200, 200, 415]  # the second object is the one that has another form
        code, done, err = told(capsys, out, "--to", f"dicomweb:{server.url}")
        assert (code, done["counts"]) == (1, {"failed": 1, "sent": OBJECTS - 1})
        assert server.requests == OBJECTS + 2
        assert "refused_by_receiver: HTTP 415" in err
        assert told(capsys, out, "--to", f"dicomweb:{server.url}")[1]["counts"] == {"already_sent": OBJECTS - 1, "sent": 1}


def test_attempts_have_a_bound_and_the_rest_waits_for_another_day(capsys, out):
    with web_stub() as server:
        server.answers = [200] + [503] * 50
        code, done, _ = told(capsys, out, "--to", f"dicomweb:{server.url}")
        assert (code, done["counts"]) == (1, {"failed": OBJECTS - 1, "sent": 1})
        assert server.requests == 1 + sending.ATTEMPTS
        assert {row["reason"] for row in done["objects"] if row["status"] == "failed"} == {"receiver_unreachable"}
        server.answers = []
        assert told(capsys, out, "--to", f"dicomweb:{server.url}")[1]["counts"] == {"already_sent": 1, "sent": OBJECTS - 1}


def test_an_object_that_the_answer_names_as_failed_was_not_sent(capsys, out):
    with web_stub() as server:
        server.failed = True
        code, done, err = told(capsys, out, "--to", f"dicomweb:{server.url}")
    assert (code, done["counts"]) == (1, {"failed": OBJECTS})
    assert "failure reason 0122" in err


def test_credentials_come_from_the_environment_alone(capsys, out, monkeypatch):
    monkeypatch.setenv("SHOKEN_DICOMWEB_TOKEN", "t0ken")
    with web_stub() as server:
        assert told(capsys, out, "--to", f"dicomweb:{server.url}")[0] == 0
    assert {headers["Authorization"] for headers in server.headers} == {"Bearer t0ken"}
    code, _, err = told(capsys, out, "--to", "dicomweb:http://me:secret@127.0.0.1/x")
    assert code == 2
    assert "secret" not in err


def test_a_node_takes_what_it_knows(capsys, out):
    with node_stub(*CLASSES) as (port, taken):
        to = f"dimse:127.0.0.1:{port}:ARCHIVE"
        assert told(capsys, out, "--to", to)[1]["counts"] == {"sent": OBJECTS}
        assert told(capsys, out, "--to", to)[1]["counts"] == {"already_sent": OBJECTS}
    files = {str(read(path).SOPInstanceUID) for path in (out / "cases").rglob("*.dcm")}
    assert {str(dataset.SOPInstanceUID) for dataset in taken} == files
    assert all(str(dataset.PatientID).startswith("P") for dataset in taken)


def test_a_node_that_does_not_know_a_class_costs_only_that_object(capsys, out):
    with node_stub(Comprehensive3DSRStorage) as (port, taken):
        code, done, err = told(capsys, out, "--to", f"dimse:127.0.0.1:{port}:ARCHIVE")
    assert (code, done["counts"], len(taken)) == (1, {"failed": OBJECTS - 4, "sent": 4}, 4)
    assert "does not take this SOP class" in err


def test_what_a_receiver_refuses_compressed_is_sent_plain(capsys, out):
    compressed = {path for path in (out / "cases").rglob("*.dcm") if dcmread(path).file_meta.TransferSyntaxUID.is_deflated}
    assert {path.name for path in compressed} == {"map-01.dcm"}
    with node_stub(*CLASSES) as (port, taken):  # these nodes know uncompressed forms alone
        assert told(capsys, out, "--to", f"dimse:127.0.0.1:{port}:ARCHIVE")[1]["counts"] == {"sent": OBJECTS}
    arrived = {str(dataset.SOPInstanceUID): dataset for dataset in taken}
    for path in compressed:
        original = dcmread(path)
        plain = arrived[str(original.SOPInstanceUID)]
        assert plain.FloatPixelData == original.FloatPixelData
    with web_stub() as server:
        server.answers = [200, 415]
        assert told(capsys, out, "--to", f"dicomweb:{server.url}")[1]["counts"] == {"sent": OBJECTS}
        assert server.requests == OBJECTS + 1


@pytest.mark.parametrize(("status", "attempts"), [(0xC123, "refused_by_receiver"), (0xA700, "receiver_unreachable")])
def test_a_node_s_status_is_heard(capsys, out, status, attempts):
    with node_stub(*CLASSES, status=status) as (port, _):
        code, done, _ = told(capsys, out, "--to", f"dimse:127.0.0.1:{port}:ARCHIVE")
    assert (code, {row["reason"] for row in done["objects"]}) == (1, {attempts})


def test_a_damaged_object_is_named_and_the_others_go_on(capsys, out, tmp_path):
    broken = next((out / "cases").rglob("sr.dcm"))
    broken.write_bytes(b"not DICOM")
    code, done, err = told(capsys, out, "--to", tmp_path / "there")
    assert (code, done["counts"]) == (1, {"failed": 1, "sent": OBJECTS - 1})
    assert f"{broken.parent.name}/sr.dcm: unreadable" in err


@pytest.mark.parametrize(
    "to",
    [
        "dicomweb:ftp://x/y",
        "dicomweb:http://x/y?z=1",
        "dimse:host:0:AET",
        "dimse:host:104",
        "dimse:host:104:A\\B",
        "dimse:a b:1:C",
        "s3://x",
        " ",
    ],
)
def test_a_target_that_cannot_be_one_is_wrong_usage(to):
    with pytest.raises(ExportError):
        target_of(to)


def test_wrong_usage_sends_nothing(capsys, out, tmp_path, vault):
    assert told(capsys, tmp_path / "nothing", "--to", tmp_path / "there")[0] == 2
    assert told(capsys, out, "--to", out / "inside")[0] == 2
    assert told(capsys, out, "--to", tmp_path / "there", "--reidentify")[0] == 2
    assert told(capsys, out, "--to", tmp_path / "there", "--vault", vault)[0] == 2
    assert told(capsys, out, "--to", tmp_path / "there", "--vault", vault, "--reidentify")[0] == 2  # no reason
    assert not (tmp_path / "there").exists()
    assert not log_path(vault).exists()


def test_results_go_back_under_the_patient_and_study_they_belong_to(capsys, out, tmp_path, vault, screened_once):
    back = tmp_path / "back"
    code, done, err = told(capsys, out, "--to", back, "--reidentify", "--vault", vault, "--reason", WHY)
    assert (code, done["counts"]) == (0, {"sent": OBJECTS})
    originals = {str(read(path).SOPInstanceUID) for path in (screened_once / "export").rglob("*.dcm")}
    reports, names = list(back.rglob("sr.dcm")), set()
    for report in reports:
        dataset = dcmread(report)
        study = str(dataset.StudyInstanceUID).removeprefix(UID)
        names.add(study)
        assert (dataset.PatientName, dataset.PatientID, dataset.AccessionNumber) == (NAME, f"ID-{study}", f"ACC{study}")
        assert {dataset.StudyDate, dataset.SeriesDate, dataset.ContentDate} == {"20240102"}
        assert dataset.PatientIdentityRemoved == "NO"
        evidence = dataset.CurrentRequestedProcedureEvidenceSequence[0]
        assert str(evidence.StudyInstanceUID) == f"{UID}{study}"
        referred = {
            str(sop.ReferencedSOPInstanceUID) for series in evidence.ReferencedSeriesSequence for sop in series.ReferencedSOPSequence
        }
        outline = dcmread(report.with_name("seg.dcm"))
        assert str(outline.SOPInstanceUID) in referred
        assert {str(each.ReferencedSOPInstanceUID) for each in outline.ReferencedSeriesSequence[0].ReferencedInstanceSequence} <= originals
        assert outline.pixel_array.sum() == 6 * 16
        assert referred & originals
        before = dcmread(out / "cases" / report.parent.name / "sr.dcm")
        assert dataset.SOPInstanceUID not in (before.SOPInstanceUID, *referred)
    assert names == {"1", "2"}
    (use,) = [json.loads(line)["facts"] for line in log_path(vault).read_text().splitlines()]
    assert (use["reason"], use["asked"]) == (WHY, "export folder")
    assert not [secret for secret in ("YAMADA", "ID-1", "ACC1", UID) if secret in err + json.dumps(done)]
    assert UID not in (out / "exported.db").read_bytes().decode("latin-1")


def test_both_forms_can_lie_in_one_archive(capsys, out, tmp_path, vault):
    with node_stub(*CLASSES) as (port, taken):
        to = f"dimse:127.0.0.1:{port}:ARCHIVE"
        assert told(capsys, out, "--to", to)[1]["counts"] == {"sent": OBJECTS}
        done = told(capsys, out, "--to", to, "--reidentify", "--vault", vault, "--reason", WHY)[1]
        assert done["counts"] == {"sent": OBJECTS}
    assert len({str(dataset.SOPInstanceUID) for dataset in taken}) == 2 * OBJECTS


def test_a_wrong_key_sends_nothing(capsys, out, tmp_path, vault, monkeypatch):
    monkeypatch.setenv("SHOKEN_VAULT_KEY", bytes(32).hex())
    code, _, err = told(capsys, out, "--to", tmp_path / "back", "--reidentify", "--vault", vault, "--reason", WHY)
    assert code == 2
    assert "the key does not fit" in err
    assert not (tmp_path / "back").exists()
    assert not log_path(vault).exists()


def test_an_object_the_vault_does_not_know_stays_here(capsys, out, tmp_path, vault):
    stranger = next((out / "cases").rglob("sr.dcm"))
    dataset = dcmread(stranger)
    dataset.CurrentRequestedProcedureEvidenceSequence[0].StudyInstanceUID = f"2.25.{(8 << 76) | (2 << 62) | 5}"
    dataset.save_as(stranger)
    code, done, err = told(capsys, out, "--to", tmp_path / "back", "--reidentify", "--vault", vault, "--reason", WHY)
    assert (code, done["counts"]) == (1, {"failed": 1, "sent": OBJECTS - 1})
    assert "unknown_pseudonym" in err
    assert not (tmp_path / "back" / stranger.parent.name / "sr.dcm").exists()
