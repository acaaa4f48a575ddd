"""/docs, /openapi.json, /asyncapi.json: the page needs no other address, neither for scripts nor for fonts."""

from __future__ import annotations

import json
from html import escape
from typing import Any

from aiohttp import web

import streams
from streams import asyncapi as events
from streams.api import openapi as calls
from streams.api.state import SETTINGS

STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
summary{cursor:pointer;padding:.4rem;font-family:ui-monospace,monospace}summary b{display:inline-block;width:5rem}
details{border:1px solid #ccc;border-radius:.3rem;margin:.4rem 0}details>*{padding:0 .8rem}
pre{background:#f6f6f6;padding:.8rem;overflow:auto;font-size:13px}"""


async def openapi(_request: web.Request) -> web.Response:
    """Every HTTP call, as OpenAPI 3.1."""
    return web.json_response(_calls())


async def asyncapi(request: web.Request) -> web.Response:
    """Every Kafka topic, as AsyncAPI 3.0."""
    return web.json_response(events.document(request.app[SETTINGS]))


async def page(_request: web.Request) -> web.Response:
    """The same for people."""
    return web.Response(text=_html(_calls()), content_type="text/html")


def _calls() -> dict[str, Any]:
    from streams.api.routes import OPEN, ROUTES  # here, as that table names these handlers

    return calls.document(ROUTES, OPEN)


def _html(document: dict[str, Any]) -> str:
    said = "\n".join(
        _call(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    models = "\n".join(
        f"<details id='{escape(name)}'><summary>{escape(name)}</summary><pre>{_json(schema)}</pre></details>"
        for name, schema in document["components"]["schemas"].items()
    )
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>soundtrace</title><style>{STYLE}</style>"
        f"<h1>soundtrace {streams.__version__}</h1><p>Every call under /trace/v1 needs "
        f"<code>Authorization: Bearer &lt;key&gt;</code>. <a href=/openapi.json>openapi.json</a> "
        f"<a href=/asyncapi.json>asyncapi.json</a></p>{said}<h2>Objects</h2>{models}</html>"
    )


def _call(method: str, path: str, operation: dict[str, Any]) -> str:
    answers = "".join(
        f"<li><b>{status}</b> {escape(answer['description'])}</li>" for status, answer in operation["responses"].items()
    )
    sent = {name: operation[name] for name in ("parameters", "requestBody") if operation.get(name)}
    return (
        f"<details><summary><b>{method.upper()}</b>{escape(path)}</summary><p>{escape(operation['summary'])}</p>"
        f"{f'<pre>{_json(sent)}</pre>' if sent else ''}<ul>{answers}</ul></details>"
    )


def _json(value: Any) -> str:
    return escape(json.dumps(value, indent=2))
