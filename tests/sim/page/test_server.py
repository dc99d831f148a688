"""The playground page: what it shows, and whom it answers."""

from __future__ import annotations

import base64
from typing import Any, Iterator

import pytest
import requests

from wxsdk.sim.page import Playground

from ..ilink.speaker import Speaker


@pytest.fixture
def page(ilink_sim: Any, aibot_sim: Any) -> Iterator[Playground]:
    with Playground(ilink_sim, aibot_sim) as playground:
        yield playground


def post(page: Playground, action: str, **data: Any) -> requests.Response:
    return requests.post(page.url + action, json=data, headers={"Origin": page.url.rstrip("/")}, timeout=5)


def only_message(sim: Any) -> Any:
    """What the bot gets of the simulator."""
    with Speaker(sim) as bot:
        (message,) = bot.poll()["msgs"]
    return message


def test_the_page_is_served_without_any_token(page: Playground, ilink_sim: Any, aibot_sim: Any) -> None:
    text = requests.get(page.url, timeout=5).text + requests.get(page.url + "chats", timeout=5).text
    assert "wxsdk playground" in text
    assert ilink_sim.token not in text
    assert aibot_sim.secret not in text


def test_what_is_said_on_the_page_reaches_the_simulator(page: Playground, ilink_sim: Any) -> None:
    assert post(page, "ilink/say", user="carol", text="hello").json() == {}
    shown = requests.get(page.url + "chats?user=carol", timeout=5).json()
    assert [bubble["text"] for bubble in shown["ilink"]["bubbles"]] == ["hello"]
    message = only_message(ilink_sim)
    assert (message["from_user_id"], message["item_list"][0]["text_item"]) == ("carol", {"text": "hello"})


def test_a_file_dropped_on_the_page_reaches_the_simulator(page: Playground, ilink_sim: Any) -> None:
    content = base64.b64encode(b"content").decode()
    assert post(page, "ilink/file", user="carol", name="a.txt", content=content).json() == {}
    message = only_message(ilink_sim)
    item = message["item_list"][0]["file_item"]
    assert (message["from_user_id"], item["file_name"], item["len"]) == ("carol", "a.txt", "7")


def test_what_fails_is_told(page: Playground) -> None:
    assert post(page, "aibot/click", user="carol", task_id="none", key="k").json()["error"]
    assert post(page, "no/such").status_code == 404


def test_another_host_name_is_refused(page: Playground) -> None:
    assert requests.get(page.url, headers={"Host": "evil.example"}, timeout=5).status_code == 421


@pytest.mark.parametrize("origin", [None, "http://evil.example", "null"])
def test_another_sites_page_cannot_post(page: Playground, ilink_sim: Any, origin: Any) -> None:
    headers = {} if origin is None else {"Origin": origin}
    answer = requests.post(page.url + "ilink/say", json={"user": "carol", "text": "x"}, headers=headers, timeout=5)
    assert answer.status_code == 403
    assert requests.get(page.url + "chats?user=carol", timeout=5).json()["ilink"]["bubbles"] == []
