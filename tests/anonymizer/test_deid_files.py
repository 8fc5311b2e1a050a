"""The edge: every file one outcome, nothing of a name in the output, the input as it was, the same bytes again."""

from __future__ import annotations

import hashlib
import logging
import os
import pickle
import random
import subprocess
import sys
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deid_factory import KEY, OTHER_KEY, ct, encode
from pydicom import dcmread, uid

from anonymizer import reading, writing
from anonymizer.errors import AnonymizerError
from anonymizer.files import DEIDENTIFIED, REFUSED, deidentify_file, deidentify_tree, scan_identity
from anonymizer.gate import Verdict

NAMES = (b"Winterbourne", b"WINTERBOURNE", b"MRN00412345", b"ACC778899", b"19531107", b"Okafor", b"1.2.826.0.1.3680043.9.7777")


def export(root: Path) -> Path:
    """A small export: two good slices, and one of everything that can go wrong."""
    folder = root / "Winterbourne Ariadne" / "19531107"
    folder.mkdir(parents=True)
    (folder / "one.dcm").write_bytes(encode(ct()))
    (folder / "two").write_bytes(encode(ct(SOPInstanceUID="1.2.826.0.1.3680043.9.7777.1.1.2"), uid.ImplicitVRLittleEndian))
    (folder / "bare").write_bytes(encode(ct(SOPInstanceUID="1.2.826.0.1.3680043.9.7777.1.1.3"))[132:])
    (folder / "capture.dcm").write_bytes(encode(ct(SOPClassUID=uid.SecondaryCaptureImageStorage)))
    (folder / "cut.dcm").write_bytes(encode(ct())[:-9])
    (folder / "cut_header.dcm").write_bytes(encode(ct())[:900])
    (folder / "empty.dcm").write_bytes(b"")
    (folder / "Winterbourne.txt").write_text("Winterbourne")
    (folder / "link.dcm").symlink_to(folder / "one.dcm")
    os.mkfifo(folder / "pipe")
    (root / "outside").symlink_to("/")
    return root


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def exported(tmp_path: Path) -> Path:
    return export(tmp_path / "in")


def test_every_file_has_one_outcome(exported: Path, tmp_path: Path) -> None:
    outcomes = list(deidentify_tree(exported, tmp_path / "out", KEY))
    assert [outcome.index for outcome in outcomes] == list(range(11))
    assert len({outcome.file for outcome in outcomes}) == 11
    assert Counter(outcome.reason for outcome in outcomes) == {
        "": 3,
        "burned_in_text_risk": 1,
        "truncated": 2,
        "empty_file": 1,
        "not_dicom": 1,
        "link_not_followed": 2,
        "not_a_file": 1,
    }
    written = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert written == {outcome.output for outcome in outcomes if outcome.status == DEIDENTIFIED}


def test_nothing_of_the_patient_is_in_outcomes_names_or_bytes(exported: Path, tmp_path: Path) -> None:
    outcomes = list(deidentify_tree(exported, tmp_path / "out", KEY))
    told = repr(outcomes).encode() + b"".join(repr(outcome.receipt and outcome.receipt.to_json()).encode() for outcome in outcomes)
    content = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm"))
    listed = "\n".join(str(path.relative_to(tmp_path)) for path in (tmp_path / "out").rglob("*")).encode()
    for name in NAMES:
        assert name not in told
        assert name not in content
        assert name not in listed


def test_the_input_is_untouched_and_the_output_is_the_same_again(exported: Path, tmp_path: Path) -> None:
    before = digests(exported)
    first = list(deidentify_tree(exported, tmp_path / "one", KEY))
    second = list(deidentify_tree(exported, tmp_path / "two", KEY))
    assert first == second
    assert digests(tmp_path / "one") == digests(tmp_path / "two")
    assert digests(exported) == before
    other = {outcome.study for outcome in deidentify_tree(exported, tmp_path / "three", OTHER_KEY)} - {""}
    assert other.isdisjoint({outcome.study for outcome in first})


def test_another_process_gives_the_same_bytes(exported: Path, tmp_path: Path) -> None:
    list(deidentify_tree(exported, tmp_path / "here", KEY))
    program = (
        "import sys; from pathlib import Path; from anonymizer.key import ProjectKey; from anonymizer.files import deidentify_tree\n"
        "list(deidentify_tree(Path(sys.argv[1]), Path(sys.argv[2]), ProjectKey(bytes(range(32)))))"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    subprocess.run([sys.executable, "-c", program, str(exported), str(tmp_path / "there")], check=True, env=environment)
    assert digests(tmp_path / "here") == digests(tmp_path / "there")


def test_the_scan_agrees_with_the_full_run(exported: Path, tmp_path: Path) -> None:
    for outcome, path in zip(deidentify_tree(exported, tmp_path / "out", KEY), _walked(exported), strict=True):
        scanned = scan_identity(path, KEY)
        if outcome.status == DEIDENTIFIED:
            assert scanned == (outcome.study, outcome.series)
        elif outcome.reason != "truncated":
            assert isinstance(scanned, Verdict)
            assert scanned.reason == outcome.reason


def _walked(folder: Path) -> list[Path]:
    from anonymizer.files import walk

    return list(walk(folder))


def test_an_unreadable_file_is_an_outcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "locked.dcm"
    path.write_bytes(encode(ct()))

    def denied(wanted: object, *given: Any) -> int:
        if wanted == path:
            raise PermissionError(13, "Permission denied", str(path))
        return opening(wanted, *given)

    opening: Callable[..., int] = os.open
    monkeypatch.setattr(os, "open", denied)
    outcome = deidentify_file(path, tmp_path / "out", KEY)
    assert (outcome.status, outcome.reason) == (REFUSED, "unreadable")
    assert "locked" not in outcome.detail


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.dcm"
    path.write_bytes(encode(ct()))
    write = writing._write

    def full(path: Path, pieces: tuple[bytes, ...]) -> None:
        write(path, [pieces[0][:100]])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing, "_write", full)
    outcome = deidentify_file(path, tmp_path / "out", KEY)
    assert (outcome.reason, outcome.output) == ("not_written", "")
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == []


def test_output_inside_input_and_a_missing_input_are_refused_before_anything_happens(exported: Path, tmp_path: Path) -> None:
    for source, destination in ((exported, exported / "out"), (exported, exported), (tmp_path / "none", tmp_path / "out")):
        with pytest.raises(AnonymizerError, match="accepted"):
            deidentify_tree(source, destination, KEY)
    assert not (exported / "out").exists()


def test_an_outcome_travels_between_processes(exported: Path, tmp_path: Path) -> None:
    for outcome in deidentify_tree(exported, tmp_path / "out", KEY):
        assert pickle.loads(pickle.dumps(outcome)) == outcome  # noqa: S301 - our own object


def test_a_deflated_bomb_is_refused_without_inflating_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_INFLATED_BYTES", 1 << 20)
    content = encode(ct(), uid.DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(content[140:144], "little")
    deflater = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    (tmp_path / "bomb.dcm").write_bytes(content[:start] + deflater.compress(bytes(8 << 20)) + deflater.flush())
    assert deidentify_file(tmp_path / "bomb.dcm", tmp_path / "out", KEY).reason == "too_large"


@pytest.mark.parametrize("seed", range(4))
def test_damaged_files_never_crash_and_never_tell(
    seed: int, tmp_path: Path, recwarn: pytest.WarningsRecorder, caplog: pytest.LogCaptureFixture
) -> None:
    chance = random.Random(seed)
    syntax = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.ExplicitVRBigEndian, uid.DeflatedExplicitVRLittleEndian)[seed]
    whole = encode(ct(AnatomicRegionSequence=[ct()]), syntax)
    path = tmp_path / "damaged.dcm"
    for _ in range(150):
        content = bytearray(whole[: chance.randrange(1, len(whole))] if chance.random() < 0.3 else whole)
        for _ in range(chance.choice((0, 1, 3, 30))):
            content[chance.randrange(len(content))] = chance.randrange(256)
        path.write_bytes(content)
        outcome = deidentify_file(path, tmp_path / "out", KEY)
        assert (outcome.status == DEIDENTIFIED) == bool(outcome.output)
        assert "interbourne" not in outcome.detail
        assert isinstance(scan_identity(path, KEY), tuple | Verdict)
        if outcome.output:
            dcmread(tmp_path / "out" / outcome.output)
    assert "interbourne" not in caplog.text
    assert not [warning for warning in recwarn if "interbourne" in str(warning.message)]


def test_quiet_lasts_until_the_last_has_left() -> None:
    logger, before = logging.getLogger("pydicom"), logging.getLogger("pydicom").level
    first, second = reading.quietly(), reading.quietly()
    first.__enter__()
    second.__enter__()
    first.__exit__()
    assert logger.level > logging.CRITICAL
    second.__exit__()
    assert logger.level == before
    with reading.quietly():
        assert logger.level > logging.CRITICAL
    assert logger.level == before
