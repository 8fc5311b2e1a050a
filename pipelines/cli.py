"""The command `shoken`: parse, run one command, turn whatever happened into an exit code and one line.

0 all done; 1 done, but something was refused or failed; 2 wrong usage or settings; 3 internal error.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pipelines.commands import data, doctor, exchange, identity, images, measuring, models, scoring, screening, training
from pipelines.commands.terminal import put, say

DONE, PARTLY, USAGE, INTERNAL = 0, 1, 2, 3
NEVER_LOGS = "deid"  # and so need not wait for what logs
INTERRUPTED = 130  # what typer makes of Ctrl-C

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="From a PACS export to ranked findings with evidence. Not a medical device; not for clinical use.",
)
for command in (
    screening.demo, screening.screen, screening.review, screening.simulate, exchange.export,
    images.deid, images.convert, identity.reidentify, training.train, doctor.doctor,
):  # fmt: skip
    app.command()(command)
app.add_typer(models.app, name="models")
app.add_typer(scoring.app, name="score")
app.add_typer(measuring.app, name="measure")
app.add_typer(data.app, name="data")


def main() -> None:
    """Entry point of the console script."""
    vars(sys.modules["__main__"]).pop("__file__", None)  # or worker processes would run the script too, and import all this
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit code. No traceback reaches the terminal: it could quote a patient."""
    try:
        answer = typer.main.get_command(app)(arguments, prog_name="shoken", standalone_mode=False)
        if answer == INTERRUPTED:
            raise typer.Abort
    except (KeyboardInterrupt, typer.Abort):
        say("Stopped. `shoken screen` and `shoken deid` go on where they stopped with --resume.")
        return PARTLY
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # whoever read our output has left
        return DONE
    except Exception as error:  # noqa: BLE001 - the outermost edge: nothing may pass it
        return _told(error)
    return answer if isinstance(answer, int) else DONE


def _told(error: Exception) -> int:
    if hasattr(error, "show") and hasattr(error, "exit_code"):  # typer's usage errors, whichever click it carries
        error.show()
        return USAGE
    from anonymizer.errors import AnonymizerError
    from cad.errors import ShokenError
    from pipelines.logs import where
    from pipelines.outfolder import DiskFullError, is_full

    if isinstance(error, DiskFullError):
        say(f"shoken: {error}")
        return INTERNAL
    if isinstance(error, ShokenError | AnonymizerError):
        say(f"shoken: {error}")
        return PARTLY if is_full(error) else USAGE
    if os.environ.get("SHOKEN_TRACEBACK") == "1":
        raise error
    say(f"shoken: internal error: {type(error).__name__} at {where(error)} (SHOKEN_TRACEBACK=1 shows more, which may hold patient data)")
    return INTERNAL


def _say_version(*, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        put(version("shoken"))
        raise typer.Exit


@app.callback()
def shoken(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=lambda wanted: _say_version(wanted=wanted), is_eager=True, help="Say the version and stop."),
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log what happens on stderr.")] = False,
) -> None:
    """From a PACS export to ranked findings with evidence. Not a medical device; not for clinical use."""
    os.environ.setdefault("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    from pipelines import logs

    if verbose or context.invoked_subcommand != NEVER_LOGS:
        logs.configure("info" if verbose else "warning")
    else:
        logs.quiet_libraries()
