"""Files made to hurt: each becomes a refusal with a stable code, the files beside it are read, and this process survives."""

from __future__ import annotations

import os
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import factory
import numpy as np
import pytest
from factory import Datasets, Layout
from pydicom import dcmread
from pydicom.encaps import encapsulate, get_frame
from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from cad.read.decoders import Coded
from cad.read.extent import FrameError
from cad.read.headers import read_headers
from cad.read.workers import WorkerLimits, Workers

GRID = factory.small_grid((5, 96, 80))
J2K = "1.2.840.10008.1.2.4.90"
RLE = "1.2.840.10008.1.2.5"


def series() -> Datasets:
    rng = np.random.default_rng(2)
    return factory.build(lambda where: rng.integers(0, 900, where.shape).astype(float), Layout(GRID))


def deflated(path: Path) -> tuple[bytes, bytes]:
    """The file stored again, deflated: its bytes up to the data set, and the deflated data set."""
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = DeflatedExplicitVRLittleEndian
    dataset.save_as(path, enforce_file_format=True)
    whole = path.read_bytes()
    start = 144 + struct.unpack("<L", whole[140:144])[0]
    return whole[:start], whole[start:]


def deflated_bomb(path: Path, megabytes: int = 2048) -> None:
    """About 2 MB that inflate to 2 GB of pixel data behind an honest header."""
    meta, content = deflated(path)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    honest = squeeze.compress(zlib.decompress(content, -zlib.MAX_WBITS)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    block = squeeze.compress(b"\0" * (1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(meta + honest + block * megabytes + squeeze.flush())


def header_bomb(path: Path) -> None:
    """A deflated data set whose first element is endless: the header never ends."""
    meta, _ = deflated(path)
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    head = squeeze.compress(b"\x08\x00\x08\x00UT\0\0" + struct.pack("<L", 1 << 31)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    block = squeeze.compress(b"A" * (1 << 20)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    path.write_bytes(meta + head + block * 200)


def vast_jpeg2000(path: Path) -> None:
    """A codestream that claims 60,000 x 60,000 in a header that claims 96 x 80."""
    dataset = dcmread(path)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    dataset.PixelData = dataset.PixelData.replace(struct.pack(">2L", 80, 96), struct.pack(">2L", 60000, 60000))
    dataset.save_as(path, enforce_file_format=True)


def vast_jpeg2000_agreed(path: Path) -> None:
    """The same, and the header agrees."""
    vast_jpeg2000(path)
    dataset = dcmread(path)
    dataset.Rows = dataset.Columns = 60000
    dataset.save_as(path, enforce_file_format=True)


def rle_bomb(path: Path) -> None:
    """A few kilobytes of RLE whose 65,535 x 65,535 pixels of 32 bits no memory holds."""
    dataset = dcmread(path)
    dataset.file_meta.TransferSyntaxUID = RLELossless
    dataset.Rows = dataset.Columns = 65535
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 32, 32, 31
    dataset.PixelData = encapsulate([RLE_FRAME])
    dataset.save_as(path, enforce_file_format=True)


def nested_sequences(path: Path) -> None:
    """400 sequences within one another."""
    whole = path.read_bytes()
    opening = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\xff\xff\xff\xff"
    closing = b"\xfe\xff\x0d\xe0\0\0\0\0" + b"\xfe\xff\xdd\xe0\0\0\0\0"
    at = whole.find(b"\x28\x00\x02\x00US")
    path.write_bytes(whole[:at] + opening * 400 + closing * 400 + whole[at:])


RLE_FRAME = struct.pack("<16L", 4, 64, 2000, 4000, 6000, *[0] * 11) + b"\x81\x00" * 3900
ATTACKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "a deflated file that grows to 2 GB": (deflated_bomb, "inflates_too_far"),
    "a deflated header without end": (header_bomb, "header_too_long"),
    "a JPEG 2000 codestream of 60,000 x 60,000": (vast_jpeg2000, "size_refused"),
    "the same with a header that agrees": (vast_jpeg2000_agreed, "size_refused"),
    "an RLE file beyond any memory": (rle_bomb, "size_refused"),
    "400 nested sequences": (nested_sequences, "nested_too_deep"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_a_refusal_and_the_files_beside_it_are_read(attack: str, tmp_path: Path) -> None:
    spoil, code = ATTACKS[attack]
    paths = factory.save(series(), tmp_path)
    spoil(paths[-1])
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()
    scan, read = factory.read_back(paths)
    assert factory.reasons_by_path((*scan.refusals, *read.refusals)) == {str(paths[-1]): code}
    assert read.volumes[0].grid.shape == (4, 96, 80)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 * 1024
    assert time.monotonic() - began < 20


@pytest.fixture
def workers() -> Workers:
    made = Workers(WorkerLimits(memory_bytes=1 << 29, seconds=5))
    yield made  # type: ignore[misc]
    made.close()


def whole_frame() -> tuple[bytes, Coded, np.ndarray]:
    dataset = series()[0]
    stored = np.frombuffer(dataset.PixelData, np.uint16).reshape(96, 80)
    dataset.compress(JPEG2000Lossless, generate_instance_uid=False)
    data = get_frame(dataset.PixelData, 0, number_of_frames=1)
    return data, Coded(J2K, 96, 80, 16, 16, False), stored


def test_a_worker_is_used_again_and_its_memory_is_limited(workers: Workers) -> None:
    data, coded, stored = whole_frame()
    vast = data.replace(struct.pack(">2L", 80, 96), struct.pack(">2L", 60000, 60000))
    with pytest.raises(FrameError) as refused:
        workers.decode(vast, Coded(J2K, 60000, 60000, 16, 16, False))
    assert refused.value.reason in {"undecodable", "decoder_memory", "decoder_crashed"}
    assert np.array_equal(workers.decode(data, coded), stored)
    (worker,) = workers._idle.queue
    assert np.array_equal(workers.decode(data, coded), stored)
    assert workers._idle.queue == [worker]
    status = Path(f"/proc/{worker._process.pid}/status")
    if status.exists():
        assert int(status.read_text().split("VmPeak:")[1].split()[0]) <= 1 << 19


def test_a_decoder_that_aborts_its_process_is_a_refusal(workers: Workers) -> None:
    """pylibjpeg-rle ends the whole process when it cannot have the memory the header asks for."""
    with pytest.raises(FrameError) as refused:
        workers.decode(RLE_FRAME, Coded(RLE, 65535, 65535, 32, 32, False))
    assert refused.value.reason in {"decoder_crashed", "decoder_memory", "undecodable"}
    data, coded, stored = whole_frame()
    assert np.array_equal(workers.decode(data, coded), stored)


def test_a_killed_worker_is_a_refusal_and_the_next_frame_has_a_new_one(workers: Workers) -> None:
    data, coded, stored = whole_frame()
    workers.decode(data, coded)
    workers._idle.queue[0]._process.kill()
    with pytest.raises(FrameError) as refused:
        workers.decode(data, coded)
    assert refused.value.reason == "decoder_crashed"
    assert np.array_equal(workers.decode(data, coded), stored)


def test_a_decoder_that_takes_too_long_is_stopped() -> None:
    data, coded, _ = whole_frame()
    slow = Workers()
    slow.decode(data, coded)
    slow.limits = WorkerLimits(seconds=0.2)
    worker = slow._idle.queue[0]
    os.kill(worker._process.pid, 19)  # SIGSTOP: it will never answer
    with pytest.raises(FrameError) as refused:
        slow.decode(data, coded)
    assert refused.value.reason == "decoder_timeout"
    assert worker._process.poll() is not None
    slow.close()


def test_workers_import_neither_torch_nor_pydicom_nor_numpy_for_rle() -> None:
    code = (
        "import cad.read.worker, sys; from cad.read.decoders import _rle_decoder; _rle_decoder()\n"
        "print([m for m in ('torch', 'pydicom', 'monai', 'SimpleITK', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _decode_in_daemon(answer: object) -> None:
    data, coded, stored = whole_frame()
    made = Workers()
    answer.send(bool(np.array_equal(made.decode(data, coded), stored)))  # type: ignore[attr-defined]
    made.close()


def test_a_daemonic_process_may_decode_too() -> None:
    context = get_context("fork")
    answer, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_decode_in_daemon, args=(theirs,), daemon=True)
    process.start()
    assert answer.poll(30)
    assert answer.recv() is True
    process.join(10)


def test_workers_end_with_the_process_that_started_them() -> None:
    code = (
        "import sys, os; sys.path[:0] = ['tests/cad', 'tests/cad/read']; import test_hostile as t;"
        "from cad.read.workers import WORKERS; d, c, _ = t.whole_frame(); WORKERS.decode(d, c);"
        "print(WORKERS._idle.queue[0]._process.pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    pid = int(done.stdout)
    for _ in range(100):
        if not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes():
            return
        time.sleep(0.05)
    pytest.fail("the worker outlived its parent")


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless, JPEGLSLossless])
def test_every_prefix_of_a_codestream_is_refused_or_whole(syntax: str, tmp_path: Path) -> None:
    """Cut short and, the sly way, cut short with the end marker put back."""
    datasets = series()
    datasets[0].compress(syntax, generate_instance_uid=False)
    stream = get_frame(datasets[0].PixelData, 0, number_of_frames=1)
    for length in range(0, len(stream) - 2, max(1, len(stream) // 9)):
        for end in (b"", b"\xff\xd9"):
            datasets[0].PixelData = encapsulate([stream[:length] + end or b"\0"])
            (path,) = factory.save(datasets[:1], tmp_path)
            scan = read_headers([path])
            _, read = factory.read_back([path], factory.Limits(slices=(10, 1)))
            assert not read.volumes, (length, end)
            assert len(scan.refusals) + len(read.refusals) >= 1
