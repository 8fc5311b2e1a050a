"""Training in tests runs networks as PyTorch does: translating dozens of tiny ones would take longer than running them."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _eager(monkeypatch):
    monkeypatch.setattr("cad.backends._has_openvino", lambda: False)
