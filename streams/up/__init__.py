"""One machine, no Docker: the broker, the vector index, the workers and the API under one supervisord."""

from streams.up.machine import down, up
from streams.up.status import Status, status

__all__ = ["Status", "down", "status", "up"]
