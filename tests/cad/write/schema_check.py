"""The part of JSON Schema 2020-12 that docs/schemas uses; a keyword it does not know is an error, so none goes unchecked."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[3] / "docs" / "schemas"
KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "null": (type(None),),
}
SAID = {"$schema", "$id", "$defs", "title", "description"}


def schema(name: str) -> dict[str, Any]:
    return json.loads((FOLDER / f"{name}.schema.json").read_text())


def faults(value: Any, rule: dict[str, Any], root: dict[str, Any] | None = None, at: str = "$") -> Iterator[str]:
    """One line for each place where the value breaks its rule, or holds a key the rule does not name."""
    root = root or rule
    checks = {
        "$ref": lambda v: list(faults(value, root["$defs"][v.rsplit("/", 1)[1]], root, at)),
        "anyOf": lambda v: [] if any(not list(faults(value, option, root, at)) for option in v) else [f"{at}: no option fits"],
        "type": lambda v: [] if _is(value, v) else [f"{at}: {value!r} is not {v}"],
        "enum": lambda v: [] if value in v else [f"{at}: {value!r} not in {v}"],
        "const": lambda v: [] if value == v else [f"{at}: {value!r} is not {v!r}"],
        "pattern": lambda v: [] if re.search(v, value) else [f"{at}: {value!r} does not match {v}"],
        "minLength": lambda v: [] if len(value) >= v else [f"{at}: too short"],
        "minimum": lambda v: [] if value is None or value >= v else [f"{at}: {value} < {v}"],
        "maximum": lambda v: [] if value is None or value <= v else [f"{at}: {value} > {v}"],
        "minItems": lambda v: [] if value is None or len(value) >= v else [f"{at}: too few"],
        "maxItems": lambda v: [] if value is None or len(value) <= v else [f"{at}: too many"],
        "items": lambda v: [fault for n, item in enumerate(value or ()) for fault in faults(item, v, root, f"{at}[{n}]")],
        "required": lambda v: [f"{at}: {key} is missing" for key in v if value is not None and key not in value],
        "properties": lambda v: _properties(value, v, root, at, closed="required" in rule),
        "if": lambda v: list(faults(value, rule["then"], root, at)) if not list(faults(value, v, root, at)) else [],
        "then": lambda _: [],
    }
    for keyword, wanted in rule.items():
        if keyword not in SAID:
            yield from checks[keyword](wanted)


def _properties(value: Any, rules: dict[str, Any], root: dict[str, Any], at: str, *, closed: bool) -> list[str]:
    unknown = [f"{at}: {key} is not documented" for key in value or () if closed and key not in rules]
    return unknown + [
        fault for key, rule in rules.items() if value and key in value for fault in faults(value[key], rule, root, f"{at}.{key}")
    ]


def _is(value: Any, kinds: str | list[str]) -> bool:
    names = [kinds] if isinstance(kinds, str) else kinds
    return any(isinstance(value, KINDS[name]) and (name == "boolean") >= isinstance(value, bool) for name in names)
