"""What can be wrong with somebody's audio: one class and one code for each row of the contract's list of bad input.

AudioError
├── EmptyFile            0 bytes
├── UnsupportedFormat    no decoder recognises the content
├── Undecodable          recognised, but impossible or corrupt
├── TooShort             nothing, or less than a second, decodes
├── TooLong              more than the limit decodes
└── NotFinite            NaN or Inf among the samples

Apart from these stands what no audio is to blame for:

WrongWeights             an installation is at fault
└── MissingWeights       weights that are no part of soundtrace were not fetched
FetchFailed              weights could not be downloaded
"""

from __future__ import annotations


class _Told(Exception):
    """`message` names the fact, `remedy` the next step; both are for a person."""

    def __init__(self, message: str, remedy: str) -> None:
        # Both go to Exception's args: pickle calls the class with args, and errors cross a process boundary.
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}: {self.remedy}"


class AudioError(_Told):
    """The caller's audio cannot be heard."""

    code = "audio-error"


class EmptyFile(AudioError):
    """There are no bytes."""

    code = "empty-file"


class UnsupportedFormat(AudioError):
    """No decoder recognises the content, whatever the file is called."""

    code = "unsupported-audio-format"


class Undecodable(AudioError):
    """The format is recognised, but it says something impossible or its content is corrupt."""

    code = "audio-undecodable"


class TooShort(AudioError):
    """Less than a second of sound, or none."""

    code = "audio-too-short"


class TooLong(AudioError):
    """More sound than the limit allows."""

    code = "audio-too-long"


class NotFinite(AudioError):
    """NaN or infinite samples. They are never filled with zeros: that would invent silence."""

    code = "audio-not-finite"


class WrongWeights(_Told):
    """The weights of a network are not the ones that its card names. Nobody's audio is to blame."""


class MissingWeights(WrongWeights):
    """The weights are no part of soundtrace, and nobody has fetched them yet."""


class FetchFailed(_Told):
    """Weights could not be downloaded, or what came is not what their card names."""
