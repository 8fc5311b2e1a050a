"""The page of blanked regions: before and after stand side by side."""

from __future__ import annotations

import re
from pathlib import Path

from pipelines.exchange.revealed import PNG_MAGIC, write_page


def test_before_and_after_of_a_region_are_one_figure(tmp_path: Path) -> None:
    names = [f"frame-{frame}-at-4-8-20x10-{which}" for frame in (0, 1) for which in ("before", "after")]
    assert write_page(tmp_path, {"fhandle": tuple((name, PNG_MAGIC + name.encode()) for name in names)}) == 4
    figures = re.findall(r"<figure>.*?</figure>", (tmp_path / "index.html").read_text(), re.S)
    assert [figure.count("<img ") for figure in figures] == [2, 2]
    assert all(figure.index("-before.png") < figure.index("-after.png") for figure in figures)
