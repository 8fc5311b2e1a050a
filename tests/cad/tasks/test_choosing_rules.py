"""What a task reads, decided from data: every reason in words, the right order, and the pixels' word against the header's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import body_cases
import numpy as np
import pytest

from cad.study import Acquisition, InstanceRef, Series
from cad.tasks.aorta_ct import TASK as AORTA
from cad.tasks.brain_lesion_mr import TASK as BRAIN
from cad.tasks.lung_nodule_ct import TASK as LUNG

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)
T1 = Acquisition(echo_times_ms=(9.0,), repetition_time_ms=600.0, scanning_sequence=("SE",))
T1C = replace(T1, contrast_given="yes")
FLAIR = Acquisition(echo_times_ms=(120.0,), repetition_time_ms=9000.0, inversion_time_ms=2500.0, scanning_sequence=("SE", "IR"))
T2 = Acquisition(echo_times_ms=(100.0,), repetition_time_ms=4000.0, scanning_sequence=("SE",))


def series(uid="1", step=2.5, length=300.0, plane=AXIAL, modality="CT", **facts):
    normal = np.cross(plane[:3], plane[3:])
    places = np.arange(0, length, step)
    refs = tuple(InstanceRef(f"{uid}.{k}", "", Path(f"{k}"), position_mm=tuple(at * normal)) for k, at in enumerate(places))
    return Series(uid, modality, refs, orientation=plane, slice_thickness_mm=step, **facts)


def head(made, **facts):
    return series(modality="MR", length=160.0, acquisition=made, **facts)


def best(task, *offered):
    return max(offered, key=lambda one: task.suits(one).preference)


@pytest.mark.parametrize(
    ("task", "one", "why"),
    [
        (LUNG, series(modality="MR"), "modality MR, needs CT"),
        (LUNG, series(plane=CORONAL), "coronal slices, needs axial"),
        (LUNG, series(image_type=("DERIVED", "SECONDARY", "MPR")), "reformat"),
        (LUNG, series(image_type=("DERIVED", "SECONDARY", "AXIAL", "MIP")), "projection"),
        (LUNG, series(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER")), "planning view"),
        (LUNG, series(image_type=("DERIVED", "PRIMARY", "PERFUSION", "RCBF")), "computed map"),
        (LUNG, series(step=12.0), "slices of 12 mm, needs at most 10 mm"),
        (LUNG, series(length=10.0), "4 slices, needs at least 8"),
        (LUNG, series(length=40.0), "40 mm long, needs at least 60 mm"),
        (BRAIN, head(replace(T2, b_values=(0.0, 1000.0))), "MR type"),
        (BRAIN, head(Acquisition()), "neither timing nor type"),
        (BRAIN, head(T1C, plane=SAGITTAL, step=5.0), "sagittal slices of 5 mm, needs axial ones or slices of at most 2 mm"),
    ],
)
def test_a_series_that_cannot_serve_is_told_why(task, one, why):
    answer = task.suits(one)
    assert not answer.suitable
    assert why in answer.reason


def test_the_refused_mr_type_is_told_what_the_network_was_trained_on():
    diffusion = replace(T2, b_values=(0.0, 1000.0))
    assert "trained on T1 with and without contrast, T2 and FLAIR" in BRAIN.suits(head(diffusion)).reason


def test_thin_comes_before_thick_and_soft_before_bone_at_one_thickness():
    thin, thick = series(step=1.25, kernel="B60f"), series(step=5.0, kernel="B30f")
    soft, lung, bone = (series(step=1.25, kernel=k) for k in ("B31f", "Bl57", "BONE"))
    assert best(LUNG, thick, thin) is thin
    assert LUNG.suits(soft).preference > LUNG.suits(lung).preference > LUNG.suits(bone).preference


def test_a_named_chest_comes_first_and_another_name_last_but_never_shut_out():
    named, silent, other = (series(step=step, body_part=part) for step, part in ((5.0, "CHEST"), (2.0, ""), (1.0, "HEAD")))
    ranked = sorted((other, silent, named), key=lambda one: -LUNG.suits(one).preference)
    assert ranked == [named, silent, other]
    assert LUNG.suits(other).suitable


def test_the_aorta_is_read_with_contrast_in_its_arterial_phase():
    made = Acquisition(contrast_given="yes")
    plain, late = series(step=1.0), series(step=2.0, acquisition=made, description="Portal venous")
    arterial = series(step=2.0, acquisition=made, description="CTA 動脈相")
    assert best(AORTA, plain, late, arterial) is arterial
    assert best(AORTA, plain, late) is late
    assert "arterial phase" in AORTA.suits(arterial).reason
    assert "contrast not stated" in AORTA.suits(plain).reason
    assert best(AORTA, plain, series(step=8.0, acquisition=made)) is plain


def test_the_brain_is_read_on_what_its_network_was_trained_on():
    t1c, flair, t2, t1 = head(T1C, step=3.0), head(FLAIR, step=2.0), head(T2, step=1.5), head(T1, step=1.0)
    ranked = sorted((t1, flair, t1c, t2), key=lambda one: -BRAIN.suits(one).preference)
    assert ranked == [t1c, flair, t2, t1]
    assert BRAIN.sequences == ("T1c", "FLAIR", "T2", "T1")
    assert "MR type T1c" in BRAIN.suits(t1c).reason
    assert BRAIN.suits(head(FLAIR, plane=SAGITTAL, step=1.0)).suitable


@pytest.mark.parametrize("said", ["CHEST", "", "HEAD"])
@pytest.mark.parametrize("shown", ["head", "abdomen", "lung bases", "gas", "pelvis", "neck", "thighs", "noise"])
def test_a_lung_model_never_looks_at_anything_but_a_chest(said, shown):
    makers = {"abdomen": body_cases.abdomen, "gas": body_cases.colonography, "pelvis": body_cases.pelvis, "neck": body_cases.neck}
    volume = {
        "head": lambda: body_cases.head_ct(1),
        "lung bases": lambda: body_cases.abdomen(lung_bases=True),
        "thighs": body_cases.thighs,
        "noise": lambda: body_cases.noise("CT"),
        **makers,
    }[shown]()
    for task in (LUNG, AORTA):
        fit = task.fits(volume, series(body_part=said))
        assert fit.refusal is not None
        assert fit.refusal.reason in {"wrong_body_part", "body_part_unknown"}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_chest_with_a_wrong_header_is_screened_with_a_warning(seed):
    fit = LUNG.fits(body_cases.chest(seed), series(body_part="HEAD"))
    assert fit.refusal is None
    (warning,) = fit.warnings
    assert warning.reason == "body_part_contradicted"
    assert "HEAD" in warning.detail
    assert "chest" in warning.detail


def test_a_chest_with_a_right_or_silent_header_needs_no_warning():
    for said in ("CHEST", "", "PARTIALBODY"):
        assert LUNG.fits(body_cases.chest(1), series(body_part=said)).warnings == ()


def test_a_part_of_a_chest_needs_a_second_witness():
    """Half a thorax is screened when its header says chest, with the claim brought down; else nothing speaks for it."""
    slab = body_cases.part(body_cases.chest(2), 0, 0.2)
    (warning,) = LUNG.fits(slab, series(body_part="CHEST")).warnings
    assert warning.reason == "body_part_unsure"
    assert "only the part" in warning.detail
    for said in ("", "HEAD"):
        refusal = LUNG.fits(slab, series(body_part=said)).refusal
        assert refusal is not None
        assert refusal.reason == "body_part_unknown"


def test_a_brain_model_never_looks_at_a_knee_or_belly_called_head():
    for volume in (body_cases.knee_mr(), body_cases.belly_mr(), body_cases.noise("MR")):
        assert BRAIN.fits(volume, head(T1C, body_part="HEAD")).refusal is not None
    assert BRAIN.fits(body_cases.head_mr(1), head(T1C, body_part="HEAD")).refusal is None


def test_a_type_that_is_only_tolerated_is_looked_through_with_a_warning():
    """As T1 without stated contrast was by version 1."""
    needs = replace(BRAIN.needs, sequences=("T1c", "FLAIR"), tolerated=("T1",), says="it knows T1 with contrast", leading=())
    task = replace(BRAIN, needs=needs)
    (warning,) = task.fits(body_cases.head_mr(1), head(T1, body_part="HEAD")).warnings
    assert warning.reason == "outside_training"
    assert "knows T1 with contrast" in warning.detail
    assert BRAIN.fits(body_cases.head_mr(1), head(FLAIR, body_part="HEAD")).warnings == ()


def test_a_head_in_a_type_that_shows_no_lesion_by_itself_is_refused():
    for said, name in ((T1, "T1"), (T2, "T2")):
        refusal = BRAIN.fits(body_cases.head_mr(1), head(said, body_part="HEAD")).refusal
        assert refusal is not None
        assert refusal.reason == "leading_sequence_missing"
        assert f"needs T1c or FLAIR, and looks at MR type {name} only beside it" in refusal.detail
    knee = BRAIN.fits(body_cases.knee_mr(), head(T1, body_part="HEAD")).refusal
    assert knee is not None
    assert knee.reason != "leading_sequence_missing"  # what it shows is the better reason
