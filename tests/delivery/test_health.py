"""health() tells of every fault in time: it is never wrong for more than 65 seconds."""

from __future__ import annotations

from typing import Any

from tests.ilink.bots import WAIT, Recorder, config_for, echo, started
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.heartbeat import PATIENCE
from wxsdk.errors import TransportError
from wxsdk.health import HealthState
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.config import WeixinConfig
from wxsdk.ilink.poll_rules import MAX_HOLD, MIN_SPACING, after_poll, first_state, judge_answer, judge_error
from wxsdk.sim import AiBotSim, ILinkSim
from wxsdk.testing import FakeClock

from .waiting import until

STALE = 65.0  # seconds


def test_with_the_default_settings_a_dead_line_shows_within_65_seconds() -> None:
    assert first_state(WeixinConfig("token")).deadline < STALE
    options = WSClientOptions("bot", "secret")
    assert options.heartbeat_interval * (1 + PATIENCE) < STALE
    assert options.request_timeout < STALE


def test_whatever_hold_the_platform_announces_a_dead_line_shows_when_it_and_the_grace_are_over() -> None:
    config = WeixinConfig("token")
    announced = judge_answer(200, b'{"ret": 0, "longpolling_timeout_ms": 3600000}')
    state = after_poll(first_state(config), announced, elapsed=1.0, unit=0.5, config=config).state
    assert state.deadline == MAX_HOLD + config.poll_grace == 130.0
    timeout = judge_error(TransportError("x", kind="timeout", may_have_been_sent=True))
    assert after_poll(state, timeout, elapsed=state.deadline, unit=0.5, config=config).silence is not None


def test_a_poll_on_a_dead_line_shows_when_its_time_is_over(ilink: ILinkSim) -> None:
    bot = Recorder(echo)
    with ilink.faults.hold("getupdates") as hold:
        client = started(ilink, bot, long_poll_timeout=0.1, poll_grace=0.1)
        hold.wait_entered(3)  # two of them had no answer in their time
        health = client.health()
        assert health.state is HealthState.RETRYING
        assert "did not answer a poll" in str(health.last_error)
        assert health.retries >= 2
    ilink.user("alice").says("awake?")
    assert ilink.user("alice").expects(WAIT).text == "awake?"
    until(lambda: client.health().state is HealthState.RUNNING)
    assert client.health().last_error is None
    assert client.shutdown()
    assert bot.errors == []  # a timeout is no failure, it only shows


def test_a_gateway_that_cuts_every_poll_at_once_shows_and_an_answer_makes_it_good(ilink: ILinkSim) -> None:
    clock, bot = FakeClock(), Recorder(echo)
    client = WeixinClient(config_for(ilink), bot, _clock=clock)
    ilink.faults.next("getupdates", status=524, forever=True)
    client.start()
    polls, past = 0, 0.0
    while past < STALE:
        clock.wait_parked(name="wxsdk-ilink-poll")
        if client.health().state is not HealthState.RUNNING:
            break
        past += _advance(clock, MIN_SPACING)
        polls += 1
    health = client.health()
    assert health.state is HealthState.RETRYING
    assert "HTTP 524" in str(health.last_error)
    assert health.remedy
    assert polls >= 100  # as often as before
    ilink.faults.clear()
    ilink.user("alice").says("awake?")
    _advance(clock, MIN_SPACING)
    assert ilink.user("alice").expects(WAIT).text == "awake?"
    until(lambda: client.health().state is HealthState.RUNNING)
    assert client.health().last_error is None
    assert client.shutdown()
    assert bot.errors == []  # a cut is no failure, it only shows


def test_a_ping_without_an_answer_shows_before_the_connection_is_given_up(aibot: AiBotSim) -> None:
    clock = FakeClock()
    client = WSClient(_options(aibot), _clock=clock)
    client.connect(wait=WAIT)
    assert client.health().state is HealthState.RUNNING
    aibot.faults.half_open()
    past = 0.0
    while client.health().state is HealthState.RUNNING:
        clock.wait_parked(name="wxsdk-aibot-tick")
        past += _advance(clock)
    assert past <= STALE
    assert client.health().state is HealthState.RETRYING
    assert "ping" in str(client.health().last_error)
    client.disconnect()


def _advance(clock: FakeClock, seconds: float = 1.0) -> float:
    clock.advance(seconds)
    return seconds


def _options(sim: AiBotSim, **settings: Any) -> WSClientOptions:
    return WSClientOptions(sim.bot_id, sim.secret, ws_url=sim.ws_url, **settings)
