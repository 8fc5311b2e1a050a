"""`shoken measure aorta`: diameters from an outline that another tool or a person made, with its digest in everything that is said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cad.datasets.layout import digest_of
from cad.errors import ShokenError
from cad.explain.aorta_hints import hint_clauses
from cad.explain.facts import facts_of
from cad.finding import CrossSection, Exhibit, Measurement
from cad.measure.aorta import AortaMeasurement, measure_aorta
from cad.prepare import regions
from cad.read.nifti import read_nifti
from cad.read.segmentation import read_segment
from cad.score.overlap import check_same_grid
from cad.score.structures import labels_in, structure
from cad.volume import Volume

if TYPE_CHECKING:
    from PIL import Image

NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True, slots=True)
class GivenAorta:
    """`masks` together hold the whole aorta, of a dissected one both lumens: NIfTI, or one DICOM segmentation.

    `label` picks a value of a label image or a segment by its label; `image` is the scan (NIfTI, HU) for the second estimate, metal
    and the diaphragm, `diaphragm_z_mm` that height (LPS z) where the scan does not show the lungs.
    """

    masks: tuple[Path, ...]
    label: str = ""
    image: Path | None = None
    diaphragm_z_mm: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """The document as plain values; what a picture is drawn from, where a scan was given."""

    document: dict[str, Any]
    exhibit: Exhibit | None

    def picture(self) -> Image.Image:
        """The aorta along its course and across its widest place. Raises ShokenError without a scan."""
        from cad.write.aorta import aorta_picture

        if self.exhibit is None:
            raise ShokenError("needs the scan", subject="--picture", accepted="--image FILE as well")
        return aorta_picture(self.exhibit)


def measure_given_aorta(order: GivenAorta) -> Measured:
    """Every landmark, measured or coded. Raises ShokenError for files that are no mask or scan, and where they lie apart."""
    mask = _together([_mask(path, order.label) for path in order.masks])
    image = None if order.image is None else _scan(order.image, mask)
    diaphragm = order.diaphragm_z_mm if order.diaphragm_z_mm is not None or image is None else _lowest_lung_mm(image)
    measured = measure_aorta(mask, diaphragm_z_mm=diaphragm, image=image)
    digests = [digest_of(path) for path in order.masks]
    said = f"outline: given mask sha256 {' + '.join(digests)}"
    measurements = [replace(m, method=f"{m.method}; {said}") for m in measured.measurements]
    document = {
        "task": "aorta_ct",
        "outcome": measured.outcome,
        "outline": {"source": "given mask", "sha256": digests, "label": order.label, "voxels_sha256": mask.digest()},
        "image_sha256": None if order.image is None else digest_of(order.image),
        "diaphragm_z_mm": diaphragm,
        "second_estimate": _second_estimate(image, measurements),
        "note": "the outline is taken as it is: intervals hold the measuring, not what its maker got wrong",
        "hints": [clause.text for clause in hint_clauses(facts_of(measurements, "en"))],
        "measurements": [asdict(m) for m in measurements],
    }
    return Measured(document, None if image is None else Exhibit("aorta_ct", 0, image, mask, sections=_sections(measured)))


def _second_estimate(image: Volume | None, measurements: Sequence[Measurement]) -> str:
    if image is None:
        return "none: no scan was given"
    judged = [m for m in measurements if m.label in {"estimates_agree", "estimates_disagree"} and m.value is not None]
    if not judged:
        return "none: the scan shows no enhanced blood"
    apart = [m.name for m in judged if m.label == "estimates_disagree"]
    return f"border of enhanced blood, at {len(judged)} landmarks; disagrees at: {', '.join(apart) or 'none'}"


def _mask(path: Path, label: str) -> Volume:
    if not path.name.endswith(NIFTI):
        return read_segment(path, label)
    volume = read_nifti(path, "1", "SEG")
    try:
        there = labels_in(volume)
    except ShokenError as error:
        raise ShokenError(error.problem, subject=path.name, accepted=error.accepted) from None
    if label and not label.isdecimal():
        raise ShokenError("is no label of a NIfTI image", subject=f"--label {label}", accepted="a whole number")
    if not label and len(there) > 1:
        raise ShokenError(f"holds {len(there)} labels", subject=path.name, accepted="--label N, the aorta's value")
    if np.asarray(volume.voxels).dtype.kind == "f" and there == (1,) and not label:
        return volume  # probabilities place the border between voxels
    return structure(volume, int(label) if label else (there or (1,))[0])


def _together(masks: Sequence[Volume]) -> Volume:
    for mask in masks[1:]:
        check_same_grid(mask.grid, masks[0].grid)
    return masks[0] if len(masks) == 1 else masks[0].like(np.any([np.asarray(m.voxels) >= 0.5 for m in masks], axis=0).astype(np.uint8))


def _scan(path: Path, mask: Volume) -> Volume:
    image = read_nifti(path)
    inside = np.argwhere(np.asarray(mask.voxels) >= 0.5)
    if len(inside):
        at = image.grid.to_index(mask.grid.to_mm(inside))
        share = float(((at >= -0.5) & (at <= np.asarray(image.grid.shape) - 0.5)).all(axis=1).mean())
        if share < 0.99:
            raise ShokenError(f"holds only {share:.0%} of the mask", subject=path.name, accepted="the scan that the mask was made on")
    return image


def _lowest_lung_mm(image: Volume) -> float | None:
    """The height of the lungs' lowest voxel; None where no lungs show."""
    planes = np.argwhere(np.asarray(regions.lungs(image).voxels))
    return float(image.grid.to_mm(planes)[:, 2].min()) if len(planes) else None


def _sections(measured: AortaMeasurement) -> tuple[CrossSection, ...]:
    return tuple(CrossSection(s.arc_mm, s.area_diameter_mm, s.centre_mm, s.outline_mm) for s in measured.measured)
