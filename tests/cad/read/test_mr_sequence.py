"""MR types from headers as the vendors write them: timing, outright words, Japanese, and contradictions that stay open."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cad.read.headers import read_headers
from cad.read.mr_sequence import TYPES, mr_sequence
from cad.read.mr_words import contrast_said, named
from cad.study import Acquisition, InstanceRef, Series

SIEMENS, GE, PHILIPS, CANON, HITACHI = (
    "SIEMENS",
    "GE MEDICAL SYSTEMS",
    "Philips Medical Systems",
    "TOSHIBA_MEC",
    "Hitachi Medical Corporation",
)


def series(vendor="", family="", te=(), tr=None, ti=None, flip=None, variant="", dims="2D", text="", kind=(), agent="", repeats=1, **more):
    """A series of 24 places with headers as a scanner writes them; `family` and `variant` by backslash."""
    refs = tuple(InstanceRef(f"1.{k}", "", Path(f"{k}"), k, k, (0.0, 0.0, 5.0 * (k % 24))) for k in range(24 * repeats))
    words = ("ORIGINAL", "PRIMARY", *kind)
    made = Acquisition(
        echo_times_ms=tuple(float(t) for t in (te if isinstance(te, tuple) else (te,))),
        repetition_time_ms=tr,
        inversion_time_ms=ti,
        flip_angle_deg=flip,
        scanning_sequence=tuple(family.split("\\")) if family else (),
        sequence_variant=tuple(variant.split("\\")) if variant else (),
        dimensions=dims,
        image_types=(words,),
        contrast_given="yes" if agent else more.pop("given", ""),
        **more,
    )
    axial = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    return Series("1.2", "MR", refs, text, orientation=axial, image_type=words, contrast_agent=agent, manufacturer=vendor, acquisition=made)


ROUTINE = [
    # Siemens
    ("T1", series(SIEMENS, "GR\\IR", 2.98, 2300.0, 900.0, 9.0, "SP\\MP", "3D", "t1_mprage_sag_p2_iso", ("M", "ND", "NORM"))),
    ("T1c", series(SIEMENS, "GR\\IR", 2.98, 2300.0, 900.0, 9.0, "SP\\MP", "3D", "t1_mprage_tra_KM", ("M", "NORM"), "Gadovist")),
    ("T1c", series(SIEMENS, "SE", 9.0, 600.0, None, 90.0, "SP\\OSP", "2D", "t1_se_tra+c", ("M",))),
    ("T2", series(SIEMENS, "SE", 99.0, 5000.0, None, 150.0, "SK\\SP\\OSP", "2D", "t2_tse_tra_512", ("M", "ND"))),
    ("FLAIR", series(SIEMENS, "SE\\IR", 94.0, 9000.0, 2500.0, 150.0, "SK\\SP\\OSP", "2D", "t2_tirm_tra_dark-fluid", ("M",))),
    ("FLAIR", series(SIEMENS, "SE\\IR", 388.0, 5000.0, 1800.0, 120.0, "SK\\SP\\MP", "3D", "", ("M", "ND", "NORM"))),
    ("DWI", series(SIEMENS, "EP", 89.0, 4000.0, None, 90.0, "SK\\SP", "2D", "", ("DIFFUSION", "TRACEW", "ND"))),
    ("ADC", series(SIEMENS, "EP", 89.0, 4000.0, None, 90.0, "SK\\SP", "2D", "", ("DIFFUSION", "ADC", "ND"), b_values=(0.0, 1000.0))),
    ("SWI", series(SIEMENS, "GR", 20.0, 28.0, None, 15.0, "SP", "3D", "SWI_Images", ("M", "SWI"))),
    ("other", series(SIEMENS, "GR", 20.0, 28.0, None, 15.0, "SP", "3D", "Pha_Images", ("P", "ND"))),
    ("angio", series(SIEMENS, "GR", 3.6, 22.0, None, 18.0, "SP\\OSP", "3D", "TOF_3D_multi-slab", ("M",), angiography="Y")),
    ("fMRI", series(SIEMENS, "EP\\GR", 30.0, 2000.0, None, 90.0, "SK", "2D", "ep2d_bold_rest", ("M", "ND", "MOSAIC"), repeats=6)),
    ("perfusion", series(SIEMENS, "EP\\GR", 30.0, 1500.0, None, 90.0, "SK", "2D", "ep2d_perf_p2", ("M",), "Gd", repeats=6)),
    ("localizer", series(SIEMENS, "GR", 3.5, 8.6, None, 20.0, "SP", "2D", "localizer", ("LOCALIZER",))),
    # GE
    ("T1", series(GE, "GR", 3.2, 8.2, 450.0, 12.0, "SS\\SP", "3D", "Sag 3D BRAVO", ("OTHER",))),
    ("T1c", series(GE, "GR", 3.2, 8.2, 450.0, 12.0, "SS\\SP", "3D", "Ax BRAVO +C", ("OTHER",), "GADAVIST")),
    ("T1", series(GE, "RM", 24.0, 2500.0, 750.0, 111.0, "SK", "2D", "Ax T1 FLAIR", ("OTHER",))),
    ("FLAIR", series(GE, "SE\\IR", 120.0, 9500.0, 2300.0, 160.0, "SK", "2D", "Ax T2 FLAIR", ("OTHER",))),
    ("T2", series(GE, "SE", 102.0, 4500.0, None, 142.0, "SK\\OSP", "2D", "Ax T2 PROPELLER", ("OTHER",))),
    ("SWI", series(GE, "GR", 13.0, 500.0, None, 20.0, "SP", "2D", "Ax T2* GRE", ("OTHER",))),
    ("DWI", series(GE, "EP\\SE", 80.0, 6000.0, None, 90.0, "NONE", "2D", "Ax DWI ASSET", ("OTHER",), b_values=(1000.0,))),
    ("DWI", series(GE, "EP\\SE", 80.0, 6000.0, None, 90.0, "NONE", "2D", "Ax DWI", ("OTHER",))),
    ("angio", series(GE, "GR", 2.9, 24.0, None, 20.0, "SS\\SP", "3D", "3D TOF MRA", ("OTHER",))),
    # Philips
    ("T1", series(PHILIPS, "GR", 3.1, 6.8, None, 8.0, "MP", "3D", "sT1W_3D_TFE", ("M_FFE", "M", "FFE"))),
    ("T1", series(PHILIPS, "SE", 12.0, 550.0, None, 70.0, "SK", "2D", "T1W_SE", ("M_SE", "M", "SE"))),
    ("T2", series(PHILIPS, "SE", 100.0, 3000.0, None, 90.0, "SK", "2D", "T2W_TSE", ("M_SE", "M", "SE"))),
    ("FLAIR", series(PHILIPS, "IR", 125.0, 11000.0, 2800.0, 90.0, "SK", "2D", "FLAIR_longTR", ("M_IR", "M", "IR"))),
    ("PD", series(PHILIPS, "SE", 20.0, 3000.0, None, 90.0, "SK", "2D", "PDW_aTSE", ("M_SE", "M", "SE"))),
    ("SWI", series(PHILIPS, "GR", 31.0, 45.0, None, 17.0, "SP", "3D", "SWIp", ("M_FFE", "M", "FFE"))),
    ("DWI", series(PHILIPS, "", (72.0,), 9000.0, dims="2D", kind=("DIFFUSION", "NONE"), contrasts=("DIFFUSION",), b_values=(0.0, 1300.0))),
    ("T1", series(PHILIPS, "GR", 3.1, 6.7, None, 9.0, "MP", "3D", "", ("T1", "NONE"), contrasts=("T1",))),
    # Canon, Toshiba
    ("FLAIR", series(CANON, "SE\\IR", 105.0, 10000.0, 2600.0, 90.0, "SK", "2D", "FLAIR 横断", ("OTHER",))),
    ("T2", series(CANON, "SE", 105.0, 4500.0, None, 90.0, "SK", "2D", "Ｔ２強調 横断", ("OTHER",))),
    ("T1c", series(CANON, "SE", 10.0, 540.0, None, 90.0, "NONE", "2D", "T1強調 造影後", ("OTHER",))),
    ("T1c", series(CANON, "SE", 10.0, 540.0, None, 90.0, "NONE", "2D", "", ("OTHER",), given="likely")),
    ("T1", series(CANON, "SE", 10.0, 540.0, None, 90.0, "NONE", "2D", "T1強調 単純", ("OTHER",))),
    ("DWI", series(CANON, "EP\\SE", 90.0, 5000.0, None, 90.0, "NONE", "2D", "拡散強調", ("OTHER",))),
    ("SWI", series(CANON, "GR", 40.0, 50.0, None, 20.0, "SP", "3D", "FSBB", ("OTHER",))),
    # Hitachi
    ("PD", series(HITACHI, "SE", 12.0, 4000.0, None, 90.0, "SK", "2D", "", ("OTHER",))),
    ("T1", series(HITACHI, "SE", 11.0, 450.0, None, 90.0, "NONE", "2D", "T1強調", ("OTHER",))),
    ("FLAIR", series(HITACHI, "IR", 100.0, 9000.0, 2100.0, 90.0, "SK", "2D", "FLAIR", ("OTHER",))),
    ("angio", series(HITACHI, "GR", 6.9, 25.0, None, 25.0, "SP", "3D", "頭部血管 TOF", ("OTHER",))),
]


@pytest.mark.parametrize(("expected", "one"), ROUTINE, ids=[f"{s.manufacturer[:6]} {e} {n}" for n, (e, s) in enumerate(ROUTINE)])
def test_routine_series_of_five_vendors_are_named(expected: str, one: Series) -> None:
    found = mr_sequence(one)
    assert found.name == expected, found.reason
    assert found.name in TYPES
    assert found.evidence


TIMED = [pair for pair in ROUTINE if pair[0] in {"T1", "T2", "FLAIR", "PD"} and pair[1].acquisition.contrast_given != "likely"]


@pytest.mark.parametrize(("expected", "one"), TIMED, ids=[f"{s.manufacturer[:6]} {e} {n}" for n, (e, s) in enumerate(TIMED)])
def test_the_description_is_not_needed_where_the_timing_speaks(expected: str, one: Series) -> None:
    """De-identification takes descriptions away."""
    assert mr_sequence(replace(one, description="")).name == expected


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (series(SIEMENS, "SE", 99.0, 5000.0, text="t1_tse_tra"), "contradiction"),
        (series(GE, "SE\\IR", 120.0, 9500.0, 2300.0, text="Ax T1"), "contradiction"),
        (series(SIEMENS, "SE", 9.0, 600.0, text="t1 pre", agent="Gadovist"), "contradiction"),
        (series(PHILIPS, "EP\\SE", 80.0, 6000.0), "echo-planar"),
        (series(GE, "GR", 4.0, 25.0, None, 20.0, "SP", "3D"), "neither timing nor type"),
        (series(SIEMENS, "SE\\IR", 60.0, 5000.0, 160.0), "TI 160"),
        (series(), "neither timing nor type"),
    ],
)
def test_what_contradicts_itself_or_is_unknown_stays_other_with_a_reason(one: Series, why: str) -> None:
    found = mr_sequence(one)
    assert found.name == "other"
    assert why in found.reason


def test_two_witnesses_are_surer_than_one() -> None:
    alone = series(SIEMENS, "SE", 99.0, 5000.0)
    assert mr_sequence(replace(alone, description="t2_tse")).confidence > mr_sequence(alone).confidence > 0.5
    assert mr_sequence(series(text="t2_tse")).confidence <= 0.5


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("T2 FLAIR", ["FLAIR"]),
        ("Ax T1 FLAIR", ["T1"]),
        ("ＤＷＩ b=1000", ["DWI"]),
        ("ADC (10^-6 mm²/s)", ["ADC"]),
        ("T2*", ["SWI"]),
        ("LIVER", []),
    ],
)
def test_words_name_the_narrowest_type(text: str, names: list[str]) -> None:
    assert [found.name for found in named(text)] == names


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("T1 +C", "with"),
        ("T1 造影", "with"),
        ("T1 造影前", "without"),
        ("T1 w/o", "without"),
        ("T1 non-contrast", "without"),
        ("T1 SE", ""),
    ],
)
def test_words_say_whether_contrast_was_given(text: str, said: str) -> None:
    assert contrast_said(text) == said


REAL = {
    "dicom2nifti/generic/anatomical/001": "FLAIR",  # 3D, TE 394, TR 6000, TI 2200
    "dicom2nifti/generic/anatomical/002_non_isotropic": "T1",
    "dicom2nifti/generic/compressed": "FLAIR",
    "dicom2nifti/generic/compressed_rle": "FLAIR",
    "dicom2nifti/generic/compressed_jpeg": "FLAIR",
    "dicom2nifti/generic/compressed_jpegls": "FLAIR",
    "dicom2nifti/generic/compressed_j2k": "FLAIR",
    "dicom2nifti/failing/slicecount": "FLAIR",
    "dicom2nifti/failing/sliceorientation": "T2",
    "dicom2nifti/hitachi/anatomical": "PD",
    "dicom2nifti/philips_enhanced/anatomical": "T1",
    "dicom2nifti/philips_enhanced/dti": "DWI",
    "dicom2nifti/philips_enhanced/fmri": "fMRI",
    "pseudoPHI_MR_ftdc/dicom": "T2",  # HASTE of the liver
}


@pytest.mark.parametrize("folder", REAL)
def test_real_mr_series_are_what_their_headers_make_them(folder: str, shared_data: Path) -> None:
    paths = [p for p in sorted((shared_data / folder).rglob("*")) if p.is_file()]
    (one,) = [one for study in read_headers(paths).studies for one in study.series if one.modality == "MR"]
    found = mr_sequence(one)
    assert found.name == REAL[folder], found.reason


def test_an_enhanced_object_says_its_acquisition_over_all_frames(shared_data: Path) -> None:
    paths = list((shared_data / "dicom2nifti/philips_enhanced/dti/001").rglob("*"))
    (study,) = read_headers([p for p in paths if p.is_file()]).studies
    (one,) = study.series
    assert one.acquisition.b_values == (0.0, 1300.0)
    assert (one.slices, one.repeats, one.plane, one.body_part) == (8, 4, "axial", "Brain")
    assert one.slice_spacing_mm == pytest.approx(2.7, abs=1e-3)
    assert one.extent_mm == pytest.approx(21.6, abs=1e-2)
