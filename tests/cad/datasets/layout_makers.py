"""Small data sets in their true layouts: names, folders, schemas as they are given out; contents with known answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from factory import Layout, build, save, small_grid
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.pixels import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

from cad.datasets.layout import Book, Wanted
from cad.datasets.layouts import layout_named
from cad.datasets.scan import LabelledScan
from cad.datasets.store import DataSet, Source, import_data
from cad.read.nifti import write_nifti
from cad.space import Grid
from cad.volume import Volume

GRID = small_grid()
TRAITS = {
    "subtlety": 5,
    "internalStructure": 1,
    "calcification": 6,
    "sphericity": 3,
    "margin": 3,
    "lobulation": 3,
    "spiculation": 4,
    "texture": 5,
    "malignancy": 5,
}


def noise(seed: int):
    """A scene that is different for every patient and every slice."""

    def scene(grid: Grid) -> np.ndarray:
        rng = np.random.default_rng((seed, round(grid.origin_mm[2] * 10) + 100_000))
        return rng.integers(-900, 900, size=grid.shape)

    return scene


def series(folder: Path, seed: int, patient: str, *, grid: Grid = GRID, removed: str = "YES") -> list[Dataset]:
    """A CT series on disk as 1-01.dcm and so on; returns its data sets, lowest first."""
    datasets = build(noise(seed), Layout(grid), seed=seed)
    for dataset in datasets:
        dataset.PatientID, dataset.PatientIdentityRemoved = patient, removed
    for n, path in enumerate(save(datasets, folder), start=1):
        path.rename(folder / f"1-{n:02d}.dcm")
    return datasets


def read_all(name: str, root: Path, *regions: str) -> tuple[list[LabelledScan], Book]:
    """What an importer makes of a folder; every file must be in its book."""
    book = Book.of(root)
    scans = list(layout_named(name).scans(book, Wanted(regions)))
    rows = book.rows()
    assert len(rows) == sum(path.is_file() for path in root.rglob("*"))
    assert {row.status for row in rows} <= {"used", "refused"}
    return scans, book


def stored(name: str, root: Path, out: Path, *regions: str) -> DataSet:
    """The same, imported into a folder."""
    return import_data(Source(layout_named(name), Book.of(root), Wanted(regions)), out, lambda _: None)


def refusals(book: Book) -> dict[str, str]:
    """File name to reason."""
    return {path.name: row.reason for path, row in zip(book.files, book.rows(), strict=True) if row.status == "refused"}


# --- LIDC-IDRI --------------------------------------------------------------------------------------------------


def ring(top: int, left: int, bottom: int, right: int) -> list[tuple[int, int]]:
    """The pixels around a rectangle, in order: what a reader draws, one pixel outside."""
    across = [(top - 1, c) for c in range(left - 1, right + 2)]
    down = [(r, right + 1) for r in range(top, bottom + 1)]
    return [*across, *down, *[(bottom + 1, c) for _, c in reversed(across)], *[(r, left - 1) for r, _ in reversed(down)]]


@dataclass
class Session:
    """One reader: nodules as {slice: (corners, inclusion) ...}, small ones and non-nodules as (slice, row, column)."""

    reader: str
    nodules: list[tuple[dict, list[tuple[int, list[tuple[int, int]], bool]]]] = field(default_factory=list)
    small: list[tuple[int, int, int]] = field(default_factory=list)
    others: list[tuple[int, int, int]] = field(default_factory=list)


def lidc_xml(datasets: Sequence[Dataset], sessions: Sequence[Session]) -> str:
    """A LidcReadMessage as the archive gives it out."""
    body = "".join(_session(datasets, session) for session in sessions)
    head = (
        "<ResponseHeader><Version>1.8.1</Version><TaskDescription>Second unblinded read</TaskDescription>"
        f"<SeriesInstanceUid>{datasets[0].SeriesInstanceUID}</SeriesInstanceUid>"
        f"<StudyInstanceUID>{datasets[0].StudyInstanceUID}</StudyInstanceUID></ResponseHeader>"
    )
    space = 'uid="1.3.6.1.4.1.14519.5.2.1.6279.6001.1307390687803.0" xmlns="http://www.nih.gov"'
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<LidcReadMessage {space}>{head}{body}</LidcReadMessage>'


def _session(datasets: Sequence[Dataset], session: Session) -> str:
    nodules = "".join(
        f"<unblindedReadNodule><noduleID>Nodule {n:03d}</noduleID><characteristics>"
        + "".join(f"<{name}>{value}</{name}>" for name, value in traits.items())
        + "</characteristics>"
        + "".join(_roi(datasets[k], corners, inclusion) for k, corners, inclusion in rois)
        + "</unblindedReadNodule>"
        for n, (traits, rois) in enumerate(session.nodules, start=1)
    )
    small = "".join(
        f"<unblindedReadNodule><noduleID>{n}</noduleID>{_roi(datasets[k], [(r, c)], True)}</unblindedReadNodule>"
        for n, (k, r, c) in enumerate(session.small)
    )
    others = "".join(
        f"<nonNodule><nonNoduleID>{n}</nonNoduleID>{_place(datasets[k])}<locus><xCoord>{c}</xCoord><yCoord>{r}</yCoord></locus></nonNodule>"
        for n, (k, r, c) in enumerate(session.others)
    )
    reader = f"<servicingRadiologistID>{session.reader}</servicingRadiologistID>"
    return f"<readingSession><annotationVersion>3.12</annotationVersion>{reader}{nodules}{small}{others}</readingSession>"


def _place(dataset: Dataset) -> str:
    z = float(dataset.ImagePositionPatient[2])
    return f"<imageZposition>{z:.6f} </imageZposition><imageSOP_UID>{dataset.SOPInstanceUID}</imageSOP_UID>"


def _roi(dataset: Dataset, corners: Sequence[tuple[int, int]], inclusion: bool) -> str:
    edges = "".join(f"<edgeMap><xCoord>{c}</xCoord><yCoord>{r}</yCoord></edgeMap>" for r, c in corners)
    return f"<roi>{_place(dataset)}<inclusion>{str(inclusion).upper()}</inclusion>{edges}</roi>"


def lidc_reading(reader: str, top: int, left: int, bottom: int, right: int, slices: Sequence[int], **traits: int) -> Session:
    """A reader who outlined one box over some slices."""
    rois = [(k, ring(top, left, bottom, right), True) for k in slices]
    return Session(reader, [(TRAITS | traits, rois)])


def lidc(root: Path, patients: int = 1, first_seed: int = 1) -> None:
    """Patients with one nodule of four readers (4, 4, 2 slices and a point), named as in the archive."""
    for n in range(patients):
        folder = root / f"LIDC-IDRI-{n + first_seed:04d}" / "01-01-2000-NA-NA-30178" / "3000566.000000-NA-03192"
        datasets = series(folder, n + first_seed, f"LIDC-IDRI-{n + first_seed:04d}")
        sessions = [
            lidc_reading("540461523", 10, 8, 15, 14, range(4, 8)),
            lidc_reading("1428348137", 10, 8, 15, 14, range(4, 8), malignancy=4),
            lidc_reading("-750896469", 11, 9, 14, 13, range(5, 7), texture=4),
            Session("anonymous", small=[(5, 12, 11)], others=[(9, 30, 20)]),
        ]
        (folder / f"{68 + n + first_seed:03d}.xml").write_text(lidc_xml(datasets, sessions))


# --- the others -------------------------------------------------------------------------------------------------


def luna16(root: Path, volumes: dict[str, Volume], nodules: Sequence[tuple[str, tuple[float, float, float], float]]) -> None:
    """subset0/<uid>.mhd and .raw, CSVFILES/annotations.csv and candidates.csv."""
    import SimpleITK as sitk

    from cad.prepare.resample import to_itk

    (root / "subset0").mkdir(parents=True)
    (root / "CSVFILES").mkdir()
    for uid, volume in volumes.items():
        sitk.WriteImage(to_itk(np.asarray(volume.voxels), volume.grid), str(root / "subset0" / f"{uid}.mhd"))
    rows = "".join(f"{uid},{x},{y},{z},{d}\n" for uid, (x, y, z), d in nodules)
    (root / "CSVFILES" / "annotations.csv").write_text("seriesuid,coordX,coordY,coordZ,diameter_mm\n" + rows)
    places = "".join(f"{uid},{x},{y},{z},1\n{uid},{x + 9},{y},{z},0\n" for uid, (x, y, z), _ in nodules)
    (root / "CSVFILES" / "candidates.csv").write_text("seriesuid,coordX,coordY,coordZ,class\n" + places)


def nifti(path: Path, voxels: np.ndarray, grid: Grid = GRID) -> None:
    """A NIfTI file in a folder that may be new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_nifti(Volume(voxels, grid, "1"), path)


def ct(seed: int) -> np.ndarray:
    """Noise in HU, int16."""
    return np.random.default_rng(seed).integers(-900, 900, size=GRID.shape).astype(np.int16)


def decathlon(root: Path, cases: int = 2) -> None:
    """Task06_Lung with its dataset.json; the last case is normal; one test image and an archiver's leftover."""
    task = root / "Task06_Lung"
    names = [f"lung_{n:03d}.nii.gz" for n in range(1, cases + 1)]
    for n, name in enumerate(names):
        mask = np.zeros(GRID.shape, dtype=np.uint8)
        if n < cases - 1:
            mask[3:6, 10:16, 8:14], mask[9, 30, 20] = 1, 1
        nifti(task / "imagesTr" / name, ct(n))
        nifti(task / "labelsTr" / name, mask)
    nifti(task / "imagesTs" / "lung_090.nii.gz", ct(90))
    (task / "imagesTr" / "._lung_001.nii.gz").write_bytes(b"\0\5\26\7")
    listed = {
        "name": "Lung",
        "licence": "CC-BY-SA 4.0",
        "tensorImageSize": "3D",
        "modality": {"0": "CT"},
        "labels": {"0": "background", "1": "cancer"},
        "numTraining": cases,
        "numTest": 1,
        "training": [{"image": f"./imagesTr/{name}", "label": f"./labelsTr/{name}"} for name in names],
        "test": ["./imagesTs/lung_090.nii.gz"],
    }
    (task / "dataset.json").write_text(json.dumps(listed))


def voc(name: str, box: tuple[int, int, int, int]) -> str:
    """A box file as in Lung-PET-CT-Dx; the box is (first row, first column, last row, last column)."""
    edges = dict(zip(("ymin", "xmin", "ymax", "xmax"), box, strict=True))
    corners = "".join(f"<{edge}>{edges[edge]}</{edge}>" for edge in ("xmin", "ymin", "xmax", "ymax"))
    return (
        '<annotation verified="no"><folder>Unknow</folder><filename>Unknow</filename><size><width>32</width><height>40</height>'
        f"<depth>1</depth></size><segmented>0</segmented><object><name>{name}</name><bndbox>{corners}</bndbox></object></annotation>"
    )


def lung_pet_ct_dx(root: Path) -> list[Dataset]:
    """One patient, two CT series; boxes on three slices of the first, and one of an image that is not there."""
    patient = root / "Lung-PET-CT-Dx" / "Lung_Dx-A0002" / "04-25-2010-PET07PTheadlungFirst Pass Adult-61323"
    datasets = series(patient / "3.000000-A phase 5mm Stnd SS50-24800", 5, "Lung_Dx-A0002")
    series(patient / "4.000000-B-90311", 6, "Lung_Dx-A0002")
    folder = root / "Annotation" / "A0002"
    folder.mkdir(parents=True)
    for k in (4, 5, 6):
        (folder / f"{datasets[k].SOPInstanceUID}.xml").write_text(voc("A", (10, 8, 18, 14)))
    (folder / "1.2.3.4.xml").write_text(voc("A", (10, 8, 18, 14)))
    return datasets


def totalsegmentator(root: Path) -> None:
    """Two cases, one with nodules labelled, and the table with age and sex."""
    aorta, lung, nodules = (np.zeros(GRID.shape, dtype=np.uint8) for _ in range(3))
    aorta[:, 20:24, 14:18], lung[2:10, 5:18, 3:12], nodules[4:6, 8:11, 5:8] = 1, 1, 1
    for n, case in enumerate(("s0000", "s0001")):
        nifti(root / case / "ct.nii.gz", ct(40 + n))
        nifti(root / case / "segmentations" / "aorta.nii.gz", aorta)
        nifti(root / case / "segmentations" / "lung_upper_lobe_left.nii.gz", lung)
    nifti(root / "s0001" / "segmentations" / "lung_nodules.nii.gz", nodules)
    (root / "meta.csv").write_text("image_id;age;gender\ns0000;61;m\ns0001;59;f\n")


def item(**values: object) -> Dataset:
    """A data set with these attributes."""
    made = Dataset()
    for name, value in values.items():
        setattr(made, name, value)
    return made


def seg(path: Path, datasets: Sequence[Dataset], mask: np.ndarray, label: str = "Nodule") -> None:
    """A binary DICOM segmentation of one segment, a frame a slice."""
    made = shell("1.2.840.10008.5.1.4.1.1.66.4")
    made.Modality, made.SegmentationType = "SEG", "BINARY"
    made.SegmentSequence = [item(SegmentNumber=1, SegmentLabel=label)]
    first = datasets[0]
    made.SharedFunctionalGroupsSequence = [
        item(
            PlaneOrientationSequence=[item(ImageOrientationPatient=first.ImageOrientationPatient)],
            PixelMeasuresSequence=[item(PixelSpacing=first.PixelSpacing, SliceThickness=first.SliceThickness)],
        )
    ]
    made.PerFrameFunctionalGroupsSequence = [
        item(
            PlanePositionSequence=[item(ImagePositionPatient=dataset.ImagePositionPatient)],
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=1)],
        )
        for dataset in datasets
    ]
    made.NumberOfFrames, made.Rows, made.Columns = len(datasets), first.Rows, first.Columns
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 1
    made.HighBit = made.PixelRepresentation = 0
    made.PixelData = pack_bits(mask.astype(np.uint8))
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)


def rtstruct(path: Path, datasets: Sequence[Dataset], boxes: dict[int, tuple[int, int, int, int]], name: str = "GTV") -> None:
    """One region of interest: on each slice the rectangle of pixels (first row, first column, last row, last column)."""
    made = shell("1.2.840.10008.5.1.4.1.1.481.3")
    made.Modality = "RTSTRUCT"
    made.StructureSetROISequence = [item(ROINumber=1, ROIName=name)]
    contours = []
    for k, (top, left, bottom, right) in boxes.items():
        x, y, z = (float(v) for v in datasets[k].ImagePositionPatient)
        down, across = (float(v) for v in datasets[k].PixelSpacing)
        rows, columns = (top - 0.5, top - 0.5, bottom + 0.5, bottom + 0.5), (left - 0.5, right + 0.5, right + 0.5, left - 0.5)
        points = [v for r, c in zip(rows, columns, strict=True) for v in (x + c * across, y + r * down, z)]
        contours.append(item(ContourGeometricType="CLOSED_PLANAR", NumberOfContourPoints=4, ContourData=[f"{p:.5f}" for p in points]))
    made.ROIContourSequence = [item(ReferencedROINumber=1, ContourSequence=contours)]
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)


def shell(sop_class: str) -> FileDataset:
    """An object of a class, with the UIDs and the patient that every object has."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID = ExplicitVRLittleEndian, sop_class
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[sop_class])
    made = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    made.SOPClassUID, made.SOPInstanceUID = sop_class, meta.MediaStorageSOPInstanceUID
    made.StudyInstanceUID = made.SeriesInstanceUID = generate_uid(entropy_srcs=["mask", sop_class])
    made.PatientID = "SECRET-ID"
    return made


def plain(root: Path) -> np.ndarray:
    """Three patients: masks as SEG, as RTSTRUCT, and as NIfTI by two readers; a fourth without a mask. Returns the mask."""
    mask = np.zeros(GRID.shape, dtype=np.uint8)
    mask[4:7, 10:16, 8:14] = 1
    made = {
        name: series(root / name / "ct", 20 + n, f"SECRET-{n}", removed="NO") for n, name in enumerate(("anna", "bert", "cleo", "dora"))
    }
    seg(root / "anna" / "seg" / "1.dcm", made["anna"], mask)
    rtstruct(root / "bert" / "rt.dcm", made["bert"], dict.fromkeys((4, 5, 6), (10, 8, 15, 13)))
    smaller = mask.copy()
    smaller[4] = 0
    nifti(root / "cleo" / "reader-one" / "nodule.nii.gz", mask)
    nifti(root / "cleo" / "reader-two" / "nodule.nii.gz", smaller[:, :, ::-1].copy(), Grid(GRID.shape, GRID.affine @ FLIPPED))
    (root / "anna" / "notes.txt").write_text("not an image")
    return mask


FLIPPED = np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, -1, GRID.shape[2] - 1], [0, 0, 0, 1.0]])
