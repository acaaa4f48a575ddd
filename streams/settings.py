"""Every setting, once, typed: read from `SOUNDTRACE_*` and refused at start when a value would be unsafe."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MEGABYTE = 1024 * 1024


class Settings(BaseSettings):
    """One frozen value. `soundtrace up` writes the addresses it chose into the environment of what it starts."""

    model_config = SettingsConfigDict(env_prefix="SOUNDTRACE_", frozen=True, extra="ignore")

    home: Path = Path(".soundtrace")

    kafka_bootstrap: str = "127.0.0.1:9092"
    topic_prefix: str = ""
    milvus_uri: str = "http://127.0.0.1:19530"
    database_url: str = ""  # empty: an SQLite file under `home`
    blobs_url: str = ""  # empty: a folder under `home`
    api_host: str = "127.0.0.1"
    api_port: int = 8080
    metrics_port: int = 0  # of a worker; 0: no metrics server

    # what is taken in (contract, section 0)
    upload_max_bytes: int = 100 * MEGABYTE
    max_track_s: float = 300.0  # 0: no limit
    upload_formats: tuple[str, ...] = (".mp3", ".wav", ".flac", ".m4a")
    allowed_prefixes: Annotated[tuple[str, ...], NoDecode] = ()  # URIs that `blob_uri` may start with, comma separated
    blobs_per_ingest: int = 10
    pairs_max: int = 100_000
    body_max_bytes: int = MEGABYTE
    body_max_depth: int = 32
    retention_days: int = 30  # 0: for ever
    requests_per_minute: int = 600
    jobs_per_minute: int = 120

    # hearing
    separator: Literal["unet", "htdemucs"] = "unet"  # of datasets that have no stems yet
    models: Path | None = None  # where weights lie that are not shipped; None: a folder under `home`

    # searching
    exact_candidates_max: int = 2_000  # up to here every pair is compared; above, a shortlist from the index
    shortlist_size: int = 500
    strangers: int = 200  # random candidates beside a shortlist
    compared_in_full: int = 30  # or `limit`, if more: the best by their windows, whose harmony is aligned too
    queries_per_work: int = 64

    # delivery: research of 2026-11-21, defended by tests/live
    broker_session_timeout_s: float = 10.0
    broker_heartbeat_interval_s: float = 2.0
    broker_rebalance_timeout_s: float = 60.0
    broker_request_timeout_s: float = 90.0
    broker_max_poll_interval_s: float = 86_400.0
    broker_commit_interval_s: float = 0.5
    broker_commit_every: int = 1
    stream_buffer_maxsize: int = 4_096
    drain_s: float = 20.0
    attempts_max: int = 3
    starts_max: int = 10
    retry_cap_s: float = 10.0
    child_memory_bytes: int = 6 * 1024 * MEGABYTE

    @model_validator(mode="before")
    @classmethod
    def _split_lists(cls, values: dict[str, object]) -> dict[str, object]:
        prefixes = values.get("allowed_prefixes")
        if isinstance(prefixes, str):
            values["allowed_prefixes"] = tuple(p for p in prefixes.split(",") if p)
        return values

    @model_validator(mode="after")
    def _refuse_unsafe(self) -> Settings:
        # Each of these was seen to lose or starve events (tests/live/test_faust_traps.py).
        if self.stream_buffer_maxsize < 1_024:
            raise ValueError("stream_buffer_maxsize below 1024 starves and silently stops consumers: use 4096")
        if self.broker_commit_every != 1:
            raise ValueError("broker_commit_every other than 1 redoes thousands of events after a kill: use 1")
        if self.broker_request_timeout_s <= max(self.broker_session_timeout_s, self.broker_rebalance_timeout_s):
            raise ValueError("broker_request_timeout_s must exceed the session and the rebalance timeout")
        if self.broker_session_timeout_s < 3 * self.broker_heartbeat_interval_s:
            raise ValueError("broker_session_timeout_s must be at least three heartbeats")
        return self

    @property
    def sql_url(self) -> str:
        return self.database_url or f"sqlite+aiosqlite:///{self.home.resolve()}/catalogue.db"

    @property
    def blob_url(self) -> str:
        return self.blobs_url or f"file://{self.home.resolve()}/blobs"

    @property
    def postings_folder(self) -> Path:
        return self.home.resolve() / "postings"

    @property
    def models_folder(self) -> Path:
        return self.models or self.home.resolve() / "models"

    @property
    def track_limit_s(self) -> float | None:
        return self.max_track_s or None


@lru_cache
def settings() -> Settings:
    return Settings()
