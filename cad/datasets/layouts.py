"""Every layout that can be imported, by name."""

from __future__ import annotations

from cad.datasets import decathlon, lidc, luna16, lung_pet_ct_dx, plain, totalsegmentator
from cad.datasets.layout import DataSetError, Layout

LAYOUTS: dict[str, Layout] = {
    module.LAYOUT.name: module.LAYOUT for module in (lidc, luna16, decathlon, lung_pet_ct_dx, totalsegmentator, plain)
}


def layout_named(name: str) -> Layout:
    """Raises DataSetError for an unknown name."""
    if name not in LAYOUTS:
        raise DataSetError("is no layout", subject=name, accepted=", ".join(LAYOUTS))
    return LAYOUTS[name]
