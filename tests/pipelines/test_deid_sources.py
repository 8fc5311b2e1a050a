"""What an export may be: folders with anything in them, zips, media with a DICOMDIR; each file is listed exactly once."""

from __future__ import annotations

import os
import stat
import zipfile
from collections import Counter

import pytest
from deid_runs import answer, deidentified, rows
from pydicom import dcmread
from pydicom.fileset import FileSet
from small_export import instance, make_export

from pipelines.exchange.folders import counted, listed, walk


@pytest.fixture
def medium(tmp_path):
    """A CD: six images of two patients under a DICOMDIR."""
    files = FileSet()
    for study in (2, 1):
        for number in (3, 1, 2):
            image = instance(study, 1, number)
            image.StudyID, image.SeriesNumber = "1", 1
            files.add(image)
    files.write(tmp_path / "cd")
    files._stage["t"].cleanup()
    return tmp_path / "cd"


def references(medium):
    records = dcmread(medium / "DICOMDIR").DirectoryRecordSequence
    return ["/".join(record.ReferencedFileID) for record in records if "ReferencedFileID" in record]


def test_a_dicomdir_orders_its_files_and_is_itself_refused(medium, tmp_path):
    (medium / "AUTORUN.INF").write_text("x")
    names = [found.name for found in listed(medium)]
    assert names == [*references(medium), "AUTORUN.INF", "DICOMDIR"]
    assert [found.name for found in listed(medium / "DICOMDIR")] == names
    result = deidentified(medium / "DICOMDIR", tmp_path / "out")
    assert Counter(row["reason"] for row in rows(tmp_path / "out")) == {"": 6, "not_dicom": 1, "dicomdir": 1}
    deidentified(medium, tmp_path / "again")
    assert answer(tmp_path / "out") == answer(tmp_path / "again")
    assert result.report["files"]["in"] == 8


def test_missing_and_extra_files_of_a_medium_are_accounted_for(medium, tmp_path):
    first, second, *rest = references(medium)
    (medium / first).unlink()
    (medium / second).rename(medium / "UNLISTED")
    found = list(listed(medium))
    assert [one.refusal.reason for one in found if one.refusal] == ["missing_from_media"] * 2
    assert [one.name for one in found if not one.refusal] == [*rest, "DICOMDIR", "UNLISTED"]
    report = deidentified(medium, tmp_path / "out").report
    assert report["refused"] == {"missing_from_media": 2, "dicomdir": 1}
    assert report["files"]["deidentified"] == 5


def test_a_medium_shown_in_small_letters_with_versions_is_the_same_medium(medium):
    wanted = references(medium)
    for path in sorted(medium.rglob("*"), key=lambda path: -len(path.parts)):
        path.rename(path.with_name(path.name.lower() + (";1" if path.is_file() else "")))
    assert [found.name for found in listed(medium)] == [f"{name.lower()};1" for name in wanted] + ["dicomdir;1"]


@pytest.mark.parametrize(
    "file_id", [["..", "SECRET"], ["/", "SECRET"], ["LINK", "SECRET"], ["../SECRET"], ["DICOM\\..", "X"], [""], ["", "SECRET"]]
)
def test_a_dicomdir_never_leads_outside_its_folder(medium, file_id):
    (medium.parent / "SECRET").write_text("x")
    (medium / "LINK").symlink_to(medium.parent)
    index = dcmread(medium / "DICOMDIR")
    record = next(record for record in index.DirectoryRecordSequence if "ReferencedFileID" in record)
    record.ReferencedFileID = file_id
    index.save_as(medium / "DICOMDIR")
    found = list(listed(medium))
    assert not [one for one in found if one.path.resolve() == medium.parent / "SECRET"]
    assert len(found) == len({one.name for one in found})
    images = [one for one in found if not one.refusal and one.name.split("/")[-1] not in ("DICOMDIR", "LINK")]
    assert len(images) == 6


def test_a_dicomdir_that_is_garbage_hides_no_file(medium):
    (medium / "DICOMDIR").write_bytes((medium / "DICOMDIR").read_bytes()[:500])
    assert len(list(listed(medium))) == 7


def test_a_dicomdir_that_names_one_file_twice_gives_it_once(medium):
    index = dcmread(medium / "DICOMDIR")
    index.DirectoryRecordSequence.append(index.DirectoryRecordSequence[-1])
    index.save_as(medium / "DICOMDIR")
    assert len(list(listed(medium))) == 7


def test_links_devices_and_locked_folders_are_named_and_not_opened(tmp_path):
    folder = tmp_path / "in"
    (folder / "sub" / "empty").mkdir(parents=True)
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to(folder)
    (folder / "sub" / "hanging_link").symlink_to("/nowhere/at/all")
    instance(1, 1, 1).save_as(folder / "sub" / "one.dcm", enforce_file_format=True)
    report = deidentified(folder, tmp_path / "out").report
    assert report["refused"] == {"link_not_followed": 2, "not_a_file": 1}
    assert report["files"]["in"] == counted(folder) + 1 == 4  # a link to a folder is no file for the progress bar


def test_a_folder_that_cannot_be_listed_is_a_refused_file(tmp_path, monkeypatch):
    make_export(tmp_path / "in", 1)
    real = os.scandir

    def locked(path):
        if str(path).endswith("series1"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", locked)
    assert deidentified(tmp_path / "in", tmp_path / "out").report["refused"] == {"unreadable": 1, "not_dicom": 1}


def test_zips_in_folders_and_everything_odd_inside_them(tmp_path):
    export = tmp_path / "in"
    make_export(export / "plain", 1)
    whole = (export / "plain" / "Yamada_1" / "series1" / "001.dcm").read_bytes()
    with zipfile.ZipFile(export / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("same.dcm", whole)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("same.dcm", whole)
        archive.writestr("../../escape.dcm", whole)
        archive.writestr("inner.zip", b"PK\x03\x04")
        link = zipfile.ZipInfo("link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr("broken.dcm", bytes(range(256)) * 8)
    content = (export / "a.zip").read_bytes()
    locked = bytearray(content)
    place = content.rindex(b"../../escape.dcm") - 46  # its entry in the central directory
    locked[place + 8] |= 1
    (export / "a.zip").write_bytes(locked)
    report = deidentified(export, tmp_path / "out").report
    assert report["files"] == {"in": 13, "deidentified": 8, "refused": 5, "archives_opened": 1}
    assert report["refused"] == {"archive_nested": 1, "archive_encrypted": 1, "link_not_followed": 1, "not_dicom": 2}
    assert len({row["file"] for row in rows(tmp_path / "out")}) == 14
    assert not list(tmp_path.rglob("escape.dcm"))


def test_one_file_and_one_zip_are_exports_too(tmp_path):
    make_export(tmp_path / "in", 1)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in (tmp_path / "in").rglob("*.dcm"):
            archive.write(path, path.name)
    assert deidentified(tmp_path / "all.zip", tmp_path / "one").report["files"]["deidentified"] == 6
    single = next((tmp_path / "in").rglob("*.dcm"))
    assert deidentified(single, tmp_path / "two").report["files"] == {"in": 1, "deidentified": 1, "refused": 0, "archives_opened": 0}


def test_walking_gives_every_file_a_path_of_its_own(tmp_path):
    make_export(tmp_path / "in", 1)
    with zipfile.ZipFile(tmp_path / "in" / "z.zip", "w") as archive:
        archive.writestr("one", b"1")
        archive.writestr("two", b"2")
    found = list(walk(tmp_path / "in", tmp_path / "unpacked"))
    assert [path.read_bytes() for path in (one.path for one in found[-2:])] == [b"1", b"2"]
    assert len({one.path for one in found}) == len(found)
