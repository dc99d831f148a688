"""The page's HTTP side: whom it answers, what it gives, and what it keeps to itself."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List

import pytest
import requests

from tests.sim.ilink.speaker import Speaker
from wxsdk.sim.page import Playground

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


@pytest.fixture
def page() -> Iterator[Playground]:
    with Playground() as playground:
        yield playground


def post(page: Playground, action: str, data: Any, **headers: str) -> requests.Response:
    """An action as the page itself asks for it."""
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    headers = {"Origin": page.url.rstrip("/"), **headers}
    return requests.post(f"{page.url}api/{action}", data=body, headers=headers, timeout=5)


def hello(page: Playground) -> Dict[str, Any]:
    """What a freshly opened page gets."""
    return events(page, 1)[0][1]


def events(page: Playground, count: int, **headers: str) -> List[Any]:
    """The next events of the stream, as (kind, data)."""
    found: List[Any] = []
    with requests.get(f"{page.url}api/events", stream=True, headers=headers, timeout=5) as answer:
        kind = ""
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                found.append((kind, json.loads(line[6:])))
                if len(found) == count:
                    return found
    raise AssertionError(f"the stream ended after {found}")


def until_entries(page: Playground, count: int) -> List[Dict[str, Any]]:
    """The entries, once there are so many."""
    with requests.get(f"{page.url}api/events", stream=True, timeout=5) as answer:
        kind, found = "", []
        for line in answer.iter_lines(decode_unicode=True):
            if line.startswith("event: "):
                kind = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
                found += data["entries"] if kind == "hello" else [data] if kind == "entry" else []
                if len(found) >= count:
                    return found
    raise AssertionError(f"the stream ended after {found}")


def test_every_file_that_the_page_names_is_served(page: Playground) -> None:
    index = requests.get(page.url, timeout=5)
    assert index.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    for part in index.text.split('"'):
        if part.startswith("/static/"):
            answer = requests.get(page.url.rstrip("/") + part, timeout=5)
            assert answer.status_code == 200, part
            assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_nothing_that_the_page_gets_holds_a_token(page: Playground) -> None:
    secrets = [page.ilink.token, page.aibot.secret, page.aibot.token, page.aibot.encoding_aes_key]
    with Speaker(page.ilink) as bot:
        page.ilink.user("alice").says("hello")
        bot.poll()
        bot.send("alice", f"my token is {page.ilink.token}")
    assert post(page, "say", {"side": "aibot", "user": "alice", "chat": "alice", "text": page.aibot.secret}).ok
    until_entries(page, 3)
    paths = ("", "api/who", "api/export.json?side=ilink&chat=alice", "api/export.py?side=ilink&chat=alice")
    texts = [requests.get(page.url + path, timeout=5).text for path in paths]
    texts.append(json.dumps(hello(page)))
    assert "my token is" in texts[-1]
    for text in texts:
        assert not [secret for secret in secrets if secret in text]


@pytest.mark.parametrize(
    "headers", [{"Host": "evil.example"}, {"Host": "evil.example:80"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_a_foreign_host_or_site_reads_nothing(page: Playground, headers: Dict[str, str]) -> None:
    for path in ("", "api/events", "api/who", "media/x", "static/js/app.js"):
        assert requests.get(page.url + path, headers=headers, timeout=5).status_code in (403, 421)


@pytest.mark.parametrize("origin", ["", "http://evil.example", "null", "http://127.0.0.1"])
def test_another_sites_page_changes_nothing(page: Playground, origin: str) -> None:
    assert post(page, "user", {"name": "mallory"}, Origin=origin).status_code == 403
    assert "mallory" not in hello(page)["users"]


@pytest.mark.parametrize(
    ("action", "data", "status"),
    [
        ("no-such", {}, 404),
        ("say", b"not JSON", 409),
        ("say", b"[]", 409),
        ("say", {"side": "ilink"}, 409),
        ("user", {"name": "x" * 41}, 409),
        ("user", {"name": "a\nb"}, 409),
        ("press", {"user": "alice", "entry": "gone", "key": "k"}, 409),
        ("login", {"step": "scan", "user": "alice"}, 409),
        ("login", {"step": "steal", "user": "alice"}, 404),
        ("fault", {"name": "none"}, 409),
        ("group", {"name": "g", "members": []}, 409),
        ("file?side=ilink&user=alice&chat=alice", b"", 409),
        ("file?side=none&user=alice&chat=alice", b"x", 409),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(page: Playground, action: str, data: Any, status: int) -> None:
    answer = post(page, action, data)
    assert answer.status_code == status
    text = answer.json()["text"]
    assert text
    assert "Traceback" not in text
    assert "Error" not in text


def test_a_file_that_is_too_large_is_refused_before_it_is_read(page: Playground) -> None:
    headers = {"Content-Length": str(21 * 2**20), "Origin": page.url.rstrip("/")}
    request = requests.Request("POST", f"{page.url}api/file?side=ilink&user=a&chat=a", headers=headers).prepare()
    request.headers["Content-Length"] = str(21 * 2**20)
    with requests.Session() as session:
        assert session.send(request, timeout=5).status_code == 413


def test_what_is_said_reaches_the_bot_and_every_open_page(page: Playground) -> None:
    assert post(page, "say", {"side": "ilink", "user": "carol", "chat": "carol", "text": "hello"}).json() == {
        "result": None
    }
    (entry,) = until_entries(page, 1)
    assert (entry["chat"], entry["who"], entry["text"], entry["state"]) == ("carol", "user", "hello", "queued")
    with Speaker(page.ilink) as bot:
        (message,) = bot.poll()["msgs"]
    assert message["from_user_id"] == "carol"


def test_a_picture_can_be_seen_and_a_page_of_a_bot_cannot_run(page: Playground) -> None:
    where = "side=ilink&user=carol&chat=carol"
    assert post(page, f"file?{where}&name=../a.png", PNG).ok
    assert post(page, f"file?{where}&name=evil.html", b"<script>alert(1)</script>").ok
    picture, evil = (entry["media"][0] for entry in until_entries(page, 2))
    assert (picture["picture"], evil["picture"], evil["name"]) == (True, False, "evil.html")
    shown = requests.get(f"{page.url}media/{picture['id']}", timeout=5)
    assert (shown.content, shown.headers["Content-Type"]) == (PNG, "image/png")
    kept = requests.get(f"{page.url}media/{evil['id']}", timeout=5)
    assert kept.headers["Content-Type"] == "application/octet-stream"
    assert kept.headers["Content-Disposition"].startswith("attachment")
    assert "sandbox" in kept.headers["Content-Security-Policy"]
    assert requests.get(f"{page.url}media/..%2f..%2fetc%2fpasswd", timeout=5).status_code == 404


def test_a_reader_that_comes_back_gets_only_what_it_missed(page: Playground) -> None:
    with requests.get(f"{page.url}api/events", stream=True, timeout=5) as answer:
        last_id = next(line[4:] for line in answer.iter_lines(decode_unicode=True) if line.startswith("id: "))
    post(page, "user", {"name": "dora"})
    kind, data = events(page, 1, **{"Last-Event-ID": last_id})[0]
    assert (kind, "dora" in data["users"]) == ("people", True)
    assert events(page, 1, **{"Last-Event-ID": "other-3"})[0][0] == "hello"


def test_a_stopped_page_starts_again_on_its_port(page: Playground) -> None:
    url = page.url
    assert page.stop()
    assert page.stop()
    page.start()
    assert (page.url, hello(page)["bot"]) == (url, "Bot")
