"""Ids that follow from what they name, so that doing a thing twice names it the same twice."""

from __future__ import annotations

import uuid

NAMESPACE = uuid.UUID("5f0c1a51-7a44-5c53-9d6b-2a6f9f1f3b10")


def derived_id(*parts: str | int) -> str:
    return str(uuid.uuid5(NAMESPACE, "/".join(str(part) for part in parts)))


def event_id(tenant: str, job_id: str, index: int, *what: str) -> str:
    """The id of an outcome: consumers drop repeats by it."""
    return derived_id("event", tenant, job_id, index, *what)


def track_id(dataset_id: str, audio_id: str) -> str:
    """A track is (dataset, SHA-256 of the bytes), so its id follows from them."""
    return derived_id(dataset_id, audio_id)
