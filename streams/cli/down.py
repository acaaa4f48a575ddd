"""`soundtrace down`: the end of `up`; what the home holds stays."""

from __future__ import annotations

from streams.cli.output import printable, tell


def down() -> None:
    """Stop everything that `up` started."""
    from streams import up as machine
    from streams.cli.place import configured

    home = configured().home
    for pid, command in machine.down(home).items():
        tell(f"down: {pid} did not end in time and was killed: {printable(command)[:120]}")
    tell(f"down: nothing runs in {home} any more; what it holds stays")
