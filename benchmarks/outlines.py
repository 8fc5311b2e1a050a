"""The shipped networks' outlines on real images, beside their truth and the readers' own agreement.

`python benchmarks/outlines.py`: LIDC-IDRI-0001 (four readers), a lung CT and a brain MR with tumour masks (pyradiomics). For each:
what screening outlined there, if it found the lesion at all, and what the segmentation network outlines when pointed at it.
n is one lesion each: a sign of life, no estimate of how good the models are. No voxel of these was used in training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from common import ROOT, keep, table

from cad.datasets.consensus import consensus_of
from cad.datasets.layout import Book, Wanted
from cad.datasets.lidc import Lidc
from cad.errors import Refusal
from cad.networks import LoadedModel
from cad.prepare.inputs import network_input, patch_grid
from cad.prepare.resample import resample
from cad.score.structures import WITH_READER, Row, by_structure, score_readers, score_truth
from cad.segment.outline import outlined
from cad.space import Grid
from cad.tasks.cascade_task import CascadeSettings
from cad.tasks.task import TaskResult, task_named
from cad.volume import Volume
from pipelines.registry.shipped import FolderModels

DATA = ROOT.parent / "shared" / "data"
AROUND_MM = 60.0
NEAR_MM = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """A lesion on a real image: 0/1 masks by reader on the image's grid, and the task that should find it."""

    name: str
    task: str
    image: Volume
    readers: Mapping[str, Volume]

    @property
    def agreed(self) -> Volume:
        """The readers' consensus; of one reader, the mask itself."""
        first = next(iter(self.readers.values()))
        return first if len(self.readers) == 1 else first.like(consensus_of([np.asarray(m.voxels) for m in self.readers.values()]))


def main() -> None:
    """Every lesion once: a table and `results/outlines.json`."""
    if not DATA.is_dir():
        raise SystemExit("the real images (../shared/data) are not on this machine")
    models, found = FolderModels(), []
    for lesion in lesions():
        model = models.load(models.current(lesion.task))
        near = window(lesion.agreed)
        pieces = {name: cut(mask, near) for name, mask in lesion.readers.items()}
        truth = cut(lesion.agreed, near)
        (first, said), (second, more) = screened(lesion, near, model), pointed(lesion, near, model)
        notes = said | more
        rows = [*against(lesion.name, "as screened", first, pieces, truth), *against(lesion.name, "pointed at", second, pieces, truth)]
        rows += score_readers(lesion.name, "readers", None, pieces, truth)
        found.append({"lesion": lesion.name, "n": 1, "weights": model.version.sha256, **notes, "scores": told(rows)})
        table(lesion.name, ("what", "with", "pairs", "Dice", "HD95 mm", "NSD 1 mm", "NSD 2 mm"), list(cells(rows)))
        print(", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in notes.items()), flush=True)
    keep("outlines", {"lesions": found})


def lesions() -> Iterator[Lesion]:
    """The three lesions whose outline is known."""
    (scan,) = Lidc().scans(Book.of(DATA / "LIDC-IDRI-0001_dicom"), Wanted())
    for lesion in (one for one in scan.lesions if one.agreement == len(scan.readers)):
        masks = {}
        for mark in lesion.outlined:
            if mark.patch is not None:
                voxels = np.zeros(scan.volume.grid.shape, np.uint8)
                voxels[mark.patch.window] = mark.patch.voxels
                masks[mark.reader] = Volume(voxels, scan.volume.grid, "1")
        yield Lesion("LIDC-IDRI-0001 nodule", "lung_nodule_ct", scan.volume, masks)
    for name, task, unit, modality in (("lung1", "lung_nodule_ct", "HU", "CT"), ("brain1", "brain_lesion_mr", "a.u.", "MR")):
        image, label = (nrrd(DATA / "pyradiomics" / f"{name}_{part}.nrrd", unit, modality) for part in ("image", "label"))
        yield Lesion(f"pyradiomics {name} tumour", task, image, {"truth": label.like((label.voxels > 0).astype(np.uint8), unit="1")})


def nrrd(path: Path, unit: str, modality: str) -> Volume:
    """An NRRD image; ITK's frame is LPS millimetres already."""
    import SimpleITK as sitk

    image = sitk.ReadImage(str(path))
    steps = np.reshape(image.GetDirection(), (3, 3)) * np.asarray(image.GetSpacing())
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps[:, ::-1], image.GetOrigin()
    voxels = sitk.GetArrayFromImage(image)
    return Volume(voxels, Grid((voxels.shape[0], voxels.shape[1], voxels.shape[2]), affine), unit, modality)


def screened(lesion: Lesion, near: Grid, model: LoadedModel) -> tuple[Volume, dict[str, Any]]:
    """What screening outlined on the lesion (nothing, where it did not find it), and what it said."""
    result = task_named(lesion.task).run(lesion.image, model, lang="en", progress=lambda _: None)
    if isinstance(result, Refusal):
        return empty(near), {"screening": f"refused: {result.reason}"}
    rank, mask = hit(result, lesion.agreed)
    notes: dict[str, Any] = {"screening": f"{len(result.findings)} findings", "rank_of_the_lesion": rank or "not found"}
    if rank:
        notes["confidence"] = round(next(f.confidence for f in result.findings if f.rank == rank), 3)
    return empty(near) if mask is None else placed(mask, near), notes


def pointed(lesion: Lesion, near: Grid, model: LoadedModel) -> tuple[Volume, dict[str, Any]]:
    """What the segmentation network outlines when told where the lesion's middle is, and how much of it the close-up holds."""
    rule = CascadeSettings.from_dict(model.settings).rule
    seen = network_input(lesion.image, rule)
    if isinstance(seen, Refusal):
        return empty(near), {"pointed_at": f"refused: {seen.reason}"}
    inside = np.argwhere(np.asarray(lesion.agreed.voxels))
    x, y, z = (float(v) for v in lesion.agreed.grid.to_mm(inside.mean(axis=0)))
    patch = patch_grid((x, y, z), rule.patch_voxels, rule.patch_spacing_mm)
    at = np.rint(patch.to_index(lesion.agreed.grid.to_mm(inside)))
    held = float(((at >= 0) & (at < patch.shape)).all(axis=1).mean())
    close = seen.closely(lesion.image, (x, y, z), rule.patch_voxels, rule)
    _, soft = outlined(lesion.image, seen, (x, y, z), rule, model.forward("segment"), close)
    return placed(soft, near), {"share_of_the_lesion_in_the_close_up": round(held, 3)}


def hit(result: TaskResult, truth: Volume) -> tuple[int | None, Volume | None]:
    """The first finding whose centre lies within 2 mm of the lesion, and its outline."""
    inside = truth.grid.to_mm(np.argwhere(np.asarray(truth.voxels)))
    for finding in result.findings:
        if np.linalg.norm(inside - finding.candidate.centre_mm, axis=1).min() <= NEAR_MM + max(truth.grid.spacing_mm) / 2:
            return finding.rank, next((e.mask for e in result.exhibits if e.rank == finding.rank), None)
    return None, None


def window(truth: Volume) -> Grid:
    """The part of the grid within 60 mm of the lesion: what lies farther off is no outline of it."""
    inside, reach = np.argwhere(np.asarray(truth.voxels)), np.ceil(AROUND_MM / np.asarray(truth.grid.spacing_mm)).astype(int)
    start = np.maximum(inside.min(axis=0) - reach, 0)
    stop = np.minimum(inside.max(axis=0) + reach + 1, truth.grid.shape)
    return truth.grid.crop([int(s) for s in start], [int(s) for s in stop - start])


def cut(mask: Volume, near: Grid) -> Volume:
    """The mask on its window."""
    start = np.rint(mask.grid.to_index(near.to_mm((0, 0, 0)))).astype(int)
    voxels = mask.voxels[tuple(slice(s, s + n) for s, n in zip(start, near.shape, strict=True))]
    return Volume(np.ascontiguousarray(voxels), near, "1")


def placed(outline: Volume, near: Grid) -> Volume:
    """An outline on the readers' voxels: those that it fills by half."""
    return Volume((resample(outline.like(np.asarray(outline.voxels, np.float32)), near, 0.0).voxels >= 0.5).astype(np.uint8), near, "1")


def empty(near: Grid) -> Volume:
    """Nothing outlined: it counts as a miss."""
    return Volume(np.zeros(near.shape, np.uint8), near, "1")


def against(case: str, how: str, mask: Volume, readers: Mapping[str, Volume], agreed: Volume) -> Sequence[Row]:
    """One outline against one truth, or against each reader and the consensus."""
    if len(readers) == 1:
        return (score_truth(case, how, mask, agreed),)
    return [row for row in score_readers(case, how, mask, readers, agreed) if "found" in row.between]


def told(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Means over pairs, and each pair with a reader; no interval: there is one lesion."""
    means = [
        {"what": s.structure, "with": s.comparison, "pairs": s.pairs, "missed": s.missed, **_figures(s.dice.mean, s.hd95_mm.mean, s.nsd)}
        for s in by_structure(rows)
        if s.dice is not None and s.hd95_mm is not None
    ]
    each = [{"what": r.structure, "with": r.between[1], "dice": round(r.overlap.dice, 3)} for r in rows if r.comparison == WITH_READER]
    return means + each


def _figures(dice: float, hd95: float, nsd: Sequence[tuple[float, Any]]) -> dict[str, float]:
    return {"dice": round(dice, 3), "hd95_mm": round(hd95, 2), **{f"nsd_{t:g}_mm": round(v.mean, 3) for t, v in nsd}}


def cells(rows: Sequence[Row]) -> Iterator[tuple[object, ...]]:
    """The table's lines."""
    for row in told(rows):
        if "pairs" in row:
            yield row["what"], row["with"], row["pairs"], row["dice"], row["hd95_mm"], row["nsd_1_mm"], row["nsd_2_mm"]


if __name__ == "__main__":
    main()
