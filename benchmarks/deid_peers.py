"""Ours beside other anonymizers, each as its documentation recommends by default, on the same files, scored the same way.

    python benchmarks/deid_peers.py [FOLDER]

FOLDER (default: a temporary one) keeps the throwaway environments of the PyPI peers. gdcmanon (Debian libgdcm-tools) and
Orthanc (Debian orthanc) are used where they are installed; Orthanc listens on the loopback only and is stopped at the end.
Two data sets: one marker in every row of PS3.15 table E.1-1, flat and one and two sequences deep; and the answer key of
`tests/anonymizer/answer_key.py`. What a tool does not write counts as kept back, not as leaked; its checks count as missed.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import PYTHON, ROOT, keep, table

sys.path[:0] = [str(ROOT / "tests" / "anonymizer"), str(ROOT)]

import answer_key  # noqa: E402
import answer_key_score  # noqa: E402
from deid_factory import KEY, encode  # noqa: E402
from leak_markers import leaks_in, marked, plain_bytes, sought  # noqa: E402
from pydicom import dcmread  # noqa: E402

from anonymizer.files import deidentify_tree  # noqa: E402
from anonymizer.profile import basic_profile, research_profile  # noqa: E402
from anonymizer.rules import standard_rules  # noqa: E402

DEPTHS = (0, 1, 2)
PEERS = {"dicom-anonymizer": "dicom-anonymizer==2.1.0", "deid": "deid==0.4.13", "dicognito": "dicognito==0.19.0"}
DEID_SCRIPT = """
import sys
from deid.config import DeidRecipe
from deid.dicom import get_files, get_identifiers, replace_identifiers
files = list(get_files(sys.argv[1], pattern="*.dcm"))
replace_identifiers(dicom_files=files, deid=DeidRecipe(), ids=get_identifiers(files), save=True, output_folder=sys.argv[2])
"""
RESEARCH_COLUMNS = frozenset(option.column for option in research_profile().options)
Tool = Callable[[Path, Path], None]


def main(folder: Path) -> None:
    """Run every tool that is there on both data sets, print and keep."""
    leaks, images = folder / "leaks", folder / "images"
    for place in (leaks, images):
        shutil.rmtree(place, ignore_errors=True)
    write_leaks(leaks)
    key = answer_key.generate(images, burned_in=12)
    figures = {name: measured(name, tool, leaks, images, key, folder) for name, tool in tools(folder).items()}
    show(figures)
    checkable = sum(sought(rule, number, 0) is not None for number, rule in enumerate(standard_rules()))
    keep("deid_peers", {"rows_with_a_marker": checkable, "files": 228, "checks": len(key), "versions": versions(folder), "tools": figures})


def write_leaks(folder: Path) -> None:
    """One file a depth; the preamble, the file meta and an attribute outside the table repeat who the patient is."""
    folder.mkdir(parents=True)
    for depth in DEPTHS:
        image = marked(depth)
        image.PatientName, image.PatientID = "Winterbourne^Ariadne", "MRN00412345"
        image.StudyInstanceUID, image.SOPInstanceUID = f"1.2.826.0.1.3680043.9.7777.{depth}", f"1.2.826.0.1.3680043.9.7777.{depth}.1.1"
        image.ConvolutionKernel = "B40f Winterbourne"
        (folder / str(depth)).mkdir()
        (folder / str(depth) / "in.dcm").write_bytes(encode(image, preamble=b"PREAMBLEMARK".ljust(128, b"\0")))


def tools(folder: Path) -> dict[str, Tool]:
    """Name to a function that cleans a folder into another."""
    found: dict[str, Tool] = {"shoken (basic)": ours_basic, "shoken (research)": ours_research}
    for name, requirement in PEERS.items():
        python = environment(folder / name, requirement)
        if python:
            found[name] = peer(name, python)
    if shutil.which("gdcmanon") and shutil.which("openssl"):
        found["gdcmanon"] = gdcmanon(folder)
    if shutil.which("Orthanc"):
        found["orthanc"] = orthanc
    return found


def ours_basic(source: Path, out: Path) -> None:
    """Ours with the basic profile."""
    list(deidentify_tree(source, out, KEY, basic_profile()))


def ours_research(source: Path, out: Path) -> None:
    """Ours with the profile that research archives publish under."""
    list(deidentify_tree(source, out, KEY, research_profile()))


def environment(folder: Path, requirement: str) -> Path | None:
    """A virtual environment with one peer in it; None where it cannot be installed."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([PYTHON, "-m", "venv", str(folder)], check=True)
        done = subprocess.run([str(python), "-m", "pip", "install", "-q", requirement], check=False)
        if done.returncode:
            return None
    return python


def peer(name: str, python: Path) -> Tool:
    """A PyPI peer, by the command its documentation gives."""
    commands: dict[str, Callable[[Path, Path], list[str]]] = {
        "dicom-anonymizer": lambda source, out: [str(python.with_name("dicom-anonymizer")), str(source), str(out)],
        "deid": lambda source, out: [str(python), "-c", DEID_SCRIPT, str(source), str(out)],
        "dicognito": lambda source, out: [str(python), "-m", "dicognito", "--output-directory", str(out), str(source)],
    }

    def run(source: Path, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        started(commands[name](flat(source, out), out))

    return run


def flat(source: Path, out: Path) -> Path:
    """The same files in one folder: not every tool goes into folders."""
    together = out.parent / f"{out.name}-flat"
    shutil.rmtree(together, ignore_errors=True)
    together.mkdir(parents=True)
    for path in source.rglob("*.dcm"):
        shutil.copy(path, together / path.name)
    return together


def started(command: list[str]) -> None:
    """Run a command; say so when it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    if done.returncode:
        print(f"{Path(command[0]).name}: exit {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")


def gdcmanon(folder: Path) -> Tool:
    """With a certificate of its own, as the manual page says; a file at a time, so that one refusal does not stop the rest."""
    secret, certificate = folder / "gdcm.key", folder / "gdcm.pem"
    subject = ["-subj", "/CN=benchmark", "-keyout", str(secret), "-out", str(certificate)]
    subprocess.run(["openssl", "req", "-x509", "-nodes", "-newkey", "rsa:2048", *subject], check=True, capture_output=True)

    def run(source: Path, out: Path) -> None:
        out.mkdir(parents=True, exist_ok=True)
        for path in sorted(source.rglob("*.dcm")):
            subprocess.run(["gdcmanon", "-e", "-c", str(certificate), str(path), str(out / path.name)], capture_output=True, check=False)

    return run


def orthanc(source: Path, out: Path) -> None:
    """Upload, anonymize study by study with an empty request, download."""
    with tempfile.TemporaryDirectory() as scratch:
        settings = {"StorageDirectory": scratch, "IndexDirectory": scratch, "RemoteAccessAllowed": False, "HttpPort": 18042}
        settings |= {"DicomServerEnabled": False, "AuthenticationEnabled": False, "HttpBindAddresses": ["127.0.0.1"]}
        configuration = Path(scratch) / "orthanc.json"
        configuration.write_text(json.dumps(settings))
        server = subprocess.Popen(["Orthanc", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            anonymized_by_orthanc(source, out)
        finally:
            server.terminate()
            server.wait(30)


def anonymized_by_orthanc(source: Path, out: Path) -> None:
    """Over REST, once the server answers."""
    out.mkdir(parents=True, exist_ok=True)
    for _ in range(100):
        try:
            ask("/system")
            break
        except OSError:
            time.sleep(0.2)
    for path in source.rglob("*.dcm"):
        try:
            ask("/instances", path.read_bytes())
        except OSError as error:
            print(f"orthanc does not take a file: {error}")
    for study in json.loads(ask("/studies")):
        made = json.loads(ask(f"/studies/{study}/anonymize", b"{}"))
        for instance in json.loads(ask(f"/studies/{made['ID']}/instances")):
            (out / f"{instance['ID']}.dcm").write_bytes(ask(f"/instances/{instance['ID']}/file"))


def ask(path: str, body: bytes | None = None) -> bytes:
    """One request to the server on the loopback: GET, or POST with a body."""
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:18042{path}", data=body), timeout=120) as answer:
        return bytes(answer.read())


def measured(name: str, tool: Tool, leaks: Path, images: Path, key: tuple[answer_key.Check, ...], folder: Path) -> dict[str, Any]:
    """Both data sets through one tool, and what came out."""
    out = folder / "out" / base64.b16encode(name.encode()).decode()
    shutil.rmtree(out, ignore_errors=True)
    for depth in DEPTHS:
        tool(leaks / str(depth), out / "leaks" / str(depth))
    began = time.perf_counter()
    tool(images, out / "images")
    seconds = time.perf_counter() - began
    score = answer_key_score.evaluate(out / "images", key, images)
    kept_by_option = RESEARCH_COLUMNS if name == "shoken (research)" else frozenset()
    return leak_figures(out / "leaks", kept_by_option) | score_figures(score) | {"seconds_answer_key": round(seconds, 2)}


def leak_figures(folder: Path, columns: frozenset[str]) -> dict[str, Any]:
    """Rows leaked by depth (None: nothing was written), and what else is left. Rows that an option's column names are its business."""
    figures: dict[str, Any] = {f"rows_leaked_depth_{depth}": None for depth in DEPTHS}
    others = {"preamble_kept": False, "file_meta_kept": False, "echo_kept": False, "private_kept": False}
    codes: set[str] = set()
    for depth in DEPTHS:
        for path in (path for path in (folder / str(depth)).rglob("*") if path.is_file()):
            image = dcmread(path, force=True)
            content = plain_bytes(path.read_bytes(), image.file_meta.TransferSyntaxUID)
            leaked = [rule for rule in leaks_in(content, depth) if columns.isdisjoint(rule.options)]
            figures[f"rows_leaked_depth_{depth}"] = len(leaked)
            others["preamble_kept"] |= b"PREAMBLEMARK" in content
            others["file_meta_kept"] |= b"SECRETAE" in content
            others["echo_kept"] |= "Winterbourne" in str(image.get("ConvolutionKernel", ""))
            others["private_kept"] |= any(element.tag.is_private and element.tag.element >= 0x1000 for element in image)
            codes |= {name for name in ("DeidentificationMethodCodeSequence", "LongitudinalTemporalInformationModified") if name in image}
    return figures | others | {"method_codes": sorted(codes)}


def score_figures(score: answer_key_score.Score) -> dict[str, Any]:
    """The answer key's score as plain numbers."""
    actions = {name: {"passed": t.passed, "total": t.total, "accuracy": round(t.accuracy, 5)} for name, t in score.actions.items()}
    low, high = score.total.interval
    whole = {"accuracy": round(score.total.accuracy, 5), "interval_95": [round(low, 5), round(high, 5)]}
    return {"answer_key_files": score.files, "answer_key": whole, "actions": actions}


def versions(folder: Path) -> dict[str, str]:
    """What each peer says of its version."""
    found = {name: requirement for name, requirement in PEERS.items() if (folder / name).exists()}
    for name, command in (("gdcmanon", "gdcmanon"), ("orthanc", "Orthanc")):
        if shutil.which(command):
            said = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
            found[name] = said.splitlines()[0].replace("$Date$", "").strip()
    return found


def show(figures: dict[str, dict[str, Any]]) -> None:
    """The table that is printed."""
    header = ("tool", "flat", "1 deep", "2 deep", "echo", "preamble/meta", "codes", "removed %", "answer key %", "files", "s")
    table("Anonymizers", header, [(name, *shown(figure)) for name, figure in figures.items()])


def shown(figure: dict[str, Any]) -> tuple[object, ...]:
    """One tool's row of the printed table."""
    leaked = [figure[f"rows_leaked_depth_{depth}"] for depth in DEPTHS]
    left = (figure["echo_kept"], figure["preamble_kept"] or figure["file_meta_kept"], len(figure["method_codes"]))
    accuracies = (100 * figure["actions"]["text_removed"]["accuracy"], 100 * figure["answer_key"]["accuracy"])
    return (*leaked, *left, *accuracies, figure["answer_key_files"], figure["seconds_answer_key"])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
