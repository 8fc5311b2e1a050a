"""Files of one series rewritten in place: all or none, any transfer syntax, nothing of it left over."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread, uid

sys.path.insert(0, str(Path(__file__).parent))
import heads
from heads import Scan

from anonymizer.defacing.account import Status
from anonymizer.defacing.files import deface_series
from anonymizer.gate import Reason

COARSE = Scan("T1", spacing=(3, 3, 4))


def saved(folder: Path, images) -> list[Path]:
    paths = []
    for k, image in enumerate(images):
        paths.append(folder / f"{k:03d}.dcm")
        image.save_as(paths[-1], enforce_file_format=True)
    return paths


def contents(paths: list[Path]) -> list[bytes]:
    return [path.read_bytes() for path in paths]


def test_every_file_is_rewritten_and_nothing_else_lies_around(tmp_path: Path) -> None:
    paths = saved(tmp_path, heads.slices(COARSE))
    before = [dcmread(path) for path in paths]
    outcome = deface_series(paths)
    after = [dcmread(path) for path in paths]
    assert outcome.verdict is None
    assert outcome.account.status is Status.APPLIED
    assert outcome.rewritten == len(paths)
    assert sorted(tmp_path.iterdir()) == paths
    changed = np.stack([a.pixel_array != b.pixel_array for a, b in zip(before, after, strict=True)])
    assert not changed[heads.truth(COARSE, 1).astype(bool)].any()
    assert changed[heads.truth(COARSE, 2).astype(bool)].mean() > 0.9
    for a, b in zip(before, after, strict=True):
        assert b.RecognizableVisualFeatures == "NO"
        assert {e.tag for e in b} - {e.tag for e in a} == {0x00280302, 0x00120064}
        assert [item.CodeValue for item in b.DeidentificationMethodCodeSequence] == ["113102"]
    assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301


def test_a_refused_series_keeps_every_byte(tmp_path: Path) -> None:
    paths = saved(tmp_path, heads.slices(Scan("T1", spacing=(3, 3, 4), high=(92, 112, 40))))
    before = contents(paths)
    outcome = deface_series(paths)
    assert outcome.verdict is not None
    assert outcome.verdict.reason is Reason.FACE_NOT_REMOVED
    assert outcome.rewritten == 0
    assert contents(paths) == before
    assert sorted(tmp_path.iterdir()) == paths


def test_a_series_that_needs_nothing_gets_the_code_and_no_more(tmp_path: Path) -> None:
    paths = saved(tmp_path, heads.slices(Scan("T1", spacing=(3, 3, 4), low=(-92, -130, 40))))
    before = [dcmread(path) for path in paths]
    outcome = deface_series(paths)
    assert (outcome.verdict, outcome.rewritten) == (None, len(paths))
    assert outcome.account.status is Status.NOT_NEEDED
    for was, path in zip(before, paths, strict=True):
        now = dcmread(path)
        assert [item.CodeValue for item in now.DeidentificationMethodCodeSequence] == ["113102"]
        del now.DeidentificationMethodCodeSequence
        assert now == was


def test_a_damaged_file_keeps_the_whole_series_as_it_was(tmp_path: Path) -> None:
    paths = saved(tmp_path, heads.slices(COARSE))
    paths[7].write_bytes(paths[7].read_bytes()[:-500])
    before = contents(paths)
    outcome = deface_series(paths)
    assert outcome.verdict is not None
    assert outcome.account.evidence == "pixels_unreadable"
    assert contents(paths) == before


def test_a_disk_that_refuses_a_draft_is_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = saved(tmp_path, heads.slices(COARSE))
    before = contents(paths)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    outcome = deface_series(paths)
    assert outcome.verdict is not None
    assert outcome.verdict.reason is Reason.NOT_WRITTEN
    assert contents(paths) == before
    assert sorted(tmp_path.iterdir()) == paths


@pytest.mark.parametrize(
    "syntax", [uid.RLELossless, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian]
)
def test_every_transfer_syntax(tmp_path: Path, syntax: uid.UID) -> None:
    images = heads.slices(COARSE)
    paths = []
    for k, image in enumerate(images):
        paths.append(tmp_path / f"{k}.dcm")
        if syntax == uid.RLELossless:
            image.compress(syntax, generate_instance_uid=False)
        elif syntax == uid.ExplicitVRBigEndian:
            image.PixelData = np.frombuffer(image.PixelData, "<u2").astype(">u2").tobytes()
        image.file_meta.TransferSyntaxUID = syntax
        little, implicit = syntax != uid.ExplicitVRBigEndian, syntax == uid.ImplicitVRLittleEndian
        image.set_original_encoding(implicit, little, image.original_character_set)
        image.save_as(paths[-1], enforce_file_format=True, implicit_vr=implicit, little_endian=little)
    before = [dcmread(path).pixel_array for path in paths]
    outcome = deface_series(paths)
    assert outcome.account.status is Status.APPLIED, outcome
    after = [dcmread(path) for path in paths]
    changed = np.stack([a != b.pixel_array for a, b in zip(before, after, strict=True)])
    brain, face = heads.truth(COARSE, 1).astype(bool), heads.truth(COARSE, 2).astype(bool)
    assert not changed[brain].any()
    assert changed[face].mean() > 0.9
    for image, was in zip(after, changed, strict=True):
        plain = uid.ExplicitVRLittleEndian if syntax == uid.RLELossless and was.any() else syntax
        assert image.file_meta.TransferSyntaxUID == plain


def test_an_icon_of_the_face_goes_too(tmp_path: Path) -> None:
    images = heads.slices(COARSE)
    icon = heads.slices(Scan("T1", spacing=(8, 8, 200)))[0]
    images[20].IconImageSequence = [icon]
    outcome = deface_series(paths := saved(tmp_path, images))
    assert outcome.account.status is Status.APPLIED
    assert not any("IconImageSequence" in dcmread(path) for path in paths)
