"""How the inputs of a scenario ended, read from the topics as any consumer would."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from streams import codec
from streams.records import DeadLetter, Feature, Progress, SearchResult
from tests.live.topics import held

Summary = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """One end of one input; `summary` is what must be the same in a quiet run, `at_s` when the broker got it."""

    event_id: str
    summary: Summary
    at_s: float


def outcomes(broker: str, tenant: str) -> dict[str, list[Outcome]]:
    """By name of the input, every end that was told, repeats included."""
    found: defaultdict[str, list[Outcome]] = defaultdict(list)
    for message in held(broker, "features", "results", "dead-letters"):
        record, at_s = codec.decode(message.value, "feature", "search_result", "dead_letter"), message.timestamp / 1_000
        match record:
            case Feature(kind="index") if record.tenant == tenant:
                found[record.job.id].append(Outcome(record.event_id, _of_track(record), at_s))
            case SearchResult() if record.tenant == tenant:
                found[record.job.id].append(Outcome(record.event_id, _of_search(record), at_s))
            case DeadLetter():
                owner, name = _of_whom(record)
                if owner == tenant:
                    told = ("letter", record.stage, record.error_code, record.attempts)
                    found[name].append(Outcome(record.event_id, told, at_s))
    return dict(found)


def is_being_decoded(broker: str, tenant: str, name: str) -> bool:
    for message in held(broker, "progress"):
        record = codec.decode(message.value, "progress")
        assert isinstance(record, Progress)
        if (record.tenant, record.job.id, record.stage) == (tenant, name, "decode"):
            return True
    return False


def _of_track(feature: Feature) -> Summary:
    track = feature.track
    assert track is not None
    health = tuple(sorted(track.health.model_dump().items()))
    numbers = (track.duration_s, track.rate_hz, track.channels, track.sha256, track.filename)
    return "indexed", feature.tasks_done, tuple(sorted(feature.tasks_failed)), health, numbers


def _of_search(result: SearchResult) -> Summary:
    matches = tuple(
        (match.filename, match.rank, match.score, match.verdict, match.metric, match.evidence)
        for match in result.matches
    )
    problem = result.error.code if result.error else None
    return "result", result.status, problem, result.candidates_compared, result.candidates_skipped, matches


def _of_whom(letter: DeadLetter) -> tuple[str, str]:
    """Tenant and name; poison has them in its key only."""
    if letter.tenant and letter.job:
        return letter.tenant, letter.job.id
    owner, _, name = (letter.key or b"").decode(errors="replace").partition("/")
    return owner, name
