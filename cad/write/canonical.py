"""JSON that says the same thing with the same bytes: sorted keys, six significant digits, no clock."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from cad.errors import ShokenError

SIGNIFICANT_DIGITS = 6


def document_bytes(document: Mapping[str, Any]) -> bytes:
    """A document as UTF-8 JSON, indented for people, with a final newline.

    Floats are rounded to six significant digits. Raises ShokenError naming the key of a number that is not finite.
    """
    return (json.dumps(rounded(document), sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def line_bytes(document: Mapping[str, Any]) -> bytes:
    """A document as one line of UTF-8 JSON Lines."""
    return (json.dumps(rounded(document), sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()


def rounded(value: Any, key: str = "document") -> Any:
    """Plain JSON values with every float rounded; numpy scalars become Python numbers."""
    if isinstance(value, Mapping):
        return {str(name): rounded(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item, f"{key}[{n}]") for n, item in enumerate(value)]
    if hasattr(value, "item") and not isinstance(value, str | bytes):
        value = value.item()
    return _rounded_number(value, key) if isinstance(value, float) else value


def _rounded_number(number: float, key: str) -> float:
    if not math.isfinite(number):
        raise ShokenError("is not a finite number", subject=key, accepted="a finite number, or null with an outcome code")
    return float(f"{number:.{SIGNIFICANT_DIGITS}g}") + 0.0  # + 0.0 turns -0.0 into 0.0
