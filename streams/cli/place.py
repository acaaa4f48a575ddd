"""Where the command line finds what it works on: first what the environment names, else the running home."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from streams.errors import Invalid, Unavailable

if TYPE_CHECKING:
    from streams.settings import Settings


class Server(NamedTuple):
    """An API and a key to it."""

    url: str
    key: str


def configured() -> Settings:
    """The settings of the environment. Raises: `Invalid` naming each variable that has no sense."""
    from pydantic import ValidationError

    from streams.settings import settings

    try:
        return settings()
    except ValidationError as error:
        faults = (
            f"{'.'.join(f'SOUNDTRACE_{part}'.upper() for part in fault['loc'][:1]) or 'settings'}: {fault['msg']}"
            for fault in error.errors()
        )
        raise Invalid("; ".join(faults), "correct or unset the variable") from None


def settings_here() -> Settings:
    """The settings; addresses that the environment does not name are those of the home's last `up`."""
    from streams.up.home import Home
    from streams.up.programs import kafka_bootstrap, milvus_uri

    settings = configured()
    if not (ports := Home.at(settings.home).ports()):
        return settings
    chosen = {"kafka_bootstrap": kafka_bootstrap(ports), "milvus_uri": milvus_uri(ports), "api_port": ports["api"]}
    unnamed = {name: value for name, value in chosen.items() if name not in settings.model_fields_set}
    return settings.model_copy(update=unnamed)


def server() -> Server:
    """The API to ask. Raises: `Unavailable` when none is named and none runs here."""
    url, key = os.environ.get("SOUNDTRACE_API_URL"), os.environ.get("SOUNDTRACE_API_KEY")
    if url and key:
        return Server(url.rstrip("/"), key)
    from streams.up.home import Home
    from streams.up.processes import supervisor_pid
    from streams.up.programs import api_url

    home = Home.at(configured().home)
    recorded = home.api_key()
    if url:
        raise Unavailable(f"there is no key for {url}", "set SOUNDTRACE_API_KEY")
    if not supervisor_pid(home) or not (key or recorded):
        remedy = "run `soundtrace up --detach`, or set SOUNDTRACE_API_URL and SOUNDTRACE_API_KEY"
        raise Unavailable(f"nothing runs in {home.path}", remedy)
    return Server(api_url(home.ports()), key or recorded or "")
