"""A run that is killed at a chosen moment, in a child process."""

from __future__ import annotations

import os
import signal


def killed_at(moment: str, number: int, run) -> bool:
    """Run in a child process that is killed at the n-th call of os.<moment>; whether it got that far."""
    child = os.fork()
    if child == 0:
        real, calls = getattr(os, moment), []

        def deadly(*args, **kwargs):
            calls.append(1)
            if len(calls) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args, **kwargs)

        setattr(os, moment, deadly)
        run()
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
