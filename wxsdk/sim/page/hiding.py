"""Takes secrets and bulk out of what the page's inspector shows. Pure."""

from __future__ import annotations

import re
from typing import Any, Iterable

MAX_TEXT = 4_000  # characters of one string that the inspector shows; a stream's snapshot has up to 20,480 bytes
MAX_DEPTH = 20  # levels; the deepest honest frame, a card in a stream, has seven

MAX_EXACT = 2**53 - 1  # beyond it JavaScript's numbers are not exact: the page shows such an id as a text

# Names as both protocols spell them; docs/protocol/ilink, 1 to 6, docs/protocol/aibot, 1 and 6.
SECRET_NAMES = {
    *("authorization", "secret", "token", "bot_token", "context_token", "typing_ticket", "aeskey", "aes_key"),
    *("response_url", "verify_code", "local_token_list", "encrypt_query_param", "encrypted_query_param"),
    *("upload_param", "get_updates_buf", "sync_buf", "qrcode", "qrcode_img_content"),  # who has a code has its token
}
BULK_NAMES = frozenset({"base64", "base64_data"})
HIDDEN = "•••"

_QUERY = re.compile(r"(https?://[^\s\"?]+)\?[^\s\"]+")


def hide(value: Any, depth: int = 0) -> Any:
    """Return *value*, which is JSON, with every secret replaced and every long text cut."""
    if depth > MAX_DEPTH:
        return "…"
    if isinstance(value, dict):
        return {name: _field(str(name), one, depth) for name, one in value.items()}
    if isinstance(value, list):
        return [hide(one, depth + 1) for one in value]
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) and abs(value) > MAX_EXACT:
        return str(value)
    return value


def _field(name: str, value: Any, depth: int) -> Any:
    lower = name.lower()
    if lower in SECRET_NAMES and value:
        return [HIDDEN] * len(value) if isinstance(value, list) else HIDDEN
    if lower in BULK_NAMES and isinstance(value, str):
        return f"({len(value):,} characters of base64)"
    return hide(value, depth + 1)


def _text(text: str) -> str:
    text = _QUERY.sub(rf"\1?{HIDDEN}", text)  # the query of a media address is its signature
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… ({len(text):,} characters)"


def without(text: str, secrets: Iterable[str]) -> str:
    """Return *text* with each of *secrets* replaced, wherever it stands: a bot may echo its own token."""
    for secret in secrets:
        if secret and secret in text:
            text = text.replace(secret, HIDDEN)
    return text
