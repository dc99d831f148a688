"""Writes a chat down: as JSON, and as a pytest test that passes. Pure."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

Entry = Dict[str, Any]

_SHARED = '''\
"""What was said in the playground on {date}, as a test.

It passes as it stands: RECORDED answers in the place of your bot. To test your bot, start it where the comment says so
and drop RECORDED. Files, cards and other events of the chat are left out.
"""

from collections import deque

{imports}

# Each message of the user with the bot's answers to it, in the order of the chat.
CHAT = {chat}
RECORDED = deque(answers for _, answers in CHAT)


'''

_ILINK = """\
def recorded(ctx):
    for text in RECORDED.popleft():
        ctx.reply_text(text)


def test_the_chat(ilink_sim):
    config = WeixinConfig(
        token=ilink_sim.token, base_url=ilink_sim.base_url, cdn_base_url=ilink_sim.cdn_base_url, sends_per_second=None
    )
    with WeixinClient(config, recorded):  # your bot's handler in place of recorded
        user = ilink_sim.user({user!r})
        for said, answers in CHAT:
            user.says(said)
            assert [user.expects().text for _ in answers] == answers
    assert ilink_sim.violations == []
"""

_AIBOT = """\
def test_the_chat(aibot_sim):
    client = WSClient(WSClientOptions(bot_id=aibot_sim.bot_id, secret=aibot_sim.secret, ws_url=aibot_sim.ws_url))

    @client.on_message_text
    def recorded(frame):  # your bot's handler in place of this one
        for text in RECORDED.popleft():
            client.reply_stream(frame, generate_req_id("stream"), text, finish=True)

    with client:
        user = aibot_sim.user({user!r})
        for said, answers in CHAT:
            user.says(said{chat_argument})
            assert [user.expects().visible_text for _ in answers] == answers
    assert aibot_sim.violations == []
"""

_IMPORTS = {
    "ilink": "from wxsdk import WeixinClient, WeixinConfig",
    "aibot": "from wxsdk import WSClient, WSClientOptions, generate_req_id",
}


def as_json(side: str, chat: str, entries: List[Entry]) -> Dict[str, Any]:
    """Return the chat as JSON, as the page shows it."""
    return {"side": side, "chat": chat, "entries": entries}


def as_test(side: str, chat: str, is_group: bool, entries: List[Entry], date: str) -> str:
    """Return the source of a test of this chat."""
    turns, user = _turns(entries)
    shared = _SHARED.format(date=date, imports=_IMPORTS[side], chat=_literal(turns))
    if side == "ilink":
        return shared + _ILINK.format(user=user)
    return shared + _AIBOT.format(user=user, chat_argument=f", chat={chat!r}" if is_group else "")


def _turns(entries: List[Entry]) -> Tuple[List[Tuple[str, List[str]]], str]:
    """Return what was said with the answers to it, and who said it first."""
    turns: List[Tuple[str, List[str]]] = []
    user = ""
    for entry in entries:
        text = str(entry.get("shown") or entry.get("text") or "")
        if entry["who"] == "user" and entry.get("kind") == "text" and text:
            user = user or str(entry["user"])
            turns.append((text, []))
        elif entry["who"] == "bot" and entry.get("kind") in ("text", "stream", "markdown") and text and turns:
            turns[-1][1].append(text)
    return turns, user or "alice"


def _literal(turns: List[Tuple[str, List[str]]]) -> str:
    lines = [f"    ({said!r}, {answers!r})," for said, answers in turns]
    return "\n".join(["[", *lines, "]"]) if lines else "[]"
