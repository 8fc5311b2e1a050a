"""Decoding that cannot take this process down: frames go to worker processes with limits on memory and time.

Workers start when the first frame comes, are used again, and end with this process however it ends (their line
closes). They are plain child processes, so they also serve inside daemonic workers, which may have no children of
the multiprocessing kind.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, LifoQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cad
from cad.read.decoders import Coded
from cad.read.extent import FrameError
from cad.read.worker import REPLY, REQUEST, received

_START_SECONDS = 120.0
_MOST_WORDS = 4096
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

    def decode(self, data: bytes, coded: Coded) -> NDArray[Any]:
        """Stored values (rows, columns). Raises FrameError: undecodable, truncated, decoder_memory, decoder_timeout, decoder_crashed."""
        worker = self._worker()
        try:
            values = worker.decode(data, coded, self.limits.seconds)
        except TimeoutError:
            worker.end()
            raise FrameError("decoder_timeout", f"the decoder took longer than {self.limits.seconds:g} s; it was stopped") from None
        except OSError:
            code = worker.end()
            raise FrameError("decoder_crashed", f"the decoder's process ended itself with code {code}") from None
        except FrameError:
            self._idle.put(worker)
            raise
        except BaseException:  # interrupted between request and answer: the line is out of step
            worker.end()
            raise
        self._idle.put(worker)
        return values

    def close(self) -> None:
        """End the idle workers."""
        while self._owner == os.getpid():
            try:
                self._idle.get_nowait().end()
            except Empty:
                return

    def _worker(self) -> _Worker:
        if self._owner != os.getpid():  # after a fork the workers are the parent's
            self._idle, self._owner = LifoQueue(), os.getpid()
        try:
            return self._idle.get_nowait()
        except Empty:
            return _Worker(self.limits.memory_bytes)


class _Worker:
    """One process and the line to it."""

    def __init__(self, memory_bytes: int) -> None:
        self._line, theirs = socket.socketpair()
        command = [sys.executable, "-P", "-m", "cad.read.worker", str(theirs.fileno()), str(memory_bytes)]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - this interpreter and a module of this package
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),), env={**os.environ, **_ENVIRONMENT, "PYTHONPATH": _path()},
            )  # fmt: skip
        self._line.settimeout(_START_SECONDS)
        received(self._line, 1)

    def decode(self, data: bytes, coded: Coded, seconds: float) -> NDArray[Any]:
        """Raises TimeoutError, OSError when the process is gone, FrameError for the decoder's refusal."""
        self._line.settimeout(seconds)
        words = json.dumps(asdict(coded)).encode()
        self._line.sendall(REQUEST.pack(len(words), len(data)) + words)
        self._line.sendall(data)
        head = received(self._line, REPLY.size)
        status, length = REPLY.unpack(head) if head else (0, 0)
        whole = coded.rows * coded.columns * (coded.bits_allocated // 8)
        payload = received(self._line, length) if (length <= _MOST_WORDS if status else length == whole) else b""
        if not payload:  # gone, or no longer answering as it was written to
            raise ConnectionResetError
        if status:
            raise FrameError(*json.loads(bytes(payload)))
        kind = f"<{'i' if coded.signed else 'u'}{coded.bits_allocated // 8}"
        return np.frombuffer(payload, kind).reshape(coded.rows, coded.columns)

    def end(self) -> int:
        """Stop the process; its exit code (negative: the signal that ended it)."""
        self._line.close()
        try:
            return self._process.wait(timeout=0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()


def _path() -> str:
    return os.pathsep.join([str(Path(cad.__file__).parents[1]), *(p for p in sys.path if p)])


WORKERS = Workers()
atexit.register(WORKERS.close)
