"""A lean process starts without what it does not need, writes what any other writes, and can import the rest later."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from deid_factory import KEY, ct, encode

from anonymizer import lean
from anonymizer.files import deidentify_file

_LATER = """
import sys
from anonymizer import lean
lean.start()
assert not {"importlib.metadata", "email", "requests", "PIL", "gdcm", "pydicom.data", "pydicom.examples"} & set(sys.modules)
import importlib.metadata, re, numpy, pydicom, pydicom.data
from pydicom.valuerep import DT
print(pydicom.__version__, importlib.metadata.version("pydicom"), numpy.bitwise_or(1, 2))
print(pydicom.valuerep.validate_regex("DA", "20240229"), pydicom.valuerep.validate_regex("DA", b"2024x")[0])
print(bool(DT._regex_dt.match("20240229")), isinstance(re.compile("a"), re.Pattern), pydicom.data.get_charset_files.__name__)
"""
_WORK = """
import sys
from pathlib import Path
from anonymizer import lean
lean.start()
from anonymizer.files import deidentify_file
from anonymizer.key import ProjectKey
outcome = deidentify_file(Path(sys.argv[1]), Path(sys.argv[2]), ProjectKey(bytes.fromhex(sys.argv[3])))
sys.stdout.write(outcome.output)
lean.leave(7)
"""


def _said(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", *command], capture_output=True, text=True, check=False)


def test_what_was_kept_out_is_there_when_it_is_asked_for() -> None:
    said = _said(_LATER)
    assert not said.stderr
    assert said.stdout.splitlines() == [f"{version('pydicom')} {version('pydicom')} 3", "(True, '') False", "True True get_charset_files"]


def test_a_lean_process_writes_the_same_bytes_and_ends_with_its_code(tmp_path: Path) -> None:
    source = tmp_path / "one.dcm"
    source.write_bytes(encode(ct(AcquisitionTime="25:99")))
    here = deidentify_file(source, tmp_path / "here", KEY)
    said = _said(_WORK, str(source), str(tmp_path / "there"), KEY.secret.hex())
    assert (said.stdout, said.stderr, said.returncode) == (here.output, "", 7)
    assert (tmp_path / "there" / here.output).read_bytes() == (tmp_path / "here" / here.output).read_bytes()


def test_a_stand_in_for_the_metadata_hands_on_what_it_does_not_know() -> None:
    known = sys.modules["importlib.metadata"]
    try:
        stand_in = lean._Metadata("1.2.3")
        assert (stand_in.version("pydicom"), stand_in.version("numpy")) == ("1.2.3", version("numpy"))
        assert stand_in.entry_points is not None
    finally:
        sys.modules["importlib.metadata"] = known
