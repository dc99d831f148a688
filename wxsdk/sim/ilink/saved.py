"""Turns the state of the simulated iLink platform into JSON and back, so that a simulator can go on after a restart."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, Dict, Tuple

from .people import SimMessage
from .state import Conversation, Mailbox, Tokens
from .world import World

KEPT = 500  # of the newest messages in each direction; what a person at the playground can still scroll to


def export_state(world: World, token: str, port: int) -> Dict[str, Any]:
    """Return everything but the files on the CDN."""
    with world.hub.lock:
        return {
            "version": 1,
            "token": token,
            "port": port,
            "bot_id": world.bot_id,
            "tokens": world.tokens.export(),
            "next_message_id": world.next_message_id,
            "next_seq": world.next_seq,
            "mailbox": world.mailbox.export(KEPT),
            "conversations": [asdict(talk) for talk in world.conversations.values()],
            "received": {user_id: [_plain(one) for one in user.received[-KEPT:]] for user_id, user in _users(world)},
        }


def import_state(world: World, state: Dict[str, Any]) -> Tuple[str, int]:
    """Fill *world* from *state*; the bot's token and the port come back. ValueError for anything else."""
    try:
        if state["version"] != 1:
            raise ValueError(f"version {state['version']!r}")
        token, port, bot_id = str(state["token"]), int(state["port"]), str(state["bot_id"])
        next_message_id, next_seq = int(state["next_message_id"]), int(state["next_seq"])
        tokens, mailbox = Tokens.imported(state["tokens"]), Mailbox.imported(state["mailbox"])
        talks = [Conversation(**talk) for talk in state["conversations"]]
        received = {
            str(user_id): [SimMessage(**message) for message in messages]
            for user_id, messages in state["received"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is not the state of a simulated iLink platform: {error}") from error
    with world.hub.lock:
        world.bot_id, world.next_message_id, world.next_seq = bot_id, next_message_id, next_seq
        world.tokens, world.mailbox = tokens, mailbox
        world.conversations = {talk.user_id: talk for talk in talks}
        for user_id, messages in received.items():
            world.user(user_id).restore(messages, mailbox.of(user_id))
            world.sent.update((one.client_id, one) for one in messages)
    return token, port


def _users(world: World) -> Any:
    return list(world.users.items())


def _plain(message: SimMessage) -> Dict[str, Any]:
    return {"raw": message.raw, "at": message.at, "message_id": message.message_id}
