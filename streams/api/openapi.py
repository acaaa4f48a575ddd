"""/openapi.json: drawn from the rows of `routes.ROUTES` and the models that their handlers name."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

import streams
from streams.api.problems import MEDIA_TYPE, STATUS
from streams.api.routing import Route
from streams.api.schemas import Problem

REFS = "#/components/schemas/{model}"
ALWAYS = ("unauthorized", "key-expired", "forbidden", "not-acceptable", "rate-limited", "internal", "unavailable")
WITH_BODY = ("malformed-json", "validation-failed", "body-too-large", "unsupported-media-type")


def document(routes: Iterable[Route], open_paths: Mapping[str, Any]) -> dict[str, Any]:
    """OpenAPI 3.1, as a plain JSON object."""
    rows = list(routes)
    models = {model for row in rows for model in (row.body, row.form, row.answer) if model} | {Problem}
    wanted = sorted(models, key=lambda model: model.__name__)
    refs, definitions = models_json_schema([(model, "validation") for model in wanted], ref_template=REFS)
    schemas = {model: refs[model, "validation"] for model in wanted}
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(row.path, {})[row.method.lower()] = _operation(row, schemas)
    for path, handler in open_paths.items():
        text = inspect.getdoc(handler) or path.strip("/")
        paths[path] = {"get": {"summary": text, "security": [], "responses": {"200": {"description": "OK"}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "soundtrace", "version": streams.__version__},
        "security": [{"bearer": []}],
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(row: Route, schemas: Mapping[type[BaseModel], Any]) -> dict[str, Any]:
    module, name = row.handler.__module__.rpartition(".")[2], row.handler.__name__
    operation: dict[str, Any] = {
        "operationId": f"{module}_{name}",
        "tags": [module],
        "summary": (inspect.getdoc(row.handler) or "").partition("\n")[0],
        "parameters": [*_path_parts(row.path), *_query(row.query)],
        "responses": {
            str(row.status): _answer(HTTPStatus(row.status).phrase, "application/json", schemas[row.answer]),
            **_problems(row, schemas[Problem]),
        },
    }
    sent = row.body or row.form
    if sent:
        media_type = "multipart/form-data" if row.form else "application/json"
        operation["requestBody"] = {"required": True, "content": {media_type: {"schema": schemas[sent]}}}
    return operation


def _problems(row: Route, schema: Any) -> dict[str, Any]:
    codes: dict[int, list[str]] = {}
    for code in dict.fromkeys((*row.errors, *(WITH_BODY if row.body else ()), *ALWAYS)):
        codes.setdefault(STATUS[code], []).append(code)
    return {str(status): _answer(", ".join(codes[status]), MEDIA_TYPE, schema) for status in sorted(codes)}


def _answer(description: str, media_type: str, schema: Any) -> dict[str, Any]:
    return {"description": description, "content": {media_type: {"schema": schema}}}


def _path_parts(path: str) -> list[dict[str, Any]]:
    names = re.findall(r"{(\w+)}", path)
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def _query(model: type[BaseModel] | None) -> list[dict[str, Any]]:
    fields = model.model_json_schema()["properties"] if model else {}
    return [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in fields.items()]
