"""Observers hear of everything that clients do, hold none of them up, and cost nothing while there are none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from typing import Any, Callable, Iterator, List

import pytest

from wxsdk import ConfigError, WeixinClient, WeixinConfig, WSClient, WSClientOptions, WxError, hooks
from wxsdk.hooks import Event

from .delivery.waiting import until


@pytest.fixture
def seen() -> Iterator[List[Event]]:
    """The events that happen in the test."""
    events: List[Event] = []
    hooks.add(events.append)
    yield events
    hooks.remove(events.append)


def kinds(events: List[Event]) -> List[str]:
    return [event.kind for event in events]


def personal(sim: Any, handler: Any, **settings: Any) -> WeixinClient:
    return WeixinClient(WeixinConfig(token=sim.token, base_url=sim.base_url, **settings), handler)


def test_a_message_of_personal_wechat_is_received_sent_and_handled(ilink_sim: Any, seen: List[Event]) -> None:
    with personal(ilink_sim, lambda ctx: ctx.reply_text("secret answer")):
        ilink_sim.user("alice").says("secret question")
        ilink_sim.user("alice").expects()
        until(lambda: "handled" in kinds(seen))
    assert sorted(kinds(seen)) == ["handled", "received", "sent"]
    assert {event.platform for event in seen} == {"ilink"}
    handled = next(event for event in seen if event.kind == "handled")
    assert handled.error is None
    assert handled.seconds is not None
    assert "secret" not in repr(seen)
    assert "alice" not in repr(seen)


def test_a_message_of_wecom_is_received_sent_and_handled(aibot_sim: Any, seen: List[Event]) -> None:
    client = WSClient(WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url))

    @client.on_message_text
    def answer(frame: Any) -> None:
        with client.open_stream(frame) as stream:
            stream.write("streamed")

    with client:
        aibot_sim.wait_subscribed()
        aibot_sim.user("bob").says("hello")
        aibot_sim.user("bob").expects()
        client.connect(wait=10)
        client.send_message("bob", {"msgtype": "markdown", "markdown": {"content": "pushed"}})
        until(lambda: kinds(seen).count("sent") == 2 and "handled" in kinds(seen))
    assert sorted(kinds(seen)) == ["handled", "received", "sent", "sent"]


def test_a_handler_that_raises_and_a_send_that_is_refused_name_their_errors(ilink_sim: Any, seen: List[Event]) -> None:
    def handler(ctx: Any) -> None:
        raise KeyError("secret")

    with personal(ilink_sim, handler) as client:
        ilink_sim.user("alice").says("hello")
        until(lambda: "handled" in kinds(seen))
        with pytest.raises(WxError):
            client.send_text("nobody", "hi")
        until(lambda: "refused" in kinds(seen))
    by_kind = {event.kind: event for event in seen}
    assert by_kind["handled"].error == "KeyError"
    assert by_kind["refused"].error is not None
    assert "secret" not in repr(seen)


def test_a_connection_that_is_lost_is_reported(aibot_sim: Any, seen: List[Event]) -> None:
    options = WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url, reconnect_interval=0.05)
    with WSClient(options):
        aibot_sim.wait_subscribed()
        aibot_sim.faults.reset()
        until(lambda: "reconnect" in kinds(seen))


def test_an_observer_that_raises_or_hangs_holds_up_neither_a_bot_nor_the_others(
    ilink_sim: Any, seen: List[Event], caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    def bad(event: Event) -> None:
        release.wait(10)
        raise ValueError("an observer's fault")

    hooks.add(bad)
    try:
        with personal(ilink_sim, lambda ctx: ctx.reply_text("yes")):
            for _ in range(3):
                ilink_sim.user("alice").says("hello")
                ilink_sim.user("alice").expects()
            release.set()
            until(lambda: len(seen) == 9)
    finally:
        release.set()
        hooks.remove(bad)
    assert "an observer raised" in caplog.text


def test_an_observer_that_is_too_slow_loses_events_and_the_log_says_so_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from wxsdk.runtime import hooks as inner

    monkeypatch.setattr(inner, "MAX_EVENTS", 5)
    observers = inner.Observers()
    release, heard = threading.Event(), []  # type: ignore[var-annotated]
    observer = lambda event: (release.wait(10), heard.append(event))  # noqa: E731
    observers.add(observer)
    for _ in range(50):
        observers.emit(Event("received", "ilink", 0.0))
    release.set()
    observers.remove(observer)
    assert 1 <= len(heard) <= 7
    assert caplog.text.count("slower than the bot") == 1


def test_the_thread_is_there_only_while_somebody_observes() -> None:
    def threads() -> List[str]:
        return [each.name for each in threading.enumerate() if each.name.startswith("wxsdk-hooks")]

    assert threads() == []
    for _ in range(3):
        hooks.add(print)
        hooks.add(print)
        assert len(threads()) == 1
        hooks.remove(print)
        hooks.remove(print)
        assert threads() == []


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(ConfigError):
        hooks.add("observer")  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_goes_on_to_observe() -> None:
    program = (
        "import os\nfrom wxsdk import hooks\nfrom wxsdk.runtime.hooks import emit\n"
        "hooks.add(lambda event: os.write(1, event.kind.encode() + b'\\n'))\n"
        "if os.fork() == 0:\n    emit('sent', 'ilink')\n    import threading\n"
        "    [t.join(0.3) for t in threading.enumerate() if t.name.startswith('wxsdk')]\n    os._exit(0)\n"
        "os.wait()\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], capture_output=True, timeout=30)
    assert done.stdout == b"sent\n", done.stderr


# -- the ready observers ----------------------------------------


def test_prometheus_counts(ilink_sim: Any) -> None:
    from prometheus_client import CollectorRegistry, generate_latest

    from wxsdk.ext.prometheus import install

    registry = CollectorRegistry()
    remove = install(registry)
    try:
        with personal(ilink_sim, lambda ctx: ctx.reply_text("yes")):
            ilink_sim.user("alice").says("hello")
            ilink_sim.user("alice").expects()
            until(lambda: registry.get_sample_value("wxsdk_handling_seconds_count", {"platform": "ilink"}) == 1.0)
        shown = generate_latest(registry).decode()
    finally:
        remove()
    for line in (
        'wxsdk_messages_received_total{platform="ilink"} 1.0',
        'wxsdk_messages_handled_total{error="",platform="ilink"} 1.0',
        'wxsdk_messages_sent_total{platform="ilink"} 1.0',
    ):
        assert line in shown
    install(registry)()  # the names are free again


def test_opentelemetry_gets_spans_and_counts(ilink_sim: Any) -> None:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from wxsdk.ext.opentelemetry import install

    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers = TracerProvider()
    tracers.add_span_processor(SimpleSpanProcessor(spans))
    meters = MeterProvider([reader])
    remove = install(tracer=tracers.get_tracer("test"), meter=meters.get_meter("test"))
    try:
        with personal(ilink_sim, lambda ctx: ctx.reply_text("yes")):
            ilink_sim.user("alice").says("hello")
            ilink_sim.user("alice").expects()
            until(lambda: len(spans.get_finished_spans()) == 2)
    finally:
        remove()
    found = {span.name: span for span in spans.get_finished_spans()}
    assert set(found) == {"wxsdk handle", "wxsdk send"}
    outer, inner = found["wxsdk handle"], found["wxsdk send"]
    assert outer.end_time - outer.start_time >= inner.end_time - inner.start_time > 0
    data = reader.get_metrics_data()
    points = data.resource_metrics[0].scope_metrics[0].metrics[0].data.data_points
    assert sum(point.value for point in points) == 3
    meters.shutdown()
    tracers.shutdown()


def test_an_observer_may_be_a_decorated_function(seen: List[Event]) -> None:
    heard: List[Event] = []

    @hooks.add
    def observe(event: Event) -> None:
        heard.append(event)

    assert isinstance(observe, Callable)  # type: ignore[arg-type]
    hooks.remove(observe)
