from __future__ import annotations

import threading
from typing import List, Optional

import pytest

from wxsdk.core.redact import Secret
from wxsdk.errors import ApiError, ConfigError, TransportError
from wxsdk.ilink import typing_indicator as typing_sign
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.context import MessageContext
from wxsdk.ilink.tokens import ContextTokenStore
from wxsdk.ilink.typing_indicator import TypingSigns
from wxsdk.ilink.wire import ConfigReply, TypingStatus
from wxsdk.runtime.store import MemoryStore
from wxsdk.sim import ILinkSim
from wxsdk.testing import FakeClock

from .bots import WAIT, Recorder, config_for, started


class PretendApi:
    def __init__(self) -> None:
        self.calls: List[str] = []
        self.trouble: Optional[Exception] = None
        self.config_trouble: Optional[Exception] = None

    def get_config(self, user_id: str, context_token: Optional[str]) -> ConfigReply:
        self.calls.append(f"config {context_token}")
        if self.config_trouble:
            raise self.config_trouble
        return ConfigReply(typing_ticket=Secret(f"ticket of {user_id}"))

    def send_typing(self, user_id: str, ticket: str, status: int) -> None:
        self.calls.append(f"{TypingStatus(status).name} {user_id} with {ticket:.99}")
        if self.trouble:
            raise self.trouble


class Setting:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.api = PretendApi()
        tokens = ContextTokenStore(MemoryStore(), self.clock)
        tokens.set("alice", "newest")
        self.signs = TypingSigns(WeixinConfig("t"), self.clock, self.api, tokens)  # type: ignore[arg-type]

    def sent(self) -> List[str]:
        return [call.split()[0] for call in self.api.calls if not call.startswith("config")]


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_the_ticket_is_fetched_once_with_the_newest_context_token(setting: Setting) -> None:
    setting.signs.show("alice")
    setting.signs.cancel("alice")
    assert setting.api.calls == [
        "config newest",
        "TYPING alice with ticket of alice",
        "CANCEL alice with ticket of alice",
    ]


def test_a_refused_ticket_is_fetched_again_later(setting: Setting) -> None:
    setting.signs.show("alice")
    setting.api.trouble = ApiError(-3)
    with pytest.raises(ApiError):
        setting.signs.show("alice")
    setting.api.trouble = None
    setting.signs.show("alice")  # too soon to ask again: nothing happens
    assert len(setting.api.calls) == 3
    setting.clock.advance(3.0)
    setting.signs.show("alice")
    assert [call.split()[0] for call in setting.api.calls] == ["config", "TYPING", "TYPING", "config", "TYPING"]


def test_a_failed_fetch_is_told_and_not_repeated_at_once(setting: Setting) -> None:
    setting.api.config_trouble = TransportError("no")
    with pytest.raises(TransportError):
        setting.signs.show("alice")
    setting.signs.show("alice")
    assert setting.api.calls == ["config newest"]


def test_a_block_keeps_the_sign_up_every_five_seconds_and_ends_it(setting: Setting) -> None:
    with setting.signs.block("alice"):
        for _ in range(3):
            setting.clock.wait_parked(name="typing")
            assert setting.clock.next_deadline() == 5.0
            setting.clock.advance(5.0)
        setting.clock.wait_parked(name="typing")
    assert setting.sent() == ["TYPING"] * 4 + ["CANCEL"]


def test_a_block_ends_the_sign_when_it_raises(setting: Setting) -> None:
    def work() -> None:
        with setting.signs.block("alice"):
            setting.clock.wait_parked(name="typing")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert setting.sent() == ["TYPING", "CANCEL"]


def test_a_block_never_raises_and_goes_on_trying(setting: Setting) -> None:
    setting.api.config_trouble = TransportError("no")
    with setting.signs.block("alice"):
        setting.clock.wait_parked(name="typing")
        setting.api.config_trouble = None
        setting.clock.advance(5.0)
        setting.clock.wait_parked(name="typing")
    assert setting.sent()[-2:] == ["TYPING", "CANCEL"]


def test_a_stop_from_elsewhere_ends_the_sign_of_a_block_that_still_runs(setting: Setting) -> None:
    with setting.signs.block("alice"):
        setting.clock.wait_parked(name="typing")
        setting.signs.end_blocks()
    assert setting.sent() == ["TYPING", "CANCEL"]


def test_nobody_is_typed_to() -> None:
    with pytest.raises(ConfigError):
        Setting().signs.show("")


def test_the_user_sees_the_sign_while_the_handler_works(sim: ILinkSim) -> None:
    bot = Recorder()
    client = started(sim, bot)
    alice = sim.user("alice")
    alice.says("hi")
    bot.wait_for(lambda: bot.contexts)
    with bot.contexts[0].typing():
        sim.wait_for(lambda: alice.is_typing)
    assert not alice.is_typing
    client.send_typing("alice")
    assert alice.is_typing
    client.cancel_typing("alice")
    assert not alice.is_typing
    client.shutdown()
    assert sim.violations == []


def test_a_sign_that_hangs_ends_with_the_client(sim: ILinkSim, monkeypatch: pytest.MonkeyPatch) -> None:
    for grace in ("END_GRACE", "STOP_GRACE"):
        monkeypatch.setattr(typing_sign, grace, 0.05)

    def work(ctx: MessageContext) -> None:
        with ctx.typing():
            hold.wait_entered()

    bot = Recorder(work)
    client = started(sim, bot)
    with sim.faults.hold("sendtyping") as hold:
        sim.user("alice").says("hi")
        bot.wait_for(lambda: bot.cursors)
        assert typing_threads() == 1
        assert client.shutdown()
        assert typing_threads() == 0
        with bot.contexts[0].typing():  # and so it does after the client's end
            hold.wait_entered()
        assert typing_threads() == 1
        assert client.shutdown()
        assert typing_threads() == 0
    client.send_typing("alice")
    assert client.shutdown()


def test_a_sign_that_does_not_end_in_time_makes_shutdown_say_so(sim: ILinkSim, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()
    begun = threading.Event()
    monkeypatch.setattr(typing_sign, "END_GRACE", 0.05)

    def stuck(self: TypingSigns, *_: object) -> None:
        begun.set()
        go_on.wait(WAIT)

    monkeypatch.setattr(TypingSigns, "_send", stuck)

    def work(ctx: MessageContext) -> None:
        with ctx.typing():
            begun.wait(WAIT)

    bot = Recorder(work)
    client = started(sim, bot)
    sim.user("alice").says("hi")
    bot.wait_for(lambda: bot.cursors)
    assert [client.shutdown(timeout=0.05) for _ in range(2)] == [False] * 2
    go_on.set()
    assert client.shutdown(timeout=WAIT)


def typing_threads() -> int:
    return sum(thread.name.startswith("wxsdk-ilink-typing-") for thread in threading.enumerate())


def test_typing_works_without_start(sim: ILinkSim) -> None:
    from wxsdk.ilink.client import WeixinClient

    sim.user("alice").says("hi")
    client = WeixinClient(config_for(sim))
    client.send_typing("alice")
    assert sim.user("alice").is_typing
    client.shutdown()
