"""doctor: what is installed, what is missing, how to get it."""

from __future__ import annotations

from pipelines.commands.terminal import JsonOption, put_json, say, table


def doctor(json: JsonOption = False) -> int:
    """Say what is installed and what is missing, and how to get it."""
    from pipelines.doctor import examine

    checks = examine()
    if json:
        put_json([{"what": check.what, "state": check.state, "found": check.found, "remedy": check.remedy} for check in checks])
    else:
        table("Shoken doctor", ("what", "state", "found", "how to get it"), [(c.what, c.state, c.found, c.remedy) for c in checks])
    broken = [check for check in checks if check.state == "broken"]
    for check in broken:
        say(f"{check.what}: {check.found} (accepted: {check.remedy})")
    return int(bool(broken))
