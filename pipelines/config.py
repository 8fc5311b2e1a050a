"""One frozen `Settings` from flags, environment (SHOKEN_*), a TOML file and defaults, in that order of authority.

An unknown key is an error that names the key and the accepted ones: a misspelt setting must never
be a silent default. `settings_digest` covers only what can change a result, so that moving a run
to another engine or machine keeps its identity.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, InitSettingsSource, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from cad.errors import ShokenError
from cad.read.limits import USUAL, Limits
from cad.write.dicom_receiver import HEAT_MAPS, SEGMENTATIONS, HeatMapForm, SegmentationForm

ENV_PREFIX = "SHOKEN_"
SETTINGS_VARIABLE = "SHOKEN_SETTINGS"
_SECRETS = ("SHOKEN_VAULT_KEY", "SHOKEN_VAULT_KEY_FILE", "SHOKEN_DICOMWEB_TOKEN", "SHOKEN_DICOMWEB_USER", "SHOKEN_DICOMWEB_PASSWORD")
OTHER_VARIABLES = frozenset({SETTINGS_VARIABLE, "SHOKEN_TRACEBACK", *_SECRETS})
FILE = "_file"
RESULT_FIELDS = frozenset({"tasks", "lang", "profile", "reading", "prevalence", "backend", "dicom_segmentation", "dicom_heat_maps"})

Names = Annotated[tuple[str, ...], NoDecode]
Engine = Literal["serial", "processes", "ray"]
Language = Literal["en", "ja"]
Backend = Literal["auto", "openvino", "eager", "cuda"]


class SettingsError(ShokenError):
    """A setting that is unknown or has a value that is not accepted."""


class _NotAcceptedError(ValueError):
    """A value whose accepted form is longer than a field's description."""

    def __init__(self, problem: str, accepted: str) -> None:
        self.problem = problem
        self.accepted = accepted
        super().__init__(problem)


class Settings(BaseSettings):
    """Everything a person can set. Frozen and hashable; `description` is what an error calls the accepted form."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, frozen=True, extra="forbid")

    tasks: Names = Field(default=(), description="names of installed tasks, separated by commas; none means every one")
    lang: Language = Field(default="en", description="en, ja")
    profile: str = Field(
        default="screening", description="screening (dates shifted per patient), basic (dates removed), each with +options"
    )
    engine: Engine = Field(default="serial", description="serial, processes, ray")
    workers: int = Field(default=0, ge=0, le=1024, description="0 (one worker for two cores) to 1024")
    jobs_per_worker: int = Field(default=16, ge=1, le=10_000, description="1 to 10000")
    backend: Backend = Field(default="auto", description="auto, openvino, eager, cuda")
    models: Path | None = Field(default=None, description="a folder with index.json and safetensors files")
    key_file: Path | None = Field(default=None, description="a file only its owner can read")
    reading: Annotated[Limits, NoDecode] = Field(
        default=USUAL, description="a table of [warn, refuse] pairs: " + ", ".join(field.name for field in fields(Limits))
    )
    prevalence: Annotated[tuple[tuple[str, float], ...], NoDecode] = Field(
        default=(), description="a table of task = share of scans with a lesion, above 0 and below 1"
    )
    dicom_segmentation: SegmentationForm = Field(default="binary", description=", ".join(SEGMENTATIONS))
    dicom_heat_maps: HeatMapForm = Field(default="parametric_map", description=", ".join(HEAT_MAPS))
    mlflow_uri: str = Field(default="", description="an MLflow tracking address such as sqlite:////path/mlflow.db")

    @field_validator("tasks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        names = value.split(",") if isinstance(value, str) else value
        return tuple(sorted({str(n).strip() for n in names} - {""})) if isinstance(names, list | tuple | set) else names

    @field_validator("reading", mode="before")
    @classmethod
    def _reading(cls, value: object) -> Limits:
        return value if isinstance(value, Limits) else _limits(value)

    @field_validator("prevalence", mode="before")
    @classmethod
    def _prevalence(cls, value: object) -> tuple[tuple[str, float], ...]:
        return _shares(value)

    @field_validator("profile")
    @classmethod
    def _profile(cls, value: str) -> str:
        """A name that the anonymizer knows. The default is not looked up: that would load its rules for every command."""
        if value == "screening":
            return value
        from anonymizer.errors import ProfileError
        from anonymizer.profile import profile_named

        try:
            profile_named(value)
        except ProfileError as error:
            raise _NotAcceptedError(error.problem, error.accepted) from None
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, then environment; the file's values arrive under `_file` and stand below both."""
        values = dict(getattr(init_settings, "init_kwargs", {}))
        file_values = values.pop(FILE, {})
        return (
            InitSettingsSource(settings_cls, init_kwargs=values),
            env_settings,
            InitSettingsSource(settings_cls, init_kwargs=file_values),
        )


def load_settings(file: Path | None = None, **flags: object) -> Settings:
    """Settings from flags (None means not given), environment and a TOML file.

    Without `file`, $SHOKEN_SETTINGS and then settings.toml in the user's configuration folder are
    read where they exist. Raises SettingsError naming the key or field and what is accepted.
    """
    given: dict[str, Any] = {key: value for key, value in flags.items() if value is not None}
    _known(given, "flags")
    _known(dict.fromkeys(_environment_names(), ""), "environment")
    path = file or _default_file()
    values = _toml(path) if path else {}
    _known(values, path.name if path else "")
    try:
        return Settings(**{**given, FILE: values})
    except ValidationError as error:
        raise _sentence(error) from None


def settings_digest(settings: Settings, tasks: tuple[str, ...]) -> str:
    """sha256 over the settings that can change a result; `tasks` are the resolved names, "auto" is what it means on this machine.

    Raises ModelError for a backend this machine cannot run.
    """
    from cad.backends import resolved

    values = {name: getattr(settings, name) for name in RESULT_FIELDS} | {"tasks": sorted(tasks), "reading": asdict(settings.reading)}
    values["backend"] = resolved(settings.backend)
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _shares(value: object) -> tuple[tuple[str, float], ...]:
    """A [prevalence] table, or the same as JSON in the environment, by task."""
    try:
        table: Any = json.loads(value) if isinstance(value, str) else value
        pairs = tuple(sorted((str(task), float(share)) for task, share in dict(table).items()))
    except (TypeError, ValueError):
        raise _NotAcceptedError("is not a table of shares", "[prevalence] with lines such as lung_nodule_ct = 0.08") from None
    wrong = next((task for task, share in pairs if not 0 < share < 1), None)
    if wrong:
        raise _NotAcceptedError(f"of {wrong} is no share of scans", "a number above 0 and below 1")
    return pairs


def _limits(value: object) -> Limits:
    """A [reading] table, or the same as JSON in the environment; what it does not name keeps its default."""
    try:
        table = json.loads(value) if isinstance(value, str) else value
    except json.JSONDecodeError:
        raise _NotAcceptedError("is not JSON", 'a table such as {"slices": [10, 3]}') from None
    if not isinstance(table, dict):
        raise _NotAcceptedError("is not a table", "[reading] with lines such as slices = [10, 3]")
    known = [field.name for field in fields(Limits)]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise _NotAcceptedError(f"has no limit {unknown[0]}", ", ".join(known))
    try:
        return Limits(**{name: tuple(pair) if isinstance(pair, list) else pair for name, pair in table.items()})
    except ShokenError as error:
        raise _NotAcceptedError(f"{error.subject} {error.problem}", error.accepted) from None


def config_folder() -> Path:
    """The user's configuration folder (not created here)."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "shoken"


def state_folder() -> Path:
    """The user's state folder: model index and model ledger (not created here)."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "shoken"


def _default_file() -> Path | None:
    named = os.environ.get(SETTINGS_VARIABLE)
    if named:
        return Path(named)
    usual = config_folder() / "settings.toml"
    return usual if usual.is_file() else None


def _environment_names() -> list[str]:
    names = [name for name in os.environ if name.startswith(ENV_PREFIX) and name not in OTHER_VARIABLES]
    return [name.removeprefix(ENV_PREFIX).lower() for name in names]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot be read ({error.strerror})", subject=path.name, accepted="a readable TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"is not TOML: {error}", subject=path.name, accepted='lines such as lang = "ja"') from None


def _known(values: Mapping[str, object], where: str) -> None:
    unknown = sorted(set(values) - set(Settings.model_fields))
    if unknown:
        key = f"{ENV_PREFIX}{unknown[0].upper()}" if where == "environment" else unknown[0]
        raise SettingsError(f"unknown setting in the {where}", subject=key, accepted=", ".join(sorted(Settings.model_fields)))


def _sentence(error: ValidationError) -> SettingsError:
    first = error.errors(include_input=False, include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "settings"
    field = Settings.model_fields.get(name)
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, _NotAcceptedError):
        return SettingsError(cause.problem, subject=name, accepted=cause.accepted)
    return SettingsError(first["msg"].lower(), subject=name, accepted=(field.description or "") if field else "")


ENGINES: tuple[str, ...] = get_args(Engine)
LANGUAGES: tuple[str, ...] = get_args(Language)
