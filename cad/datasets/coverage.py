"""What a data set holds and what it lacks: lesions by size and kind, scans by slice thickness. A model is worth no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

SIZES_MM = (0.0, 3.0, 6.0, 8.0, 15.0, 30.0)
SLICES_MM = (0.0, 1.0, 1.5, 2.5, 3.5, 5.5)
KINDS = ("solid", "part_solid", "ground_glass", "calcified")
TRAITS = ("spiculation", "lobulation", "margin", "sphericity", "subtlety", "malignancy")
LEAST = 10


def coverage(cases: Iterable[Mapping[str, Any]], at_least: int = 1) -> dict[str, Any]:
    """Counts over a manifest's cases: lesions that at least so many readers agreed on, by kind and size (mm).

    `missing` names every combination of the four lung kinds (and any other kind there is) with a size from 3 mm up that
    has none, `few` those with fewer than 10; "unknown" kinds cannot be missing. `traits` are medians of readers by rating.
    """
    cases = tuple(cases)
    lesions = [lesion for case in cases for lesion in case["lesions"] if lesion["agreement"] >= at_least]
    table = Counter((lesion["kind"], size_bin(lesion["diameter_mm"])) for lesion in lesions)
    kinds = tuple(dict.fromkeys((*KINDS, *sorted({lesion["kind"] for lesion in lesions}))))
    wanted = [(kind, size) for kind in kinds if kind != "unknown" for size in _names(SIZES_MM)[1:]]
    with_lesion = {case["patient"] for case in cases if any(x["agreement"] >= at_least for x in case["lesions"])}
    return {
        "agreement": at_least,
        "patients": len({case["patient"] for case in cases}),
        "patients_with_lesions": len(with_lesion),
        "scans": len(cases),
        "lesions": len(lesions),
        "by_kind_and_size": {kind: {size: table[kind, size] for size in _names(SIZES_MM)} for kind in kinds},
        "by_agreement": {str(n): sum(x["agreement"] >= n for case in cases for x in case["lesions"]) for n in (1, 2, 3, 4)},
        "by_slice_spacing": _counted((_bin(case["spacing_mm"][0], SLICES_MM) for case in cases), _names(SLICES_MM)),
        "traits": {trait: rated for trait in TRAITS if any((rated := _ratings(lesions, trait)).values())},
        "missing": [f"{kind}, {size} mm" for kind, size in wanted if table[kind, size] == 0],
        "few": [f"{kind}, {size} mm" for kind, size in wanted if 0 < table[kind, size] < LEAST],
    }


def coverage_text(report: Mapping[str, Any]) -> str:
    """The same as lines of text."""
    sizes = _names(SIZES_MM)
    head = f"{'kind':24}" + "".join(f"{size:>8}" for size in sizes)
    rows = [f"{kind:24}" + "".join(f"{counts[size]:8d}" for size in sizes) for kind, counts in report["by_kind_and_size"].items()]
    return "\n".join(
        [
            f"{report['patients']} patients ({report['patients_with_lesions']} with lesions), {report['scans']} scans",
            f"{report['lesions']} lesions that at least {report['agreement']} of the readers agreed on, by diameter in mm:",
            head,
            *rows,
            "Agreement of at least 1, 2, 3, 4 readers: " + ", ".join(str(report["by_agreement"][str(n)]) for n in (1, 2, 3, 4)),
            "Scans by slice spacing in mm: " + ", ".join(f"{name} {n}" for name, n in report["by_slice_spacing"].items() if n),
            "None at all: " + _grouped(report["missing"]),
            f"Fewer than {LEAST}: " + _grouped(report["few"]),
            "",
        ]
    )


def _grouped(cells: Sequence[str]) -> str:
    """ "solid, 3-6 mm" and "solid, 6-8 mm" as "solid 3-6, 6-8 mm"."""
    kinds: dict[str, list[str]] = {}
    for cell in cells:
        kind, size = cell.removesuffix(" mm").rsplit(", ", 1)
        kinds.setdefault(kind, []).append(size)
    return "; ".join(f"{kind} {', '.join(sizes)} mm" for kind, sizes in kinds.items()) or "-"


def size_bin(diameter_mm: float) -> str:
    """The size class of a diameter, as in "6-8"; ">=30" for the largest."""
    return _bin(diameter_mm, SIZES_MM)


def _bin(value: float, edges: Sequence[float]) -> str:
    return _names(edges)[sum(value >= edge for edge in edges[1:])]


def _names(edges: Sequence[float]) -> tuple[str, ...]:
    return (*(f"{a:g}-{b:g}" for a, b in pairwise(edges)), f">={edges[-1]:g}")


def _counted(values: Iterable[str], names: Sequence[str]) -> dict[str, int]:
    counts = Counter(values)
    return {name: counts[name] for name in names}


def _ratings(lesions: Sequence[Mapping[str, Any]], trait: str) -> dict[str, int]:
    """Lesions by the lower median of their readers' ratings."""
    middles = []
    for lesion in lesions:
        ratings = sorted(mark["traits"][trait] for mark in lesion["marks"] if trait in mark["traits"])
        if ratings:
            middles.append(str(ratings[(len(ratings) - 1) // 2]))
    return dict(sorted(Counter(middles).items()))
