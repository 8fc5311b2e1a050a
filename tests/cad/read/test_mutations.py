"""Mutations of real files in every syntax: no crash, no hang, no file that is neither used nor refused.

`SHOKEN_MUTATIONS=200` makes as many of each file instead of the few that the suite has time for.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import factory
import numpy as np
import pytest
from factory import Limits

FILES = (
    "wg04_compressed/CT1_RLE", "wg04_compressed/CT1_JPLL", "wg04_compressed/CT1_JLSL", "wg04_compressed/MR1_J2KR",
    "wg04_compressed/MR1_JPLY", "wg04_compressed/CT2_JLSN", "eCT_Supplemental.dcm", "LIDC-IDRI-0001_dicom", "pseudoPHI_MR_ftdc/dicom",
    "dicom2nifti/philips_enhanced/anatomical", "dcm_qa_ct_Philips_localizer",
)  # fmt: skip
EACH = int(os.environ.get("SHOKEN_MUTATIONS", "8"))
SECONDS = 12.0  # a frame may take ten before its decoder is stopped


@pytest.mark.parametrize("name", FILES)
def test_mutations_are_used_or_refused(name: str, shared_data: Path, tmp_path: Path) -> None:
    source = shared_data / name
    if source.is_dir():
        source = min(p for p in source.rglob("*") if p.is_file() and p.read_bytes()[128:132] == b"DICM")
    whole, rng = source.read_bytes(), np.random.default_rng(len(name))
    for trial in range(EACH):
        (path := tmp_path / "mutated").write_bytes(mutated(whole, trial, rng))
        began = time.monotonic()
        scan, read = factory.read_back([path], Limits(slices=(10, 1)))
        assert not factory.unaccounted([path], scan, read), trial
        assert time.monotonic() - began < SECONDS, trial
        for volume in read.volumes:
            assert np.isfinite(volume.grid.affine).all()
            assert np.isfinite(volume.voxels).all()


def mutated(whole: bytes, trial: int, rng: np.random.Generator) -> bytes:
    """In turn: bytes changed in the header, anywhere, near the pixels; a piece cut out, doubled, moved; the end cut off."""
    data = bytearray(whole)
    start = whole.find(b"\xe0\x7f\x10\x00")
    ranges = [(132, max(133, min(start, 4000))), (132, len(data)), (max(132, start), min(len(data), start + 400))]
    kind = trial % 7
    if kind < 3:
        for at in rng.integers(*ranges[kind], int(rng.integers(1, 12))):
            data[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, int(rng.integers(256))])
    elif kind == 6:
        del data[int(rng.integers(132, len(data))) :]
    else:
        first, length = int(rng.integers(132, len(data) - 64)), int(rng.integers(1, 4000))
        piece = data[first : first + length]
        if kind != 4:
            del data[first : first + length]
        if kind != 3:
            at = int(rng.integers(132, len(data)))
            data[at:at] = piece
    return bytes(data)
