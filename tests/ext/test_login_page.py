"""A person logs a bot in from a web page, step by step, on any thread; strangers do not."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from wxsdk import WeixinConfig, accounts
from wxsdk.ext.login_html import _CHINESE, _ENGLISH, page_html
from wxsdk.ext.login_page import HEADER, LoginPage

from ..delivery.waiting import until

OWN = {HEADER: "1"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WXSDK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def kept() -> List[accounts.Account]:
    return []


@pytest.fixture
def page(ilink_sim: Any, kept: List[accounts.Account]) -> Iterator[LoginPage]:
    made = LoginPage("support", WeixinConfig(token="", base_url=ilink_sim.base_url), kept.append)
    yield made
    made.close()


def post(page: LoginPage, headers: Dict[str, str] = OWN, **given: Any) -> Tuple[int, Dict[str, Any]]:
    answer = page.answer("POST", {}, json.dumps(given).encode(), headers)
    return answer.status, json.loads(answer.body)


def look(page: LoginPage, login: str) -> Dict[str, Any]:
    return dict(json.loads(page.answer("GET", {"id": login}, b"", {}).body))


def test_a_login_goes_from_the_code_to_a_kept_account(
    page: LoginPage, ilink_sim: Any, kept: List[accounts.Account]
) -> None:
    status, shown = post(page, action="begin")
    assert (status, shown["state"], shown["done"]) == (200, "wait", False)
    assert shown["svg"].startswith("<svg")
    ilink_sim.scan(user="alice")
    until(lambda: look(page, shown["id"])["state"] == "scaned")
    ilink_sim.confirm()
    until(lambda: look(page, shown["id"])["done"])
    ended = [look(page, shown["id"]) for _ in range(3)]
    assert {(each["state"], each["svg"], each["error"]) for each in ended} == {("confirmed", None, None)}
    assert [each.token for each in kept] == [accounts.load("support").token]
    assert str(kept[0].token) not in json.dumps(ended)


def test_many_threads_may_ask_at_once(page: LoginPage, ilink_sim: Any, kept: List[accounts.Account]) -> None:
    _, shown = post(page, action="begin")
    ilink_sim.scan(user="alice")
    ilink_sim.confirm()
    states: List[str] = []

    def ask() -> None:
        until(lambda: look(page, shown["id"])["done"])
        states.append(look(page, shown["id"])["state"])

    threads = [threading.Thread(target=ask) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == ["confirmed"] * 12
    assert len(kept) == 1


def test_it_can_be_cancelled_and_begun_anew(page: LoginPage) -> None:
    _, first = post(page, action="begin")
    assert post(page, action="cancel", id=first["id"])[0] == 200
    until(lambda: look(page, first["id"])["done"])
    assert "cancelled" in look(page, first["id"])["error"]
    _, second = post(page, action="begin")
    assert second["id"] != first["id"]
    assert look(page, first["id"])["error"].startswith("This login is not known here.")


@pytest.mark.parametrize(
    ("given", "headers", "status"),
    [
        ({"action": "begin"}, {}, 403),
        ({"action": "number", "id": "guess", "code": "1"}, OWN, 404),
        ({"action": "cancel", "id": ""}, OWN, 404),
        ({"action": "cancel", "id": None}, OWN, 404),
        ({"action": "cancel", "id": "\u4e2d"}, OWN, 404),
        ({}, OWN, 404),
    ],
)
def test_strangers_and_garbage_get_an_error(
    given: Dict[str, Any], headers: Dict[str, str], status: int, page: LoginPage
) -> None:
    assert post(page, headers, **given)[0] == status


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000, b"5", b"\xff", b"x" * 10_000])
def test_a_body_that_is_none_is_refused(body: bytes, page: LoginPage) -> None:
    assert page.answer("POST", {}, body, OWN).status in (400, 404)
    assert page.answer("PUT", {}, body, OWN).status == 405


def test_a_number_that_nobody_asked_for_is_refused_and_the_login_goes_on(page: LoginPage) -> None:
    _, shown = post(page, action="begin")
    assert post(page, action="number", id=shown["id"], code="123")[0] == 409
    assert post(page, action="nonsense", id=shown["id"])[0] == 400
    assert not look(page, shown["id"])["done"]


def test_the_page_loads_nothing_from_elsewhere_and_is_in_both_languages(page: LoginPage) -> None:
    answer = page.answer("GET", {}, b"", {"accept-language": "zh-CN,zh;q=0.9"})
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "no-store" in answer.headers["Cache-Control"]
    shown = answer.body.decode()
    assert 'lang="zh"' in shown
    assert "登录微信机器人" in shown
    assert not re.search(r"(src|href)=|https?://", shown)
    assert 'lang="en"' in page_html("", HEADER)
    assert set(_ENGLISH) == set(_CHINESE)


def test_flask_shows_it_to_those_who_may(ilink_sim: Any) -> None:
    from flask import Flask

    from wxsdk.ext.flask import login_page

    app = Flask(__name__)
    config = WeixinConfig(token="", base_url=ilink_sim.base_url)
    view = login_page("support", allowed=lambda request: request.headers.get("X-Who") == "admin", config=config)
    app.add_url_rule("/bot/login", view_func=view, methods=["GET", "POST"])
    client = app.test_client()
    assert client.get("/bot/login").status_code == 403
    admin = {"X-Who": "admin", **OWN}
    assert b"<title>" in client.get("/bot/login", headers=admin).data
    shown = client.post("/bot/login", json={"action": "begin"}, headers=admin).get_json()
    ilink_sim.scan(user="alice")
    ilink_sim.confirm()
    until(lambda: client.get(f"/bot/login?id={shown['id']}", headers=admin).get_json()["done"])
    assert accounts.list() == ["support"]


def test_django_shows_it_to_those_who_may(ilink_sim: Any, tmp_path: Path) -> None:
    program = f"""
        import json
        from django.conf import settings
        settings.configure(
            SECRET_KEY="s", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], INSTALLED_APPS=["wxsdk.ext.django"],
            MIDDLEWARE=["django.middleware.csrf.CsrfViewMiddleware"], WXSDK_CLIENT="x.y",
        )
        import django
        django.setup()
        from django.test import Client
        from django.urls import path
        from wxsdk import WeixinConfig, accounts
        from wxsdk.ext.django.views import login_page
        config = WeixinConfig(token="", base_url={ilink_sim.base_url!r})
        may = lambda request: request.headers.get("X-Who") == "admin"
        urlpatterns = [path("bot/login", login_page("support", allowed=may, config=config))]
        client = Client(enforce_csrf_checks=True)
        assert client.get("/bot/login").status_code == 403
        own = {{"X-Who": "admin", {HEADER!r}: "1"}}
        answer = client.post("/bot/login", json.dumps({{"action": "begin"}}), "application/json", headers=own)
        login = answer.json()["id"]
        print("begun", flush=True)
        while not (shown := client.get("/bot/login", {{"id": login}}, headers=own).json())["done"]:
            pass
        assert shown["state"] == "confirmed", shown
        assert accounts.list() == ["support"]
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n", process.stderr and process.stderr.read().decode()
        ilink_sim.scan(user="alice")
        ilink_sim.confirm()
        _, err = process.communicate(timeout=30)
    assert process.returncode == 0, err.decode()
