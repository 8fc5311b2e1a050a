"""Files cut short, overwritten, emptied or swapped: a refusal or another reading, never a crash, never an uncounted file."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import layout_makers as make
import pytest

from cad.datasets.layout import DataSetError
from cad.space import Grid
from cad.volume import Volume


def luna(root: Path) -> None:
    centre = tuple(float(v) for v in make.GRID.to_mm((5, 20, 16)))
    make.luna16(root, {f"1.2.{n}": Volume(make.ct(n), Grid(make.GRID.shape, make.GRID.affine)) for n in (1, 2)}, [("1.2.1", centre, 8.0)])


MAKERS = {
    "lidc": lambda root: make.lidc(root, patients=3),
    "luna16": luna,
    "decathlon": make.decathlon,
    "lung_pet_ct_dx": make.lung_pet_ct_dx,
    "totalsegmentator": make.totalsegmentator,
    "plain": make.plain,
}


def damaged(path: Path, chance: random.Random) -> None:
    """One file changed in one of five ways."""
    data = bytearray(path.read_bytes())
    way = chance.choice(["cut", "bytes", "empty", "text", "twice"])
    if way == "cut":
        data = data[: chance.randrange(len(data))]
    elif way == "bytes":
        for _ in range(8):
            data[chance.randrange(len(data))] = chance.randrange(256)
    elif way == "empty":
        data = bytearray()
    elif way == "text":
        data = bytearray(data.replace(b"1", b"x").replace(b"TRUE", b""))
    else:
        data = data * 2
    path.write_bytes(bytes(data))


@pytest.mark.parametrize("name", sorted(MAKERS))
def test_damage_is_refused_and_counted(name, tmp_path):
    MAKERS[name](tmp_path / "whole")
    for seed in range(12):
        chance, root = random.Random(seed), tmp_path / str(seed)
        shutil.copytree(tmp_path / "whole", root)
        labels = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix not in (".dcm", ".raw")]
        images = [path for path in sorted(root.rglob("*")) if path.is_file() and path.suffix in (".dcm", ".raw")]
        for path in {*chance.sample(labels, min(2, len(labels))), *chance.sample(images, min(2, len(images)))}:
            damaged(path, chance)
        try:
            scans, _ = make.read_all(name, root)  # counts every file
        except DataSetError:
            continue  # the one list that a whole layout hangs on
        assert all(scan.volume.voxels.size for scan in scans)
