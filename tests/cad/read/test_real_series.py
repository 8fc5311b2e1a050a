"""Real series: every file accounted for, geometry as the headers say, lossless syntaxes equal to their twins."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import factory
import numpy as np
import pytest
from pydicom import dcmread

from cad.read.assemble import Assembled, assemble
from cad.read.facts import TAGS, facts_of
from cad.read.frame_bytes import FrameFile
from cad.read.header import read_header
from cad.read.headers import read_headers
from cad.read.limits import Limits
from cad.read.pixels import significant, stored_values
from cad.study import InstanceRef


@dataclass(frozen=True)
class Expected:
    """What becomes of a folder: volumes as (shape, spacing, unit), refusals and warnings by reason."""

    volumes: tuple[tuple[tuple[int, int, int], tuple[float, float, float], str], ...] = ()
    refusals: dict[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


MR8 = ((8, 128, 128), (2.7, 2.734375, 2.734375), "a.u.")
BOLD = ((8, 64, 64), (3.313, 3.3125, 3.3125), "a.u.")
ONE_MM = ((4, 256, 256), (1.0, 1.0, 1.0), "a.u.")
FEW = ("too_few_slices",)

FOLDERS = {
    "LIDC-IDRI-0001_dicom": Expected((((133, 512, 512), (2.5, 0.703125, 0.703125), "HU"),), {"not_dicom": 2}),
    "Lung_Dx-A0002_B40f": Expected((((30, 512, 512), (8.0, 0.646484375, 0.646484375), "HU"),), {}, ("thick_slices",)),
    "totalseg_example_ct_dicom_j2k": Expected((((20, 512, 512), (2.0, 0.9765625, 0.9765625), "HU"),)),
    "pseudoPHI_MR_ftdc/dicom": Expected((((26, 256, 256), (9.6, 1.367188, 1.367188), "a.u."),), {}, ("thick_slices",)),
    "dcm_qa_ct_GE_tilt": Expected((((135, 611, 512), (1.0747, 0.4882812, 0.4882812), "HU"),), {}, ("uneven_spacing", "gantry_tilt")),
    "dcm_qa_ct_Philips_localizer": Expected((), {"dicomdir": 1, "localizer": 1}),
    "dcm_qa_ct_Philips_secondary_capture": Expected((), {"dicomdir": 1, "secondary_capture": 6}),
    "dicom2nifti/failing/gantrytilting": Expected((((4, 521, 512), (4.8515, 0.41796875, 0.41796875), "HU"),), {}, (*FEW, "gantry_tilt")),
    "dicom2nifti/failing/notavolume": Expected((), {"conflicting_slices": 4}),
    "dicom2nifti/failing/slicecount": Expected((), {"too_few_slices": 2, "not_dicom": 1}),
    "dicom2nifti/failing/sliceincrement": Expected((), {"gap_in_series": 8, "not_dicom": 1}),
    "dicom2nifti/failing/sliceorientation": Expected((), {"mixed_orientation": 4}),
    "dicom2nifti/generic/compressed_rle": Expected((ONE_MM,), {"not_dicom": 1}, FEW),
    "dicom2nifti/generic/compressed_jpeg": Expected((ONE_MM,), {"not_dicom": 1}, FEW),
    "dicom2nifti/generic/compressed_jpegls": Expected((ONE_MM,), {"not_dicom": 1}, FEW),
    "dicom2nifti/generic/compressed_j2k": Expected((ONE_MM,), {"not_dicom": 1}, FEW),
    "dicom2nifti/generic/rgb": Expected((), {"secondary_capture": 4, "not_dicom": 1}),
    "dicom2nifti/hitachi/anatomical": Expected((((4, 64, 64), (4.0, 2.34375, 2.34375), "a.u."),), {"not_dicom": 1}, FEW),
    "dicom2nifti/philips_enhanced/anatomical": Expected((((8, 256, 256), (1.2, 1.0, 1.0), "a.u."),), {"not_dicom": 1}, FEW),
    "dicom2nifti/philips_enhanced/dti": Expected((MR8,) * 4, {"not_dicom": 3}, (*FEW * 4, "series_split")),
    "dicom2nifti/philips_enhanced/fmri": Expected((BOLD,) * 4, {"not_dicom": 1}, (*FEW * 4, "series_split")),
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_file_of_a_real_folder_is_accounted_for_and_in_its_place(folder: str, shared_data: Path) -> None:
    expected = FOLDERS[folder]
    paths = [p for p in sorted((shared_data / folder).rglob("*")) if p.is_file()]
    scan, read = factory.read_back(paths)
    assert not factory.unaccounted(paths, scan, read)
    assert Counter(r.reason for r in (*scan.refusals, *read.refusals)) == expected.refusals
    assert Counter(w.reason for w in read.warnings) == Counter(expected.warnings)
    assert [(v.grid.shape, v.unit) for v in read.volumes] == [(shape, unit) for shape, _, unit in expected.volumes]
    for volume, (_, spacing, _) in zip(read.volumes, expected.volumes, strict=True):
        assert np.allclose(volume.grid.spacing_mm, spacing, atol=1e-3)
        assert _slices_lie_where_their_headers_say(volume.grid.to_index, volume.sources)


def _slices_lie_where_their_headers_say(to_index: object, sources: tuple[InstanceRef, ...]) -> bool:
    """The header's first pixel lies in the plane of its slice, to a tenth of a step (uneven stacks: half a step)."""
    off = [abs(float(to_index(ref.position_mm)[0]) - k) for k, ref in enumerate(sources) if ref.position_mm]  # type: ignore[operator]
    return len(set(sources)) < len(sources) or max(off) <= 0.55


def test_the_lidc_scan_is_read_to_known_values(shared_data: Path) -> None:
    (volume,) = _read(shared_data / "LIDC-IDRI-0001_dicom").volumes
    assert volume.voxels.dtype == np.int16
    assert not volume.voxels.flags.writeable
    header = dcmread(volume.sources[60].path)
    assert np.array_equal(volume.voxels[60], header.pixel_array.astype(np.int32) * int(header.RescaleSlope) + int(header.RescaleIntercept))
    assert np.allclose(volume.grid.to_mm((60, 0, 0)), [float(v) for v in header.ImagePositionPatient], atol=1e-3)
    assert volume.grid.affine[2, 0] > 0


def test_the_enhanced_ct_is_read_when_two_slices_are_allowed_and_is_not_called_hu(shared_data: Path) -> None:
    (study,) = read_headers([shared_data / "eCT_Supplemental.dcm"]).studies
    assert [r.reason for r in assemble(study.series[0]).refusals] == ["too_few_slices"]
    read = assemble(study.series[0], Limits(slices=(10, 2)))
    (volume,) = read.volumes
    assert volume.unit == "US"
    assert "unit_not_hu" in {w.reason for w in read.warnings}
    assert np.allclose(volume.grid.spacing_mm[1:], 0.388672)
    assert [ref.frame for ref in volume.sources] in ([0, 1], [1, 0])


def test_one_mr_in_five_syntaxes_is_one_volume(shared_data: Path) -> None:
    volumes = [
        _read(shared_data / "dicom2nifti" / "generic" / name).volumes[0]
        for name in ("compressed", "compressed_rle", "compressed_jpeg", "compressed_jpegls", "compressed_j2k")
    ]
    assert len({v.digest() for v in volumes}) == 1
    assert volumes[0].voxels.std() > 10


@pytest.mark.parametrize("image", ["CT1", "CT2", "MR1"])
@pytest.mark.parametrize("syntax", ["RLE", "J2KR", "JPLL", "JLSL"])
def test_lossless_files_equal_their_uncompressed_twins(image: str, syntax: str, shared_data: Path, tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    compressed = shared_data / "wg04_compressed" / f"{image}_{syntax}"
    if not compressed.is_file():
        pytest.skip(f"{compressed.name} is not in the test set")
    plain = tmp_path / "plain"
    with (shared_data / "wg04_compressed" / f"{image}_UNC.zst").open("rb") as source, plain.open("wb") as target:
        zstandard.ZstdDecompressor().copy_stream(source, target)
    one, two = _stored(compressed), _stored(plain)
    assert one.std() > 1
    assert np.array_equal(one, two)


def _stored(path: Path) -> np.ndarray:
    header = read_header(path, TAGS)
    (facts,) = facts_of(header, [InstanceRef("", "", path)])
    return significant(stored_values(FrameFile(path, header), facts), facts).astype(np.int64)


def _read(folder: Path) -> Assembled:
    return factory.read_back([p for p in sorted(folder.rglob("*")) if p.is_file()])[1]
