"""One worker of `deid.py`: de-identifies every n-th file of a folder. `python deid_worker.py IN OUT PART PARTS KEYFILE`.

It prints nothing; a file that does not come out is a failure of the whole run.
"""

from __future__ import annotations

import sys
from pathlib import Path

from anonymizer.lean import import_pydicom


def main(source: Path, out: Path, part: int, parts: int) -> int:
    """Every file of one part; 1 when one was refused."""
    import_pydicom()
    from anonymizer.files import deidentify_file
    from anonymizer.key import ProjectKey

    key = ProjectKey(bytes(range(32)))
    paths = sorted(source.iterdir())[part::parts]
    return int(any(deidentify_file(path, out, key, root=source).status != "deidentified" for path in paths))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
