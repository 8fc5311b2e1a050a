"""Decoding that cannot take this process down: frames go to worker processes with limits on memory and time.

Workers start when the first frame comes, are used again, and end with this process however it ends (their pipes
close). They are plain child processes, so they also serve inside daemonic workers, which may have no children of
the multiprocessing kind.
"""

from __future__ import annotations

import atexit
import fcntl
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cad
from cad.read.decoders import Coded
from cad.read.extent import FrameError
from cad.read.worker import REPLY, REQUEST, unsent

_START_SECONDS = 120.0
_PROGRAM = "import sys; sys.path += sys.argv[2:]; from cad.read.worker import main; main(int(sys.argv[1]))"
_MOST_WORDS = 4096
_PIPE_BYTES = 1 << 20
_ENVIRONMENT = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # glibc gives large buffers back after every frame; taking them again costs as much as decoding does
    **dict.fromkeys(("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"), str(1 << 29)),
}


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """What one frame may cost: the worker's whole address space, and seconds from request to answer."""

    memory_bytes: int = 1 << 30
    seconds: float = 10.0


class Workers:
    """A pool of decoding processes; as many as threads ask at the same time. Usable from several threads."""

    def __init__(self, limits: WorkerLimits | None = None) -> None:
        self.limits = limits or WorkerLimits()
        self._idle: LifoQueue[_Worker] = LifoQueue()
        self._owner = os.getpid()

    def decode(self, data: bytes, coded: Coded, room: NDArray[Any] | None = None) -> NDArray[Any]:
        """Stored values (rows, columns), in `room` where that is given. Raises FrameError: undecodable, truncated,
        decoder_memory, decoder_timeout, decoder_crashed.
        """
        values = np.empty((coded.rows, coded.columns), coded.dtype) if room is None else room
        worker = self._worker()
        try:
            worker.decode(data, coded, self.limits.seconds, values.reshape(-1).view(np.uint8).data)
        except TimeoutError:
            worker.end()
            raise FrameError("decoder_timeout", f"the decoder took longer than {self.limits.seconds:g} s; it was stopped") from None
        except OSError:
            code = worker.end()
            raise FrameError("decoder_crashed", f"the decoder's process ended itself with code {code}") from None
        except FrameError:
            self._idle.put(worker)
            raise
        except BaseException:  # interrupted between request and answer: the pipes are out of step
            worker.end()
            raise
        self._idle.put(worker)
        return values

    def warm(self, count: int) -> None:
        """Have `count` workers idle or on their way, so that they start while headers are still read."""
        self._claim()
        for _ in range(count - self._idle.qsize()):
            self._idle.put(_Worker(self.limits.memory_bytes))

    def close(self) -> None:
        """End the idle workers."""
        while self._owner == os.getpid():
            try:
                self._idle.get_nowait().end()
            except Empty:
                return

    def _claim(self) -> None:
        if self._owner != os.getpid():  # after a fork the workers are the parent's
            self._idle, self._owner = LifoQueue(), os.getpid()

    def _worker(self) -> _Worker:
        self._claim()
        try:
            return self._idle.get_nowait()
        except Empty:
            return _Worker(self.limits.memory_bytes)


class _Worker:
    """One process and the pipes to it."""

    def __init__(self, memory_bytes: int) -> None:
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(memory_bytes), *_path()]
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
            command, bufsize=0, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
        )  # fmt: skip
        pipes: tuple[Any, Any] = (self._process.stdin, self._process.stdout)
        self._pipes = pipes
        self._requests, self._answers = (pipe.fileno() for pipe in pipes)
        for stream in (self._requests, self._answers):
            os.set_blocking(stream, False)
            _widen(stream)
        self._ready = False

    def decode(self, data: bytes, coded: Coded, seconds: float, out: memoryview) -> None:
        """Raises TimeoutError, OSError when the process is gone, FrameError for the decoder's refusal."""
        if not self._ready:
            self._ready = bool(_receive(self._answers, 1, time.monotonic() + _START_SECONDS))
        until = time.monotonic() + seconds
        words = _words(coded)
        _send(self._requests, [REQUEST.pack(len(words), len(data)) + words, data], until)
        status, length = REPLY.unpack(_receive(self._answers, REPLY.size, until))
        if length != len(out) if status == 0 else length > _MOST_WORDS:
            raise ConnectionResetError  # no longer answering as it was written to
        if status:
            raise FrameError(*json.loads(_receive(self._answers, length, until)))
        _receive_into(self._answers, out, until)

    def end(self) -> int:
        """Stop the process; its exit code (negative: the signal that ended it)."""
        for pipe in self._pipes:
            pipe.close()
        try:
            return self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _widen(stream: int) -> None:
    """Room for a whole frame in the pipe, so that the two processes need not wait for each other in the middle of it."""
    if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux
        with suppress(OSError):  # more than an ordinary user may have
            fcntl.fcntl(stream, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


@lru_cache
def _words(coded: Coded) -> bytes:
    return json.dumps(coded._asdict()).encode()


def _send(stream: int, parts: Sequence[bytes], until: float) -> None:
    views = [memoryview(part) for part in parts]
    while views:
        _await(stream, select.POLLOUT, until)
        views = unsent(views, os.writev(stream, views))


def _receive(stream: int, count: int, until: float) -> bytes:
    data = bytearray(count)
    _receive_into(stream, memoryview(data), until)
    return bytes(data)


def _receive_into(stream: int, view: memoryview, until: float) -> None:
    while view:
        _await(stream, select.POLLIN, until)
        got = os.readv(stream, [view])
        if not got:
            raise ConnectionResetError
        view = view[got:]


def _await(stream: int, event: int, until: float) -> None:
    """Raises TimeoutError when the pipe is not ready by then."""
    waiting = select.poll()
    waiting.register(stream, event)
    if not waiting.poll(max(0.0, until - time.monotonic()) * 1000):
        raise TimeoutError


def _path() -> tuple[str, ...]:
    """Where the worker finds this package and the decoders: after its standard library, which nothing there may stand in for."""
    return (str(Path(cad.__file__).parents[1]), *(place for place in sys.path if place))


WORKERS = Workers()
atexit.register(WORKERS.close)
