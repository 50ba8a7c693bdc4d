"""`serve`: the HTTP server."""

from stillwatch.cli.context import current
from stillwatch.cli.output import talk
from stillwatch.errors import EnvironmentFault


def serve(*, host: str | None = None, port: int | None = None) -> None:
    """Serve telemetry in, decisions and findings out, on the loopback address unless told otherwise.

    Example: stillwatch serve --port 8721

    Parameters
    ----------
    host
        Address to listen on; anything but loopback needs TLS in front of it.
    port
        Port to listen on.
    """
    try:
        from stillwatch.api.server import serve as run
    except ModuleNotFoundError as error:
        raise EnvironmentFault(f"the server needs {error.name}: pip install 'stillwatch[server]'") from error
    with current().open(serve__host=host, serve__port=port) as watch:
        settings = watch.config.serve
        talk(f"http://{settings.host}:{settings.port} serves {current().workspace}; stop with Ctrl-C")
        run(watch.workspace, watch.config)
