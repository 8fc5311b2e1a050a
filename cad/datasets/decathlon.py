"""Medical Segmentation Decathlon: NIfTI images and labels listed in a dataset.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cad.datasets.layout import Book, DataSetError, Wanted
from cad.datasets.nifti_files import image, is_lesion, labels, lesions_in, stem
from cad.datasets.scan import LabelledScan, handle
from cad.errors import Refusal
from cad.volume import Volume

_SEQUENCES = ("t1gd", "t1ce", "t1c", "flair", "t2")


@dataclass(frozen=True, slots=True)
class _Listed:
    """What a dataset.json says: pairs of files, names of label values, the modality."""

    name: str
    pairs: tuple[tuple[Path, Path], ...]
    unlabelled: tuple[Path, ...]
    labels: dict[int, str]
    modality: str
    channel: int | None


@dataclass(frozen=True, slots=True)
class Decathlon:
    """The importer; see cad.datasets.layout.Layout."""

    name: str = "decathlon"
    licence: str = "CC BY-SA 4.0 (Medical Segmentation Decathlon)"
    expects: str = (
        "<Task>/dataset.json   modality, labels, training pairs, test images\n"
        "<Task>/imagesTr/<case>.nii.gz, labelsTr/<case>.nii.gz   one volume a case\n"
        "<Task>/imagesTs/   unlabelled, not used\n"
        "Of several MR sequences in a file one is taken: T1 with contrast, else FLAIR, else T2, else the first.\n"
        "Labels whose name says cancer, tumour, nodule, lesion (or --region) are lesions; each image counts as a patient."
    )

    def scans(self, book: Book, wanted: Wanted) -> Iterator[LabelledScan]:
        """Every training pair of every task below the folder."""
        lists = [path for path in book.open_files() if path.name == "dataset.json"]
        if not lists:
            raise DataSetError("holds no dataset.json", subject=str(book.root), accepted=self.expects)
        for path in lists:
            listed = _listed(path)
            if isinstance(listed, Refusal):
                book.refuse(path, listed.reason, listed.detail)
                continue
            book.use(path)
            for each in listed.unlabelled:
                book.refuse(each, "not_labelled", "a test image without labels")
            for pair in listed.pairs:
                yield from _scan(listed, pair, book, wanted)


def _listed(path: Path) -> _Listed | Refusal:
    try:
        stated: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        modality = {str(k): str(v) for k, v in stated["modality"].items()}
        return _Listed(
            name=str(stated.get("name", path.parent.name)),
            pairs=tuple((_below(path, row["image"]), _below(path, row["label"])) for row in stated["training"]),
            unlabelled=tuple(_below(path, name) for name in stated.get("test", ())),
            labels={int(value): str(name) for value, name in stated["labels"].items() if int(value)},
            modality="CT" if modality["0"].upper() == "CT" else "MR",
            channel=_channel(modality) if len(modality) > 1 else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        return Refusal("", "broken_list", f"modality, labels and training cannot be read ({type(error).__name__})")


def _channel(modality: dict[str, str]) -> int:
    """Where several sequences lie in one file: T1 with contrast, else FLAIR, else T2, else the first."""
    names = {name.lower(): int(number) for number, name in modality.items()}
    return next((number for word in _SEQUENCES for name, number in names.items() if name.startswith(word)), 0)


def _below(path: Path, name: str) -> Path:
    """A listed file; a name that leads out of the task's folder is no name. Raises ValueError."""
    relative = Path(name)
    if relative.is_absolute() or ".." in relative.parts:
        raise ValueError("a listed file lies outside the folder")
    return path.parent / relative


def _scan(listed: _Listed, pair: tuple[Path, Path], book: Book, wanted: Wanted) -> Iterator[LabelledScan]:
    present = [path for path in pair if path in book.files]
    if len(present) < 2:
        for path in present:
            book.refuse(path, "pair_broken", "image or label of this case is missing")
        return
    volume = image(pair[0], listed.modality, listed.channel)
    truth = labels(pair[1], volume.grid) if isinstance(volume, Volume) else volume
    if isinstance(volume, Refusal) or isinstance(truth, Refusal):
        problem = truth if isinstance(truth, Refusal) else Refusal("", "unreadable", "")
        for path in pair:
            book.refuse(path, problem.reason, problem.detail)
        return
    book.use(*pair)
    yield _labelled(listed, stem(pair[0]), volume, truth, wanted)


def _labelled(listed: _Listed, case: str, volume: Volume, truth: Volume, wanted: Wanted) -> LabelledScan:
    voxels = np.asarray(truth.voxels)
    lesion = {value: name for value, name in listed.labels.items() if is_lesion(name, wanted.regions)}
    rest = {value: name for value, name in listed.labels.items() if value not in lesion}
    uid = f"{listed.name}\0{case}"
    return LabelledScan(
        patient=handle("patient", uid),
        study=handle("study", uid),
        series=handle("series", uid),
        volume=volume,
        lesions=lesions_in({name: truth.like((voxels == value).astype(np.uint8)) for value, name in lesion.items()}),
        readers=("reference",),
        outlines="mask",
        labelled=bool(lesion),
        structures=truth.like(_renumbered(voxels, list(rest))) if rest else None,
        structure_names=tuple(rest.values()),
    )


def _renumbered(voxels: np.ndarray[Any, Any], values: list[int]) -> np.ndarray[Any, Any]:
    """Values become 1, 2, ... in their order; others 0."""
    table = np.zeros(256, dtype=np.uint8)
    table[values] = np.arange(1, len(values) + 1)
    return np.asarray(table[voxels])


LAYOUT = Decathlon()
