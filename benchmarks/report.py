"""CPU seconds to write one case's pictures, HTML and PDF: `python -m benchmarks.report [--findings N] [--cases N] [--lang en|ja] [--keep]`.

A chest phantom with so many findings (25 measurements each, a prior, similar cases) and an aorta is written N times after one that
loads the libraries and finds the fonts, which is told apart; each run also times a fixed piece of pure Python, so that a busy machine
shows. Goal: at most 2 s a case.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parents[0] / "tests" / "cad" / "write")]

GOAL_S = 2.0


def main() -> None:
    """A table of median, range and n by part; with --keep the same as a file."""
    from common import keep, spread, table

    asked = argparse.ArgumentParser()
    asked.add_argument("--cases", type=int, default=7)
    asked.add_argument("--findings", type=int, default=7)
    asked.add_argument("--lang", choices=("en", "ja"), default="en")
    asked.add_argument("--keep", action="store_true")
    options = asked.parse_args()
    rows = {name: spread(seconds) for name, seconds in measured(options.cases, options.findings, options.lang).items()}
    title = f"one case of {options.findings} findings, {options.lang}: CPU seconds (goal {GOAL_S:.0f} s a whole case)"
    table(
        title,
        ("part", "median", "min", "max", "n"),
        [(name, *(row[key] for key in ("median", "min", "max", "n"))) for name, row in rows.items()],
    )
    if options.keep:
        keep(f"report_{options.lang}", {"goal_s": GOAL_S, "findings": options.findings, "cpu_s": rows})


def measured(cases: int, findings: int, lang: str) -> dict[str, list[float]]:
    """CPU seconds (user and system) of each run by part."""
    began = time.process_time()
    from case_phantom import crowded, sections

    from cad.write.aorta import diameter_curve
    from cad.write.case import write_case
    from cad.write.drawing import png
    from cad.write.html import case_page, paper_style
    from cad.write.key_images import case_pictures
    from cad.write.pdf import pdf_bytes

    loaded = time.process_time() - began
    (drawn, seen), curve = crowded(findings), diameter_curve(sections())
    shown = replace(drawn, lang=lang)
    with tempfile.TemporaryDirectory() as folder:
        first = _timed(lambda: write_case(shown, seen, Path(folder) / "case"), 1)
        pictures = case_pictures(shown.findings, seen)
        images = {name: png(picture) for name, picture in pictures.items()}
        parts: dict[str, Callable[[], object]] = {
            "whole case": lambda: write_case(shown, seen, Path(folder) / "case"),
            "of it pictures of the findings": lambda: [png(picture) for picture in case_pictures(shown.findings, seen).values()],
            "of it page": lambda: case_page(shown, images, curve),
            "of it PDF": lambda: pdf_bytes(case_page(shown, images, curve, paper=True), pictures, paper_style()),
            "a million additions in Python": lambda: sum(number * number for number in range(1_000_000)),
        }
        timed = {name: _timed(part, cases) for name, part in parts.items()}
    return {"imports, once a process": [loaded], "first case of a process, after these": first, **timed}


def _timed(part: Callable[[], object], cases: int) -> list[float]:
    found = []
    for _ in range(cases):
        start = time.process_time()
        part()
        found.append(time.process_time() - start)
    return found


if __name__ == "__main__":
    main()
