"""The callback views of Flask, Django and plain WSGI, called by the simulated platform."""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any, Callable, Dict, Iterator, List

import pytest

from tests.callback.bots import options_of, served
from wxsdk import Bot, CallbackOptions, WSClientOptions
from wxsdk.errors import ConfigError
from wxsdk.ext import wsgi
from wxsdk.sim import AiBotSim


def flask_application(bot: Bot) -> Any:
    from flask import Flask

    from wxsdk.ext.flask import callback

    app = Flask(__name__)
    app.add_url_rule("/wecom", view_func=callback(bot), methods=["GET", "POST"])
    return app


def django_application(bot: Bot) -> Any:
    from django.conf import settings

    if not settings.configured:
        settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=(), SECRET_KEY="x", MIDDLEWARE=[])
    from django.core.handlers.wsgi import WSGIHandler
    from django.urls import path

    from wxsdk.ext.django import callback

    settings.ROOT_URLCONF = (path("wecom", callback(bot)),)
    settings.ALLOWED_HOSTS = ["*"]
    import django

    django.setup(set_prefix=False)
    return WSGIHandler()


APPLICATIONS: Dict[str, Callable[[Bot], Any]] = {
    "wsgi": wsgi.application,
    "flask": flask_application,
    "django": django_application,
}


@contextlib.contextmanager
def serving(kind: str) -> Iterator[AiBotSim]:
    bot = Bot()
    bot.default(lambda message: f"echo: {message.text}")
    sim = AiBotSim(callback_url="http://127.0.0.1:1/")
    bot.add(options_of(sim))
    with served(APPLICATIONS[kind](bot)) as url:
        sim.callback_url = f"{url}/wecom"
        with sim:
            try:
                yield sim
            finally:
                assert bot.stop()


@pytest.mark.parametrize("kind", APPLICATIONS)
def test_a_view_verifies_answers_and_refuses(kind: str) -> None:
    with serving(kind) as sim:
        sim.verify_callback()
        alice = sim.user("alice")
        alice.says("hello")
        assert alice.expects().text == "echo: hello"
        assert not sim.violations
        sim.webhook.seal.token = "another"
        alice.says("forged")
        sim.wait_for(lambda: [call for call in sim.callbacks if call.status == 403])
        assert len(alice.sees) == 1


def call(application: Any, method: str, body: bytes, **environ: str) -> str:
    statuses: List[str] = []
    base = {"REQUEST_METHOD": method, "PATH_INFO": "/", "QUERY_STRING": "", "wsgi.input": io.BytesIO(body)}
    b"".join(
        application({**base, "CONTENT_LENGTH": str(len(body)), **environ}, lambda status, _: statuses.append(status))
    )
    return statuses[0]


def test_a_huge_body_is_refused_with_413_and_not_read_to_its_end() -> None:
    bot = Bot()
    bot.default(lambda message: None)
    bot.add(options_of(AiBotSim(callback_url="http://127.0.0.1:1/")))
    body = io.BytesIO(bytes(10 * 2**20))
    environ = {"wsgi.input": body, "CONTENT_LENGTH": str(10 * 2**20)}
    assert call(wsgi.application(bot), "POST", b"", **environ).startswith("413 ")  # type: ignore[arg-type]
    assert body.tell() <= 2**20 + 1
    assert bot.stop()


def test_another_method_is_405() -> None:
    bot = Bot()
    bot.default(lambda message: None)
    bot.add(options_of(AiBotSim(callback_url="http://127.0.0.1:1/")))
    assert call(wsgi.application(bot), "DELETE", b"").startswith("405 ")
    assert bot.stop()


def test_a_bot_without_a_callback_bot_says_what_to_add() -> None:
    bot = Bot()
    bot.add(WSClientOptions(bot_id="b", secret="s"))
    with pytest.raises(ConfigError, match="CallbackOptions"):
        wsgi.application(bot)({"PATH_INFO": "/", "wsgi.input": io.BytesIO()}, lambda *_: None)
    with pytest.raises(ConfigError, match="Give a Bot"):
        wsgi.application(object())


def test_healthz_counts_each_bot(tmp_path: Any) -> None:
    bot = Bot()
    key = "A" * 43
    bot.add(CallbackOptions("b", "t", key), name="shop")
    bodies: List[bytes] = []
    bodies += wsgi.application(bot)({"PATH_INFO": "/healthz"}, lambda *_: None)
    assert json.loads(bodies[0])["shop"]["state"] == "stopped"
