"""What de-identification moved goes back to where it was, at every depth, or nothing does."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from deid_factory import KEY, OTHER_KEY, SYNTAXES, ct, decode, encode
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.deidentify import deidentify
from anonymizer.profile import basic_profile
from anonymizer.pseudonym import Pseudonyms
from anonymizer.vault import UnmappedError, Vault, entries_of, open_vault, restored
from anonymizer.writing import encoded

pytest.importorskip("cryptography", reason="the vault's package is not installed")
SECRET = bytes(range(100, 132))
IDENTITY = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID", "SeriesInstanceUID")
MORE = ("SOPInstanceUID", "FrameOfReferenceUID", "SOPClassUID", "IrradiationEventUID", "StudyDate", "AcquisitionDateTime", "PixelData")


def image(**changes: object) -> Dataset:
    made = ct(IrradiationEventUID=["1.2.3.8", "1.2.3.9"], AcquisitionDateTime="20240229101112.5+0900", **changes)
    made.SeriesDate, made.ContentDate = "20240301", "20231231"
    inner = Dataset()
    inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = made.SOPClassUID, "1.2.3.10"
    deeper = Dataset()
    deeper.FrameReferenceDateTime, deeper.FrameAcquisitionDateTime = "20240229101112", "20240228"
    frame = Dataset()
    frame.FrameContentSequence = Sequence([deeper])
    made.PerFrameFunctionalGroupsSequence = Sequence([frame])
    made.ReferencedInstanceSequence = Sequence([inner])
    return made


def kept(path: Path, *originals: Dataset) -> Vault:
    vault = open_vault(path, SECRET, create=True)
    for original in originals:
        vault.add(entries_of(original, KEY))
    return vault


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_a_round_trip_gives_identity_and_dates_back(tmp_path: Path, syntax) -> None:
    source = decode(encode(image(), syntax))
    clean, _ = deidentify(source, KEY)
    before = encoded(clean)
    with kept(tmp_path / "v", source) as vault:
        back = decode(encoded(restored(decode(before), vault)))
    for keyword in (*IDENTITY, *MORE, "SeriesDate", "ContentDate"):
        assert back[keyword].value == source[keyword].value, keyword
    frame = back.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0]
    assert frame.FrameReferenceDateTime == "20240229101112"
    for item in back.get("ReferencedInstanceSequence", ()):
        assert item.ReferencedSOPInstanceUID == "1.2.3.10"
    assert back.file_meta.MediaStorageSOPInstanceUID == source.SOPInstanceUID
    assert back.file_meta.TransferSyntaxUID == syntax
    assert back.PatientIdentityRemoved == "NO"
    assert not [key for key in ("DeidentificationMethod", "DeidentificationMethodCodeSequence") if key in back]
    assert "LongitudinalTemporalInformationModified" not in back
    assert encoded(clean) == before, "the input was changed"


@pytest.mark.parametrize("charset", [["", "ISO 2022 IR 87"], "ISO_IR 192", "GB18030"])
def test_names_of_other_scripts_come_back(tmp_path: Path, charset) -> None:
    source = decode(encode(image(SpecificCharacterSet=charset, PatientName="YAMADA^TARO=山田^太郎", PatientID="番号-1")))
    clean, _ = deidentify(source, KEY)
    with kept(tmp_path / "v", source) as vault:
        back = decode(encoded(restored(decode(encoded(clean)), vault)))
    assert (str(back.PatientName), back.PatientID) == ("YAMADA^TARO=山田^太郎", "番号-1")
    assert back.SpecificCharacterSet == source.SpecificCharacterSet


def test_a_character_set_that_cannot_hold_the_name_gives_way(tmp_path: Path) -> None:
    source = image(SpecificCharacterSet="ISO_IR 192", PatientName="山田^太郎", ConvolutionKernel="B40f")
    clean, _ = deidentify(source, KEY)
    clean.SpecificCharacterSet = "ISO_IR 100"
    clean.ImageComments = "Überlagerung"
    with kept(tmp_path / "v", source) as vault:
        back = decode(encoded(restored(decode(encoded(clean)), vault)))
    assert (str(back.PatientName), back.ImageComments, back.SpecificCharacterSet) == ("山田^太郎", "Überlagerung", "ISO_IR 192")


def test_a_profile_without_dates_gives_none_back(tmp_path: Path) -> None:
    clean, _ = deidentify(image(), KEY, basic_profile())
    with kept(tmp_path / "v", image()) as vault:
        back = restored(clean, vault)
    assert back.StudyDate == ""
    assert back.PatientID == "MRN00412345"


def test_a_patient_without_an_id_gets_none(tmp_path: Path) -> None:
    source = image(PatientID="")
    clean, _ = deidentify(source, KEY)
    with kept(tmp_path / "v", source) as vault:
        back = restored(clean, vault)
    assert (back.PatientID or "", str(back.PatientName)) == ("", "Winterbourne^Ariadne")


def test_the_name_is_that_of_the_very_series(tmp_path: Path) -> None:
    second = image(PatientName="WINTERBOURNE^A", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.4", SOPInstanceUID="1.2.5")
    with kept(tmp_path / "v", image(), second) as vault:
        assert str(restored(deidentify(second, KEY)[0], vault).PatientName) == "WINTERBOURNE^A"
        assert str(restored(deidentify(image(), KEY)[0], vault).PatientName) == "Winterbourne^Ariadne"
        vault.add(entries_of(image(PatientName="Other^Spelling"), KEY))
        with pytest.raises(UnmappedError, match="several_originals") as caught:
            restored(deidentify(image(), KEY)[0], vault)
        assert "Other" not in str(caught.value)


def test_what_does_not_lead_back_is_named_and_nothing_is_half_restored(tmp_path: Path) -> None:
    clean, _ = deidentify(image(), KEY)
    foreign, _ = deidentify(image(), OTHER_KEY)
    with kept(tmp_path / "v", image()) as vault:
        with pytest.raises(UnmappedError) as caught:
            restored(foreign, vault)
        assert [(each.path, each.reason) for each in caught.value.unmapped] == [("(0010,0020)", "unknown_pseudonym")]
        with pytest.raises(UnmappedError, match="not_a_pseudonym"):
            restored(image(), vault)
        clean.SOPInstanceUID = Pseudonyms(OTHER_KEY).uid("1.2.3")
        clean.PerFrameFunctionalGroupsSequence[0].FrameContentSequence[0].FrameReferenceDateTime = "2024"
        with pytest.raises(UnmappedError) as caught:
            restored(clean, vault)
        assert {each.reason for each in caught.value.unmapped} == {"unknown_pseudonym", "imprecise_date"}
        assert "(5200,9230)/(0020,9111)/(0018,9151) imprecise_date" in str(caught.value)


def test_a_report_made_from_the_images_keeps_its_own_uids(tmp_path: Path) -> None:
    clean, _ = deidentify(image(), KEY)
    report = copy.deepcopy(clean)
    report.SeriesInstanceUID, report.SOPInstanceUID = Pseudonyms(OTHER_KEY).uid("new series"), "2.25.1"
    with kept(tmp_path / "v", image()) as vault:
        with pytest.raises(UnmappedError):
            restored(report, vault)
        back = restored(report, vault, frozenset({report.SeriesInstanceUID}))
    assert (back.SeriesInstanceUID, back.SOPInstanceUID) == (report.SeriesInstanceUID, "2.25.1")
    assert (back.StudyInstanceUID, str(back.PatientName)) == (image().StudyInstanceUID, "Winterbourne^Ariadne")
