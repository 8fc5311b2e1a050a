"""The defect classes a series can have, what Shoken does with each, and how to make one: the table behind docs/reading.md.

Every defect starts from the same twelve CT slices (`whole`). `Corrected` means: the true volume, voxel and affine,
with the named warnings and refusals beside it. `Refused` means: no volume, and this code on every file unless named.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cache

import factory
import numpy as np
import phantoms
from factory import Datasets, Layout
from pydicom import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from cad.space import Grid

GRID = factory.small_grid((12, 96, 80), (2.5, 0.8, 0.8))


def scene(where: Grid) -> np.ndarray:
    """Two balls in air, with a ramp, so that no two slices and no two voxels along an axis are alike."""
    ramp = where.to_mm(np.moveaxis(np.indices(where.shape), 0, -1)) @ np.array([0.6, 0.9, 1.3])
    return phantoms.paint(where, [(phantoms.sphere((2, -3, 1), 17), 120.0), (phantoms.sphere((-6, 5, -4), 7), -400.0)], -900.0) + ramp


@cache
def _whole() -> Datasets:
    return factory.build(scene, Layout(GRID))


@dataclass(frozen=True)
class Case:
    """How to make the defect, what becomes of it, and the codes: `volumes` true volumes of `slices` (all by default)."""

    make: Callable[[Datasets], Datasets]
    does: str
    code: str = ""
    corrected: bool = True
    volumes: int = 1
    slices: tuple[slice, ...] = (slice(None),)
    tolerance_hu: float = 1.0
    offset_hu: tuple[int, ...] = (0,)


def each(**values: object) -> Callable[[Datasets], Datasets]:
    """Every object with these values; None removes the element."""
    return lambda d: factory._each(d, lambda item, _: _set(item, values))


def one(at: int, **values: object) -> Callable[[Datasets], Datasets]:
    """One object with these values."""

    def change(datasets: Datasets) -> Datasets:
        out = deepcopy(datasets)
        _set(out[at], values)
        return out

    return change


def _set(item: Dataset, values: dict[str, object]) -> None:
    for name, value in values.items():
        if value is None:
            delattr(item, name)
        else:
            setattr(item, name, value)


def written_as(syntax: str) -> Callable[[Datasets], Datasets]:
    """Another transfer syntax."""

    def change(datasets: Datasets) -> Datasets:
        out = deepcopy(datasets)
        for item in out:
            if syntax in (RLELossless, JPEG2000Lossless, JPEGLSLossless):
                item.compress(syntax, generate_instance_uid=False)
            else:
                item.file_meta.TransferSyntaxUID = syntax
            if syntax == ExplicitVRBigEndian:
                item.PixelData = np.frombuffer(item.PixelData, "<u2").byteswap().tobytes()
                item.set_original_encoding(is_implicit_vr=False, is_little_endian=False)
        return out

    return change


def bits(allocated: int, stored: int) -> Callable[[Datasets], Datasets]:
    """Another depth; eight bits hold a coarser scale."""

    def change(datasets: Datasets) -> Datasets:
        out = deepcopy(datasets)
        for item in out:
            values = factory._stored(item).astype(np.int64)
            if allocated == 8:
                values, item.RescaleSlope = np.rint(values / 8).astype(np.int64), 8
            item.BitsAllocated, item.BitsStored, item.HighBit = allocated, stored, stored - 1
            item.PixelData = values.astype(f"<u{allocated // 8}").tobytes()
        return out

    return change


def overlay_bits(datasets: Datasets) -> Datasets:
    """Twelve bits stored and something else in the bits above."""
    out = deepcopy(datasets)
    for item in out:
        item.BitsStored, item.HighBit = 12, 11
        item.PixelData = (factory._stored(item) | 0x8000).tobytes()
    return out


def split(**marks: tuple[object, object]) -> Callable[[Datasets], Datasets]:
    """The series twice, told apart by the marks; the second is brighter by ten."""

    def change(datasets: Datasets) -> Datasets:
        out = factory.two_phases(datasets)
        for k, item in enumerate(out):
            del item.TemporalPositionIdentifier
            for name, values in marks.items():
                setattr(item, name, values[k % 2])
        return out

    return change


def unmarked(datasets: Datasets) -> Datasets:
    """The series twice and nothing that says which slice belongs where."""
    out = factory.two_phases(datasets)
    for item in out:
        del item.TemporalPositionIdentifier
    return out


def another_series(datasets: Datasets) -> Datasets:
    """A second series, ten brighter, in the same folder."""
    out = factory.two_phases(datasets)
    series = generate_uid(entropy_srcs=["another"])
    for k, item in enumerate(out):
        del item.TemporalPositionIdentifier
        if k % 2:
            item.SeriesInstanceUID = series
    return out


def stepped(*along: float) -> Callable[[Datasets], Datasets]:
    """Slices at other places along the normal."""
    return lambda _: factory.build(scene, Layout(GRID, along_mm=along))


def overlapping(_: Datasets) -> Datasets:
    """Slices thicker than their distance, as many scanners write."""
    return each(SliceThickness="5")(_)


def jittered(datasets: Datasets) -> Datasets:
    """Positions rounded by a tenth of a millimetre."""
    out = deepcopy(datasets)
    for k, item in enumerate(out):
        x, y, z = (float(v) for v in item.ImagePositionPatient)
        item.ImagePositionPatient = [f"{x:.4f}", f"{y:.4f}", f"{z + 0.04 * (-1) ** k:.4f}"]
    return out


def floats(datasets: Datasets) -> Datasets:
    """Floating-point pixel data."""
    out = deepcopy(datasets)
    for item in out:
        item.FloatPixelData = factory._stored(item).astype("<f4").tobytes()
        item.BitsAllocated = item.BitsStored = 32
        item.HighBit = 31
        del item.PixelData
    return out


def colour(datasets: Datasets) -> Datasets:
    """Three samples a pixel."""
    out = deepcopy(datasets)
    for item in out:
        item.SamplesPerPixel, item.PlanarConfiguration, item.PhotometricInterpretation = 3, 0, "RGB"
        item.PixelData = np.repeat(factory._stored(item)[..., None], 3, axis=2).tobytes()
    return out


def enhanced(datasets: Datasets, order: list[int] | None = None, drop: str = "") -> Datasets:
    """One enhanced CT object of twelve frames, in the given order, without the macro `drop`."""
    order = order or list(range(len(datasets)))
    out = deepcopy(datasets[0])
    out.SOPClassUID = out.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    out.NumberOfFrames = len(order)
    out.PixelData = b"".join(datasets[k].PixelData for k in order)
    out.SharedFunctionalGroupsSequence = Sequence([_group(datasets[0], ("ImageOrientationPatient", "PixelSpacing", "RescaleSlope"), drop)])
    out.PerFrameFunctionalGroupsSequence = Sequence([_group(datasets[k], ("ImagePositionPatient",), drop) for k in order])
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "RescaleSlope", "RescaleIntercept"):
        delattr(out, name)
    del out.RescaleType
    return [out]


_MACROS = {
    "ImagePositionPatient": ("PlanePositionSequence", ("ImagePositionPatient",)),
    "ImageOrientationPatient": ("PlaneOrientationSequence", ("ImageOrientationPatient",)),
    "PixelSpacing": ("PixelMeasuresSequence", ("PixelSpacing", "SliceThickness")),
    "RescaleSlope": ("PixelValueTransformationSequence", ("RescaleSlope", "RescaleIntercept", "RescaleType")),
}


def _group(source: Dataset, names: tuple[str, ...], drop: str) -> Dataset:
    group = Dataset()
    for name in names:
        macro, members = _MACROS[name]
        item = Dataset()
        for member in members:
            setattr(item, member, source[member].value)
        if name != drop:
            setattr(group, macro, Sequence([item]))
    return group


GAP, TWICE = "gap_in_series", (0, 10)
BOTH = (slice(None), slice(None))
BUT_LAST = (slice(0, 11),)

CASES: dict[str, Case] = {
    "files in another order": Case(factory.shuffle, "ordered by position"),
    "instance numbers reversed": Case(factory.reverse, "ordered by position"),
    "instance numbers missing": Case(each(InstanceNumber=None), "ordered by position"),
    "all instance numbers the same": Case(each(InstanceNumber=1), "ordered by position"),
    "one file copied": Case(lambda d: factory.duplicate(d, 3), "one of the two is used", "duplicate_slice"),
    "one slice sent again under a new UID": Case(lambda d: factory.resent(d, 3), "one of the two is used", "duplicate_slice"),
    "every file copied": Case(lambda d: [*d, *deepcopy(d)], "one of each two is used", "duplicate_slice"),
    "slices thicker than their distance": Case(overlapping, "read; overlap is no defect"),
    "positions rounded": Case(jittered, "read on an even grid"),
    "MONOCHROME1": Case(factory.monochrome1, "HU kept", "monochrome1"),
    "stored signed": Case(factory.signed, "read"),
    "rescale of each slice its own": Case(factory.slope_per_slice, "each slice by its own"),
    "8 bits": Case(bits(8, 8), "read", tolerance_hu=4.5),
    "12 bits of 16": Case(bits(16, 12), "read"),
    "32 bits": Case(bits(32, 32), "read"),
    "something in the bits above those stored": Case(overlay_bits, "refused", "unsupported_bits", corrected=False),
    "implicit little endian": Case(written_as(ImplicitVRLittleEndian), "read"),
    "explicit big endian": Case(written_as(ExplicitVRBigEndian), "read"),
    "deflated": Case(written_as(DeflatedExplicitVRLittleEndian), "read"),
    "RLE": Case(written_as(RLELossless), "decoded"),
    "JPEG-LS": Case(written_as(JPEGLSLossless), "decoded"),
    "JPEG 2000": Case(written_as(JPEG2000Lossless), "decoded"),
    "two phases": Case(split(TemporalPositionIdentifier=(1, 2)), "two volumes", "series_split", True, 2, BOTH, offset_hu=TWICE),
    "two echoes": Case(split(EchoTime=("10", "90")), "two volumes", "series_split", True, 2, BOTH, offset_hu=TWICE),
    "two b-values": Case(split(DiffusionBValue=(0.0, 800.0)), "two volumes", "series_split", True, 2, BOTH, offset_hu=TWICE),
    "two kernels": Case(split(ConvolutionKernel=("B30f", "B70f")), "two volumes", "series_split", True, 2, BOTH, offset_hu=TWICE),
    "two acquisitions": Case(split(AcquisitionNumber=(1, 2)), "two volumes", "series_split", True, 2, BOTH, offset_hu=TWICE),
    "two series in one folder": Case(another_series, "two volumes", "", True, 2, BOTH, offset_hu=TWICE),
    "enhanced multi-frame": Case(enhanced, "read frame by frame"),
    "enhanced, frames in another order": Case(lambda d: enhanced(d, [5, 2, 0, 1, 3, 4, 11, 10, 9, 8, 7, 6]), "ordered by position"),
    "enhanced, a frame is missing": Case(lambda d: enhanced(d, [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11]), "refused", GAP, False),
    "enhanced, frames without position": Case(
        lambda d: enhanced(d, drop="ImagePositionPatient"), "refused", "missing_position", corrected=False
    ),
    "enhanced, no pixel spacing": Case(lambda d: enhanced(d, drop="PixelSpacing"), "refused", "missing_spacing", False),
    "enhanced, no rescale": Case(lambda d: enhanced(d, drop="RescaleSlope"), "refused", "missing_rescale", corrected=False),
    "the last slice truncated": Case(lambda d: factory.truncated(d, 11), "read without it", "truncated", slices=BUT_LAST),
    "the last slice of another size": Case(lambda d: factory.other_size(d, 11), "read without it", "mixed_size", slices=BUT_LAST),
    "the last slice of another spacing": Case(lambda d: factory.other_spacing(d, 11), "read without it", "mixed_spacing", slices=BUT_LAST),
    "a scout among the slices": Case(lambda d: factory.other_plane(d, 11), "read without it", "mixed_orientation", slices=BUT_LAST),
    "the last slice without position": Case(
        lambda d: factory.missing_position(d, 11), "read without it", "missing_position", slices=BUT_LAST
    ),
    "the last slice a localizer": Case(
        one(11, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]), "read without it", "localizer", slices=BUT_LAST
    ),
    "a slice is missing": Case(lambda d: factory.gap(d, 4), "refused", GAP, corrected=False),
    "several slices are missing": Case(lambda d: factory.gap(d, 2, 6, 7), "refused", GAP, corrected=False),
    "a slice inside truncated": Case(lambda d: factory.truncated(d, 4), "refused", f"{GAP} truncated", corrected=False),
    "a slice inside of another spacing": Case(lambda d: factory.other_spacing(d, 4), "refused", f"{GAP} mixed_spacing", False),
    "a slice inside without orientation": Case(one(4, ImageOrientationPatient=None), "refused", f"{GAP} missing_position", False),
    "two pictures of one place": Case(lambda d: factory.conflict(d, 5), "refused", "conflicting_slices", corrected=False),
    "two phases that nothing tells apart": Case(unmarked, "refused", "conflicting_slices", corrected=False),
    "all slices at one place": Case(each(ImagePositionPatient=[0, 0, 0]), "refused", "conflicting_slices", corrected=False),
    "a tilt beyond correction": Case(lambda _: factory.build(scene, Layout(GRID, 40.0)), "refused", "gantry_tilt", corrected=False),
    "slices too far apart": Case(stepped(0, 25, 50, 75, 100, 125, 150, 175, 200, 225, 250, 275), "refused", "thick_slices", False),
    "only one slice": Case(factory.single, "refused", "single_slice", corrected=False),
    "only two slices": Case(lambda d: d[:2], "refused", "too_few_slices", corrected=False),
    "a localizer": Case(factory.localizer, "refused", "localizer", corrected=False),
    "no position": Case(each(ImagePositionPatient=None), "refused", "missing_position", corrected=False),
    "no orientation": Case(each(ImageOrientationPatient=None), "refused", "missing_position", corrected=False),
    "directions not at right angles": Case(
        each(ImageOrientationPatient=[1, 0, 0, 0.5, 0.8, 0]), "refused", "bad_orientation", corrected=False
    ),
    "directions all zero": Case(each(ImageOrientationPatient=[0] * 6), "refused", "bad_orientation", corrected=False),
    "no pixel spacing": Case(each(PixelSpacing=None), "refused", "missing_spacing", corrected=False),
    "pixel spacing zero": Case(each(PixelSpacing=[0, 0]), "refused", "missing_spacing", corrected=False),
    "pixel spacing negative": Case(each(PixelSpacing=[-0.8, 0.8]), "refused", "missing_spacing", corrected=False),
    "no rescale": Case(each(RescaleSlope=None), "refused", "missing_rescale", corrected=False),
    "rescale slope zero": Case(each(RescaleSlope=0), "refused", "missing_rescale", corrected=False),
    "floating-point pixels": Case(floats, "refused", "unsupported_bits", corrected=False),
    "colour": Case(colour, "refused", "colour_image", corrected=False),
    "no pixels": Case(each(PixelData=None), "refused", "no_pixels", corrected=False),
    "rows beyond any scanner": Case(each(Rows=60000, Columns=60000), "refused", "size_refused", corrected=False),
    "more bits stored than allocated": Case(each(BitsStored=20, HighBit=19), "refused", "unsupported_bits", corrected=False),
    "another modality": Case(each(Modality="OT"), "refused", "unknown_modality", corrected=False),
    "a secondary capture": Case(each(SOPClassUID="1.2.840.10008.5.1.4.1.1.7"), "refused", "secondary_capture", corrected=False),
}


def whole() -> Datasets:
    """The twelve slices nothing is wrong with."""
    return deepcopy(_whole())


def truth() -> np.ndarray:
    """Their HU."""
    return np.rint(np.concatenate([scene(where) for where in Layout(GRID).slices()]))


def table() -> str:
    """The table as docs/reading.md shows it."""
    rows = [f"| {name} | {case.does} | {' '.join(f'`{c}`' for c in case.code.split())} |" for name, case in CASES.items()]
    return "\n".join(["| defect | what Shoken does | code |", "|---|---|---|", *rows])
