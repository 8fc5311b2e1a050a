"""The model ledger notices every edit, removal, reordering and cut; the folder of models every changed byte."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cad.errors import ModelError
from cad.networks import ModelHeader, save
from pipelines.registry.ledger import GENESIS, ModelLedger
from pipelines.registry.shipped import FolderModels, add_version, read_index


class Still:
    def now_utc(self) -> str:
        return "2026-01-02T03:04:05+00:00"


@pytest.fixture
def ledger(tmp_path):
    chain = ModelLedger(tmp_path / "models.jsonl", Still())
    for n in range(4):
        chain.append("register", task="bright_ct", version=str(n), sha256=f"{n}" * 64)
    return chain


def test_an_empty_chain_is_sound(tmp_path):
    audit = ModelLedger(tmp_path / "none.jsonl", Still()).audit()
    assert (audit.entries, audit.head, audit.faults) == (0, GENESIS, ())


def test_entries_are_chained(ledger):
    assert ledger.audit().faults == ()
    assert [entry["n"] for entry in ledger.entries()] == [0, 1, 2, 3]
    assert ledger.entries()[0]["prev"] == GENESIS


def _edited(lines, n):
    return [*lines[:n], lines[n].replace("bright", "bleak"), *lines[n + 1 :]]


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: _edited(lines, 0),
        lambda lines: _edited(lines, 3),
        lambda lines: lines[:-1],
        lambda lines: lines[1:],
        lambda lines: [lines[0], lines[2], lines[3]],
        lambda lines: [lines[1], lines[0], *lines[2:]],
        lambda lines: [*lines, lines[-1]],
        lambda lines: [*lines[:2], "not json", *lines[3:]],
        lambda lines: [],
    ],
)
def test_any_damage_is_found_and_stops_appending(ledger, damage):
    lines = ledger.path.read_text().splitlines()
    ledger.path.write_text("".join(line + "\n" for line in damage(lines)))
    assert ledger.audit().faults
    with pytest.raises(ModelError):
        ledger.append("approve", task="bright_ct")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.integers(0), bit=st.integers(0, 7))
def test_any_flipped_bit_is_found(ledger, place, bit):
    whole = ledger.path.read_bytes()
    changed = bytearray(whole)
    changed[place % len(whole)] ^= 1 << bit
    ledger.path.write_bytes(bytes(changed))
    try:
        assert ledger.audit().faults
    finally:
        ledger.path.write_bytes(whole)


def test_a_process_that_died_while_adding_leaves_a_sound_chain(ledger, monkeypatch):
    anchors = []
    real = ledger._anchor
    monkeypatch.setattr(ledger, "_anchor", lambda *a, **k: anchors.append(1) or (real(*a, **k) if len(anchors) == 1 else None))
    ledger.append("approve", task="bright_ct")
    monkeypatch.undo()
    assert ledger.audit().faults == ()
    ledger.append("promote", task="bright_ct")
    assert (ledger.audit().entries, ledger.audit().faults) == (6, ())


def test_an_unknown_event_is_refused(ledger):
    with pytest.raises(ModelError, match="register, import, approve, promote"):
        ledger.append("delete")


@pytest.fixture
def folder(tmp_path):
    for version in ("1", "2"):
        weights = tmp_path / f"draft{version}.safetensors"
        save(weights, ModelHeader("bright_ct", version, "data", "code", {}, {"v": version}), {})
        add_version(tmp_path / "models", weights, card=f"card {version}")
    return tmp_path / "models"


def test_versions_are_listed_oldest_first_and_the_newest_is_current(folder):
    store = FolderModels(folder)
    assert [version.version for version in store.versions("bright_ct")] == ["1", "2"]
    assert store.current("bright_ct").version == "2"
    assert store.card(store.current("bright_ct")) == "card 2"
    assert store.load(store.current("bright_ct")).settings == {"v": "2"}


def test_a_missing_model_says_how_to_get_one(folder):
    with pytest.raises(ModelError, match=r"lung: no model for the task.*shoken train lung"):
        FolderModels(folder).current("lung")


def test_edited_weights_are_refused(folder):
    store = FolderModels(folder)
    version = store.current("bright_ct")
    path = store.path(version)
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="the weights were changed"):
        store.verify(version)
    with pytest.raises(ModelError):
        store.load(version)
    path.unlink()
    with pytest.raises(ModelError, match="missing"):
        store.verify(version)


def test_a_version_never_changes(folder, tmp_path):
    other = tmp_path / "other.safetensors"
    save(other, ModelHeader("bright_ct", "2", "other data", "code", {}, {}), {})
    with pytest.raises(ModelError, match="registered with other weights"):
        add_version(folder, other)


def test_an_index_cannot_name_a_path(folder):
    index = read_index(folder)
    index["../../etc"] = index.pop("bright_ct")
    (folder / "index.json").write_text(json.dumps(index))
    with pytest.raises(ModelError, match="is not a name"):
        FolderModels(folder).load(FolderModels(folder).current("../../etc"))


@pytest.mark.parametrize("text", ["not json", "[]", '{"a": 1}', '{"a": {"versions": 3}}'])
def test_a_broken_index_is_named(folder, text):
    (folder / "index.json").write_text(text)
    with pytest.raises(ModelError, match=r"index\.json"):
        FolderModels(folder).versions("a")
