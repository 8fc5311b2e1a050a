"""TotalSegmentator's layout: a folder a case with one image and one mask a structure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cad.datasets.layout import Book, DataSetError, Wanted
from cad.datasets.nifti_files import image, is_lesion, is_nifti, labels, lesions_in, stem
from cad.datasets.scan import LabelledScan, handle
from cad.errors import Refusal
from cad.volume import Volume

IMAGES = {"ct.nii.gz": "CT", "mri.nii.gz": "MR"}
MASKS = "segmentations"


@dataclass(frozen=True, slots=True)
class TotalSegmentator:
    """The importer; see cad.datasets.layout.Layout."""

    name: str = "totalsegmentator"
    licence: str = "CC BY 4.0 (TotalSegmentator data set)"
    expects: str = (
        "<case>/ct.nii.gz or mri.nii.gz\n"
        "<case>/segmentations/<structure>.nii.gz   0/1 masks on the same voxels\n"
        "meta.csv is not kept: it holds age and sex. Structures whose name says lesion or nodule (or --region) are lesions;\n"
        "a case without such a file is not known to be normal."
    )

    def scans(self, book: Book, wanted: Wanted) -> Iterator[LabelledScan]:
        """Every case folder."""
        cases = [path for path in book.open_files() if path.name in IMAGES]
        if not cases:
            raise DataSetError("holds no case folder", subject=str(book.root), accepted=self.expects)
        for path in book.open_files():
            if path.name == "meta.csv":
                book.refuse(path, "personal_table", "age and sex of the subjects are not kept")
        for path in cases:
            masks = [p for p in book.open_files() if p.parent == path.parent / MASKS and is_nifti(p)]
            volume = image(path, IMAGES[path.name])
            if isinstance(volume, Refusal) or not masks:
                problem = volume if isinstance(volume, Refusal) else Refusal("", "not_labelled", "no mask beside the image")
                for each in (path, *masks):
                    book.refuse(each, problem.reason, problem.detail)
            else:
                book.use(path)
                yield _scan(path.parent.name, volume, masks, book, wanted)


def _scan(case: str, volume: Volume, masks: list[Path], book: Book, wanted: Wanted) -> LabelledScan:
    structures = np.zeros(volume.grid.shape, dtype=np.uint8)
    names: list[str] = []
    lesions: dict[str, Volume] = {}
    for path in masks:
        mask = labels(path, volume.grid)
        if isinstance(mask, Refusal) or len(names) == 255:
            book.refuse(path, *(("too_many", "more than 255 structures") if not isinstance(mask, Refusal) else (mask.reason, mask.detail)))
            continue
        book.use(path)
        if is_lesion(stem(path), wanted.regions):
            lesions[stem(path)] = mask
        else:
            names.append(stem(path))
            structures[mask.voxels > 0] = len(names)
    return LabelledScan(
        patient=handle("patient", case),
        study=handle("study", case),
        series=handle("series", case),
        volume=volume,
        lesions=lesions_in(lesions),
        readers=("model",),
        outlines="mask",
        labelled=bool(lesions),
        structures=Volume(structures, volume.grid, "1") if names else None,
        structure_names=tuple(names),
    )


LAYOUT = TotalSegmentator()
