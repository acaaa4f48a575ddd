"""Every error soundtrace raises on purpose.

    SoundtraceError            code, status, retryable, remedy
    ├── InputError             the caller's bytes or words: dead letter at once, 4xx
    │   ├── Invalid            400: many codes, one meaning: mend the request
    │   ├── TooLarge           413
    │   ├── NotFound           404, also for what belongs to another tenant
    │   └── Conflict           409
    ├── Unavailable            broker, index, store, database: retried in place, 503 and Retry-After
    └── Defect                 ours: three attempts, then a dead letter with the traceback's hash

`message` is one sentence for a person: the thing and the fact. `remedy` is the next step. The codes are
those of the HTTP and Kafka contract; a dead letter, a failed result and a problem document carry the same ones.
"""

from __future__ import annotations

from typing import Any


class SoundtraceError(Exception):
    """Root of the tree. Never raised itself."""

    code = "internal"
    status = 500
    retryable = False

    def __init__(self, message: str, remedy: str = "", *, code: str | None = None, **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.code = code or type(self).code
        self.facts = facts

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.message, self.remedy, self.code, self.facts)

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}" if self.remedy else self.message


def _rebuild(
    cls: type[SoundtraceError], message: str, remedy: str, code: str, facts: dict[str, Any]
) -> SoundtraceError:
    return cls(message, remedy, code=code, **facts)


class InputError(SoundtraceError):
    """What the caller sent cannot be used; sending it again unchanged cannot help."""

    code = "validation-failed"
    status = 400


class Invalid(InputError):
    """A request, a record or an audio file that breaks a rule; `code` says which."""


class TooLarge(InputError):
    """More bytes than the limit; `facts` may carry `limit_bytes`."""

    code = "upload-too-large"
    status = 413


class NotFound(InputError):
    """No such dataset, blob, track or job inside the caller's tenant."""

    code = "job-not-found"
    status = 404


class Conflict(InputError):
    """The request meets a state that forbids it."""

    code = "dataset-exists"
    status = 409


class Unavailable(SoundtraceError):
    """Something we depend on does not answer. Retried for ever, never blamed on the input."""

    code = "unavailable"
    status = 503
    retryable = True


class Defect(SoundtraceError):
    """A fault of ours: an exception nobody foresaw, a child that died or ran over its time limit."""

    code = "internal"
    status = 500
