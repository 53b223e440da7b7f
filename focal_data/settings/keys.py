"""The keys of the audit chain, as one variable holds them."""

from __future__ import annotations

import re
from typing import Final

MIN_AUDIT_KEY: Final = 32
"""Characters of a key of the audit chain: ``openssl rand -hex 32`` makes a good one of 64."""

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def audit_keys(text: str) -> dict[str, bytes]:
    """The keys in ``id:key,id:key``, in their order. ``ValueError`` for what is not that; it quotes nothing."""
    keys: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), start=1):
        key_id, colon, key = part.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ValueError(
                f"entry {number} must be id:key, the id of letters, digits, _, . and -, at most 64"
            )
        if key_id in keys:
            raise ValueError(f"entry {number} has the id of another")
        if len(key) < MIN_AUDIT_KEY:
            raise ValueError(f"entry {number} must have a key of {MIN_AUDIT_KEY} characters or more")
        keys[key_id] = key.encode(errors="surrogatepass")  # an error of its own would quote a part of the key
    return keys
