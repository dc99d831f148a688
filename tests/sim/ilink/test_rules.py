"""What the simulator refuses, drops and notes: broken requests, each with the sentence it earns."""

from __future__ import annotations

import base64
from typing import Any, Dict, Optional

import pytest

from wxsdk.sim import ILinkSim
from wxsdk.sim.ilink.rules import client_version, is_wechat_uin

from .fixtures import bot
from .fixtures import sim_with_alice as sim
from .speaker import BASE_INFO, UPDATES, Speaker

__all__ = ["bot", "sim"]  # fixtures


@pytest.mark.parametrize(
    ("header", "value", "ret", "sentence"),
    [
        ("iLink-App-Id", None, -14, 'iLink-App-Id is not "bot"'),
        ("iLink-App-ClientVersion", None, -14, "iLink-App-ClientVersion is not a decimal uint32"),
        ("iLink-App-ClientVersion", "2.4.9", -14, "iLink-App-ClientVersion is not a decimal uint32"),
        (
            "iLink-App-ClientVersion",
            "131329",
            -3,
            "base_info.channel_version and iLink-App-ClientVersion differ",
        ),
        ("AuthorizationType", None, -3, "AuthorizationType is not ilink_bot_token"),
        ("X-WECHAT-UIN", None, -3, "X-WECHAT-UIN is not base64 of the decimal string of a uint32"),
        ("X-WECHAT-UIN", "AAAA", -3, "X-WECHAT-UIN is not base64 of the decimal string of a uint32"),
        ("Content-Type", "text/plain", -3, "Content-Type is not application/json"),
        ("Authorization", None, -14, "no Authorization: Bearer <token>"),
        ("Authorization", "Basic abc", -14, "no Authorization: Bearer <token>"),
    ],
)
def test_a_wrong_header_is_refused_and_noted(
    sim: ILinkSim, bot: Speaker, header: str, value: Optional[str], ret: int, sentence: str
) -> None:
    assert bot.post("getupdates", UPDATES, **{header: value}).json()["ret"] == ret
    assert sim.violations == [f"getupdates: {sentence}"]


@pytest.mark.parametrize(
    ("base_info", "sentence"),
    [
        (None, "base_info is missing"),
        ({"channel_version": "2.4.9"}, "base_info has no bot_agent"),
        ({**BASE_INFO, "channel_version": "new"}, "base_info.channel_version is not of the form 1.2.3"),
        ({**BASE_INFO, "bot_agent": "no version"}, "base_info.bot_agent does not follow its grammar"),
        ({**BASE_INFO, "bot_agent": "a/1 " * 65}, "base_info.bot_agent does not follow its grammar"),
        ({**BASE_INFO, "more": 1}, "base_info has an unknown field more"),
    ],
)
def test_a_wrong_base_info_is_refused_and_noted(sim: ILinkSim, bot: Speaker, base_info: Any, sentence: str) -> None:
    body = {"get_updates_buf": "", **({"base_info": base_info} if base_info else {})}
    assert bot.post("getupdates", body).json()["ret"] == -3
    assert sim.violations == [f"getupdates: {sentence}"]


def test_the_agent_string_of_the_vendors_client_is_good(sim: ILinkSim, bot: Speaker) -> None:
    body = {"get_updates_buf": "", "base_info": {**BASE_INFO, "bot_agent": "OpenClaw"}}
    assert bot.post("getupdates", body).json()["ret"] == 0
    assert sim.violations == []


def test_the_same_uin_twice_is_refused_and_noted(sim: ILinkSim, bot: Speaker) -> None:
    same = base64.b64encode(b"12345").decode()
    assert bot.post("getupdates", UPDATES, **{"X-WECHAT-UIN": same}).json()["ret"] == 0
    assert bot.post("getupdates", UPDATES, **{"X-WECHAT-UIN": same}).json()["ret"] == -3
    assert sim.violations == ["getupdates: X-WECHAT-UIN was used before; each request draws its own"]


def test_without_strictness_a_broken_request_is_noted_and_served() -> None:
    with ILinkSim(hold=0, strict=False) as sim, Speaker(sim) as bot:
        assert bot.post("getupdates", UPDATES, **{"iLink-App-Id": None}).json()["ret"] == 0
        assert sim.violations == ['getupdates: iLink-App-Id is not "bot"']


def test_a_body_that_is_no_json_object_is_refused(sim: ILinkSim, bot: Speaker) -> None:
    assert bot.post("getupdates", [1]).json()["ret"] == -3
    assert sim.violations == ["getupdates: the body is not a JSON object"]


def test_unknown_calls_and_methods_are_told_apart(sim: ILinkSim, bot: Speaker) -> None:
    assert bot.post("getupdate", UPDATES).status_code == 404
    assert bot.session.get(f"{sim.base_url}/ilink/bot/getupdates", headers=bot.headers(), timeout=5).status_code == 405
    assert len(sim.violations) == 2


TEXT = {"type": 1, "text_item": {"text": "hi"}}
MEDIA = {"encrypt_query_param": "unknown", "aes_key": "A" * 44, "encrypt_type": 1}


@pytest.mark.parametrize(
    ("item", "changes", "sentence"),
    [
        (TEXT, {"message_state": 1}, "msg.message_type and msg.message_state are not 2 and 2"),
        (TEXT, {"from_user_id": "bot"}, "msg.from_user_id is not empty"),
        (TEXT, {"client_id": "abc"}, "msg.client_id is not <prefix>:<ms>-<8 hex>"),
        (TEXT, {"item_list": [TEXT, TEXT]}, "msg.item_list has 2 items, not exactly one"),
        (TEXT, {"item_list": None}, "item_list in msg is no list"),
        (TEXT, {"run_id": None}, "run_id in msg is no str"),
        ({"type": 1, "text_item": {"text": ""}}, {}, "text_item.text is empty"),
        ({"type": 1}, {}, "text_item is missing"),
        ({"type": 9}, {}, "the item has type 9"),
        ({"type": 2, "image_item": {"media": MEDIA}}, {}, "image_item has no mid_size"),
        (
            {"type": 4, "file_item": {"media": MEDIA, "file_name": "a", "len": 3}},
            {},
            "len in file_item is no str",
        ),
        (
            {"type": 5, "video_item": {"media": MEDIA, "video_size": 16}},
            {},
            "the media's encrypt_query_param is no file on the CDN",
        ),
        (
            {
                "type": 11,
                "is_completed": True,
                "create_time_ms": 1,
                "tool_call_start_item": {"tool_name": "t"},
            },
            {},
            "is_completed of a tool_call_start item is True",
        ),
    ],
)
def test_a_malformed_message_is_refused_and_noted(
    sim: ILinkSim, bot: Speaker, item: Dict[str, Any], changes: Dict[str, Any], sentence: str
) -> None:
    assert bot.send_item("alice", item, **changes)["ret"] == -3
    assert sim.violations == [f"sendmessage: {sentence}"]
    assert sim.user("alice").received == []


@pytest.mark.parametrize(
    ("msg", "item", "field"),
    [
        ({"session_id": "x"}, {}, "msg.session_id"),
        ({}, {"create_time_ms": 1}, "item.create_time_ms"),
        ({}, {"text_item": {"text": "hi", "bold": True}}, "text_item.bold"),
    ],
)
def test_a_message_with_an_unknown_field_is_accepted_and_silently_dropped(
    sim: ILinkSim, bot: Speaker, msg: Dict[str, Any], item: Dict[str, Any], field: str
) -> None:
    answer = bot.send_item("alice", {**TEXT, **item}, **msg)
    assert answer["message_id"]
    assert sim.violations == [f"sendmessage: unknown field {field}, so the message is silently dropped"]
    assert sim.user("alice").received == []
    assert len(sim.dropped) == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"filesize": 3}, "filesize 3 is not the cipher size of rawsize 3"),
        ({"rawfilemd5": "ABC"}, "rawfilemd5 is not 32 lower-case hex characters"),
        ({"media_type": 5}, "media_type 5 is none of 1 to 4"),
        ({"no_need_thumb": False}, "no_need_thumb is not true"),
        ({"rawsize": True}, "rawsize in the body is no int"),
    ],
)
def test_a_wrong_announcement_is_refused_and_noted(
    sim: ILinkSim, bot: Speaker, changes: Dict[str, Any], sentence: str
) -> None:
    assert bot.announce(b"abc", **changes)["ret"] == -3
    assert sim.violations == [f"getuploadurl: {sentence}"]


def test_the_version_number_is_the_platforms() -> None:
    assert (client_version("2.1.1"), client_version("2.4.9"), client_version("new")) == (131329, 132105, None)


@pytest.mark.parametrize(
    ("plain", "good"),
    [(b"0", True), (b"4294967295", True), (b"4294967296", False), (b"007", False), (b"x", False)],
)
def test_a_uin_is_base64_of_a_uint32(plain: bytes, good: bool) -> None:
    assert is_wechat_uin(base64.b64encode(plain).decode()) is good
