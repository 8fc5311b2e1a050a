"""Reports under Clean Structured Content: by concept, by value type, at every depth; nothing of the patient gets out."""

from __future__ import annotations

import pytest
from deid_factory import KEY, ct, decode, encode
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.deidentify import deidentify
from anonymizer.errors import InputRefusedError
from anonymizer.files import encoded
from anonymizer.profile import Option, basic_profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.report_concepts import concept_row, concept_rows

CONTENT = Option.CLEAN_STRUCTURED_CONTENT
IMAGE_UID, UID = "1.2.826.0.1.3680043.9.7777.5.5", "1.2.826.0.1.3680043.9.7777.6.6"
IMAGE_TAGS = ("Rows", "Columns", "PixelData", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation", "SamplesPerPixel")


def code(value: str, scheme: str = "DCM", meaning: str = "a concept") -> Sequence:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return Sequence([item])


def content(value_type: str, concept: str, scheme: str = "DCM", **values: object) -> Dataset:
    item = Dataset()
    item.RelationshipType, item.ValueType, item.ConceptNameCodeSequence = "CONTAINS", value_type, code(concept, scheme)
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return item


def container(*items: Dataset, concept: str = "126000") -> Dataset:
    return content("CONTAINER", concept, ContinuityOfContent="SEPARATE", ContentSequence=Sequence(items))


def image_reference(concept: str, value_type: str = "IMAGE") -> Dataset:
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = uid.CTImageStorage, IMAGE_UID
    return content(value_type, concept, ReferencedSOPSequence=Sequence([reference]))


def number(concept: str, value: str, units: str, scheme: str = "DCM") -> Dataset:
    measured = Dataset()
    measured.NumericValue, measured.MeasurementUnitsCodeSequence = value, code(units, "UCUM", units)
    return content("NUM", concept, scheme, MeasuredValueSequence=Sequence([measured]))


def report(*items: Dataset, sop_class: str = uid.Comprehensive3DSRStorage) -> Dataset:
    result = ct(SOPClassUID=sop_class, Modality="SR")
    for keyword in IMAGE_TAGS:
        delattr(result, keyword)
    del result.ImageType
    result.ValueType, result.ConceptNameCodeSequence, result.ContinuityOfContent = "CONTAINER", code("126000"), "SEPARATE"
    observer = Dataset()
    observer.VerifyingObserverName, observer.VerifyingOrganization = "Okonkwo^Ada", "Mercy General"
    result.VerificationFlag, result.VerifyingObserverSequence = "VERIFIED", Sequence([observer])
    result.ContentSequence = Sequence(items)
    return result


def measurement_report() -> Dataset:
    """Shaped like TID 1500: observers, procedure, an image library, a measurement group two containers deep."""
    group = container(
        content("TEXT", "112039", TextValue="lesion 1"),
        content("UIDREF", "112040", UID=UID),
        content("CODE", "121071", ConceptCodeSequence=code("4147007", "SCT", "Mass, seen by Winterbourne")),
        image_reference("121112"),
        number("410668003", "12.5", "mm", "SCT"),
        content("TEXT", "121106", TextValue="Comment on Ariadne Winterbourne"),
        concept="125007",
    )
    return report(
        content("PNAME", "121008", PersonName="Quillfeather^Bo"),
        content("TEXT", "121009", TextValue="Mercy General"),
        content("TEXT", "121022", TextValue="ACC778899"),
        content("UIDREF", "121018", UID=UID),
        content("DATETIME", "122146", DateTime="20240229101112"),
        number("121033", "93", "a"),
        content("TEXT", "121071", TextValue="Nodule. Reported by Quillfeather for MRN00412345, 93 years old."),
        content("TEXT", "99001", "99LOCAL", TextValue="A nodule of 12 mm in Winterbourne, ID MRN00412345"),
        container(group, concept="126010"),
    )


def clean(source: Dataset, *options: Option) -> Dataset:
    return decode(encoded(deidentify(decode(encode(source)), KEY, basic_profile(CONTENT, *options))[0]))


def texts_of(source: Dataset) -> list[str]:
    return [str(element.value) for element in source.iterall() if element.keyword == "TextValue"]


def concepts_of(items: Sequence) -> list[str]:
    return [item.ConceptNameCodeSequence[0].CodeValue for item in items]


@pytest.mark.parametrize(
    "options", [(), (Option.CLEAN_DESCRIPTORS,), (Option.CLEAN_DESCRIPTORS, Option.RETAIN_MODIFIED_DATES, Option.RETAIN_UIDS)], ids=str
)
def test_nothing_of_anybody_is_left_in_the_bytes(options: tuple[Option, ...]) -> None:
    source = measurement_report()
    bytes_in = encode(source)
    bytes_out = encoded(deidentify(decode(bytes_in), KEY, basic_profile(CONTENT, *options))[0])
    for secret in (b"Winterbourne", b"Ariadne", b"Quillfeather", b"Okonkwo", b"Mercy General", b"MRN00412345", b"ACC778899", b"93 years"):
        assert secret in bytes_in
        assert secret not in bytes_out


def test_the_measurement_stays_usable() -> None:
    result = clean(measurement_report(), Option.CLEAN_DESCRIPTORS, Option.RETAIN_MODIFIED_DATES)
    group = result.ContentSequence[-1].ContentSequence[0].ContentSequence
    assert concepts_of(group) == ["112039", "112040", "121071", "121112", "410668003", "121106"]
    assert group[0].TextValue == "lesion 1"
    assert Pseudonyms(KEY).uid(UID) == group[1].UID
    assert group[2].ConceptCodeSequence[0].CodeValue == "4147007"
    assert group[3].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == Pseudonyms(KEY).uid(IMAGE_UID)
    assert group[4].MeasuredValueSequence[0].NumericValue == 12.5
    assert group[5].TextValue == "Comment on"
    assert "nodule of 12 mm" in texts_of(result)[1]


def test_the_table_decides_for_the_concepts_it_lists() -> None:
    result = clean(measurement_report())
    assert concepts_of(result.ContentSequence) == ["121008", "122146", "121071", "99001", "126010"]
    assert result.ContentSequence[0].PersonName == "ANONYMIZED"
    assert result.ContentSequence[1].DateTime == "19000101000000"
    assert texts_of(result)[0] == "ANONYMIZED"  # Finding without Clean Descriptors: X/D
    assert "93" not in str(result.ContentSequence[2])


def test_options_open_what_the_table_gives_them() -> None:
    everything = clean(
        measurement_report(),
        Option.RETAIN_UIDS,
        Option.RETAIN_INSTITUTION_IDENTITY,
        Option.RETAIN_PATIENT_CHARACTERISTICS,
        Option.CLEAN_DESCRIPTORS,
    )
    assert concepts_of(everything.ContentSequence) == ["121008", "121009", "121018", "122146", "121071", "99001", "126010"]
    assert everything.ContentSequence[1].TextValue == "Mercy General"
    assert everything.ContentSequence[2].UID == UID
    assert everything.ContentSequence[4].TextValue.endswith("90+ years old.")


@pytest.mark.parametrize(
    ("value", "units", "stays"),
    [("89", "a", True), ("90", "a", False), ("1079", "mo", True), ("1100", "mo", False), ("33000", "d", False), ("45", "1", False)],
)
def test_an_age_over_89_goes_whatever_its_unit(value: str, units: str, *, stays: bool) -> None:
    source = report(number("121033", value, units), number("30525-0", value, units, "LN"))
    assert len(clean(source, Option.RETAIN_PATIENT_CHARACTERISTICS).ContentSequence) == 2 * stays
    assert len(clean(source).ContentSequence) == 0


@pytest.mark.parametrize(
    "sop_class", [uid.BasicTextSRStorage, uid.EnhancedSRStorage, uid.ComprehensiveSRStorage, uid.XRayRadiationDoseSRStorage]
)
def test_a_basic_text_report(sop_class: str) -> None:
    source = report(content("TEXT", "121077", TextValue="Stable. Dr. Okonkwo, 29.02.2024"), sop_class=sop_class)
    assert len(clean(source).ContentSequence) == 0
    assert texts_of(clean(source, Option.CLEAN_DESCRIPTORS)) == ["Stable."]
    with pytest.raises(InputRefusedError):
        deidentify(source, KEY, basic_profile(Option.CLEAN_DESCRIPTORS))


def test_dates_move_with_the_patient() -> None:
    result = clean(measurement_report(), Option.RETAIN_MODIFIED_DATES)
    moved = [item.DateTime for item in result.ContentSequence if "DateTime" in item]
    assert len(moved) == 1
    assert moved[0][8:] == "101112"
    assert moved[0][:8] != "20240229"


def test_a_removed_item_takes_all_below_it_and_the_receipt_says_so() -> None:
    below = container(content("TEXT", "74711-3", "LN", TextValue="(01)serial"), concept="121000")
    result, receipt = deidentify(report(below), KEY, basic_profile(CONTENT))
    assert len(result.ContentSequence) == 0
    assert [(line.path, line.count) for line in receipt.lines if line.reason == "content_item"] == [("(0040,A730)", 1)]
    kept = clean(report(below), Option.RETAIN_DEVICE_IDENTITY)
    assert texts_of(kept) == ["(01)serial"]


def test_every_row_of_the_concept_table_is_answered() -> None:
    """Fails when the table of concepts shrinks or a row of it is not done as it says."""
    assert len(concept_rows()) == 214
    for row in concept_rows():
        item = content(row.value_type, row.code, row.scheme, **VALUES[row.value_type])
        left = clean(report(item)).ContentSequence
        assert len(left) == (0 if row.basic == "X" else 1), row
        if left and row.value_type == "TEXT":
            assert left[0].TextValue == "ANONYMIZED", row


def test_what_a_report_says_of_people_is_looked_for_in_its_texts() -> None:
    source = report(
        content("TEXT", "121009", TextValue="Harbour Light Clinic"),
        content("TEXT", "121030", TextValue="SUBJ-778812"),
        content("PNAME", "121008", PersonName="Quillfeather^Bo"),
        content("TEXT", "99001", "99LOCAL", TextValue="Seen at Harbour Light by Quillfeather, subject 778812, nodule 12 mm"),
    )
    assert texts_of(clean(source))[-1] == "Seen at by , subject , nodule 12 mm"
    kept = clean(source, Option.RETAIN_INSTITUTION_IDENTITY)
    assert texts_of(kept)[0] == "Harbour Light Clinic"


def test_snomed_codes_under_their_retired_names() -> None:
    assert concept_row("SRT", "R-42B89", "TEXT") == concept_row("SCT", "371524004", "TEXT")
    assert len(clean(report(content("TEXT", "R-42B89", "SRT", TextValue="words"))).ContentSequence) == 0


_REFERENCE = {"ReferencedSOPSequence": image_reference("1").ReferencedSOPSequence}
VALUES: dict[str, dict[str, object]] = {
    "TEXT": {"TextValue": "words"},
    "PNAME": {"PersonName": "Doe^J"},
    "DATE": {"Date": "20240101"},
    "TIME": {"Time": "101112"},
    "DATETIME": {"DateTime": "20240101101112"},
    "UIDREF": {"UID": UID},
    "CODE": {"ConceptCodeSequence": code("M")},
    "NUM": {"MeasuredValueSequence": number("1", "5", "a").MeasuredValueSequence},
    "CONTAINER": {"ContinuityOfContent": "SEPARATE"},
    **dict.fromkeys(("IMAGE", "COMPOSITE", "WAVEFORM"), _REFERENCE),
}
