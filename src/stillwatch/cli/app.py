"""The verbs of `stillwatch`, each in a module that is imported only when the verb is called."""

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from stillwatch import __version__
from stillwatch.cli.context import Context, remember
from stillwatch.errors import StillwatchError

USAGE, BUG, INTERRUPTED = 2, 70, 130

app = App(
    name="stillwatch",
    help="Find, prove and stop large-scale, unauthorised distillation of a model through its own API.",
    version=__version__,
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
)

VERBS = {
    "init": "setup:init",
    "demo": "demo:demo",
    "doctor": "setup:doctor",
    "config": "setup:config",
    "schema": "setup:schema",
    "ingest": "ingest:ingest",
    "sources": "sources:sources",
    "detect": "detect:detect",
    "calibrate": "detect:calibrate",
    "pulse": "pulse:pulse",
    "campaigns": "findings:campaigns",
    "show": "findings:show",
    "accounts": "findings:accounts",
    "explain": "findings:explain",
    "judge": "findings:judge",
    "report": "report:report",
    "exposure": "exposure:exposure",
    "dossier": "dossier:dossier",
    "respond": "respond:respond",
    "screen": "screen:screen",
    "provenance": "provenance:provenance",
    "simulate": "simulate:simulate",
    "evaluate": "evaluate:evaluate",
    "keys": "api_keys:keys",
    "ledger": "ledger:ledger",
    "share": "share:share",
    "serve": "serve:serve",
    "watch": "watch:watch",
    "webhooks": "webhooks:webhooks",
    "migrate": "lifecycle:migrate",
    "backup": "lifecycle:backup",
    "restore": "lifecycle:restore",
    "prune": "lifecycle:prune",
    "erase": "lifecycle:erase",
    "hold": "lifecycle:hold",
}
"""Where each verb is; `--help` reads the functions' docstrings and imports nothing heavy."""

for _verb, _path in VERBS.items():
    app.command(f"stillwatch.cli.{_path}", name=_verb)
app.register_install_completion_command()


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    workspace: Annotated[Path, Parameter(env_var="STILLWATCH_WORKSPACE")] = Path("stillwatch-workspace"),
    config: Annotated[Path | None, Parameter(env_var="STILLWATCH_CONFIG")] = None,
    quiet: bool = False,
) -> object:
    """Run one verb.

    Parameters
    ----------
    workspace
        Folder of the workspace.
    config
        A settings file that wins over ./stillwatch.toml.
    quiet
        No progress and no talk on standard error.
    """
    remember(Context(workspace=workspace, config=config, quiet=quiet))
    return app(tokens)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line and return its exit code.

    0 ok, 1 findings with --fail-on, 2 usage, 3 settings, 4 rejected input, 5 environment, 6 external service, 70 bug,
    130 interrupted.
    """
    try:
        result = app.meta(sys.argv[1:] if arguments is None else arguments)
    except CycloptsError as error:
        return _fail(USAGE, f"{error}; `stillwatch --help` lists the verbs")
    except StillwatchError as error:
        return _fail(error.exit_code, str(error))
    except KeyboardInterrupt:
        return _fail(INTERRUPTED, "interrupted; what was committed stays, run the same command again to go on")
    except BrokenPipeError:
        return 0
    return result if isinstance(result, int) else 0


def _fail(code: int, message: str) -> int:
    sys.stderr.write(f"stillwatch: {message}\n")
    return code


def script() -> None:
    """Entry point of the installed command: exits with the code of `main`."""
    sys.exit(main())
