"""`shoken measure aorta`: a given mask is measured as it is, and named by its digest in everything that is said."""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from cad.read.nifti import write_nifti
from cad.space import Grid
from cad.volume import Volume
from pipelines import cli

sys.path.insert(0, str(Path(__file__).parents[1] / "cad" / "measure"))
from bodies import box_grid, candy_cane, drawn, tube

COURSE = candy_cane()
RADII = np.linspace(17, 12, len(COURSE))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The aorta among three labels, its probabilities, and a scan with enhanced blood."""
    folder = tmp_path_factory.mktemp("given")
    soft = drawn(box_grid(COURSE, 18, (3.0, 1.5, 1.5), np.random.default_rng(2)), tube(COURSE, RADII), 2)
    labels = np.where(np.asarray(soft.voxels) >= 0.5, 52, 0).astype(np.uint8)
    labels[0, 0, :3] = 7
    half = labels.copy()
    half[: labels.shape[0] // 2] = 0
    write_nifti(soft.like(labels), folder / "all.nii.gz")
    write_nifti(soft.like((labels == 52).astype(np.uint8)), folder / "aorta.nii.gz")
    write_nifti(soft.like((half == 52).astype(np.uint8)), folder / "upper.nii.gz")
    write_nifti(soft.like(((labels == 52) & (half != 52)).astype(np.uint8)), folder / "lower.nii.gz")
    write_nifti(soft.like((-90 + 390 * np.asarray(soft.voxels)).astype(np.float32)), folder / "scan.nii.gz")
    write_nifti(Volume(np.zeros((9, 9, 9), np.int16), Grid.axial((9, 9, 9), (1, 1, 1))), folder / "elsewhere.nii.gz")
    return folder


def told(capsys, *arguments):
    code = cli.run(["measure", "aorta", *(str(argument) for argument in arguments)])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_every_value_names_the_mask_it_rests_on(capsys, files):
    code, out, _ = told(capsys, files / "aorta.nii.gz", "--diaphragm-z-mm", "-120", "--json")
    document = json.loads(out)
    digest = hashlib.sha256((files / "aorta.nii.gz").read_bytes()).hexdigest()
    assert (code, document["outline"]["sha256"]) == (0, [digest])
    assert all(m["method"].endswith(f"outline: given mask sha256 {digest}") for m in document["measurements"])
    by_name = {m["name"]: m for m in document["measurements"]}
    assert by_name["aorta_max"]["value"] == pytest.approx(34, abs=1)
    assert by_name["aorta_diaphragm"]["position_mm"][2] == pytest.approx(-120, abs=3)
    assert document["second_estimate"] == "none: no scan was given"


def test_labels_and_parts_give_the_same_aorta(capsys, files):
    whole = json.loads(told(capsys, files / "aorta.nii.gz", "--json")[1])
    chosen = json.loads(told(capsys, files / "all.nii.gz", "--label", "52", "--json")[1])
    joined = json.loads(told(capsys, files / "upper.nii.gz", files / "lower.nii.gz", "--json")[1])
    assert whole["outline"]["voxels_sha256"] == chosen["outline"]["voxels_sha256"] == joined["outline"]["voxels_sha256"]
    assert len(joined["outline"]["sha256"]) == 2


def test_the_scan_gives_a_second_estimate_and_a_picture(capsys, files, tmp_path):
    code, out, _ = told(capsys, files / "aorta.nii.gz", "--image", files / "scan.nii.gz", "--picture", tmp_path / "aorta.png")
    assert code == 0
    assert "border of enhanced blood" in out
    assert (tmp_path / "aorta.png").read_bytes().startswith(b"\x89PNG")


def test_what_cannot_be_used_is_said(capsys, files, tmp_path):
    for arguments, words in (
        ((files / "all.nii.gz",), "--label N"),
        ((files / "aorta.nii.gz", "--image", files / "elsewhere.nii.gz"), "of the mask"),
        ((files / "aorta.nii.gz", "--picture", tmp_path / "no.png"), "--image"),
        ((files / "all.nii.gz", "--label", "aorta"), "whole number"),
        ((files / "upper.nii.gz", files / "elsewhere.nii.gz"), "different grids"),
    ):
        code, _, err = told(capsys, *arguments)
        assert code == 2
        assert words in err
    code, out, _ = told(capsys, files / "all.nii.gz", "--label", "7")
    assert code == 1
    assert "mask too small" in out
