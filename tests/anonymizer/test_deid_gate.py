"""What must not pass, each with its stable reason."""

from __future__ import annotations

import pytest
from deid_factory import KEY, ct
from pydicom import uid

from anonymizer.deidentify import deidentify
from anonymizer.errors import InputRefusedError
from anonymizer.gate import Reason, verdict_on
from anonymizer.profile import Option, basic_profile

REFUSED = [
    ({"SOPClassUID": uid.SecondaryCaptureImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.UltrasoundImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.MultiFrameTrueColorSecondaryCaptureImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.EncapsulatedPDFStorage}, Reason.ENCAPSULATED_DOCUMENT),
    ({"SOPClassUID": uid.EncapsulatedCDAStorage}, Reason.ENCAPSULATED_DOCUMENT),
    ({"SOPClassUID": uid.ComprehensiveSRStorage}, Reason.STRUCTURED_REPORT),
    ({"SOPClassUID": uid.GrayscaleSoftcopyPresentationStateStorage}, Reason.PRESENTATION_STATE),
    ({"SOPClassUID": uid.ComputedRadiographyImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.DigitalXRayImageStorageForPresentation}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.DigitalMammographyXRayImageStorageForPresentation, "BurnedInAnnotation": "YES"}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.NuclearMedicineImageStorage, "ImageType": ["DERIVED", "SECONDARY"]}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.SegmentationStorage, "BurnedInAnnotation": "YES"}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.RTImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.VLWholeSlideMicroscopyImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.RTBeamsTreatmentRecordStorage}, Reason.UNSUPPORTED_SOP_CLASS),
    ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.10"}, Reason.UNSUPPORTED_SOP_CLASS),
    ({"SOPClassUID": uid.LensometryMeasurementsStorage}, Reason.UNSUPPORTED_SOP_CLASS),
    ({"SOPClassUID": uid.RawDataStorage}, Reason.UNSUPPORTED_SOP_CLASS),
    ({"SOPClassUID": "1.2.3.4.5"}, Reason.UNKNOWN_SOP_CLASS),
    ({"SOPClassUID": ""}, Reason.MISSING_IDENTITY),
    ({"SOPInstanceUID": ""}, Reason.MISSING_IDENTITY),
    ({"SOPClassUID": uid.MediaStorageDirectoryStorage}, Reason.DICOMDIR),
    ({"BurnedInAnnotation": "YES"}, Reason.BURNED_IN_TEXT_RISK),
    ({"BurnedInAnnotation": "MAYBE"}, Reason.BURNED_IN_TEXT_RISK),
    ({"ConversionType": "WSD"}, Reason.BURNED_IN_TEXT_RISK),
    ({"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]}, Reason.BURNED_IN_TEXT_RISK),
    ({"ImageType": ["DERIVED", "PRIMARY", "SCREEN SAVE"]}, Reason.BURNED_IN_TEXT_RISK),
    ({"SeriesDescription": "Dose Report"}, Reason.BURNED_IN_TEXT_RISK),
    ({"PhotometricInterpretation": "RGB"}, Reason.BURNED_IN_TEXT_RISK),
]
PASSED = [
    {},
    {"BurnedInAnnotation": "NO"},
    {"SOPClassUID": uid.MRImageStorage},
    {"SOPClassUID": uid.PositronEmissionTomographyImageStorage},
    {"SOPClassUID": uid.DigitalXRayImageStorageForPresentation, "BurnedInAnnotation": "NO"},
    {"SOPClassUID": uid.ComputedRadiographyImageStorage, "BurnedInAnnotation": "NO"},
    {"SOPClassUID": uid.NuclearMedicineImageStorage},
    {"SOPClassUID": uid.SegmentationStorage},
    {"SOPClassUID": uid.ParametricMapStorage},
    {"SOPClassUID": uid.RTStructureSetStorage},
    {"SOPClassUID": uid.RTDoseStorage, "SeriesDescription": "dose summary"},
    {"SOPClassUID": uid.RTPlanStorage},
    {"SOPClassUID": uid.EnhancedCTImageStorage},
    {"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]},
    {"SeriesDescription": "low dose chest"},
]


@pytest.mark.parametrize(("changes", "reason"), REFUSED, ids=str)
def test_refused(changes: dict[str, object], reason: Reason) -> None:
    image = ct(**changes)
    verdict = verdict_on(image)
    assert verdict is not None
    assert verdict.reason == reason
    assert "interbourne" not in verdict.detail
    with pytest.raises(InputRefusedError) as refusal:
        deidentify(image, KEY)
    assert refusal.value.reason == reason


@pytest.mark.parametrize("changes", PASSED, ids=str)
def test_passed(changes: dict[str, object]) -> None:
    assert verdict_on(ct(**changes)) is None


OPENED = [
    *(
        ({"SOPClassUID": sop_class}, Option.CLEAN_PIXEL_DATA)
        for sop_class in (
            uid.SecondaryCaptureImageStorage,
            uid.MultiFrameTrueColorSecondaryCaptureImageStorage,
            uid.UltrasoundImageStorage,
            uid.XRayAngiographicImageStorage,
            uid.XRayRadiofluoroscopicImageStorage,
            uid.VLPhotographicImageStorage,
            uid.ComputedRadiographyImageStorage,
            uid.RTImageStorage,
        )
    ),
    ({"BurnedInAnnotation": "YES"}, Option.CLEAN_PIXEL_DATA),
    ({"ImageType": ["DERIVED", "SECONDARY", "DOSE_INFO"]}, Option.CLEAN_PIXEL_DATA),
    ({"PhotometricInterpretation": "RGB"}, Option.CLEAN_PIXEL_DATA),
    ({"SOPClassUID": uid.ComprehensiveSRStorage}, Option.CLEAN_STRUCTURED_CONTENT),
    ({"SOPClassUID": uid.KeyObjectSelectionDocumentStorage}, Option.CLEAN_STRUCTURED_CONTENT),
    ({"SOPClassUID": uid.XRayRadiationDoseSRStorage}, Option.CLEAN_STRUCTURED_CONTENT),
    ({"SOPClassUID": uid.GrayscaleSoftcopyPresentationStateStorage}, Option.CLEAN_GRAPHICS),
    ({"SOPClassUID": uid.PseudoColorSoftcopyPresentationStateStorage}, Option.CLEAN_GRAPHICS),
]
NEVER = [
    {"SOPClassUID": uid.MediaStorageDirectoryStorage},
    {"SOPClassUID": "1.2.3.4.5"},
    {"SOPClassUID": uid.RawDataStorage},
    {"SOPClassUID": uid.EncapsulatedCDAStorage},
    {"SOPClassUID": uid.EncapsulatedSTLStorage},
    {"SOPClassUID": uid.EncapsulatedPDFStorage},
    {"SOPClassUID": uid.VLWholeSlideMicroscopyImageStorage},
    {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.481.10"},
    {"SOPClassUID": uid.GeneralECGWaveformStorage},
]


@pytest.mark.parametrize(("changes", "option"), OPENED, ids=str)
def test_an_option_opens_the_gate_for_what_it_cleans_and_no_other_option_does(changes: dict[str, object], option: Option) -> None:
    image = ct(**changes)
    assert verdict_on(image, basic_profile(option)) is None
    for other in set(Option) - {option}:
        assert verdict_on(image, basic_profile(other)) is not None, other


@pytest.mark.parametrize("changes", NEVER, ids=str)
def test_what_no_option_opens(changes: dict[str, object]) -> None:
    everything = basic_profile(*(set(Option) - {Option.RETAIN_FULL_DATES}))
    assert verdict_on(ct(**changes), everything) is not None


def test_reasons_are_stable_codes() -> None:
    assert all(str(reason) == reason.value and reason.value.replace("_", "").isalpha() for reason in Reason)
