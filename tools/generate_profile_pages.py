"""Write docs/profiles/*.md and the generated parts of docs/deidentification.md out of the code.

Usage: python tools/generate_profile_pages.py [DOCS]

A generated part of a page lies between `<!-- NAME -->` and `<!-- /NAME -->`. The output is the same every time; a test
compares it with what is in the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

import measure_echo  # noqa: E402  (beside this file)

from anonymizer.describe import describe, options_table, summary  # noqa: E402
from anonymizer.profile import basic_profile, research_profile, screening_profile  # noqa: E402

PROFILES = {"basic": basic_profile, "screening": screening_profile, "research": research_profile}
PAGE = "deidentification.md"


def pages(page: str) -> dict[str, str]:
    """Every generated file by its path under docs/, given the text of the page that has generated parts."""
    parts = {"options": options_table(), "screening": summary(screening_profile()), "echo": measure_echo.report()}
    for name, text in parts.items():
        before, rest = page.split(f"<!-- {name} -->\n", 1)
        after = rest.split(f"\n<!-- /{name} -->", 1)[1]
        page = f"{before}<!-- {name} -->\n{text}\n<!-- /{name} -->{after}"
    heads = {name: f"# The profile `{name}`, row by row\n\nPrinted by `shoken deid --describe --profile {name}`.\n\n" for name in PROFILES}
    return {PAGE: page} | {f"profiles/{name}.md": heads[name] + describe(profile()) for name, profile in PROFILES.items()}


def main(docs: Path) -> None:
    """Write every page."""
    for name, text in pages((docs / PAGE).read_text(encoding="utf-8")).items():
        path = docs / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[1] / "docs")
