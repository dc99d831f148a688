"""What a Sending checks, sends and returns, with a stand-in for the acknowledgements."""

from __future__ import annotations

import json
from typing import Any, Dict, List, Optional

import pytest

from wxsdk import ConfigError, LimitExceeded, TemplateCard, WSClientOptions
from wxsdk.aibot.frames import WsFrame, parse_frame
from wxsdk.aibot.sending import Sending
from wxsdk.testing import FakeClock


class StubReplies:
    """Acknowledges everything, and notes what it was given."""

    def __init__(self) -> None:
        self.calls: List[Dict[str, Any]] = []
        self.busy = False

    def call(self, req_id: str, cmd: str, text: str, timeout: float, *, unless_busy: bool = False) -> Optional[WsFrame]:
        if unless_busy and self.busy:
            return None
        self.calls.append({"req_id": req_id, "cmd": cmd, "timeout": timeout, **json.loads(text)})
        return frame({"headers": {"req_id": req_id}, "errcode": 0, "errmsg": "ok"})

    def is_busy(self, req_id: str) -> bool:
        return self.busy


def frame(wire: Dict[str, Any]) -> Any:
    return parse_frame(json.dumps(wire).encode())


def pushed(req_id: str = "R") -> Any:
    body = {"msgid": "m", "msgtype": "text", "chattype": "single", "from": {"userid": "u"}, "text": {"content": "hi"}}
    return frame({"cmd": "aibot_msg_callback", "headers": {"req_id": req_id}, "body": body})


@pytest.fixture
def replies() -> StubReplies:
    return StubReplies()


@pytest.fixture
def sending(replies: StubReplies) -> Any:
    return Sending(WSClientOptions("bot", "secret", ack_timeout=7.0), replies, FakeClock())


def test_a_reply_goes_out_under_the_request_id_of_what_it_answers(sending: Any, replies: StubReplies) -> None:
    answer = sending.reply_stream(pushed("R1"), "s", "all so far", finish=True)
    assert answer.errcode == 0
    (call,) = replies.calls
    assert (call["req_id"], call["cmd"], call["timeout"]) == ("R1", "aibot_respond_msg", 7.0)
    assert call["body"]["stream"] == {"id": "s", "finish": True, "content": "all so far"}


def test_a_snapshot_is_skipped_while_another_one_is_in_flight(sending: Any, replies: StubReplies) -> None:
    replies.busy = True
    assert sending.reply_stream_non_blocking(pushed(), "s", "one") is None
    assert replies.calls == []


def test_the_last_snapshot_is_never_skipped(sending: Any, replies: StubReplies) -> None:
    replies.busy = True
    assert sending.reply_stream_non_blocking(pushed(), "s", "one", finish=True) is not None
    assert len(replies.calls) == 1


def test_a_push_has_a_request_id_of_its_own_and_names_the_chat(sending: Any, replies: StubReplies) -> None:
    sending.send_message("chat", {"msgtype": "markdown", "markdown": {"content": "hello"}})
    (call,) = replies.calls
    assert call["cmd"] == "aibot_send_msg"
    assert call["req_id"].startswith("aibot_send_msg_")
    assert call["body"]["chatid"] == "chat"


def test_what_the_platform_would_refuse_is_not_sent(sending: Any, replies: StubReplies) -> None:
    with pytest.raises(LimitExceeded):
        sending.reply_stream(pushed(), "s", "x" * 20_481)
    with pytest.raises(ConfigError):
        sending.reply_template_card(pushed(), {"card_type": "text_notice"})
    assert replies.calls == []


def test_a_card_that_was_sent_is_remembered_by_its_task_id(sending: Any) -> None:
    card = TemplateCard.text_notice("Title", "text", card_action="https://example.com", task_id="t1")
    sending.reply_template_card(pushed(), card)
    assert sending.sent_card("t1").main_title.title == "Title"
    assert sending.sent_card("t2") is None


def test_the_low_level_call_takes_any_command_and_its_own_timeout(sending: Any, replies: StubReplies) -> None:
    sending.api.call("aibot_new_command", body={"a": 1}, timeout=2.0)
    (call,) = replies.calls
    assert (call["cmd"], call["timeout"], call["body"]) == ("aibot_new_command", 2.0, {"a": 1})
