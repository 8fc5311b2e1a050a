"""The pictures that let a reader check a finding: key slice, three planes, heat map, thumbnail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cad.finding import Exhibit, Finding
from cad.space import Point
from cad.volume import Volume
from cad.write import drawing, planes
from cad.write.drawing import Window
from cad.write.planes import Plane

KEY_PIXELS = 620
ZOOM_PIXELS = 206
THUMBNAIL_PIXELS = 160
_THREE = ("axial", "coronal", "sagittal")


def image_name(finding: Finding, view: str) -> str:
    """The file name of one picture of a finding: view is key, planes, heat or thumbnail."""
    return f"finding-{finding.rank:02d}-{view}.png"


def case_pictures(findings: Sequence[Finding], exhibits: Sequence[Exhibit]) -> dict[str, Image.Image]:
    """All pictures of a case's findings by file name."""
    ranks = paired(findings, exhibits)
    pictures: dict[str, Image.Image] = {}
    for finding in findings:
        if finding.rank in ranks:
            pictures |= finding_pictures(finding, ranks[finding.rank])
    return pictures


def finding_pictures(finding: Finding, exhibit: Exhibit) -> dict[str, Image.Image]:
    """Pictures by file name; the exhibit's image is the whole source volume, so that the key slice shows its context."""
    tiles = close_ups(finding, exhibit)
    pictures = {
        "key": key_slice(finding, exhibit),
        "planes": three_planes(finding, exhibit, tiles),
        "thumbnail": thumbnail(finding, exhibit),
    }
    if exhibit.heatmap is not None:
        pictures["heat"] = heat_planes(finding, exhibit, tiles)
    return {image_name(finding, view): picture for view, picture in sorted(pictures.items())}


def paired(findings: Sequence[Finding], exhibits: Sequence[Exhibit]) -> dict[int, Exhibit]:
    """The exhibit of each finding, by the finding's rank in the case.

    An exhibit's rank counts within its task; a task's findings keep their order when cases are ranked. A finding
    without an exhibit of its own is shown on its task's rank 0.
    """
    by_place = {(exhibit.task, exhibit.rank): exhibit for exhibit in exhibits}
    seen: dict[str, int] = {}
    pairs = {}
    for finding in sorted(findings, key=lambda f: f.rank):
        seen[finding.task] = seen.get(finding.task, 0) + 1
        exhibit = by_place.get((finding.task, seen[finding.task]), by_place.get((finding.task, 0)))
        if exhibit is not None:
            pairs[finding.rank] = exhibit
    return pairs


def windows(volume: Volume, task: str) -> tuple[Window, ...]:
    """The windows a reader would use, first the main one: lung and mediastinum, mediastinum, or percentiles for MR."""
    if volume.modality != "CT":
        return (drawing.percentile_window(volume),)
    return (drawing.LUNG, drawing.MEDIASTINUM) if "lung" in task else (drawing.MEDIASTINUM,)


def key_slice(finding: Finding, exhibit: Exhibit) -> Image.Image:
    """The whole acquired slice where the outline is largest, lesion outlined and pointed at."""
    index = key_index(finding, exhibit)
    plane = planes.whole_slice(exhibit.image.grid, index, KEY_PIXELS)
    window = windows(exhibit.image, finding.task)[0]
    picture = drawing.grey_picture(_sampled(exhibit.image, plane), window)
    drawing.strokes(picture, _lines(plane, finding, exhibit), drawing.ORANGE)
    row, column = plane.to_pixel(_middle_mm(finding, exhibit))
    drawing.pointers(picture, column, row, max(22.0, finding.diameter_mm / plane.pixel_mm / 2 + 12))
    drawing.side_letters(picture, plane)
    drawing.scale_bar(picture, plane)
    drawing.text(picture, (8, 8), f"{plane.name}  {_axis(plane)} {plane.slice_mm:+.1f} mm")
    drawing.text(picture, (8, 26), f"slice {index + 1} / {exhibit.image.grid.shape[0]}")
    drawing.text(picture, (picture.width - 8, 8), _said(window, exhibit.image), anchor="rt")
    return picture


def key_index(finding: Finding, exhibit: Exhibit) -> int:
    """The slice of the source that crosses most of a lesion's outline; for a vessel or a bare box the one nearest to the centre."""
    top = exhibit.image.grid.shape[0] - 1
    if exhibit.mask is None or exhibit.sections or not exhibit.mask.voxels.any():
        return int(np.clip(np.rint(exhibit.image.grid.to_index(finding.candidate.centre_mm)[0]), 0, top))
    inside = exhibit.image.grid.to_index(exhibit.mask.grid.to_mm(np.argwhere(exhibit.mask.voxels > 0)))[:, 0]
    slices, counts = np.unique(np.clip(np.rint(inside), 0, top), return_counts=True)
    return int(slices[int(np.argmax(counts))])


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A close-up: its plane, the image sampled on it, and the outline's lines in pixels."""

    plane: Plane
    values: NDArray[np.float32]
    lines: tuple[drawing.Line, ...]


def close_ups(finding: Finding, exhibit: Exhibit) -> tuple[Tile, ...]:
    """Axial, coronal and sagittal through the lesion, sampled once for every picture that shows them."""
    middle = _middle_mm(finding, exhibit)
    shown = [planes.centred(name, middle, _field_mm(finding), ZOOM_PIXELS) for name in _THREE]
    return tuple(Tile(plane, _sampled(exhibit.image, plane), _lines(plane, finding, exhibit)) for plane in shown)


def three_planes(finding: Finding, exhibit: Exhibit, tiles: Sequence[Tile] = ()) -> Image.Image:
    """Axial, coronal, sagittal through the lesion: plain, outlined, and in the second window where there is one."""
    shown, tiles = windows(exhibit.image, finding.task), tiles or close_ups(finding, exhibit)
    rows = [_row(tiles, shown[0], marked=False), _row(tiles, shown[0], marked=True)]
    return drawing.below([*rows, *(_row(tiles, window, marked=False) for window in shown[1:])])


def heat_planes(finding: Finding, exhibit: Exhibit, tiles: Sequence[Tile] = ()) -> Image.Image:
    """The heat map over the three planes with its colour bar, outline dashed; a map that failed its checks says so on its face."""
    window = windows(exhibit.image, finding.task)[0]
    heatmap = exhibit.heatmap
    if heatmap is None:
        raise ValueError("an exhibit without a heat map has no heat picture")
    pictures = []
    for tile in tiles or close_ups(finding, exhibit):
        picture = drawing.heat_over(drawing.grey_picture(tile.values, window), planes.sample(heatmap, tile.plane, 0.0))
        drawing.strokes(picture, drawing.dashed(tile.lines), drawing.CYAN)
        _furnish(picture, tile.plane)
        pictures.append(picture)
    strip = drawing.beside([*pictures, drawing.colour_bar(ZOOM_PIXELS)])
    faithfulness = finding.evidence.faithfulness
    if faithfulness is not None and not faithfulness.trustworthy:
        return drawing.below([drawing.tape(strip.width, "HEAT MAP NOT TRUSTWORTHY", drawing.CASING, drawing.ORANGE), strip], gap=0)
    return strip


def thumbnail(finding: Finding, exhibit: Exhibit) -> Image.Image:
    """A small outlined axial view for the worklist."""
    plane = planes.centred("axial", _middle_mm(finding, exhibit), _field_mm(finding) * 1.4, THUMBNAIL_PIXELS)
    picture = drawing.grey_picture(_sampled(exhibit.image, plane), windows(exhibit.image, finding.task)[0])
    drawing.strokes(picture, _lines(plane, finding, exhibit), drawing.ORANGE)
    return picture


def _row(tiles: Sequence[Tile], window: Window, *, marked: bool) -> Image.Image:
    pictures = []
    for tile in tiles:
        picture = drawing.grey_picture(tile.values, window)
        if marked:
            drawing.strokes(picture, tile.lines, drawing.ORANGE)
        _furnish(picture, tile.plane)
        pictures.append(picture)
    drawing.text(pictures[-1], (ZOOM_PIXELS - 5, 5), window.name, size=11, anchor="rt")
    drawing.text(pictures[-1], (ZOOM_PIXELS - 5, ZOOM_PIXELS - 6), window.level, size=11, anchor="rb")
    return drawing.beside(pictures)


def _furnish(picture: Image.Image, plane: Plane) -> None:
    drawing.side_letters(picture, plane, size=12)
    drawing.scale_bar(picture, plane, size=11)
    drawing.text(picture, (5, 5), f"{plane.name[:3].upper()}  {_axis(plane)} {plane.slice_mm:+.0f}", size=11)


def _middle_mm(finding: Finding, exhibit: Exhibit) -> Point:
    """The voxel of the outline nearest to its centre within the key slice; the candidate's centre for a vessel or a bare box."""
    if exhibit.mask is None or exhibit.sections or not exhibit.mask.voxels.any():
        return finding.candidate.centre_mm
    inside = exhibit.mask.grid.to_mm(np.argwhere(exhibit.mask.voxels > 0))
    away = np.abs(exhibit.image.grid.to_index(inside)[:, 0] - key_index(finding, exhibit))
    shown = inside[away <= max(0.5, float(away.min()))]
    x, y, z = shown[int(np.argmin(np.linalg.norm(shown - shown.mean(axis=0), axis=1)))]
    return float(x), float(y), float(z)


def _field_mm(finding: Finding) -> float:
    return max(36.0, 2.6 * finding.diameter_mm)


def _lines(plane: Plane, finding: Finding, exhibit: Exhibit) -> tuple[drawing.Line, ...]:
    """The outline on a plane; the corners of the box of a finding that has none."""
    if exhibit.mask is not None and exhibit.mask.voxels.any():
        return tuple(drawing.contours(planes.sample(exhibit.mask, plane, 0.0)))
    box = finding.candidate.box_mm
    (r0, c0), (r1, c1) = plane.to_pixel(box.low_mm), plane.to_pixel(box.high_mm)
    return tuple(drawing.corners((min(c0, c1), min(r0, r1)), (max(c0, c1), max(r0, r1))))


def _said(window: Window, volume: Volume) -> str:
    return f"{window.name}  {window.level}{' HU' * (volume.modality == 'CT')}"


def _axis(plane: Plane) -> str:
    return {"sagittal": "x", "coronal": "y", "axial": "z"}[plane.name]


def _sampled(image: Volume, plane: Plane) -> NDArray[np.float32]:
    return planes.sample(image, plane, _outside(image))


def _outside(volume: Volume) -> float:
    return drawing.AIR_HU if volume.modality == "CT" else float(volume.voxels.min())
