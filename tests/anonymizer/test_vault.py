"""The vault maps back for who holds its key, and for nobody else."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import sqlite3
import stat
import time
from pathlib import Path

import pytest
from deid_factory import KEY, OTHER_KEY, ct
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from anonymizer.deidentify import deidentify
from anonymizer.errors import KeyFileError, VaultError
from anonymizer.pseudonym import Pseudonyms
from anonymizer.vault import ENTRY_TAGS, Entry, entries_from, entries_of, open_vault, vault_key, vault_key_for

pytest.importorskip("cryptography", reason="the vault's package is not installed")
SECRET = bytes(range(100, 132))
NAMES = (b"interbourne", b"MRN00412345", b"ACC778899", b"9.7777", b"19531107")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "study.vault"
    with open_vault(path, SECRET, create=True) as vault:
        vault.add(entries_of(ct(), KEY))
    return path


def test_every_pseudonym_leads_back(written: Path) -> None:
    clean, _ = deidentify(ct(), KEY)
    with open_vault(written, SECRET) as vault:
        assert vault.original("patient", clean.PatientID) == "MRN00412345"
        assert vault.original("patient_name", clean.PatientID) == "Winterbourne^Ariadne"
        assert vault.original("birth_date", clean.StudyInstanceUID) == "19531107"
        assert vault.original("sex", clean.SeriesInstanceUID) == "F"
        assert vault.original("patient_id", clean.StudyInstanceUID) == "MRN00412345"
        assert vault.original("accession_number", clean.StudyInstanceUID) == "ACC778899"
        assert vault.original("accession", clean.AccessionNumber) == "ACC778899"
        assert vault.original("study", clean.StudyInstanceUID) == ct().StudyInstanceUID
        assert vault.original("instance", clean.SOPInstanceUID) == ct().SOPInstanceUID
        assert vault.original("shift_days", clean.PatientID) == str(Pseudonyms(KEY).shift_days("MRN00412345"))
        assert vault.original("study", "2.25.1") is None
        with pytest.raises(VaultError, match="unknown kind"):
            vault.original("shoe_size", clean.PatientID)


def test_entries_from_texts_are_those_of_the_data_set() -> None:
    image = ct(IrradiationEventUID="1.2.3.4", SpecificCharacterSet="ISO_IR 192", PatientName="山田^太郎")
    inner = Dataset()
    inner.ReferencedSOPInstanceUID, inner.AccessionNumber = "1.2.3.5", "OTHER-1"
    image.ReferencedStudySequence = Sequence([inner])
    texts = {tag: str(image[tag].value) for tag in ENTRY_TAGS}
    mapped = ((0x00083010, "1.2.3.4"), (0x00081155, "1.2.3.5"), (0x00080050, "OTHER-1"))
    assert entries_from(texts, KEY, mapped) == entries_of(image, KEY)
    padded = {tag: f"{text} \x00" for tag, text in texts.items()}
    assert entries_from(padded, KEY, mapped) == entries_of(image, KEY)
    originals = {entry.original for entry in entries_of(image, KEY)}
    assert {"1.2.3.4", "1.2.3.5", "OTHER-1", "山田^太郎"} <= originals
    assert str(image.SOPClassUID) not in originals
    assert "太郎" not in repr(entries_of(image, KEY))


def test_nothing_shows_without_the_key(written: Path, tmp_path: Path) -> None:
    content = written.read_bytes()
    assert not [name for name in NAMES if name in content]
    assert Pseudonyms(KEY).patient_id("MRN00412345").encode() not in content
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    with open_vault(written, SECRET) as vault:
        assert "interbourne" not in repr(vault) + str(vars(vault))
    assert [path.name for path in tmp_path.iterdir()] == ["study.vault"]


def test_no_journal_holds_an_original_and_it_is_private(written: Path, tmp_path: Path) -> None:
    seen: list[tuple[bytes, int]] = []

    class Watching:
        def __iter__(self):
            yield from entries_of(ct(PatientName="Zweitname^Theodora", PatientID="X-9"), KEY)

    with open_vault(written, SECRET) as vault:
        insert = vault._insert

        def watched(rows, state):
            insert(rows, state)
            vault._database.execute("PRAGMA cache_spill = 1")
            seen.extend((path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir())

        vault._insert = watched  # type: ignore[method-assign]
        vault.add(Watching())
    assert len(seen) == 2, "the journal was not there"
    assert all(mode == 0o600 for _, mode in seen)
    assert not [content for content, _ in seen if b"Zweitname" in content or b"interbourne" in content]


def test_a_wrong_key_or_another_file_opens_nothing(written: Path, tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="key does not fit"):
        open_vault(written, bytes(32))
    with pytest.raises(VaultError, match="wrong length"):
        open_vault(written, b"short")
    with pytest.raises(VaultError, match="no such vault"):
        open_vault(tmp_path / "none", SECRET)
    for content in (b"something else", b"", written.read_bytes()[:700]):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(VaultError):
            open_vault(tmp_path / "other", SECRET)
    sqlite3.connect(tmp_path / "plain.db").execute("CREATE TABLE head (id, vault, keys, state)").connection.close()
    with pytest.raises(VaultError, match="not a vault"):
        open_vault(tmp_path / "plain.db", SECRET)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM sealed WHERE id = 3",
        "DELETE FROM sealed WHERE id = (SELECT max(id) FROM sealed)",
        "UPDATE sealed SET body = zeroblob(length(body)) WHERE id = 2",
        "UPDATE sealed SET body = (SELECT body FROM sealed WHERE id = 4) WHERE id = 2",
        "UPDATE sealed SET handle = zeroblob(16) WHERE id = 2",
        "UPDATE sealed SET id = 1000 WHERE id = 2",
        "INSERT INTO sealed SELECT 1000, zeroblob(16), body FROM sealed WHERE id = 1",
        "UPDATE head SET state = zeroblob(300)",
        "UPDATE head SET vault = zeroblob(16)",
        "UPDATE head SET keys = state",
        "DELETE FROM head",
        "CREATE TRIGGER t AFTER INSERT ON sealed BEGIN DELETE FROM sealed; END",
        "CREATE TABLE more (x)",
    ],
)
def test_an_edited_vault_is_refused(written: Path, damage: str) -> None:
    database = sqlite3.connect(written)
    database.execute(damage)
    database.commit()
    database.close()
    with pytest.raises(VaultError), open_vault(written, SECRET) as vault:
        vault.verify()


def test_any_flipped_byte_is_noticed_or_harmless(written: Path) -> None:
    content, rng = written.read_bytes(), random.Random(5)
    with open_vault(written, SECRET) as vault:
        truth = {(e.kind, e.pseudonym): vault.originals(e.kind, e.pseudonym) for e in entries_of(ct(), KEY)}
    noticed = 0
    for place in [*range(0, 120, 9), *(rng.randrange(len(content)) for _ in range(60))]:
        changed = bytearray(content)
        changed[place] ^= 1 << rng.randrange(8)
        written.write_bytes(changed)
        try:
            with open_vault(written, SECRET) as vault:
                vault.verify()
                assert {key: vault.originals(*key) for key in truth} == truth
        except VaultError:
            noticed += 1
    assert noticed > 10


def test_adding_again_adds_nothing_and_another_original_is_refused(written: Path) -> None:
    with open_vault(written, SECRET) as vault:
        before = vault.count()
        assert vault.add(entries_of(ct(), KEY)) == 0
        new = Entry("instance", Pseudonyms(KEY).uid("1.2.9"), "1.2.9")
        wrong = Entry("patient", Pseudonyms(KEY).patient_id("MRN00412345"), "someone else")
        with pytest.raises(VaultError, match="another original") as caught:
            vault.add([new, wrong])
        assert "someone" not in str(caught.value)
        assert vault.original("instance", new.pseudonym) is None
        with pytest.raises(VaultError, match="another original"):
            vault.add([new, Entry("instance", new.pseudonym, "1.2.10")])
        assert vault.add([new, new]) == 1
        assert vault.count() == before + 1
        vault.verify()


def test_every_spelling_of_a_name_is_kept(written: Path) -> None:
    patient = Pseudonyms(KEY).patient_id("MRN00412345")
    with open_vault(written, SECRET) as vault:
        for _ in range(2):
            vault.add(entries_of(ct(PatientName="WINTERBOURNE^A", StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.4"), KEY))
        assert vault.originals("patient_name", patient) == ("Winterbourne^Ariadne", "WINTERBOURNE^A")
        assert vault.originals("patient_name", Pseudonyms(KEY).uid("1.2.3")) == ("WINTERBOURNE^A",)


def test_originals_of_any_text_survive(written: Path) -> None:
    texts = ("山田^太郎=ﾔﾏﾀﾞ^ﾀﾛｳ", "x" * 200, "\x80\x00 inner", "\udcff lone", "a" * 63, "b" * 64)
    with open_vault(written, SECRET) as vault:
        vault.add(Entry("patient", f"P{n}", text) for n, text in enumerate(texts))
        assert tuple(vault.original("patient", f"P{n}") for n in range(len(texts))) == texts


def test_pictures_are_kept_sealed_and_once(written: Path) -> None:
    png = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
    with open_vault(written, SECRET) as vault:
        for _ in range(2):
            vault.add_picture("f123", "frame-1-before", png)
            vault.add_picture("f123", "frame-1-after", png[::-1])
        assert vault.pictures("f123") == (("frame-1-before", png), ("frame-1-after", png[::-1]))
        assert vault.pictures("f124") == ()
        vault.verify()
    assert png[:64] not in written.read_bytes()


def test_two_processes_may_add_at_once(written: Path) -> None:
    with open_vault(written, SECRET) as one, open_vault(written, SECRET) as two:
        for n in range(20):
            (one, two)[n % 2].add([Entry("instance", f"2.25.{n}", f"1.2.{n}"), Entry("study", "2.25.777", "1.2.777")])
        two.verify()
        assert one.original("instance", "2.25.19") == "1.2.19"


def test_a_busy_vault_is_named(written: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("anonymizer.vault.store.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(written, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with open_vault(written, SECRET) as vault, pytest.raises(VaultError, match="another process keeps it busy"):
        vault.add([Entry("instance", "2.25.1", "1.2")])
    other.close()


def _add_for_ever(path: Path, told: Path) -> None:
    with open_vault(path, SECRET, create=True) as vault, told.open("ab", buffering=0) as done:
        for n in range(100_000):
            vault.add([Entry("instance", f"2.25.{n}.{k}", f"1.2.{n}.{k}") for k in range(40)])
            done.write(b"x")


def test_kill_9_at_any_moment_loses_no_finished_call(tmp_path: Path) -> None:
    path, told = tmp_path / "v", tmp_path / "told"
    for wait in (0.02, 0.15, 0.09):
        told.write_bytes(b"")
        process = multiprocessing.get_context("fork").Process(target=_add_for_ever, args=(path, told))
        process.start()
        while not told.read_bytes() and process.is_alive():
            time.sleep(0.005)
        time.sleep(wait)
        process.kill()
        process.join()
        finished = len(told.read_bytes())
        with open_vault(path, SECRET) as vault:
            vault.verify()
            assert vault.count() % 40 == 0
            assert vault.original("instance", f"2.25.{finished - 1}.39") == f"1.2.{finished - 1}.39"
            vault.add([Entry("study", f"2.25.9.{wait}", "1.2"), *(Entry("study", f"2.25.8.{wait}.{k}", "1.2") for k in range(39))])
    assert not [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".") or "journal" in entry.name]


def test_a_copy_of_the_one_file_is_the_whole_vault(written: Path, tmp_path: Path) -> None:
    with open_vault(written, SECRET) as vault:
        vault.add([Entry("instance", "2.25.5", "1.2.5")])
        shutil.copy(written, tmp_path / "copy")
    with open_vault(tmp_path / "copy", SECRET) as copy:
        copy.verify()
        assert copy.original("instance", "2.25.5") == "1.2.5"


def test_the_key_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOKEN_VAULT_KEY_FILE", raising=False)
    monkeypatch.delenv("SHOKEN_VAULT_KEY", raising=False)
    with pytest.raises(VaultError, match="no vault key"):
        vault_key()
    monkeypatch.setenv("SHOKEN_VAULT_KEY", SECRET.hex())
    assert vault_key() == SECRET
    monkeypatch.setenv("SHOKEN_VAULT_KEY", "not hexadecimal")
    with pytest.raises(VaultError) as caught:
        vault_key()
    assert "not hexadecimal" not in str(caught.value)
    path = tmp_path / "key"
    path.write_bytes(SECRET[::-1])
    path.chmod(0o600)
    monkeypatch.setenv("SHOKEN_VAULT_KEY_FILE", str(path))
    assert vault_key() == SECRET[::-1]


def test_a_new_vault_may_get_a_new_key_and_an_old_one_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOKEN_VAULT_KEY", raising=False)
    key = tmp_path / "keys" / "vault.key"
    monkeypatch.setenv("SHOKEN_VAULT_KEY_FILE", str(key))
    with pytest.raises(VaultError, match="folder is not there"):
        vault_key_for(tmp_path / "v")
    key.parent.mkdir()
    with pytest.raises(KeyFileError):
        vault_key()
    secret = vault_key_for(tmp_path / "v")
    assert (len(secret), stat.S_IMODE(key.stat().st_mode)) == (32, 0o600)
    assert vault_key_for(tmp_path / "v") == secret
    open_vault(tmp_path / "v", secret, create=True).close()
    key.unlink()
    with pytest.raises(KeyFileError):
        vault_key_for(tmp_path / "v")
    assert not key.exists()


def test_a_vault_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(VaultError, match="cannot be made"):
        open_vault(tmp_path / "nowhere" / "v", SECRET, create=True)
    with pytest.raises(VaultError, match="no such vault"):
        open_vault(tmp_path, SECRET, create=True)


def test_keys_of_two_projects_may_share_a_vault(written: Path) -> None:
    with open_vault(written, SECRET) as vault:
        vault.add(entries_of(ct(), OTHER_KEY))
        assert vault.original("patient", Pseudonyms(OTHER_KEY).patient_id("MRN00412345")) == "MRN00412345"
        vault.verify()
