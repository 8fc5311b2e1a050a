"""One labelled scan as two files: voxels that can be mapped into memory, and everything that was said of them."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad.datasets.layout import DataSetError
from cad.datasets.scan import LabelledScan, Lesion, Mark, Patch
from cad.space import Grid, as_point
from cad.volume import Volume
from cad.write.folder import write_file

IMAGE, MARKS = "image.npy", "marks.npz"


def write_scan(scan: LabelledScan, folder: Path) -> tuple[str, ...]:
    """Write `image.npy` (int16 where the values are whole, else float32) and `marks.npz`; the same scan, the same bytes."""
    voxels = np.asarray(scan.volume.voxels)
    image = io.BytesIO()
    np.save(image, voxels if voxels.dtype == np.int16 else _smallest(voxels), allow_pickle=False)
    marks = io.BytesIO()
    arrays: dict[str, NDArray[Any]] = _arrays(scan)
    np.savez_compressed(marks, allow_pickle=False, **arrays)
    write_file(folder / IMAGE, image.getvalue())
    write_file(folder / MARKS, marks.getvalue())
    return IMAGE, MARKS


def read_scan(folder: Path) -> LabelledScan:
    """The scan as it was imported; its voxels are mapped from the file. Raises DataSetError for what is not one."""
    try:
        voxels = np.load(folder / IMAGE, mmap_mode="r", allow_pickle=False)
        with np.load(folder / MARKS, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        return _scan(json.loads(str(arrays["facts"])), voxels, arrays)
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        problem = f"cannot be read ({type(error).__name__})"
        raise DataSetError(problem, subject=folder.name, accepted="a scan that `shoken data import` wrote") from error


def _smallest(voxels: NDArray[Any]) -> NDArray[Any]:
    whole = voxels.dtype.kind in "iu" and voxels.min() >= -32768 and voxels.max() <= 32767
    return voxels.astype(np.int16 if whole else np.float32)


def _arrays(scan: LabelledScan) -> dict[str, NDArray[Any]]:
    grid, volume = scan.volume.grid, scan.volume
    facts = {
        "patient": scan.patient,
        "study": scan.study,
        "series": scan.series,
        "grid": {"shape": grid.shape, "affine": grid.affine.tolist()},
        "unit": volume.unit,
        "modality": volume.modality,
        "readers": scan.readers,
        "outlines": scan.outlines,
        "labelled": scan.labelled,
        "structure_names": scan.structure_names,
        "notes": scan.notes,
        "lesions": [_lesion(lesion) for lesion in scan.lesions],
    }
    arrays: dict[str, NDArray[Any]] = {"facts": np.asarray(json.dumps(facts, sort_keys=True))}
    if scan.structures is not None:
        arrays["structures"] = np.asarray(scan.structures.voxels, dtype=np.uint8)
    if scan.look_alikes_mm is not None:
        arrays["look_alikes_mm"] = scan.look_alikes_mm
    for lesion in scan.lesions:
        for n, mark in enumerate(lesion.marks):
            if mark.patch is not None:
                arrays[f"mask_{lesion.number}_{n}"] = mark.patch.voxels
    return arrays


def _lesion(lesion: Lesion) -> dict[str, Any]:
    marks = [
        {
            "reader": mark.reader,
            "answer": mark.answer,
            "centre_mm": mark.centre_mm,
            "diameter_mm": mark.diameter_mm,
            "traits": mark.traits,
            "start": mark.patch and mark.patch.start,
        }
        for mark in lesion.marks
    ]
    return {"number": lesion.number, "kind": lesion.kind, "agreed": lesion.agreed, "marks": marks}


def _scan(facts: dict[str, Any], voxels: NDArray[Any], arrays: dict[str, NDArray[Any]]) -> LabelledScan:
    shape = facts["grid"]["shape"]
    grid = Grid((shape[0], shape[1], shape[2]), np.asarray(facts["grid"]["affine"]))
    return LabelledScan(
        patient=facts["patient"],
        study=facts["study"],
        series=facts["series"],
        volume=Volume(voxels, grid, facts["unit"], facts["modality"]),
        lesions=tuple(_lesion_back(lesion, arrays) for lesion in facts["lesions"]),
        readers=tuple(facts["readers"]),
        outlines=facts["outlines"],
        labelled=facts["labelled"],
        structures=Volume(arrays["structures"], grid, "1") if "structures" in arrays else None,
        structure_names=tuple(facts["structure_names"]),
        look_alikes_mm=arrays.get("look_alikes_mm"),
        notes=tuple(facts["notes"]),
    )


def _lesion_back(stored: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Lesion:
    marks = []
    for n, mark in enumerate(stored["marks"]):
        start = mark["start"]
        patch = None if start is None else Patch((start[0], start[1], start[2]), arrays[f"mask_{stored['number']}_{n}"])
        traits = tuple((str(name), int(rating)) for name, rating in mark["traits"])
        marks.append(Mark(mark["reader"], mark["answer"], as_point(mark["centre_mm"]), mark["diameter_mm"], traits, patch))
    return Lesion(stored["number"], tuple(marks), stored["kind"], stored["agreed"])


def facts_of(scan: LabelledScan) -> dict[str, Any]:
    """What the manifest says of a scan, pixels aside: plain values, nothing that identifies."""
    return {
        "patient": scan.patient,
        "study": scan.study,
        "series": scan.series,
        "modality": scan.volume.modality,
        "shape": list(scan.volume.grid.shape),
        "spacing_mm": [round(s, 4) for s in scan.volume.grid.spacing_mm],
        "labelled": scan.labelled,
        "outlines": scan.outlines,
        "readers": list(scan.readers),
        "structures": len(scan.structure_names),
        "notes": list(scan.notes),
        "lesions": [_fact(lesion) for lesion in scan.lesions],
    }


def _fact(lesion: Lesion) -> dict[str, Any]:
    marks = [_mark(mark) for mark in lesion.marks]
    row = {"number": lesion.number, "kind": lesion.kind, "diameter_mm": round(lesion.diameter_mm, 2), "agreement": lesion.agreement}
    return {**row, "centre_mm": [round(v, 2) for v in lesion.centre_mm], "marks": marks}


def _mark(mark: Mark) -> dict[str, Any]:
    return {"reader": mark.reader, "answer": mark.answer, "diameter_mm": round(mark.diameter_mm, 2), "traits": dict(mark.traits)}
