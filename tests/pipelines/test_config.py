"""Settings: one authority order, no silent misspelling, a digest of what matters."""

from __future__ import annotations

import pytest

from pipelines.config import RESULT_FIELDS, Settings, SettingsError, load_settings, settings_digest

RUN_FIELDS = {"engine", "workers", "jobs_per_worker", "models", "key_file", "mlflow_uri"}


def test_flags_beat_environment_beats_file_beats_defaults(tmp_path, monkeypatch):
    file = tmp_path / "settings.toml"
    file.write_text('lang = "ja"\nworkers = 3\njobs_per_worker = 5\n')
    monkeypatch.setenv("SHOKEN_WORKERS", "4")
    monkeypatch.setenv("SHOKEN_JOBS_PER_WORKER", "6")
    chosen = load_settings(file, jobs_per_worker=7)
    assert (chosen.lang, chosen.workers, chosen.jobs_per_worker, chosen.engine) == ("ja", 4, 7, "serial")


def test_the_usual_file_is_read_where_it_exists(home):
    (home / "config" / "shoken").mkdir(parents=True)
    (home / "config" / "shoken" / "settings.toml").write_text('lang = "ja"\n')
    assert load_settings().lang == "ja"


@pytest.mark.parametrize(
    ("text", "words"), [("langg = 'ja'", ("langg", "settings.toml", "lang")), ("lang = ", ("TOML",)), ("lang = 'fr'", ("lang", "en, ja"))]
)
def test_a_bad_file_is_one_sentence(tmp_path, text, words):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load_settings(file)
    assert all(word in str(caught.value) for word in words)
    assert "\n" not in str(caught.value)


def test_an_unknown_variable_is_named(monkeypatch):
    monkeypatch.setenv("SHOKEN_WORKER", "2")
    with pytest.raises(SettingsError, match=r"SHOKEN_WORKER: unknown setting.*workers"):
        load_settings()


@pytest.mark.parametrize(("field", "value"), [("workers", -1), ("engine", "spark"), ("profile", "none")])
def test_a_bad_value_names_the_field_and_the_accepted_form(field, value):
    with pytest.raises(SettingsError, match=f"{field}: .*accepted:"):
        load_settings(**{field: value})


def test_settings_are_frozen_and_hashable():
    chosen = load_settings(tasks="b, a,b")
    assert chosen.tasks == ("a", "b")
    assert hash(chosen) == hash(load_settings(tasks="a,b"))
    with pytest.raises(ValueError, match="frozen"):
        chosen.lang = "ja"


def test_every_field_is_said_to_change_results_or_not():
    assert set(Settings.model_fields) == RESULT_FIELDS | RUN_FIELDS


def test_the_digest_covers_only_what_can_change_a_result(tmp_path):
    plain = settings_digest(load_settings(), ("a", "b"))
    assert plain == settings_digest(load_settings(engine="processes", workers=8, models=tmp_path, jobs_per_worker=1), ("b", "a"))
    assert plain != settings_digest(load_settings(lang="ja"), ("a", "b"))
    assert plain != settings_digest(load_settings(profile="basic"), ("a", "b"))
    assert plain != settings_digest(load_settings(), ("a",))
    assert plain != settings_digest(load_settings(reading={"slices": [5, 2]}), ("a", "b"))
    assert plain == settings_digest(load_settings(reading={"slices": [10, 3]}), ("a", "b")), "the defaults, said aloud"
    assert plain != settings_digest(load_settings(prevalence={"a": 0.1}), ("a", "b"))


def test_how_frequent_lesions_are_can_be_stated_by_task(tmp_path, monkeypatch):
    file = tmp_path / "settings.toml"
    file.write_text("[prevalence]\nlung_nodule_ct = 0.08\nbrain_lesion_mr = 0.2\n")
    assert load_settings(file).prevalence == (("brain_lesion_mr", 0.2), ("lung_nodule_ct", 0.08))
    monkeypatch.setenv("SHOKEN_PREVALENCE", '{"lung_nodule_ct": 0.5}')
    assert load_settings(file).prevalence == (("lung_nodule_ct", 0.5),)
    for wrong in ({"lung_nodule_ct": 1.0}, {"lung_nodule_ct": "often"}, "0.08"):
        with pytest.raises(SettingsError, match=r"prevalence: .*accepted:"):
            load_settings(prevalence=wrong)
