"""One life of a client, seen from its threads."""

from __future__ import annotations

import threading
from typing import Any, Iterator, List

import pytest

from wxsdk.aibot.acks import Replies
from wxsdk.aibot.callbacks import Callbacks
from wxsdk.aibot.config import WSClientOptions
from wxsdk.aibot.logger import BotLog
from wxsdk.aibot.parts import Parts
from wxsdk.aibot.run import Run
from wxsdk.aibot.seen import SeenIds
from wxsdk.runtime.clock import Clock

from .stubs import StubDoor, StubWs
from .test_delivery import message

FAR = 60.0  # seconds; a wait of this length fails the test


class Life:
    """A run on a stub of the gateway."""

    def __init__(self) -> None:
        options: Any = WSClientOptions("bot", "secret", heartbeat_interval=1000)
        self.ws, self.clock, self.callbacks = StubWs(), Clock(), Callbacks()
        self.order: List[str] = []
        door: Any = StubDoor(self.ws)
        replies = Replies(options, self.clock)
        parts = Parts(options, self.clock, BotLog(None, ()), self.callbacks, SeenIds(100), door, replies)
        self.run = Run(
            parts,
            on_ready=lambda: self.order.append("ready"),
            on_over=lambda: self.order.append("over"),
        )

    def on_ticker(self, action: Any) -> Any:
        """What *action* returns on the tick thread."""
        results: List[Any] = []
        done = threading.Event()
        self.run.connection.ticker.at(0.0, lambda: (results.append(action()), done.set()))  # type: ignore[arg-type,return-value]
        assert done.wait(5)
        return results[0]


@pytest.fixture
def life() -> Iterator[Life]:
    made = Life()
    made.run.connection.start()
    assert made.run.connection.wait_subscribed(5)
    yield made
    made.run.connection.stop()
    assert made.run.alive(made.clock.now() + 10) == []


def test_a_run_tells_when_it_is_ready_and_when_it_is_over(life: Life) -> None:
    life.run.connection.stop()
    assert life.run.reported.wait(5)
    assert life.order == ["ready", "over"]


def test_the_threads_of_a_run_know_themselves(life: Life) -> None:
    seen: List[Any] = []
    life.callbacks.on_message(lambda frame: seen.append((life.run.is_inside, life.run.is_at_work)))
    life.run.delivery.pushed([message("1")])
    life.run.delivery.drain(life.clock.now() + 10)
    assert seen == [(True, False)]
    assert life.on_ticker(lambda: (life.run.is_inside, life.run.is_at_work)) == (True, True)
    assert (life.run.is_inside, life.run.is_at_work) == (False, False)


def test_on_a_thread_of_its_own_a_run_is_not_waited_for(life: Life) -> None:
    reader = life.run.connection.workers[0].name
    assert life.on_ticker(lambda: life.run.alive(life.clock.now() + FAR)) == [reader]


def test_the_reader_closes_behind_itself_once_the_callbacks_have_run(life: Life) -> None:
    heard: List[str] = []
    begun, release = threading.Event(), threading.Event()

    @life.callbacks.on_message
    def fails(frame: Any) -> None:
        begun.set()
        assert release.wait(5)
        raise ValueError(frame.msgid)

    life.callbacks.on_error(lambda exc: heard.append(str(exc)))
    life.run.delivery.pushed([message("1"), message("2")])
    assert begun.wait(5)
    life.run.connection.stop()
    life.run.close_when_over(life.clock.now() + FAR)
    release.set()
    assert life.run.connection.workers[0].join(5)
    assert heard == ["1", "2"]
    assert not life.run.delivery.report_then(lambda: None, "error")


def test_a_run_that_is_over_is_closed_at_once(life: Life) -> None:
    life.run.connection.stop()
    assert life.run.connection.workers[0].join(5)
    life.run.close_when_over(life.clock.now() + FAR)
    assert not life.run.delivery.report_then(lambda: None, "error")
