"""A messy PACS export of invented patients, and beside it the truth: `demo_export`, `simulate_export`.

OUT/DICOM holds what a hospital would hand over (PAT001/ST0/SE1/IM00001, no extensions, strays); OUT/truth.json says what is
in it. The same seed gives the same bytes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from cad.simulate.head import HeadLesionSpec, HeadPlan, Sequence, simulate_head, simulate_sequences
from cad.simulate.nodules import NoduleSpec
from cad.simulate.patients import JAPANESE, LATIN, UTF8, FakePatient, fake_patient
from cad.simulate.phantom import LesionTruth, Phantom
from cad.simulate.scanner import SeriesLook, study_uid, write_localizer, write_secondary_capture, write_series
from cad.simulate.thorax import ThoraxPlan, simulate_thorax
from cad.simulate.visits import Pose, Visit
from cad.space import Point

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class StudyTruth:
    """What one written study holds. `folder` is relative to OUT and holds the `files` of its first series; `expected` is "screened" or
    the refusal's reason.

    `aorta_max_mm` is the widest true outer diameter (None outside the chest), `aorta_widest_mm` where it is (x, y, z).
    `days_before` tells a prior: how long before the patient's other study it was.
    """

    folder: str
    patient_id: str
    study_instance_uid: str
    series_instance_uid: str
    modality: str
    description: str
    expected: str
    files: int
    lesions: tuple[LesionTruth, ...] = ()
    aorta_max_mm: float | None = None
    aorta_widest_mm: Point | None = None
    days_before: int = 0


@dataclass(frozen=True, slots=True)
class _Order:
    """One study to make: its plan, how it looks, which name script its patient has, and which sequences of a head lie beside the first."""

    plan: ThoraxPlan | HeadPlan
    look: SeriesLook
    charset: tuple[str, ...]
    extras: tuple[str, ...] = ()
    prior: PriorVisit | None = None
    beside: tuple[Sequence, ...] = ()


@dataclass(frozen=True, slots=True)
class PriorVisit:
    """An earlier study of the same chest: how many days before, and the nodules' volumes now against then (0: not there then)."""

    days: int
    growth: tuple[float, ...]
    pose: Pose


def demo_export(out: Path, seed: int, progress: Progress = lambda _: None) -> tuple[StudyTruth, ...]:
    """The export of `shoken demo`: two chests with nodules, one of them with a prior, a normal one, a wide aorta, a gap, a head, strays."""
    return _write(out, seed, _demo_orders(), progress)


def simulate_export(out: Path, studies: int, seed: int, progress: Progress = lambda _: None, *, priors: int = 0) -> tuple[StudyTruth, ...]:
    """An export of `studies` random studies (about one in four a head MR); `progress` gets one line a study.

    The first `priors` chest patients have an earlier study as well, with nodules that have grown, stayed or come since.
    """
    rng = np.random.default_rng((seed, 0xE27))
    orders = [_random_order(rng) for _ in range(studies)]
    earlier = np.random.default_rng((seed, 0xE28))
    chests = [place for place, order in enumerate(orders) if isinstance(order.plan, ThoraxPlan)][:priors]
    for place in chests:
        orders[place] = replace(orders[place], prior=_random_prior(earlier))
    return _write(out, seed, tuple(orders), progress)


def _random_prior(rng: np.random.Generator) -> PriorVisit:
    """Three months to a year earlier; of the nodules about half stayed, others grew up to threefold or are new."""
    growth = tuple(float(rng.choice([1.0, 1.0, 1.6, 2.2, 3.0, 0.0])) for _ in range(8))
    return PriorVisit(int(rng.integers(90, 366)), growth, Pose.draw(rng))


def _demo_orders() -> tuple[_Order, ...]:
    chest = ThoraxPlan(shape=(104, 512, 512), spacing_mm=(2.75, 0.7, 0.7), nodules=(), noise_hu=12)
    mixed = (
        NoduleSpec(22, "solid", "pleural"),
        NoduleSpec(9, "solid"),
        NoduleSpec(14, "part_solid", "vascular"),
        NoduleSpec(6, "calcified"),
    )
    faint = (NoduleSpec(17, "ground_glass"), NoduleSpec(11, "solid", "vascular"), NoduleSpec(7, "solid", "pleural"))
    iodine = replace(SeriesLook(), contrast="Iohexol 300", description="Chest CE", kernel="B40f")
    brain = SeriesLook("T1 MPRAGE CE", "MR Brain", "BRAIN", 5, "", "PHILIPS", "Simulated 3T", "Gadobutrol", "T1c")
    mets = (HeadLesionSpec(24, "ring", 0.9), HeadLesionSpec(12, "solid"), HeadLesionSpec(7, "metastasis"))
    prior = PriorVisit(182, (1.8, 0.0, 1.0, 1.0), Pose((2.0, -1.5, 2.5), (6.0, -8.0, 5.0), 8.0))
    gap = SeriesLook(description="Chest thin", manufacturer="GE MEDICAL SYSTEMS", kernel="STANDARD", left_out=(40, 41, 42, 43, 71))
    return (
        _Order(replace(chest, nodules=mixed, contrast=True), iodine, JAPANESE, ("localizer", "stray"), prior),
        _Order(replace(chest, nodules=faint, kernel="sharp", noise_hu=18), replace(SeriesLook(), kernel="B60f"), LATIN),
        _Order(chest, SeriesLook(manufacturer="CANON", kernel="FC08"), UTF8),
        _Order(replace(chest, aorta_max_mm=52, contrast=True), replace(iodine, description="Aorta CE"), LATIN, ("capture",)),
        _Order(HeadPlan(lesions=mets), brain, UTF8, beside=("FLAIR", "T2", "T1")),
        _Order(replace(chest, shape=(104, 256, 256), spacing_mm=(2.75, 1.4, 1.4)), gap, JAPANESE),
    )


def _random_order(rng: np.random.Generator) -> _Order:
    charset = (UTF8, JAPANESE, LATIN)[int(rng.integers(3))]
    if rng.random() < 0.25:
        sequence = "T1c" if rng.random() < 0.6 else "FLAIR"
        plan = HeadPlan(lesions=int(rng.integers(0, 5)), sequence="T1c" if sequence == "T1c" else "FLAIR")
        agent = "Gadobutrol" if sequence == "T1c" else ""
        return _Order(plan, SeriesLook(sequence, "MR Brain", "BRAIN", 4, "", "PHILIPS", "Simulated 3T", agent, sequence), charset)
    thick, pixel = float(rng.choice([2.0, 2.5, 3.0])), round(float(rng.uniform(0.66, 0.8)), 4)
    contrast = bool(rng.random() < 0.5)
    chest = ThoraxPlan(
        shape=(round(285 / thick), 512, 512),
        spacing_mm=(thick, pixel, pixel),
        nodules=int(rng.integers(0, 5)),
        aorta_max_mm=float(rng.uniform(42, 56)) if rng.random() < 0.2 else None,
        contrast=contrast,
        noise_hu=float(rng.uniform(8, 22)),
        kernel="sharp" if rng.random() < 0.35 else "soft",
    )
    look = SeriesLook(kernel="B60f" if chest.kernel == "sharp" else "B30f", contrast="Iohexol 300" if contrast else "")
    return _Order(chest, look, charset, ("localizer",) if rng.random() < 0.3 else ())


def _write(out: Path, seed: int, orders: tuple[_Order, ...], progress: Progress) -> tuple[StudyTruth, ...]:
    truths = []
    for number, order in enumerate(orders):
        progress(f"study {number + 1} of {len(orders)}: {order.look.study_description}, {order.look.description}")
        folder = f"DICOM/PAT{number + 1:03d}"
        truths.append(_study(out, f"{folder}/ST0", 1000 * seed + number, order))
        if order.prior and isinstance(order.plan, ThoraxPlan):
            truths.append(_prior_study(out, f"{folder}/ST1", 1000 * seed + number, order, order.plan, order.prior))
    _write_truth(out / "truth.json", seed, truths)
    return tuple(truths)


def _prior_study(out: Path, folder: str, seed: int, order: _Order, plan: ThoraxPlan, prior: PriorVisit) -> StudyTruth:
    """The same chest earlier: another date and accession, the nodules as large as they were, and the patient lay differently."""
    now = fake_patient(seed, order.charset)
    then = date.fromisoformat(now.study_date) - timedelta(days=prior.days)
    patient = replace(now, study_date=then.strftime("%Y%m%d"), accession=f"B{now.accession[1:]}")
    growth = tuple(1 / factor if factor else 0.0 for factor in prior.growth)
    earlier = replace(order, plan=replace(plan, visit=Visit(1, growth, prior.pose)), extras=())
    truth = _study(out, folder, seed, earlier, patient)
    return replace(truth, days_before=prior.days)


def _study(out: Path, folder: str, seed: int, order: _Order, who: FakePatient | None = None) -> StudyTruth:
    patient = who or fake_patient(seed, order.charset)
    phantom, beside = _scanned(seed, order)
    written = write_series(phantom.volume, out / folder / "SE1", patient, seed, order.look)
    for number, (sequence, other) in enumerate(beside.items(), start=1):
        look = replace(
            order.look, description=f"{sequence} TRA", sequence=sequence, contrast="", series_number=order.look.series_number + number
        )
        write_series(other.volume, out / folder / f"SE{number + 1}", patient, seed, look)
    for extra in order.extras:
        _extra(out / folder, extra, phantom, patient, seed, order.look)
    truth = StudyTruth(
        folder=f"{folder}/SE1",
        patient_id=patient.patient_id,
        study_instance_uid=study_uid(patient),
        series_instance_uid=written.series_instance_uid,
        modality=phantom.volume.modality,
        description=order.look.description,
        expected="gap_in_series" if order.look.left_out else "screened",
        files=len(written.files),
        lesions=phantom.lesions,
    )
    return _with_aorta(truth, phantom)


def _scanned(seed: int, order: _Order) -> tuple[Phantom, dict[Sequence, Phantom]]:
    """The phantom of the study's first series, and those of the sequences beside it."""
    if isinstance(order.plan, ThoraxPlan):
        return simulate_thorax(seed, order.plan), {}
    if not order.beside:
        return simulate_head(seed, order.plan), {}
    scanned = simulate_sequences(seed, order.plan, (order.plan.sequence, *order.beside))
    return scanned.pop(order.plan.sequence), scanned


def _with_aorta(truth: StudyTruth, phantom: Phantom) -> StudyTruth:
    if not phantom.aorta_diameters_mm:
        return truth
    widest = int(np.argmax(phantom.aorta_diameters_mm))
    return replace(truth, aorta_max_mm=phantom.aorta_diameters_mm[widest], aorta_widest_mm=phantom.aorta_centreline_mm[widest])


def _extra(folder: Path, kind: str, phantom: Phantom, patient: FakePatient, seed: int, look: SeriesLook) -> None:
    """A companion that real exports hold and no reader wants."""
    if kind == "localizer":
        write_localizer(phantom.volume, folder / "SE0" / "IM00001", patient, seed, replace(look, series_number=1, description="Topogram"))
    elif kind == "capture":
        write_secondary_capture(folder / "SE9" / "IM00001", patient, seed)
    else:
        (folder / "VIEWER.INI").write_bytes(b"[viewer]\r\nautorun=yes\r\npatient=" + patient.roman_name.encode() + b"\r\n")


def _write_truth(path: Path, seed: int, truths: Iterable[StudyTruth]) -> None:
    document = {"schema_version": 1, "seed": seed, "studies": [asdict(t) for t in truths]}
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
