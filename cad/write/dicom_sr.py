"""A case as a structured report: measurements and evaluations of every finding (PS3.16 TID 1500, the root that IHE AIR asks for)."""

from __future__ import annotations

from collections.abc import Sequence
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
from cad.write.dicom_groups import Group, Marked, finding_groups, landmark_group, structure_group, task_group
from cad.write.dicom_made import MANUFACTURER, Made, Maker, derived_uid, finished, software_version

NUMBER = 9002
_LANGUAGES = MappingProxyType({"en": ("en", "English"), "ja": ("ja", "Japanese")})


def structured_report(name: str, report: CaseReport, marked: Sequence[Marked], maker: Maker) -> Made:
    """Every finding, structure, landmark and task of a case. `marked` has the findings best first, then structures; not empty."""
    arguments = {**maker.start(NUMBER), **maker.equipment()}
    document = Comprehensive3DSR(
        evidence=[*_sources(marked), *_objects(marked)],
        content=MeasurementReport(
            observation_context=_observer(maker),
            procedure_reported=coded.PROCEDURES.get(marked[0].source.modality, codes.SCT.ImagingProcedure),
            imaging_measurements=_groups(report, marked, maker),
            title=codes.DCM.ImagingMeasurementReport,
            language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(_language(report.lang)),
        ),
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[_own_scheme()],
        series_description="Shoken measurements",
        **arguments,
    )
    return finished(name, document, marked[0].source, maker)


def _groups(report: CaseReport, marked: Sequence[Marked], maker: Maker) -> list[Group]:
    structures = [each for each in marked if each.finding is None]
    groups = [group for each in marked if each.finding for group in finding_groups(each, _own(each, report.measurements))]
    groups += [group for each in structures if (group := structure_group(each))]
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
