"""The name of an uploaded file, made safe to show, to store and to put into a path (contract, A2)."""

from __future__ import annotations

import re
import unicodedata
import uuid
from collections.abc import Collection

from streams.errors import Invalid

NAME_BYTES_MAX = 120
UNSAFE = frozenset('?*:"<>|/\\')
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")  # control, format (bidi too), half pairs, line and paragraph ends


def clean_name(sent: str, formats: Collection[str]) -> str:
    """The base name in NFC, without dangerous characters, at most 120 bytes with its extension whole.

    Args:
        sent: as the client sent it; bytes that are no UTF-8 come as lone surrogates.
        formats: allowed extensions, in lower case with their dot.
    Raises: `Invalid` `unsupported-audio-format` when it does not end in one of them.
    """
    base = re.split(r"[/\\]", sent)[-1].strip()
    safe = "".join("_" if sign in UNSAFE or unicodedata.category(sign) in HIDDEN else sign for sign in base)
    name = unicodedata.normalize("NFC", safe)
    stem, dot, suffix = name.rpartition(".")
    extension = dot + suffix
    if extension.lower() not in formats:
        fact = f"the file is called '{name[:80]}'" if name else "the file has no name"
        raise Invalid(fact, f"name it with one of {', '.join(formats)}", code="unsupported-audio-format")
    room = NAME_BYTES_MAX - len(extension.encode())
    return stem.encode()[:room].decode("utf-8", "ignore") + extension


def new_blob_name(name: str) -> str:
    """A fresh `dataset/<uuid>_<name>`."""
    return f"dataset/{uuid.uuid4()}_{name}"
