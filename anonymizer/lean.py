"""pydicom without what it only looks for: a worker that copies pixels undecoded needs no decoders and no web client.

When pydicom is imported it imports every decoder that is installed, and `requests`: a third of the start-up time and some
25 MiB of memory a process, for nothing where no pixel is decoded.
"""

from __future__ import annotations

import importlib
import sys

_LOOKED_FOR = ("gdcm", "requests", "pylibjpeg", "openjpeg", "libjpeg", "rle", "jpeg_ls", "PIL", "tqdm")


def import_pydicom() -> None:
    """Import pydicom without its decoders, if this process has not imported it yet.

    To be called first in a worker process that will decode no pixels; pydicom cannot decode compressed ones in it any more.
    Everything that was kept from pydicom can still be imported by others afterwards.
    """
    if "pydicom" in sys.modules:
        return
    hidden = [name for name in _LOOKED_FOR if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        importlib.import_module("pydicom")
    finally:
        for name in hidden:
            del sys.modules[name]
