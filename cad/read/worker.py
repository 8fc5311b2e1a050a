"""The process that decoders run in: one frame after another over its pipes, with a ceiling on memory.

`main(BYTES)` is all that such a process runs. A request is the length of the words and of the frame (`>LQ`), the words
(JSON, the fields of `Coded`), the frame. A reply is a status and a length (`>BQ`) and as many bytes: the stored values
(status 0), or JSON [reason, sentence] (status 1). A decoder that kills this process kills nothing else.
"""

from __future__ import annotations

import json
import os
import struct
import sys
from typing import IO, Any, cast

from cad.read.decoders import Coded, decoded_bytes

REQUEST, REPLY = struct.Struct(">LQ"), struct.Struct(">BQ")
_COMPLAINTS = (b"premature end", b"Corrupt JPEG", b"corrupt")


def main(memory_bytes: int) -> None:
    """Serve until the other end closes. Raises nothing that a frame could cause."""
    _limit(memory_bytes)
    answers = os.dup(1)
    with _scratch() as said:
        for stream in (1, 2):  # what C libraries print is evidence, and must not get between the answers
            os.dup2(said.fileno(), stream)
        _send(answers, memoryview(b"\1"))
        while head := _received(REQUEST.size):
            words, length = REQUEST.unpack(head)
            coded = Coded(**json.loads(_received(words)))
            status, payload = _answer(bytes(_received(length)), coded, said)
            _send(answers, memoryview(REPLY.pack(status, len(payload))), memoryview(payload))


def _scratch() -> IO[bytes]:
    """A file without a name; in memory where the system has such, since `tempfile` takes as long to import as twenty frames to decode."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("said"), "w+b")
    import tempfile

    return cast("IO[bytes]", tempfile.TemporaryFile())


def _received(count: int) -> bytearray:
    """Exactly `count` bytes of standard input, or none when the other end has closed."""
    data = bytearray(count)
    view, at = memoryview(data), 0
    while at < count:
        got = os.readv(0, [view[at:]])
        if not got:
            return bytearray()
        at += got
    return data


def _send(stream: int, *parts: memoryview) -> None:
    views = list(parts)
    while views:
        views = unsent(views, os.writev(stream, views))


def unsent(views: list[memoryview], count: int) -> list[memoryview]:
    """What is left of `views` (of bytes) once `count` bytes of them are written."""
    while views and count >= len(views[0]):
        count -= len(views.pop(0))
    return [views[0][count:], *views[1:]] if views else []


def _answer(data: bytes, coded: Coded, said: IO[bytes]) -> tuple[int, Any]:
    before = os.fstat(said.fileno()).st_size
    try:
        values = decoded_bytes(data, coded)
    except MemoryError:
        return 1, json.dumps(["decoder_memory", "the decoder asked for more memory than a frame may take"]).encode()
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises on hostile bytes becomes the frame's refusal
        return 1, json.dumps(["undecodable", f"the decoder gave up ({type(error).__name__}: {str(error)[:120]})"]).encode()
    complaint = os.pread(said.fileno(), 4096, before)
    if any(word in complaint for word in _COMPLAINTS):
        return 1, json.dumps(["truncated", "the decoder met the end of the compressed image too early"]).encode()
    return 0, values


def _limit(memory_bytes: int) -> None:
    """Address space, no core dumps, no large files. Where the system has no such limits the time limit alone remains."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 24, 1 << 24))
    if sys.platform.startswith("linux"):
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
