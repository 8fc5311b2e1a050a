"""`features.json`: what each finding is compared by, kept with its case so that a reader's answer can make it a known case.

Features only (see cad.explain.similar): no image, no UID. The digest says of which case.json they are the findings, by rank.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from cad.finding import Exhibit, Finding
from cad.write.canonical import document_bytes
from cad.write.key_images import paired

FEATURES = "features.json"


def features_file(findings: Sequence[Finding], exhibits: Sequence[Exhibit], case_json: bytes) -> dict[str, bytes]:
    """The file by its name; none where no finding has features."""
    pairs = paired(findings, exhibits)
    found = {str(rank): exhibit.features for rank, exhibit in sorted(pairs.items()) if exhibit.features}
    document = {"case_sha256": hashlib.sha256(case_json).hexdigest(), "features": found}
    return {FEATURES: document_bytes(document)} if found else {}
