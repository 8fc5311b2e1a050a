"""The short ways through reading give what the long ones give, on every real file: header values as pydicom reads them,
voxels read straight into the volume as voxels read apart and copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from cad.read import assemble as assembling
from cad.read.assemble import assemble
from cad.read.element_walk import HeaderError
from cad.read.facts import BROKEN, TAGS, discreet
from cad.read.header import Header, read_header
from cad.read.headers import read_headers
from cad.read.pixels import stored_values
from cad.volume import Volume


def _headers(shared_data: Path) -> Iterator[tuple[Header, Dataset]]:
    for path in sorted(p for p in shared_data.rglob("*") if p.is_file() and p.suffix not in {".gz", ".xz", ".zst", ".nrrd", ".png"}):
        try:
            yield read_header(path, TAGS), dcmread(path, stop_before_pixels=True)
        except (HeaderError, InvalidDicomError):
            continue


def _plain(value: Any) -> Any:
    """A pydicom value as `Header.get` gives it."""
    if isinstance(value, MultiValue | list):
        return tuple(_plain(part) for part in value) if len(value) > 1 else _plain(value[0]) if value else None
    if value is None or value == "":
        return None
    return float(value) if isinstance(value, float) else int(value) if isinstance(value, int) else str(value).strip("\0 ")


def _by_pydicom(dataset: Dataset, keyword: str) -> Any:
    try:
        return _plain(dataset.get(keyword))
    except BROKEN:
        return "unreadable"


def test_every_header_value_is_what_pydicom_reads(shared_data: Path) -> None:
    files = 0
    with discreet():
        for header, dataset in _headers(shared_data):
            files += 1
            for keyword in TAGS:
                theirs = _by_pydicom(dataset, keyword)
                if theirs == "unreadable" or isinstance(dataset.get(keyword), Sequence):
                    continue
                assert header.get(keyword) == theirs, (keyword, files)
    assert files > 300


@pytest.mark.parametrize("folder", ["LIDC-IDRI-0001_dicom", "pseudoPHI_MR_ftdc", "dcm_qa_ct_GE_tilt", "dicom2nifti"])
def test_voxels_read_in_place_are_those_read_apart(folder: str, shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [path for path in sorted((shared_data / folder).rglob("*")) if path.is_file()]
    series = [one for study in read_headers(files).studies for one in study.series]
    in_place = [assemble(one) for one in series]
    monkeypatch.setattr(assembling, "stored_values", lambda source, facts, room=None: stored_values(source, facts))
    apart = [assemble(one) for one in series]
    assert [_told(one.volumes) for one in in_place] == [_told(one.volumes) for one in apart]
    assert [one.refusals for one in in_place] == [one.refusals for one in apart]
    assert any(one.volumes for one in in_place)


def _told(volumes: tuple[Volume, ...]) -> list[str]:
    return [volume.digest() for volume in volumes]


def test_a_frame_cut_short_leaves_no_volume_behind(tmp_path: Path) -> None:
    import factory

    grid = factory.small_grid((4, 16, 16), (2.0, 1.0, 1.0))
    files = factory.save(factory.build(lambda where: np.full(where.shape, 40, np.int16), factory.Layout(grid)), tmp_path)
    (study,) = read_headers(files).studies
    with files[1].open("r+b") as file:  # after the scan, as when a disk fails in between
        file.truncate(files[1].stat().st_size - 100)
    read = assemble(study.series[0])
    assert not read.volumes
    assert "truncated" in {refusal.reason for refusal in read.refusals}
