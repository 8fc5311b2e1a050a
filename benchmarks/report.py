"""CPU seconds to write one case's pictures, HTML and PDF: `python -m benchmarks.report [--findings N] [--cases N] [--json FILE]`.

A chest phantom with so many findings (25 measurements each, a prior, similar cases) and an aorta is written N times after one warm-up
that loads the libraries; each run also times a fixed piece of pure Python, so that a busy machine shows. Goal: at most 2 s a case.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "cad" / "write"))

GOAL_S = 2.0


def main() -> None:
    """Print mean, range and n by part."""
    asked = argparse.ArgumentParser()
    asked.add_argument("--cases", type=int, default=7)
    asked.add_argument("--findings", type=int, default=7)
    asked.add_argument("--json", type=Path)
    options = asked.parse_args()
    rows = measured(options.cases, options.findings)
    for name, seconds in rows.items():
        print(f"{name}: mean {statistics.mean(seconds):.2f} s, {min(seconds):.2f} to {max(seconds):.2f}, n={len(seconds)}")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def measured(cases: int, findings: int) -> dict[str, list[float]]:
    """CPU seconds (user and system) of each run by part."""
    from case_phantom import crowded, sections

    from cad.write.aorta import diameter_curve
    from cad.write.case import write_case
    from cad.write.html import case_page
    from cad.write.drawing import png
    from cad.write.key_images import case_pictures
    from cad.write.pdf import pdf_bytes

    (shown, seen), curve = crowded(findings), diameter_curve(sections())
    pictures = case_pictures(shown.findings, seen)
    images = {name: png(picture) for name, picture in pictures.items()}
    with tempfile.TemporaryDirectory() as folder:
        parts: dict[str, Callable[[], object]] = {
            "whole case": lambda: write_case(shown, seen, Path(folder) / "case"),
            "pictures": lambda: [png(picture) for picture in case_pictures(shown.findings, seen).values()],
            "html": lambda: case_page(shown, images, curve),
            "pdf": lambda: pdf_bytes(case_page(shown, images, curve, paper=True), pictures),
            "a million additions in Python": lambda: sum(number * number for number in range(1_000_000)),
        }
        return {name: _timed(part, cases) for name, part in parts.items()}


def _timed(part: Callable[[], object], cases: int) -> list[float]:
    part()
    found = []
    for _ in range(cases):
        start = time.process_time()
        part()
        found.append(time.process_time() - start)
    return found


if __name__ == "__main__":
    main()
