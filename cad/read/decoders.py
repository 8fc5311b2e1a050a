"""Which library decodes which transfer syntax; none of them under the GPL. Imports nothing heavy until a frame comes.

RLE Lossless                                      pylibjpeg-rle
JPEG Baseline, JPEG Extended, JPEG Lossless       python-gdcm
JPEG-LS lossless and near-lossless                pyjpegls (CharLS)
JPEG 2000, High-Throughput JPEG 2000              pylibjpeg-openjpeg (OpenJPEG)
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.machinery import PathFinder
from importlib.util import find_spec, module_from_spec
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Coded(NamedTuple):
    """What the header says of a compressed frame of one sample a pixel."""

    syntax: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    signed: bool

    @property
    def dtype(self) -> np.dtype[Any]:
        """What the stored values are, little-endian."""
        import numpy as np

        return np.dtype(f"<{'i' if self.signed else 'u'}{self.bits_allocated // 8}")


class Decoder(NamedTuple):
    """A library: the module that must be there, the package that brings it, and the function that calls it."""

    module: str
    package: str
    decode: Callable[[bytes, Coded], NDArray[Any]]


def decode(data: bytes, coded: Coded) -> NDArray[Any]:
    """Stored values (rows, columns), little-endian integers of BitsAllocated bits, the bits above BitsStored as the decoder left them.

    Raises KeyError for a syntax without decoder, ValueError for a frame of another size, and whatever the library raises.
    """
    values = DECODERS[coded.syntax].decode(data, coded)
    if values.size != coded.rows * coded.columns:
        raise ValueError(f"decoded to {values.size} values, {coded.rows} x {coded.columns} are declared")
    if values.dtype.itemsize == coded.dtype.itemsize:
        return values.reshape(coded.rows, coded.columns).view(coded.dtype)
    return values.reshape(coded.rows, coded.columns).astype(coded.dtype)


def decoded_bytes(data: bytes, coded: Coded) -> memoryview:
    """The same as bytes. RLE comes as such from its decoder, and numpy, which takes as long to import as twenty frames, stays out."""
    if coded.syntax == RLE_LOSSLESS:
        raw = _rle_bytes(data, coded)
        if len(raw) == coded.rows * coded.columns * (coded.bits_allocated // 8):
            return memoryview(raw)
    import numpy as np

    return np.ascontiguousarray(decode(data, coded)).reshape(-1).view(np.uint8).data


def missing_package(syntax: str) -> str | None:
    """The package that would have to be installed to decode a syntax; None when it is there."""
    decoder = DECODERS[syntax]
    return None if find_spec(decoder.module) else decoder.package


def _rle(data: bytes, coded: Coded) -> NDArray[Any]:
    import numpy as np

    return np.frombuffer(_rle_bytes(data, coded), f"<u{coded.bits_allocated // 8}")


def _rle_bytes(data: bytes, coded: Coded) -> bytearray:
    raw: bytearray = _rle_decoder().decode_frame(data, coded.rows * coded.columns, coded.bits_allocated, "<")
    return raw


def _rle_decoder() -> Any:
    """The compiled module of pylibjpeg-rle; the package around it needs numpy and adds nothing to this."""
    name = "rle.rle"
    if name not in sys.modules:
        package = find_spec("rle")
        spec = PathFinder.find_spec(name, package.submodule_search_locations) if package else None
        if spec is None or spec.loader is None:
            raise ModuleNotFoundError(name=name)
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def _jpeg_ls(data: bytes, coded: Coded) -> NDArray[Any]:
    import jpeg_ls  # type: ignore[import-untyped]
    import numpy as np

    try:
        raw, said = jpeg_ls.decode_pixel_data(data)
    except RuntimeError:
        # some writers pad to an even length before the end marker; there CharLS expects the marker itself
        raw, said = jpeg_ls.decode_pixel_data(data.rstrip(b"\0").removesuffix(b"\xff\xd9").rstrip(b"\0") + b"\xff\xd9")
    if said["components"] != 1:
        raise ValueError(f"{said['components']} components where one is declared")
    if coded.signed and said["bits_per_sample"] < coded.bits_stored:  # JPEG-LS has no sign: nobody could tell where it is
        raise ValueError(f"signed values of {coded.bits_stored} bits in a codestream of {said['bits_per_sample']}")
    return np.frombuffer(raw, "u1" if said["bits_per_sample"] <= 8 else "<u2")


def _jpeg_2000(data: bytes, coded: Coded) -> NDArray[Any]:
    import numpy as np
    from openjpeg.utils import decode_pixel_data

    raw = decode_pixel_data(data, version=2)
    siz = data.find(b"\xff\x4f\xff\x51")
    kind = "i" if data[siz + 42] & 0x80 else "u"  # Ssiz of the first component: ISO 15444-1 A.5.1
    return np.frombuffer(raw, f"<{kind}{len(raw) // (coded.rows * coded.columns) or 1}")


def _gdcm(data: bytes, coded: Coded) -> NDArray[Any]:
    import gdcm
    import numpy as np

    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(data)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((coded.columns, coded.rows, 1))
    image.SetDataElement(element)
    grey = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(grey))
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(coded.syntax)))
    image.SetPixelFormat(gdcm.PixelFormat(1, coded.bits_allocated, coded.bits_stored, coded.bits_stored - 1, int(coded.signed)))
    text = image.GetBuffer()
    if text is None:
        raise ValueError("GDCM gave no pixels")
    return np.frombuffer(text.encode("utf-8", "surrogateescape"), f"<u{coded.bits_allocated // 8}")


_RLE = Decoder("rle", "pylibjpeg-rle", _rle)
_GDCM = Decoder("gdcm", "python-gdcm", _gdcm)
_CHARLS = Decoder("jpeg_ls", "pyjpegls", _jpeg_ls)
_OPENJPEG = Decoder("openjpeg", "pylibjpeg-openjpeg", _jpeg_2000)

RLE_LOSSLESS = "1.2.840.10008.1.2.5"
DECODERS: dict[str, Decoder] = {
    RLE_LOSSLESS: _RLE,
    "1.2.840.10008.1.2.4.50": _GDCM,
    "1.2.840.10008.1.2.4.51": _GDCM,
    "1.2.840.10008.1.2.4.57": _GDCM,
    "1.2.840.10008.1.2.4.70": _GDCM,
    "1.2.840.10008.1.2.4.80": _CHARLS,
    "1.2.840.10008.1.2.4.81": _CHARLS,
    "1.2.840.10008.1.2.4.90": _OPENJPEG,
    "1.2.840.10008.1.2.4.91": _OPENJPEG,
    "1.2.840.10008.1.2.4.201": _OPENJPEG,
    "1.2.840.10008.1.2.4.202": _OPENJPEG,
    "1.2.840.10008.1.2.4.203": _OPENJPEG,
}
