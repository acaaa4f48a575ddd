"""`soundtrace api`: the HTTP side; runs until SIGTERM."""

from __future__ import annotations

import typer


def api() -> None:
    """Serve the HTTP API until SIGTERM."""
    from streams.api.app import run
    from streams.cli.logs import log_as_json
    from streams.cli.place import configured

    log_as_json()
    raise typer.Exit(run(configured()))
