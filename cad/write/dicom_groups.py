"""The measurement groups of a structured report: one for what was found or outlined, one for each place that was measured.

Templates of PS3.16: a volumetric group (TID 1411) refers to the segment, a planar one (TID 1410) draws the outline on the key slice,
and what has no region of its own (a landmark's diameter, a task's result) is a plain group (TID 1501).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ContentSequence,
    FindingSite,
    ImageContentItem,
    ImageRegion,
    Measurement,
    MeasurementProperties,
    MeasurementsAndQualitativeEvaluations,
    NumContentItem,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegment,
    SourceImageForRegion,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from numpy.typing import NDArray
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from skimage.measure import find_contours

from cad import finding as found
from cad.measure.aorta.landmarks import METHODS
from cad.model import ModelVersion
from cad.report import Funnel, Novelty
from cad.write import dicom_codes as coded
from cad.write.dicom_made import Made
from cad.write.dicom_source import Frame, Source

Group: TypeAlias = ContentSequence
_ON_SLICE = frozenset({"long_axis", "short_axis"})


@dataclass(frozen=True, slots=True, eq=False)
class Marked:
    """A finding, or with `finding` None a task's structure, and where it is marked.

    `tracking` is (identifier, UID), `exhibit` the arrays behind it. `pixels` (frames, rows, columns) is its outline on the source's
    frames, `segment` (object, number) the same in a SEG, `map` its heat map; each None where there is none.
    """

    task: str
    meaning: coded.Meant
    tracking: tuple[str, str]
    model: ModelVersion
    source: Source
    exhibit: found.Exhibit
    finding: found.Finding | None = None
    pixels: NDArray[np.bool_] | None = None
    segment: tuple[Made, int] | None = None
    map: Made | None = None


def finding_groups(marked: Marked, measurements: Sequence[found.Measurement]) -> list[Group]:
    """What is said of one finding: its volume with every measurement, then its outline on the key slice with its axes."""
    groups: list[Group] = []
    if marked.segment is not None:
        groups.append(_volumetric(marked, marked.segment, measurements))
    on_slice = measurements if marked.segment is None else [m for m in measurements if m.name in _ON_SLICE]
    planar = _planar(marked, on_slice)
    if planar is not None:
        groups.append(planar)
    if not groups:
        groups.append(MeasurementsAndQualitativeEvaluations(**_common(marked, measurements)))
    _add_evidence(groups[0], marked)
    return groups


def structure_groups(marked: Marked) -> list[Group]:
    """The outline of a structure, and on the slice where it is largest; its measurements stand at their landmarks."""
    planar = _planar(marked, ())
    return [] if marked.segment is None else [_volumetric(marked, marked.segment, ()), *([planar] if planar else [])]


def has_place(group: Group) -> bool:
    """Whether a group is drawn on an image."""
    return any(item.ValueType == "SCOORD" for item in group[0].ContentSequence)


def landmark_group(measurement: found.Measurement, marked: Marked, tracking: tuple[str, str]) -> Group:
    """One measured place, a point on the nearest source picture; not measurable is said, with the reason as a code."""
    site = coded.AORTA_SITES.get(measurement.name) or marked.meaning.site
    said = {
        "tracking_identifier": TrackingIdentifier(tracking[1], tracking[0]),
        "finding_type": coded.private(measurement.name),
        "finding_sites": [FindingSite(site)] if site else None,
        "algorithm_id": _algorithm(marked.model),
        "measurements": _numbers([measurement]),
        "qualitative_evaluations": _classes([measurement]),
    }
    point = _point_at(measurement, marked.source)
    if point is None:
        return MeasurementsAndQualitativeEvaluations(**said)
    return PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=point, **said)


def task_group(funnel: Funnel, novelty: Novelty | None, model: ModelVersion | None, tracking: tuple[str, str]) -> Group:
    """What a task did, whether it found anything or not: how many candidates it had and showed, and how unusual the images are."""
    counts = {"candidates": funnel.candidates, "candidates_shown": funnel.shown, "slices_looked_through": funnel.slices_in}
    numbers = [Measurement(coded.private(name), float(count), coded.unit("1")) for name, count in counts.items()]
    classes = [] if novelty is None else [QualitativeEvaluation(coded.private("novelty"), coded.private(f"novelty_{novelty.level}"[:64]))]
    if novelty is not None:
        numbers.append(Measurement(coded.private("novelty_score"), _short(novelty.score), coded.unit("1")))
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(tracking[1], tracking[0]),
        finding_type=coded.private(funnel.task),
        algorithm_id=_algorithm(model) if model else None,
        measurements=numbers,
        qualitative_evaluations=classes,
    )


def _common(marked: Marked, measurements: Sequence[found.Measurement]) -> dict[str, Any]:
    certainty = [] if marked.finding is None else [_certainty(marked.finding)]
    return {
        "tracking_identifier": TrackingIdentifier(marked.tracking[1], marked.tracking[0]),
        "finding_category": marked.meaning.category,
        "finding_type": marked.meaning.type,
        "finding_sites": _sites(marked),
        "algorithm_id": _algorithm(marked.model),
        "measurements": [*certainty, *_numbers(measurements)],
        "qualitative_evaluations": [*_classes(measurements), *_claim(marked.finding), *_trust(marked.finding)],
    }


def _volumetric(marked: Marked, segment: tuple[Made, int], measurements: Sequence[found.Measurement]) -> Group:
    outline, number = segment
    reference = ReferencedSegment(
        sop_class_uid=str(outline.dataset.SOPClassUID),
        sop_instance_uid=str(outline.dataset.SOPInstanceUID),
        segment_number=number,
        source_series=SourceSeriesForSegmentation(marked.source.series_instance_uid),
    )
    return VolumetricROIMeasurementsAndQualitativeEvaluations(referenced_segment=reference, **_common(marked, measurements))


def _planar(marked: Marked, measurements: Sequence[found.Measurement]) -> Group | None:
    place = _outline(marked) if marked.pixels is not None else _box(marked)
    if place is None:
        return None
    frame, points = place
    region = ImageRegion("POLYLINE", points, SourceImageForRegion(*_reference(frame)))
    return PlanarROIMeasurementsAndQualitativeEvaluations(referenced_region=region, **_common(marked, measurements))


def _outline(marked: Marked) -> tuple[Frame, NDArray[np.float64]] | None:
    """The longest contour on the frame where the outline is largest, (column, row) with (0, 0) at the corner of the first pixel."""
    pixels = marked.pixels
    if pixels is None or not pixels.any():
        return None
    index = int(pixels.sum(axis=(1, 2)).argmax())
    contours = find_contours(np.pad(pixels[index], 1).astype(np.float64), 0.5)
    points = max(contours, key=len)[:, ::-1] - 0.5  # minus the padding, plus half a pixel
    return marked.source.frames[index], np.asarray(points, dtype=np.float64)


def _box(marked: Marked) -> tuple[Frame, NDArray[np.float64]] | None:
    """The candidate's box on the nearest picture, where there is no outline."""
    if marked.finding is None:
        return None
    box = marked.finding.candidate.box_mm
    frame = marked.source.nearest(box.centre_mm)
    corners = np.array([[(box.low_mm, box.high_mm)[bit >> axis & 1][axis] for axis in range(3)] for bit in range(8)])
    pixels = frame.to_pixel(corners) + 0.5
    (top, left), (bottom, right) = pixels.min(axis=0), pixels.max(axis=0)
    return frame, np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])


def _add_evidence(group: Group, marked: Marked) -> None:
    """The heat map as an illustration and the statement as a comment: both belong to the finding, no measurement hangs on them."""
    content = group[0].ContentSequence
    if marked.map is not None:
        content.append(
            ImageContentItem(
                name=codes.DCM.IllustrationOfROI,
                referenced_sop_class_uid=str(marked.map.dataset.SOPClassUID),
                referenced_sop_instance_uid=str(marked.map.dataset.SOPInstanceUID),
                relationship_type="CONTAINS",
            )
        )
    if marked.finding is not None and marked.finding.statement.text:
        content.append(TextContentItem(codes.DCM.Comment, marked.finding.statement.text, relationship_type="CONTAINS"))


def _sites(marked: Marked) -> list[FindingSite] | None:
    if marked.meaning.site is None:
        return None
    measurements = marked.finding.measurements if marked.finding else ()
    side = next((coded.side(m.label) for m in measurements if m.name == "location" and m.label), None)
    return [FindingSite(marked.meaning.site, laterality=side)]


def _numbers(measurements: Iterable[found.Measurement]) -> list[Measurement]:
    """Every number that was measured, behind it what other ways made of the same; the rest is among the classes, with its reason."""
    return [number for m in measurements if m.value is not None for number in (_number(m, m.value), *_others(m))]


def _others(measurement: found.Measurement) -> list[Measurement]:
    """The same by other ways: told from the one that is said by their method, and by having no interval."""
    stated = replace(measurement, interval=None)
    return [_number(replace(stated, method=METHODS.get(source, source)), value) for source, value in measurement.others]


def _number(measurement: found.Measurement, value: float) -> Measurement:
    concept, unit = coded.concept(measurement.name), coded.unit(measurement.unit)
    return Measurement(
        concept.name,
        _short(value),
        unit,
        derivation=concept.derivation,
        method=_method(measurement.method) if measurement.method else None,
        properties=_uncertainty(value, measurement.interval, unit),
    )


def _uncertainty(value: float, interval: tuple[float, float] | None, unit: Code) -> MeasurementProperties | None:
    """How far the 95 % interval reaches above and below, in the value's own unit (TID 310)."""
    if interval is None:
        return None
    properties = MeasurementProperties()
    ends = {
        codes.SCT.RangeOfUpperMeasurementUncertainty: interval[1] - value,
        codes.SCT.RangeOfLowerMeasurementUncertainty: value - interval[0],
    }
    for name, reach in ends.items():
        properties.append(NumContentItem(name, _short(max(reach, 0.0)), unit, relationship_type="HAS PROPERTIES"))
    return properties


def _certainty(finding: found.Finding) -> Measurement:
    """The calibrated confidence; where the calibration does not cover the finding it is a score, under a name of its own."""
    name = coded.CERTAINTY if finding.claim.calibrated else coded.private("score_not_calibrated")
    return Measurement(name, _short(100 * finding.confidence), coded.unit("%"))


def _claim(finding: found.Finding | None) -> list[QualitativeEvaluation]:
    """The verdict, and each doubt that stands beside it or takes it away."""
    if finding is None:
        return []
    verdict = [QualitativeEvaluation(coded.private("verdict"), coded.private(finding.claim.verdict))] if finding.claim.verdict else []
    return [*verdict, *(QualitativeEvaluation(coded.private("doubt"), coded.private(doubt)) for doubt in finding.claim.doubts)]


def _classes(measurements: Iterable[found.Measurement]) -> list[QualitativeEvaluation]:
    """Classes that were found, and for what was not measurable the reason (highdicom cannot read a number without a value)."""
    classes = []
    for m in measurements:
        if m.label:
            classes.append(QualitativeEvaluation(coded.evaluation(m.name), coded.label(m.name, m.label)))
        if m.outcome != "measured":
            classes.append(QualitativeEvaluation(coded.private(f"{m.name}_outcome"), coded.private(m.outcome)))
    return classes


def _trust(finding: found.Finding | None) -> list[QualitativeEvaluation]:
    faithfulness = None if finding is None else finding.evidence.faithfulness
    if faithfulness is None:
        return []
    answer = codes.SCT.Yes if faithfulness.trustworthy else codes.SCT.No
    return [QualitativeEvaluation(coded.private("heat_map_trustworthy"), answer)]


def _algorithm(model: ModelVersion) -> AlgorithmIdentification:
    """TID 4019; the digest of the weights is a parameter, so that the exact model can be found again."""
    parameters = [f"sha256={model.sha256}", f"code_version={model.code_version}", f"data_fingerprint={model.data_fingerprint}"]
    return AlgorithmIdentification(name=model.name, version=model.version, parameters=parameters)


def _point_at(measurement: found.Measurement, source: Source) -> ImageRegion | None:
    if measurement.position_mm is None or measurement.value is None:
        return None
    frame = source.nearest(measurement.position_mm)
    row, column = frame.to_pixel(np.asarray(measurement.position_mm)) + 0.5
    if not (0 <= row <= source.rows and 0 <= column <= source.columns):
        return None
    return ImageRegion("POINT", np.array([[column, row]]), SourceImageForRegion(*_reference(frame)))


def _reference(frame: Frame) -> tuple[str, str, list[int] | None]:
    return frame.sop_class_uid, frame.sop_instance_uid, [frame.number] if frame.number else None


def _method(text: str) -> CodedConcept:
    """A method has no public code: ours is a hash of its whole text, whose beginning is the meaning."""
    return CodedConcept(f"method-{hashlib.sha256(text.encode()).hexdigest()[:8]}", coded.SCHEME, text[:64])


def _short(value: float) -> float:
    return float(f"{value:.6g}")
