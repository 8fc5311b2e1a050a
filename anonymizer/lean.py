"""pydicom without what it only looks for: a worker that copies pixels undecoded needs no decoders, examples or web client.

When pydicom is imported it imports every decoder that is installed, `requests` and `urllib.request`, and looks up the paths of
its examples: a third of the start-up time and some 25 MiB of memory a process, for nothing where no pixel is decoded.
"""

from __future__ import annotations

import gc
import importlib
import sys
from types import ModuleType

_LOOKED_FOR = ("gdcm", "requests", "pylibjpeg", "openjpeg", "libjpeg", "rle", "jpeg_ls", "PIL", "tqdm")
_NAMED_ONLY = ("pydicom.examples", "urllib.request")  # pydicom must find these, and does nothing with them while it is imported


def start() -> None:
    """Import what a worker process needs to de-identify files without decoding their pixels. To be called first in it.

    The collector of garbage rests meanwhile, and never goes through what was imported.
    """
    gc.disable()
    try:
        import_pydicom()
        importlib.import_module("anonymizer.files")
        gc.freeze()
    finally:
        gc.enable()


def import_pydicom() -> None:
    """Import pydicom without its decoders, if this process has not imported it yet.

    To be called first in a worker process that will decode no pixels; pydicom cannot decode compressed ones in it any more.
    Everything that was kept from pydicom can still be imported by others afterwards.
    """
    if "pydicom" in sys.modules:
        return
    hidden: dict[str, ModuleType | None] = dict.fromkeys(_LOOKED_FOR) | {name: ModuleType(name) for name in _NAMED_ONLY}
    hidden = {name: stand_in for name, stand_in in hidden.items() if name not in sys.modules}
    sys.modules.update(hidden)  # type: ignore[arg-type] # None is how an import is told that there is no such module
    try:
        importlib.import_module("pydicom")
    finally:
        for name in hidden:
            del sys.modules[name]
