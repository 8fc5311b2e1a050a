"""Logs on stderr that cannot carry patient data: only listed fields pass, and noisy libraries are silent.

pydicom puts header values into its warnings, so those never reach a terminal or a log collector.
"""

from __future__ import annotations

import logging
import sys
import traceback
import warnings
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Literal

FIELDS = frozenset(
    (
        "event", "level", "case", "task", "stage", "status", "reason", "seconds", "peak_mib", "count", "total",
        "engine", "workers", "kind", "where", "version", "sha256", "findings",
    )
)  # fmt: skip


def configure(level: str = "warning") -> None:
    """Structured logs on stderr; call once a process."""
    import structlog

    quiet_libraries()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            only_listed_fields,
            structlog.processors.TimeStamper("iso", utc=True, key="at_utc"),
            structlog.processors.KeyValueRenderer(key_order=["at_utc", "level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # as it is when a line is written
        cache_logger_on_first_use=False,
    )


def log(level: Literal["info", "warning", "error"], event: str, **fields: object) -> None:
    """One line, where logs were set up (the command line and its workers do); a program that only imports this says nothing.

    A terminal that is gone or a full disk behind stderr ends no run.
    """
    import structlog

    if structlog.is_configured():
        with suppress(OSError, ValueError):
            getattr(structlog.get_logger(), level)(event, **fields)


def only_listed_fields(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop every field that is not on the list; a value nobody thought about cannot leak."""
    return {key: value for key, value in event.items() if key in FIELDS}


def quiet_libraries() -> None:
    """No warnings from libraries that quote header values."""
    warnings.filterwarnings("ignore")
    for name in ("pydicom", "monai", "mlflow", "alembic", "highdicom", "weasyprint", "fontTools"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def where(error: BaseException) -> str:
    """The innermost place of an error as module:line, without its message, which could quote a value."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "unknown"
    last = frames[-1]
    return f"{last.filename.replace(chr(92), '/').rsplit('/', 1)[-1]}:{last.lineno}"
