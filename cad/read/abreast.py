"""The same work on many things at once, by threads: the work waits for files and decoders, or computes in numpy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Thing = TypeVar("Thing")
Result = TypeVar("Result")


def each(work: Callable[[Thing], Result], things: Iterable[Thing]) -> list[Result]:
    """Results in the order of the things. What `work` raises first is raised here."""
    with ThreadPoolExecutor(threads()) as pool:
        return list(pool.map(work, things))


def threads() -> int:
    """The cores this process may use, or OMP_NUM_THREADS where that is fewer (worker processes share the cores out)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    named = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, min(cores, int(named) if named.isdigit() and int(named) > 0 else cores))
