"""Ten thousand odd messages and ten thousand odd frames: every good one between them arrives."""

from __future__ import annotations

import json
import random
import threading
from typing import Any, Callable, Dict, List

from tests.ilink.bots import Recorder, started
from wxsdk.health import HealthState
from wxsdk.sim import AiBotSim, ILinkSim
from wxsdk.sim.aibot import wire
from wxsdk.sim.aibot.callbacks import callback_body

from .aibot_client import client_for
from .conftest import Figure
from .waiting import WAIT, until

COUNT = 10_000
GOOD_EVERY = 20  # every so many odd ones a good one
BATCH = 500  # messages in one answer

ODD: List[Callable[[random.Random], Any]] = [
    lambda dice: None,
    lambda dice: True,
    lambda dice: dice.choice((0, -1, 1, 2**31, 2**63, 2**64, -(2**70), 10**400)),
    lambda dice: dice.choice((0.5, -1e300, 1e-300)),
    lambda dice: float(dice.choice(("inf", "-inf", "nan"))),
    lambda dice: dice.choice(
        ("", " ", "0", "x" * 5000, "\0", "\x1f\t", "\ud800", "\U0001f600", "微信", "1e999", "null")
    ),
    lambda dice: [],
    lambda dice: {},
    lambda dice: [_odd(dice) for _ in range(dice.randint(0, 3))],
    lambda dice: {str(_odd(dice))[:20]: _odd(dice) for _ in range(dice.randint(0, 3))},
    lambda dice: _deep(dice.randint(1, 90)),
]


def _odd(dice: random.Random) -> Any:
    return dice.choice(ODD)(dice)


def _deep(levels: int) -> Any:
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def _places(value: Any) -> List[Any]:
    """Every (container, key) in *value*."""
    found: List[Any] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        found.append((value, key))
        found += _places(part)
    return found


def _bent(dice: random.Random, sound: Dict[str, Any]) -> Dict[str, Any]:
    """*sound* with some of its parts made odd, taken out or added."""
    bent: Dict[str, Any] = json.loads(json.dumps(sound))
    for _ in range(dice.choice((1, 1, 2, 5))):
        places = _places(bent)
        if not places:
            break
        container, key = dice.choice(places)
        what = dice.random()
        if what < 0.7:
            container[key] = _odd(dice)
        elif what < 0.85:
            del container[key]
        elif isinstance(container, dict):
            container[f"new{dice.randint(0, 9)}"] = _odd(dice)
    return bent


MEDIA = {"encrypt_query_param": "p", "aes_key": "MDAwMDAwMDAwMDAwMDAwMA==", "encrypt_type": 1, "full_url": "http://x/"}
ITEMS = [
    {"type": 1, "text_item": {"text": "odd"}},
    {"type": 2, "image_item": {"media": MEDIA, "aeskey": "00" * 16, "mid_size": 5}},
    {"type": 3, "voice_item": {"media": MEDIA, "encode_type": 6, "text": "said"}},
    {"type": 4, "file_item": {"media": MEDIA, "file_name": "a.txt", "len": "5"}},
    {"type": 5, "video_item": {"media": MEDIA, "video_size": 5}},
    {"type": 11, "tool_call_start_item": {"tool_name": "t", "tool_call_id": "1"}},
    {"type": 99, "future_item": {"x": 1}},
]


def _odd_message(dice: random.Random, number: int) -> Dict[str, Any]:
    item = dict(dice.choice(ITEMS))
    if dice.random() < 0.3:
        partial = {"start": "o", "end": "d", "startindex": 0, "endindex": 0, "quotemd5": "x"}
        item["ref_msg"] = {"message_item": dice.choice(ITEMS), "title": "t", "svr_id": "5", "partial_text": partial}
    sound = {
        "seq": number,
        "message_id": 10_000_000 + number,
        "from_user_id": f"odd{number % 7}",
        "to_user_id": "bot",
        "client_id": "c",
        "create_time_ms": 1_700_000_000_000 + number,
        "update_time_ms": 1_700_000_000_000,
        "delete_time_ms": 0,
        "session_id": "s",
        "message_type": 1,
        "message_state": 2,
        "item_list": [item],
        "context_token": "token",
    }
    return _bent(dice, sound)


def test_ten_thousand_odd_messages_cost_no_good_one(ilink: ILinkSim, figure: Figure) -> None:
    dice = random.Random(20261120)
    arrived = threading.Semaphore(0)
    bot = Recorder(lambda ctx: arrived.release() if ctx.from_user_id == "alice" else None)
    good, answers = [], 0
    ilink.settings.strict = False  # the cursors of these answers are not the simulator's
    for start in range(0, COUNT, BATCH):
        batch = []
        for number in range(start, start + BATCH):
            batch.append(_odd_message(dice, number))
            if number % GOOD_EVERY == 0:
                good.append(str(number))
                batch.append(_good_message(number))
        answer = {"ret": 0, "msgs": batch, "get_updates_buf": f"fuzz-{start}"}
        ilink.faults.next("getupdates", body=json.dumps(answer).encode())  # escapes half characters, too
        answers += 1
    client = started(ilink, bot)
    for _ in good:
        assert arrived.acquire(timeout=WAIT)
    until(lambda: client.health().queued == 0 and client.health().workers_busy == 0)
    until(lambda: ilink.polls_in_flight == 1)
    polls, health = ilink.count("getupdates"), client.health()
    assert client.shutdown()
    heard = [ctx.body for ctx in bot.contexts if ctx.from_user_id == "alice"]
    told = f"{COUNT}, handled of them {len(bot.contexts) - len(heard)}, good ones {len(heard)} of {len(good)}"
    figure("odd iLink messages", f"{told}, answers {answers}, polls {polls}")
    assert heard == good
    assert bot.errors == []
    assert health.state is HealthState.RUNNING
    assert polls == answers + 1  # nothing was asked for twice


def _good_message(number: int) -> Dict[str, Any]:
    return {
        "message_id": number + 1,
        "from_user_id": "alice",
        "create_time_ms": 1_700_000_000_000,
        "message_type": 1,
        "message_state": 2,
        "item_list": [{"type": 1, "text_item": {"text": str(number)}}],
        "context_token": "token",
    }


CALLBACK = {"cmd": "aibot_msg_callback", "headers": {"req_id": "r"}}


def _odd_frame(dice: random.Random, number: int) -> Any:
    what = dice.random()
    if what < 0.55:
        parts = {
            "text": {"content": "x"},
            "image": {"url": "http://x/", "aeskey": "k"},
            "mixed": {"msg_item": [{"msgtype": "text", "text": {"content": "x"}}]},
            "voice": {"content": "said"},
            "quote": {"msgtype": "text", "text": {"content": "q"}},
        }
        msgtype = dice.choice(("text", "image", "mixed", "voice", "file", "video", "location"))
        body = {"msgid": f"odd-{number}", "aibotid": "b", "chattype": "single", "from": {"userid": "eve"}, **parts}
        return _bent(dice, {**CALLBACK, "body": {**body, "msgtype": msgtype}})
    if what < 0.7:
        event = {"eventtype": dice.choice(("enter_chat", "feedback_event", "unheard_of")), "enter_chat": {}}
        body = {"msgid": f"odd-{number}", "msgtype": "event", "from": {"userid": "eve"}, "event": event}
        return _bent(dice, {"cmd": "aibot_event_callback", "headers": {"req_id": "r"}, "body": body})
    if what < 0.8:
        return _bent(dice, {"headers": {"req_id": f"ping_{number}"}, "errcode": 0, "errmsg": "ok", "body": {}})
    if what < 0.9:
        return json.dumps(_odd(dice))
    text = json.dumps({**CALLBACK, "body": {"msgid": "z", "msgtype": "text"}})
    cut = text[: dice.randint(0, len(text))]
    odd_bytes = wire.frame(dice.randbytes(dice.randint(0, 100)), dice.choice((0x1, 0x2, 0x3, 0x7, 0xB)))
    return dice.choice((cut, wire.masked(cut), wire.binary(cut.encode()), wire.fragmented(text), odd_bytes))


def test_ten_thousand_odd_frames_cost_no_good_one(aibot: AiBotSim, figure: Figure) -> None:
    dice = random.Random(20261120)
    client = client_for(aibot, max_queued_messages=COUNT * 2)
    heard: List[str] = []
    errors: List[BaseException] = []

    @client.on_message_text
    def hear(frame: Any) -> None:
        if frame.chat == "alice":
            heard.append(frame.body.text.content)

    client.on_message(lambda frame: repr((frame, frame.body)))
    client.on_event(lambda frame: repr((frame, frame.body)))
    client.on_error(errors.append)
    with client:
        aibot.wait_subscribed()
        good = []
        for number in range(COUNT):
            aibot.faults.hostile(_odd_frame(dice, number))
            if number % GOOD_EVERY == 0:
                body = callback_body(aibot._desk, aibot.bot_id, "alice", None)
                body.update({"msgtype": "text", "text": {"content": str(number)}})
                aibot.faults.hostile({**CALLBACK, "body": body})
                good.append(str(number))
        until(lambda: len(heard) >= len(good), "the last good message", 60.0)
        connections = len(aibot.connections)
    figure("odd aibot frames", f"{COUNT}, good ones {len(heard)} of {len(good)}, reconnects {connections - 1}")
    assert heard == good
    assert connections == 1
    assert errors == []
