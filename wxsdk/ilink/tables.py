"""The tables that an iLink client keeps in its store, and the rows in them."""

from __future__ import annotations

import hashlib

INBOX = "inbox"  # received and not yet handled: any key -> the message as JSON, in the order of arrival
STATE = "state"  # CURSOR -> get_updates_buf, TOKEN -> fingerprint of the token that the rest belongs to
CONTEXT_TOKENS = "context_token"  # user id -> the newest context token of that user
SEEN = "seen"  # key of a message -> when it came (seconds since 1970), against duplicates
QUOTES = "quote"  # quote_key -> the message as JSON, for quotes that carry only an id
QUOTA = "quota"  # user id -> "<sent> <heard_at>"
OUTBOX = "outbox"  # waits to be sent: id -> the message as JSON, in the order of the calls

ALL_TABLES = (INBOX, STATE, CONTEXT_TOKENS, SEEN, QUOTES, QUOTA, OUTBOX)

CURSOR = "cursor"
TOKEN = "token"

CONTEXT_TOKEN_AGE = 30 * 86400.0  # seconds that an unused context token is kept; its true lifetime is disputed


def quote_key(user_id: str, message_id: str) -> str:
    """Ids are unique in a conversation at least, so the user is part of the key."""
    return f"{user_id}|{message_id}"


def fingerprint(token: str) -> str:
    """Tells tokens apart without giving them away."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()[:32]
