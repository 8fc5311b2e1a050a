"""What this machine has of what Shoken can use, and how to get the rest. Nothing is changed or created."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from anonymizer.errors import AnonymizerError
from anonymizer.key import key_path, read_key
from cad.errors import ModelError, ShokenError
from cad.tasks.task import installed_tasks
from cad.write.pdf import INSTALL, lacking
from cad.write.words import LANGUAGES
from pipelines import wiring
from pipelines.config import load_settings

DECODERS = ("pylibjpeg", "pylibjpeg-openjpeg", "pylibjpeg-rle", "pyjpegls", "python-gdcm")
EXTRAS = {
    "rapidocr": ("pixels", "search for text burned into pixels (clean_pixel_data)"),
    "pypdf": ("documents", "search of encapsulated PDF (clean_structured_content)"),
    "cryptography": ("vault", "way back from pseudonyms (--vault, reidentify)"),
    "dicomweb_client": ("exchange", "sending to a DICOMweb server (export)"),
    "pynetdicom": ("exchange", "sending to a DICOM node (export)"),
    "mlflow": ("mlops", "model index to browse"),
    "ray": ("cluster", "screening on a cluster"),
}
MIN_FREE_GIB = 5


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: `state` is ok, missing (something optional is not there) or broken (screening would fail)."""

    what: str
    state: str
    found: str
    remedy: str = ""


def examine() -> tuple[Check, ...]:
    """Every check, in the order a person would want to read them."""
    return (*_python(), *_torch(), *_packages(), *_settings(), *_key(), *_models(), *_printing(), *_disk())


def _python() -> Iterator[Check]:
    found = ".".join(str(part) for part in sys.version_info[:3])
    yield Check("python", "ok" if sys.version_info >= (3, 11) else "broken", found, "Python 3.11 or newer")


def _torch() -> Iterator[Check]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Check("torch", "broken", f"does not import ({type(error).__name__})", "pip install torch")
        return
    yield Check("torch", "ok", f"{torch.__version__}, {torch.get_num_threads()} threads")
    if torch.cuda.is_available():
        yield Check("GPU", "ok", torch.cuda.get_device_name(0))
    else:
        yield Check("GPU", "missing", "none that torch can use; screening runs on the processor", "a CUDA build of torch and a driver")


def _packages() -> Iterator[Check]:
    found = _installed("openvino")
    yield Check("openvino", "ok" if found else "missing", found or "networks run two to three times slower", "pip install openvino")
    for name in DECODERS:
        found = _installed(name)
        yield Check(f"decoder {name}", "ok" if found else "missing", found or "compressed images may be refused", f"pip install {name}")
    for module, (extra, use) in EXTRAS.items():
        there = importlib.util.find_spec(module) is not None
        yield Check(module, "ok" if there else "missing", _installed(module) or f"no {use}", f"pip install 'shoken[{extra}]'")


def _settings() -> Iterator[Check]:
    try:
        load_settings()
        yield Check("settings", "ok", "accepted")
    except ShokenError as error:
        yield Check("settings", "broken", error.sentence(), "settings as `docs` lists them")


def _key() -> Iterator[Check]:
    path = key_path()
    if not path.exists():
        yield Check("project key", "ok", f"none yet; made at first use in {path.parent}")
        return
    try:
        yield Check("project key", "ok", f"fingerprint {read_key(path).fingerprint()}")
    except AnonymizerError as error:
        yield Check("project key", "broken", str(error), "a file of 32 random bytes, mode 0600")


def _models() -> Iterator[Check]:
    try:
        store, tasks = wiring.models(load_settings()), installed_tasks()
    except (ShokenError, ImportError) as error:
        yield Check("tasks", "broken", str(error), "reinstall shoken")
        return
    for name in tasks:
        try:
            current = store.current(name)
            store.verify(current)
            yield Check(f"model {name}", "ok", f"version {current.version}, sha256 {current.sha256[:12]} verified")
        except ModelError as error:
            yield Check(f"model {name}", "broken", error.problem, error.accepted)


def _printing() -> Iterator[Check]:
    for lang in LANGUAGES:
        why = lacking(lang)
        yield Check(f"report.pdf ({lang})", "missing" if why else "ok", why or "can be printed here", INSTALL)


def _disk() -> Iterator[Check]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    state = "ok" if free >= MIN_FREE_GIB else "broken"
    yield Check("disk", state, f"{free:.0f} GiB free here", f"{MIN_FREE_GIB} GiB or more")


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
