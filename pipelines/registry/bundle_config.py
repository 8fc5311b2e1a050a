"""A MONAI bundle's configuration as plain values. A bundle may write Python after "$"; none of it is ever evaluated.

Two forms are understood because published bundles use them: a call of a network by name with plain arguments, and the detector's
`set_...` calls, whose arguments are read. Everything else that the import needs must stand there as a value.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cad.errors import ModelError

CONFIG, METADATA = "configs/inference.json", "configs/metadata.json"
_REFERENCE = re.compile(r"@([A-Za-z_][\w]*(?:(?:::|#)\w+)*)")
_POSITIONS = {"resnet_fpn_feature_extractor": ("backbone", "spatial_dims", "pretrained_backbone", "returned_layers")}
_DEEPEST = 32
_LARGEST = 2**20


class BundleConfig:
    """The values of one configuration file; `plain` resolves references, wherever they lead."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document

    @classmethod
    def read(cls, path: Path) -> BundleConfig:
        """From JSON. Raises ModelError naming the file for anything else."""
        try:
            if path.stat().st_size > _LARGEST:
                raise ModelError("is larger than 1 MiB", subject=path.name, accepted="a bundle's configuration")
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            problem = f"cannot be read ({type(error).__name__})"
            raise ModelError(problem, subject=path.name, accepted=f"a MONAI bundle with {CONFIG} and {METADATA}") from None
        if not isinstance(document, dict):
            raise ModelError("is not an object", subject=path.name, accepted='{"network_def": ..., "preprocessing": ...}')
        return cls(document)

    def __contains__(self, key: str) -> bool:
        return key in self._document

    def plain(self, key: str, default: Any = None) -> Any:
        """The value under a key ("a::b" for one inside), references resolved; `default` where there is none.

        Raises ModelError where it rests on an expression that is not understood.
        """
        found = self._find(key)
        return default if found is _NONE else self._resolved(found, key, 0)

    def calls(self, key: str) -> dict[str, dict[str, Any]]:
        """The keyword arguments of `$@x.method(...)` entries under a key, by method; entries of another form are passed over."""
        found = self._find(key)
        entries = found if isinstance(found, list) else [found]
        calls = {}
        for entry in entries:
            node = _expression(entry) if isinstance(entry, str) and entry.startswith("$") else None
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                calls[node.func.attr] = {word.arg: self._argument(word.value, key, 0) for word in node.keywords if word.arg}
        return calls

    def _find(self, key: str) -> Any:
        found: Any = self._document
        for part in re.split("::|#", key):
            if isinstance(found, Mapping) and part in found:
                found = found[part]
            elif isinstance(found, list) and part.isdigit() and int(part) < len(found):
                found = found[int(part)]
            else:
                return _NONE
        return found

    def _resolved(self, value: Any, key: str, depth: int) -> Any:
        if depth > _DEEPEST:
            raise ModelError("refers to itself", subject=key, accepted="a value")
        if isinstance(value, Mapping):
            return {name: self._resolved(part, f"{key}::{name}", depth + 1) for name, part in value.items()}
        if isinstance(value, list):
            return [self._resolved(part, f"{key}::{n}", depth + 1) for n, part in enumerate(value)]
        if isinstance(value, str) and value.startswith("@"):
            return self._referred(value[1:], key, depth)
        if isinstance(value, str) and value.startswith(("$", "%")):
            return self._argument(_expression(value), key, depth)
        return value

    def _referred(self, target: str, key: str, depth: int) -> Any:
        found = self._find(target)
        if found is _NONE:
            raise ModelError(f"refers to {target[:64]!r}, which is not there", subject=key, accepted="a key of the same file")
        return self._resolved(found, target, depth + 1)

    def _argument(self, node: ast.expr | None, key: str, depth: int) -> Any:
        if isinstance(node, ast.Name) and node.id.startswith(_MARK):
            return self._referred(node.id.removeprefix(_MARK).replace("__", "::"), key, depth)
        if isinstance(node, ast.List | ast.Tuple):
            return [self._argument(part, key, depth) for part in node.elts]
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute | ast.Name):
            return self._network(node, key, depth)
        try:
            return ast.literal_eval(node) if node is not None else _NONE
        except (ValueError, TypeError):
            problem = "is an expression that would have to be run, and nothing in a bundle is run"
            raise ModelError(problem, subject=key, accepted="a value, a reference, or a network by name with plain arguments") from None

    def _network(self, node: ast.Call, key: str, depth: int) -> dict[str, Any]:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
        names = _POSITIONS.get(name, ())
        given = dict(zip(names, (self._argument(part, key, depth) for part in node.args), strict=False))
        return {"_target_": name, **given, **{word.arg: self._argument(word.value, key, depth) for word in node.keywords if word.arg}}


_NONE: Any = object()
_MARK = "_reference_"


def _expression(text: str) -> ast.expr | None:
    """The syntax tree of what stands after "$", references made names; None where it is not one expression."""
    marked = _REFERENCE.sub(lambda found: _MARK + re.sub("::|#", "__", found.group(1)), text[1:])
    try:
        return ast.parse(marked, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
