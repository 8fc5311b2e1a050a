"""A case as structured reports (PS3.16 TID 1500, the root that IHE AIR asks for): what has a place in the images, and what has none.

Two documents, since OHIF 3.12 shows nothing of one in which a single measurement group has no coordinates.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    CodedConcept,
    Comprehensive3DSR,
    DeviceObserverIdentifyingAttributes,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
)
from pydicom.sr.codedict import codes

from cad.finding import Measurement
from cad.report import CaseReport
from cad.write import dicom_codes as coded
from cad.write.dicom_groups import Group, Marked, finding_groups, has_place, landmark_group, structure_groups, task_group
from cad.write.dicom_made import MANUFACTURER, Made, Maker, derived_uid, finished, software_version

NUMBER, NUMBER_OF_REST = 9002, 9005
_LANGUAGES = MappingProxyType({"en": ("en", "English"), "ja": ("ja", "Japanese")})


def structured_reports(report: CaseReport, marked: Sequence[Marked], maker: Maker) -> tuple[Made, ...]:
    """`sr.dcm`: findings, structures and landmarks where they lie; `sr-tasks.dcm`: tasks, and what could not be measured.

    `marked` has the findings best first, then structures; not empty.
    """
    groups = _groups(report, marked, maker)
    here = {group.tracking_uid for group in groups if has_place(group)}
    placed = [group for group in groups if group.tracking_uid in here]
    rest = [group for group in groups if group.tracking_uid not in here]
    documents = (("sr.dcm", "Shoken measurements", NUMBER, placed), ("sr-tasks.dcm", "Shoken tasks, not measured", NUMBER_OF_REST, rest))
    return tuple(_document(*told, report, marked, maker) for told in documents if told[-1])


def _document(
    name: str, title: str, number: int, groups: Iterable[Group], report: CaseReport, marked: Sequence[Marked], maker: Maker
) -> Made:
    arguments = {**maker.start(number), **maker.equipment()}
    document = Comprehensive3DSR(
        evidence=[*_sources(marked), *_objects(marked)],
        content=MeasurementReport(
            observation_context=_observer(maker),
            procedure_reported=coded.PROCEDURES.get(marked[0].source.modality, codes.SCT.ImagingProcedure),
            imaging_measurements=list(groups),
            title=codes.DCM.ImagingMeasurementReport,
            language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(_language(report.lang)),
        ),
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[_own_scheme()],
        series_description=title,
        **arguments,
    )
    return finished(name, document, marked[0].source, maker)


def _groups(report: CaseReport, marked: Sequence[Marked], maker: Maker) -> list[Group]:
    structures = [each for each in marked if each.finding is None]
    groups = [group for each in marked if each.finding for group in finding_groups(each, _own(each, report.measurements))]
    groups += [group for each in structures for group in structure_groups(each)]
    owner = (structures or list(marked))[0]
    groups += [landmark_group(m, owner, _tracking(maker, m.name)) for m in report.measurements]
    models, novelty = {model.name: model for model in report.models}, {each.task: each for each in report.novelty}
    groups += [task_group(f, novelty.get(f.task), models.get(f.task), _tracking(maker, f.task)) for f in report.funnels]
    return groups


def _own(marked: Marked, of_case: Sequence[Measurement]) -> tuple[Measurement, ...]:
    """A finding's measurements without those that stand at their own landmark already, save the widest, which is the finding."""
    measurements = marked.finding.measurements if marked.finding else ()
    return tuple(m for m in measurements if m not in of_case or m.name == "aorta_max")


def _tracking(maker: Maker, name: str) -> tuple[str, str]:
    return name, maker.uid("tracking", name)


def _sources(marked: Sequence[Marked]) -> list[object]:
    by_uid = {header.SOPInstanceUID: header for each in marked for header in each.source.headers}
    return list(by_uid.values())


def _objects(marked: Sequence[Marked]) -> list[object]:
    made = [each.segment[0] for each in marked if each.segment] + [each.map for each in marked if each.map]
    return list({one.dataset.SOPInstanceUID: one.dataset for one in made}.values())


def _observer(maker: Maker) -> ObservationContext:
    version = software_version()
    device = DeviceObserverIdentifyingAttributes(
        uid=derived_uid("device", version, maker.settings), name="Shoken", manufacturer_name=MANUFACTURER, model_name=f"shoken {version}"
    )
    return ObservationContext(observer_device_context=ObserverContext(codes.DCM.Device, device))


def _language(lang: str) -> CodedConcept:
    value, meaning = _LANGUAGES.get(lang, _LANGUAGES["en"])
    return CodedConcept(value, "RFC5646", meaning)


def _own_scheme() -> CodingSchemeIdentificationItem:
    return CodingSchemeIdentificationItem(designator=coded.SCHEME, name="Shoken names", responsible_organization=MANUFACTURER)
