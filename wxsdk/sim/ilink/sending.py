"""Delivers, drops or refuses a message of the bot, as the iLink platform does. Source: docs/protocol/ilink, 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict, List, Optional

from . import rules
from .cdn import Stored, read_key
from .people import SimMessage

if TYPE_CHECKING:
    from .world import World

MALFORMED = -3  # ours: what the platform answers to a malformed message is not known
REFUSED = -2  # quota, window, bursts, stale tokens, texts too long; docs/protocol/ilink, 4
SIZES = {rules.IMAGE: "mid_size", rules.VIDEO: "video_size"}

Answer = Dict[str, Any]


def send_message(world: World, body: Dict[str, Any]) -> Optional[Answer]:
    """Deliver, drop or refuse one sendmessage; its answer, None for an empty body."""
    wrong = rules.check_message(body)
    if wrong:
        return _malformed(world, wrong)
    msg = body["msg"]
    with world.hub.lock:
        if msg["client_id"] in world.sent:
            return _repeated(world, msg)
        refusal = _refusal(world, msg)
        if refusal is not None:
            world.refusals.append(f"{msg['to_user_id']}: {refusal}")
            world.hub.notify()
            return {"ret": REFUSED, "errmsg": "prepare failed"}
        stored, wrong = _media(world, msg)
        if wrong:
            return _malformed(world, wrong)
        message = SimMessage(msg, world.clock(), world.next_id(), stored)
        world.sent[msg["client_id"]] = message
        world.conversation(msg["to_user_id"]).sent += 1
        extra = rules.extra_fields(body)
        for name in extra:
            world.violation(f"sendmessage: unknown field {name}, so the message is silently dropped")
        if extra or message.item["type"] == rules.VOICE:  # a native voice is accepted and never shown
            world.dropped.append(message)
            world.hub.notify()
        else:
            world.user(message.to).deliver(message)
    return _accepted(world, message)


def _malformed(world: World, wrong: List[str]) -> Answer:
    for sentence in wrong:
        world.violation(f"sendmessage: {sentence}")
    return {"ret": MALFORMED, "errmsg": "malformed message"}


def _repeated(world: World, msg: Dict[str, Any]) -> Optional[Answer]:
    first = world.sent[msg["client_id"]]
    world.duplicates.append(SimMessage(msg, world.clock(), first.message_id, first.stored))
    if msg != first.raw:
        world.violation("sendmessage: a client_id was used again for another message")
    world.hub.notify()
    return _accepted(world, first)


def _accepted(world: World, message: SimMessage) -> Optional[Answer]:
    if message.item["type"] in rules.TOOL_CALLS:
        return None
    return {"message_id": world.on_wire(message.message_id)} if world.settings.confirms else {}


def _refusal(world: World, msg: Dict[str, Any]) -> Optional[str]:
    limits = world.settings.limits
    now = world.clock()
    item = msg["item_list"][0]
    if item["type"] == rules.TEXT:
        size = len(item["text_item"]["text"].encode("utf-8", "surrogatepass"))
        if size > rules.MAX_TEXT_BYTES:
            return f"text: {size} bytes, {rules.MAX_TEXT_BYTES} are allowed"
    talk = world.conversation(msg["to_user_id"])
    return talk.refusal(now, msg.get("context_token"), limits) or world.bursts.refusal(now, limits)


def _media(world: World, msg: Dict[str, Any]) -> tuple[Optional[Stored], List[str]]:
    item = msg["item_list"][0]
    kind = item["type"]
    content = item[rules.item_name(kind)]
    if kind in (rules.TEXT, *rules.TOOL_CALLS) or (kind == rules.VOICE and "media" not in content):
        return None, []
    stored = world.cdn.find(content["media"].get("encrypt_query_param", ""))
    if stored is None:
        return None, ["the media's encrypt_query_param is no file on the CDN"]
    wrong = []
    try:
        key: Optional[bytes] = read_key(content["media"]["aes_key"])
    except ValueError as error:
        key = None
        wrong.append(f"the media's key: {error}")
    if key is not None and key != stored.key:
        wrong.append("the media's aes_key is not the key of the upload")
    if kind in SIZES and content[SIZES[kind]] != stored.blob.size:
        wrong.append(f"{SIZES[kind]} is {content[SIZES[kind]]}, the ciphertext has {stored.blob.size} bytes")
    if kind == rules.FILE and content["len"] != str(stored.size):
        wrong.append(f"len is {content['len']!r}, the file has {stored.size} bytes")
    return stored, wrong
