"""The pictures: the outline lies where the lesion lies, colours keep their order, equal input gives equal bytes."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from case_phantom import MODEL, NODULES, ball, chest, exhibits, finding
from PIL import Image

from cad.finding import Exhibit
from cad.space import Box, Grid
from cad.volume import Volume
from cad.write import drawing, key_images, planes
from cad.write.aorta import aorta_picture, diameter_curve


def coloured(picture: Image.Image, colour: drawing.Colour) -> np.ndarray:
    """(row, column) of pixels of a mark's own colour, at least half covered."""
    pixels = np.asarray(picture, dtype=float)
    return np.argwhere((np.abs(pixels - colour).max(axis=-1) < 90) & (np.ptp(pixels, axis=-1) > 60))


@pytest.mark.parametrize("rank", [1, 2])
def test_the_outline_lies_on_the_lesions_border(rank):
    (centre, radius), exhibit = NODULES[rank - 1], exhibits()[rank - 1]
    plane = planes.centred("axial", centre, 40.0, 400)
    picture = Image.new("RGB", (400, 400))
    drawing.outline(picture, planes.sample(ball(centre, radius, spacing=0.25), plane, 0.0))
    marks = coloured(picture, drawing.ORANGE)
    distances = np.linalg.norm(marks - np.array(plane.to_pixel(centre)), axis=1) * plane.pixel_mm
    assert distances.mean() == pytest.approx(radius, abs=0.15)
    assert distances.min() > radius - 0.5
    assert distances.max() < radius + 0.5
    assert exhibit.rank == rank


def test_the_key_slice_crosses_the_lesion_and_marks_it_where_it_is():
    centre, _ = NODULES[0]
    index = key_images.key_index(finding(1, 0.9), exhibits()[0])
    assert abs(chest().grid.to_mm((index, 0, 0))[2] - centre[2]) <= 2.5
    picture = key_images.key_slice(finding(1, 0.9), exhibits()[0])
    plane = planes.whole_slice(chest().grid, index, key_images.KEY_PIXELS)
    middle = coloured(picture, drawing.ORANGE).mean(axis=0)
    assert middle == pytest.approx(plane.to_pixel(centre), abs=1.5)


@pytest.mark.parametrize("flip", [(-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1)])
def test_a_flipped_grid_gives_the_same_picture(flip):
    source = chest()
    steps = tuple(slice(None, None, f) for f in flip)
    affine = source.grid.affine.copy()
    start = [n - 1 if f < 0 else 0 for n, f in zip(source.grid.shape, flip, strict=True)]
    affine[:3, 3] = source.grid.to_mm(start)
    affine[:3, :3] *= flip
    turned = replace(exhibits()[0], image=Volume(source.voxels[steps], Grid(source.grid.shape, affine)))
    same = key_images.three_planes(finding(1, 0.9), exhibits()[0])
    other = key_images.three_planes(finding(1, 0.9), turned)
    assert np.abs(np.asarray(same, dtype=int) - np.asarray(other, dtype=int)).max() <= 1


def test_a_finding_without_an_outline_is_boxed():
    bare = replace(exhibits()[0], mask=None)
    marks = coloured(key_images.thumbnail(finding(1, 0.9), bare), drawing.ORANGE)
    assert len(marks) > 20
    assert marks.mean(axis=0) == pytest.approx((79.5, 79.5), abs=1.5)


def test_an_untrustworthy_heat_map_says_so_on_its_face():
    good = key_images.heat_planes(finding(2, 0.3), exhibits()[1])
    bad = key_images.heat_planes(finding(2, 0.3, trustworthy=False), exhibits()[1])
    assert bad.height == good.height + 24
    tape = np.asarray(bad)[:24].reshape(-1, 3)
    assert (np.abs(tape - np.array(drawing.ORANGE)).max(axis=1) < 5).mean() > 0.7


def test_heat_colours_grow_lighter_all_the_way_in_grey_scale():
    ramp = drawing.heat_colours(np.linspace(0, 1, 256, dtype=np.float32))
    luminance = (ramp / 255.0) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722])
    assert (np.diff(luminance) > -1e-4).all()
    lightness = 116 * np.cbrt(np.maximum(luminance, 0.009)) - 16
    steps = np.diff(lightness[::32])
    assert steps.min() > 0.5 * steps.mean()


def test_windows_fit_the_modality_and_the_task():
    assert [w.name for w in key_images.windows(chest(), "lung_nodule_ct")] == ["lung", "mediastinum"]
    assert (drawing.LUNG.low + drawing.LUNG.high, drawing.LUNG.high - drawing.LUNG.low) == (-1200, 1500)
    brain = Volume(np.tile(np.linspace(0, 900, 64, dtype=np.float32), (8, 64, 1)), Grid.axial((8, 64, 64), (2, 1, 1)), "1", "MR")
    (window,) = key_images.windows(brain, "brain_lesion_mr")
    assert window.low < 100
    assert 880 < window.high < 960


def test_a_blank_volume_still_has_a_picture():
    flat = Volume(np.zeros((4, 16, 16), np.int16), Grid.axial((4, 16, 16), (2, 1, 1)), "1", "MR")
    shown = replace(finding(1, 0.5), candidate=replace(finding(1, 0.5).candidate, centre_mm=(8, 8, 4), box_mm=Box.cube((8, 8, 4), 4)))
    assert len(key_images.finding_pictures(shown, Exhibit("lung_nodule_ct", 1, flat))) == 3


def test_pictures_are_png_of_equal_bytes_each_time_and_hold_no_text():
    first, again = (
        {name: drawing.png(drawn) for name, drawn in key_images.finding_pictures(finding(1, 0.9), exhibits()[0]).items()} for _ in range(2)
    )
    assert first == again
    assert sorted(first) == [f"finding-01-{view}.png" for view in ("heat", "key", "planes", "thumbnail")]
    for data in first.values():
        picture = Image.open(io.BytesIO(data))
        assert picture.mode == "RGB"
        assert picture.info == {}


def test_exhibits_are_paired_by_their_place_within_the_task():
    shown = (
        replace(finding(1, 0.9), rank=2),
        replace(finding(2, 0.3), rank=3),
        replace(finding(1, 0.95), rank=1, task="aorta_ct", model=MODEL),
    )
    pairs = key_images.paired(shown, exhibits())
    assert {rank: (e.task, e.rank) for rank, e in pairs.items()} == {1: ("aorta_ct", 0), 2: ("lung_nodule_ct", 1), 3: ("lung_nodule_ct", 2)}


def test_the_scale_bar_is_as_long_as_it_says():
    plane = planes.centred("axial", (0, 0, 0), 100.0, 400)
    picture = Image.new("RGB", (400, 400))
    drawing.scale_bar(picture, plane)
    bar = np.asarray(picture)[388].max(axis=-1) > 120  # 28 % of 100 mm leaves room for 20 mm
    assert bar.sum() * plane.pixel_mm == pytest.approx(20.0, abs=1.0)


def test_the_aortas_diameter_is_drawn_as_long_as_it_was_measured():
    vessel = exhibits()[2]
    widest = max(vessel.sections, key=lambda s: s.diameter_mm)
    picture = aorta_picture(vessel)
    across = picture.crop((picture.width - 330, 24, picture.width, picture.height))
    marks = coloured(across, drawing.CYAN)
    pixel_mm = max(80.0, 2.2 * widest.diameter_mm) / 330
    spread = marks - marks.mean(axis=0)
    along = np.linalg.svd(spread, full_matrices=False)[2][0]
    assert np.ptp(spread @ along) * pixel_mm == pytest.approx(widest.diameter_mm, abs=1.0)
    assert marks.mean(axis=0) == pytest.approx((164.5, 164.5), abs=2)


def test_the_curve_follows_the_line():
    curve = diameter_curve(exhibits()[2].sections[::-1])
    assert [along for along, _ in curve] == sorted(along for along, _ in curve)
    assert max(curve, key=lambda p: p[1]) == pytest.approx((70.0, 42.0), abs=0.1)


def test_marks_outside_the_picture_change_nothing_and_at_its_border_do_not_fail():
    picture = Image.new("RGB", (50, 50))
    drawing.strokes(picture, [[(80.0, 80.0), (90.0, 95.0)]], drawing.ORANGE)
    drawing.strokes(picture, [], drawing.ORANGE)
    assert picture.getbbox() is None
    drawing.strokes(picture, [[(-20.0, 25.0), (70.0, 25.0)]], drawing.ORANGE)
    assert picture.getbbox() == (0, 24, 50, 27) or picture.getbbox() == (0, 24, 50, 26)
