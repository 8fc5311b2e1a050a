"""One worker of `deid.py`: de-identifies every n-th file of a folder. `python deid_worker.py IN OUT PART PARTS [TIMES]`.

It prints nothing; a file that does not come out is a failure of the whole run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from anonymizer import lean


def main(source: Path, out: Path, part: int, parts: int, times: int) -> int:
    """Every file of one part, several times over, each time into another folder; 1 when one was refused."""
    lean.start()
    from anonymizer.files import deidentify_file
    from anonymizer.key import ProjectKey

    key = ProjectKey(bytes(range(32)))
    paths = sorted(source.iterdir())[part::parts]
    turns = [out if turn == 0 else out / str(turn) for turn in range(times)]
    return int(any(deidentify_file(path, turn, key, root=source).status != "deidentified" for turn in turns for path in paths))


if __name__ == "__main__":
    lean.leave(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5]) if len(sys.argv) > 5 else 1))
