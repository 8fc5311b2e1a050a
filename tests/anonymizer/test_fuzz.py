"""Damaged files: no crash, no hang, no silent drop, bounded memory, and nothing of the patient in what is written.

SHOKEN_FUZZ=20000 runs that many damages instead of the quick number; the seed is fixed, SHOKEN_FUZZ_SEED sets another.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from deid_factory import SYNTAXES, ct, decode, encode
from fuzz_mutations import deflate_bomb
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

COUNT = int(os.environ.get("SHOKEN_FUZZ", "1200"))
SEED = os.environ.get("SHOKEN_FUZZ_SEED", "20")
REAL = (
    "pseudoPHI_MR_ftdc/dicom/*.dcm",
    "eCT_Supplemental.dcm",
    "Lung_Dx-A0002_B40f/*",
    "dicom2nifti/generic/**/*-0001.dcm",
    "presidio_pixelPHI/*.dcm",
)
LARGEST = 700_000


def worker(folder: Path, *words: str, seconds: float) -> dict[str, object]:
    """The worker's result; its end by a signal or the time limit fails the test with the damage that did it."""
    here = Path(__file__).resolve().parent
    environment = {**os.environ, "PYTHONPATH": f"{here}:{here.parents[1]}", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, str(here / "fuzz_worker.py"), str(folder), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=seconds, check=False)
    at = folder / "at"
    assert done.returncode == 0, (done.returncode, at.read_text() if at.exists() else "", done.stderr[-800:])
    return dict(json.loads(done.stdout))


def described() -> Dataset:
    """A slice with sequences, private elements and texts around the patient."""
    request = Dataset()
    request.RequestedProcedureDescription, request.RequestedProcedureID = "Chest of Winterbourne", "RP123456"
    image = ct(InstitutionName="Harbour General Hospital", RequestAttributesSequence=Sequence([request]), SeriesDescription="thin 1.0")
    block = image.private_block(0x0029, "SIEMENS CSA HEADER", create=True)
    block.add_new(0x10, "OB", b"Winterbourne^Ariadne MRN00412345")
    image.PixelData = np.zeros(16, "<u2").tobytes()
    return image


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made files in every plain syntax and one compressed; real ones too where they lie beside the checkout."""
    folder = tmp_path_factory.mktemp("fuzz")
    (folder / "corpus").mkdir()
    for number, syntax in enumerate(SYNTAXES):
        (folder / "corpus" / f"plain{number}.dcm").write_bytes(encode(described(), syntax))
    packed = decode(encode(described()))
    packed.compress(uid.RLELossless, generate_instance_uid=False)
    (folder / "corpus" / "rle.dcm").write_bytes(encode(packed, uid.RLELossless))
    for path in real_files():
        (folder / "corpus" / f"real-{path.parent.name}-{path.name}").write_bytes(path.read_bytes())
    return folder


def real_files() -> list[Path]:
    shared = Path(__file__).resolve().parents[3] / "shared" / "data"
    found = (path for pattern in REAL for path in sorted(shared.glob(pattern))[:3])
    return [path for path in found if path.stat().st_size <= LARGEST]


def test_damaged_files_never_crash_hang_vanish_or_leak(corpus: Path) -> None:
    result = worker(corpus, SEED, str(COUNT), seconds=30 + COUNT / 10)
    assert result["faults"] == [], (result["faults"], result["tally"])
    tally = dict(result["tally"])  # type: ignore[call-overload]
    outcomes = {name: count for name, count in tally.items() if not name.startswith("way:")}
    assert sum(outcomes.values()) == COUNT
    assert outcomes["deidentified"] > COUNT / 20 < COUNT - outcomes["deidentified"], "both ends must be reached"


@pytest.mark.parametrize("before", [0, 5000, 70_000], ids="{} bytes before the transfer syntax".format)
def test_a_deflate_bomb_is_refused_in_bounded_memory(before: int, tmp_path: Path) -> None:
    """Also one whose file meta says only late, behind a long private element, that the data set is deflated."""
    bomb = deflate_bomb(2)
    late = struct.pack("<HH2sHI", 0x0002, 0x0001, b"OB", 0, before) + bytes(before) if before else b""
    bomb = bomb[:144] + late + bomb[144:]
    assert len(bomb) < 4 << 20
    (tmp_path / "bomb.dcm").write_bytes(bomb)
    result = worker(tmp_path, "one", "bomb.dcm", seconds=90)
    assert result["status"] == "refused", result
    assert int(str(result["peak_kib"])) < 1600 << 10


@pytest.mark.parametrize("depth", [33, 400, 20000])
def test_deep_nesting_is_refused_by_name(depth: int, tmp_path: Path) -> None:
    content = encode(ct())
    step = struct.pack("<HH2sHI", 0x0008, 0x2218, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    end = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
    place = content.index(struct.pack("<HH2s", 0x0010, 0x0010, b"PN"))
    (tmp_path / "deep.dcm").write_bytes(content[:place] + step * depth + end * depth + content[place:])
    result = worker(tmp_path, "one", "deep.dcm", seconds=60)
    assert (result["status"], result["reason"]) == ("refused", "nested_too_deep")


def test_a_hundred_thousand_items_pass_or_are_refused_in_time(tmp_path: Path) -> None:
    content = encode(ct())
    items = struct.pack("<HHI", 0xFFFE, 0xE000, 0) * 100_000
    sequence = struct.pack("<HH2sHI", 0x0008, 0x2218, b"SQ", 0, len(items)) + items
    place = content.index(struct.pack("<HH2s", 0x0010, 0x0010, b"PN"))
    (tmp_path / "wide.dcm").write_bytes(content[:place] + sequence + content[place:])
    assert worker(tmp_path, "one", "wide.dcm", seconds=60)["status"] in ("deidentified", "refused")
