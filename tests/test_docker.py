"""The container files cannot be built by these tests; what can be read from them is checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCKER = Path(__file__).resolve().parents[1] / "docker"
SERVICES: dict[str, dict[str, Any]] = yaml.safe_load((DOCKER / "compose.yaml").read_text(encoding="utf-8"))["services"]
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_ports_are_published_on_loopback_only(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned_by_version(name: str) -> None:
    assert re.search(r":\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_has_a_default(name: str) -> None:
    values = " ".join(str(value) for value in SERVICES[name].get("environment", {}).values())
    assert re.findall(r"\$\{\w*PASSWORD(?!:\?)", values) == []


def test_services_build_targets_that_exist() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, flags=re.MULTILINE))
    assert {"cpu", "gpu"} <= stages
    assert {service["build"]["target"] for service in SERVICES.values() if "build" in service} <= stages


def test_every_final_stage_runs_as_a_user_without_rights() -> None:
    runtime = DOCKERFILE[DOCKERFILE.index("AS runtime") :]
    assert "USER shoken" in runtime[: runtime.index("FROM")]
    assert "USER root" not in DOCKERFILE


def test_what_the_dockerfile_copies_exists_and_reaches_the_build() -> None:
    root, ignore = DOCKER.parent, (DOCKER.parent / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [name for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, flags=re.MULTILINE) for name in line.split()]
    assert copied
    assert all((root / name).exists() and f"!{name}" in ignore for name in copied)
