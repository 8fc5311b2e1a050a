"""`dciodvfy` (Debian dicom3tools) finds no error in the output that it does not find in the input.

Errors are compared as multisets of lines without values. What may differ, and why, is in ACCEPTED.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from answer_key import generate
from deid_factory import KEY, SYNTAXES, ct, encode
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.files import DEIDENTIFIED, deidentify_file
from anonymizer.profile import Profile, basic_profile, research_profile, screening_profile
from cad.simulate.patients import JAPANESE, LATIN, UTF8, fake_patient
from cad.simulate.scanner import SeriesLook, write_series
from cad.space import Grid
from cad.volume import Volume

DCIODVFY = shutil.which("dciodvfy")
pytestmark = pytest.mark.skipif(DCIODVFY is None, reason="dciodvfy (Debian dicom3tools) is not installed")
PROFILES = (basic_profile(), screening_profile(), research_profile())
# Classes of lines that are no fault of the output: none so far.
ACCEPTED: tuple[re.Pattern[str], ...] = ()


def errors_of(path: Path) -> Counter[str]:
    """The Error lines, without the values that they quote."""
    done = subprocess.run([str(DCIODVFY), str(path)], capture_output=True, timeout=60, check=False)
    lines = (done.stdout + done.stderr).decode("utf-8", "replace").splitlines()
    normal = (normalised(line) for line in lines if line.startswith("Error"))
    return Counter(line for line in normal if not any(pattern.search(line) for pattern in ACCEPTED))


def normalised(line: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^<>]*>|'[^']*'|= *\S+", "<>", line)).strip()


def new_errors(path: Path, out: Path, profile: Profile) -> Counter[str]:
    outcome = deidentify_file(path, out, KEY, profile)
    assert outcome.status == DEIDENTIFIED, (path.name, outcome.reason)
    return errors_of(out / outcome.output) - errors_of(path)


def test_an_error_would_be_seen(tmp_path: Path) -> None:
    sound, broken = ct(StudyID="7", SeriesNumber="1"), ct(StudyID="7", SeriesNumber="1", Modality="")
    del broken.PixelSpacing
    for name, image in (("sound", sound), ("broken", broken)):
        (tmp_path / name).write_bytes(encode(image))
    assert len(errors_of(tmp_path / "broken") - errors_of(tmp_path / "sound")) >= 2


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name[:40])
def test_the_simulator_s_export_gets_no_new_errors(profile: Profile, tmp_path: Path) -> None:
    shape = (3, 16, 16)
    chest = Volume(np.zeros(shape, np.int16), Grid.axial(shape, (2.5, 0.7, 0.7)))
    head = Volume(np.full(shape, 900, np.int16), Grid.axial(shape, (1, 1, 1)), unit="1", modality="MR")
    for number, (volume, charset) in enumerate(((chest, JAPANESE), (head, UTF8), (chest, LATIN))):
        written = write_series(volume, tmp_path / str(number), fake_patient(number, charset), number, SeriesLook(sequence="T1"))
        for path in written.files:
            assert new_errors(path, tmp_path / "out", profile) == Counter()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name[:40])
def test_made_slices_get_no_new_errors(profile: Profile, tmp_path: Path) -> None:
    request = Dataset()
    request.RequestedProcedureDescription, request.RequestedProcedureID = "Chest", "RP123456"
    image = ct(RequestAttributesSequence=Sequence([request]), InstitutionName="Harbour", StudyID="7", SeriesNumber="1", Laterality="")
    for number, syntax in enumerate(SYNTAXES):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(encode(image, syntax))
        assert new_errors(path, tmp_path / "out", profile) == Counter(), syntax.name


def test_the_answer_key_s_files_get_no_new_errors(tmp_path: Path) -> None:
    generate(tmp_path / "in", patients=9, burned_in=0)
    for path in sorted((tmp_path / "in").rglob("*.dcm"))[::3]:
        assert new_errors(path, tmp_path / "out", research_profile()) == Counter()


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name[:40])
def test_real_files_get_no_new_errors(profile: Profile, shared_data: Path, tmp_path: Path) -> None:
    wanted = ("LIDC-IDRI-0001_dicom/000001.dcm", "eCT_Supplemental.dcm", "pseudoPHI_MR_ftdc/dicom/*.dcm", "Lung_Dx-A0002_B40f/*")
    compressed = ("dicom2nifti/generic/**/*-0001.dcm", "totalseg_example_ct_dicom_j2k/*")
    paths = [path for pattern in (*wanted, *compressed) for path in sorted(shared_data.glob(pattern))[:3] if path.is_file()]
    passing = [path for path in paths if deidentify_file(path, tmp_path / "out", KEY, profile).status == DEIDENTIFIED]
    assert len(passing) >= 8
    found = {path.name: errors for path in passing if (errors := new_errors(path, tmp_path / "out", profile))}
    assert found == {}
