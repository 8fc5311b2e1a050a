"""What `shoken export` sends, asked back of a real Orthanc by the protocols a viewer and an archive use. Loopback only."""

from __future__ import annotations

import json
import shutil

import pytest
from export_stubs import DICOMWEB_PLUGIN, OBJECTS, ORTHANC, orthanc, screened_export, vault_of
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian
from small_export import NAME, UID
from worker_tools import SECRET as PROJECT_SECRET

from anonymizer.key import ProjectKey
from pipelines import cli

pytest.importorskip("pynetdicom", reason="the extra `exchange` is not installed")
pytest.importorskip("cryptography", reason="the vault's package is not installed")
pytestmark = pytest.mark.skipif(
    ORTHANC is None or not DICOMWEB_PLUGIN.exists(), reason="Orthanc with DICOMweb (Debian orthanc, orthanc-dicomweb) is not installed"
)
VAULT_SECRET = bytes(range(60, 92))
MODALITIES = {"SEG", "OT", "SR", "KO"}
ANSWERED = (("application/dicom", ExplicitVRLittleEndian),)  # what a server gives a viewer that states nothing, as OHIF does


@pytest.fixture(scope="module")
def screened_once(tmp_path_factory):
    return screened_export(tmp_path_factory.mktemp("screened"))


@pytest.fixture
def server(tmp_path):
    with orthanc(tmp_path / "orthanc") as running:
        yield running


def sent(capsys, out, to, *more) -> dict:
    assert cli.run(["export", str(out), "--to", to, "--json", *more]) == 0
    return json.loads(capsys.readouterr().out)["counts"]


def found_by_dimse(server, study: str) -> list[Dataset]:
    from pynetdicom import AE
    from pynetdicom.sop_class import StudyRootQueryRetrieveInformationModelFind as Find

    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID, query.Modality, query.SeriesInstanceUID = "SERIES", study, "", ""
    ae = AE(ae_title="SHOKEN")
    ae.add_requested_context(Find)
    association = ae.associate("127.0.0.1", server.dicom, ae_title=server.title)
    assert association.is_established
    try:
        return [identifier for _, identifier in association.send_c_find(query, Find) if identifier]
    finally:
        association.release()


def test_stored_and_asked_for_over_dicomweb_and_dimse(capsys, tmp_path, screened_once, server):
    from dicomweb_client.api import DICOMwebClient

    out = shutil.copytree(screened_once / "out", tmp_path / "out")
    assert sent(capsys, out, f"dicomweb:{server.dicomweb}") == {"sent": OBJECTS}
    client = DICOMwebClient(server.dicomweb)
    for case in (out / "cases").iterdir():
        files = {path.name: dcmread(path) for path in case.glob("*.dcm")}
        study = str(files["sr.dcm"].StudyInstanceUID)
        series = client.search_for_series(study)
        assert {entry["00080060"]["Value"][0] for entry in series} == MODALITIES
        assert {found.Modality for found in found_by_dimse(server, study)} == MODALITIES
        for dataset in files.values():
            back = client.retrieve_instance(study, dataset.SeriesInstanceUID, dataset.SOPInstanceUID, media_types=ANSWERED)
            assert back == dataset, dataset.Modality
    again = shutil.copytree(screened_once / "out", tmp_path / "again")
    assert sent(capsys, again, f"dimse:127.0.0.1:{server.dicom}:{server.title}") == {"sent": OBJECTS}
    assert len(client.search_for_instances()) == OBJECTS


def test_led_back_results_are_filed_under_the_original_study(capsys, tmp_path, screened_once, server, monkeypatch):
    from dicomweb_client.api import DICOMwebClient

    out = shutil.copytree(screened_once / "out", tmp_path / "out")
    vault = vault_of(screened_once / "export", tmp_path / "study.vault", VAULT_SECRET, ProjectKey(PROJECT_SECRET))
    monkeypatch.setenv("SHOKEN_VAULT_KEY", VAULT_SECRET.hex())
    originals = f"dimse:127.0.0.1:{server.dicom}:{server.title}"
    assert sent(capsys, out, originals, "--reidentify", "--vault", str(vault), "--reason", "back to the archive") == {"sent": OBJECTS}
    client = DICOMwebClient(server.dicomweb)
    for original in (screened_once / "export").rglob("*.dcm"):
        client.store_instances([dcmread(original)])
    for study in ("1", "2"):
        (found,) = client.search_for_studies(search_filters={"PatientID": f"ID-{study}"})
        assert found["0020000D"]["Value"] == [f"{UID}{study}"]
        assert set(found["00080061"]["Value"]) == MODALITIES | {"CT"}
        name = client.retrieve_study_metadata(f"{UID}{study}")[0]["00100010"]["Value"][0]
        assert NAME.startswith(name["Alphabetic"])
