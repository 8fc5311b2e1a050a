"""pydicom without what it only looks for: a worker that copies pixels undecoded needs no decoders, examples or web client.

When pydicom is imported it imports every decoder that is installed, `requests` and `urllib.request`, looks up the paths of its
examples, looks its own version up among all distributions and compiles patterns to validate values with, and numpy attaches its
documentation: half of the start-up time and some 25 MiB of memory a process, for nothing where no pixel is decoded.
"""

from __future__ import annotations

import gc
import importlib
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

_LOOKED_FOR = ("gdcm", "requests", "pylibjpeg", "openjpeg", "libjpeg", "rle", "jpeg_ls", "PIL", "tqdm")
# pydicom and numpy must find these, and do nothing with them while they are imported.
_NAMED_ONLY = ("pydicom.examples", "pydicom.data", "urllib.request", "numpy._core._add_newdocs", "numpy._core._add_newdocs_scalars")
_METADATA = "importlib.metadata"


def start() -> None:
    """Import what a worker process needs to de-identify files without decoding their pixels. To be called first in it.

    The collector of garbage rests meanwhile, and never goes through what was imported. From then on the process is quiet:
    nothing that pydicom says of a file reaches a log.
    """
    gc.disable()
    try:
        import_pydicom()
        importlib.import_module("anonymizer.files")
        importlib.import_module("anonymizer.reading").quietly().__enter__()
        gc.freeze()
    finally:
        gc.enable()


def leave(code: int) -> None:
    """End the process with an exit code and without taking it apart, which takes as long as fifty files."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def import_pydicom() -> None:
    """Import pydicom without its decoders, if this process has not imported it yet.

    To be called first in a worker process that will decode no pixels; pydicom cannot decode compressed ones in it any more.
    Everything that was kept from pydicom can still be imported by others afterwards.
    """
    if "pydicom" in sys.modules:
        return
    hidden: dict[str, ModuleType | None] = dict.fromkeys(_LOOKED_FOR) | {name: _Named(name) for name in _NAMED_ONLY}
    version = _version_of_pydicom()
    if version:
        hidden[_METADATA] = _Metadata(version)
    hidden = {name: stand_in for name, stand_in in hidden.items() if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type] # None is how an import is told that there is no such module
    try:
        with _validated_by("pydicom.valuerep"):
            importlib.import_module("pydicom")
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


class _Named(ModuleType):
    """Has every name that is imported from it, and nothing behind them."""

    def __getattr__(self, name: str) -> None:
        if name.startswith("__"):
            raise AttributeError(name)


class _Metadata(ModuleType):
    """Knows one version, and hands everything else on to the module it stands for."""

    def __init__(self, version: str) -> None:
        super().__init__(_METADATA)
        self._version = version

    def version(self, name: str) -> str:
        """As `importlib.metadata.version`."""
        return self._version if name == "pydicom" else str(self.__getattr__("version")(name))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the machinery of imports asks
            raise AttributeError(name)
        sys.modules.pop(_METADATA, None)
        return getattr(importlib.import_module(_METADATA), name)


class _Pattern(str):
    """A pattern that is compiled when it is first used; `re.match` and its kin take it as it is."""

    def __getattr__(self, name: str) -> Any:
        return getattr(re.compile(str(self)), name)


@contextmanager
def _validated_by(module: str) -> Iterator[None]:
    """What this module compiles meanwhile is compiled when it is used: it validates values, which stays off in a quiet process."""
    compiled = re.compile

    def later(pattern: Any, flags: int = 0) -> Any:
        if flags or sys._getframe(1).f_globals.get("__name__") != module:
            return compiled(pattern, flags)
        return _Pattern(pattern) if isinstance(pattern, str) else pattern

    re.compile = later
    try:
        yield
    finally:
        re.compile = compiled


def _version_of_pydicom() -> str:
    """As the name of the folder says that an installation leaves beside the package; "" where that is not plain."""
    spec = PathFinder.find_spec("pydicom")
    place = os.path.dirname(os.path.dirname(spec.origin)) if spec and spec.origin else ""  # noqa: PTH120 - pathlib is not needed here
    found = [name for name in os.listdir(place) if name.startswith("pydicom-") and name.endswith(".dist-info")] if place else []  # noqa: PTH208
    return found[0].removeprefix("pydicom-").removesuffix(".dist-info") if len(found) == 1 else ""
