"""What must not pass, each with its stable reason."""

from __future__ import annotations

import pytest
from deid_factory import KEY, ct
from pydicom import uid

from anonymizer.deidentify import deidentify
from anonymizer.errors import InputRefusedError
from anonymizer.gate import Reason, verdict_on

REFUSED = [
    ({"SOPClassUID": uid.SecondaryCaptureImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.UltrasoundImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.MultiFrameTrueColorSecondaryCaptureImageStorage}, Reason.BURNED_IN_TEXT_RISK),
    ({"SOPClassUID": uid.EncapsulatedPDFStorage}, Reason.ENCAPSULATED_DOCUMENT),
    ({"SOPClassUID": uid.EncapsulatedCDAStorage}, Reason.ENCAPSULATED_DOCUMENT),
    ({"SOPClassUID": uid.ComprehensiveSRStorage}, Reason.STRUCTURED_REPORT),
    ({"SOPClassUID": uid.GrayscaleSoftcopyPresentationStateStorage}, Reason.PRESENTATION_STATE),
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
    {"SOPClassUID": uid.DigitalXRayImageStorageForPresentation},
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


def test_reasons_are_stable_codes() -> None:
    assert all(str(reason) == reason.value and reason.value.replace("_", "").isalpha() for reason in Reason)
