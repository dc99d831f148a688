"""``WSClient.outbox`` against the simulator."""

from __future__ import annotations

import queue
import threading
from pathlib import Path
from typing import Any, Callable, Iterator, List, Sequence, Tuple

import pytest

from wxsdk.aibot.bodies import MarkdownBody
from wxsdk.aibot.cards import CardAction, TemplateCard
from wxsdk.aibot.client import WSClient
from wxsdk.aibot.config import WSClientOptions
from wxsdk.core.outbox_rules import OutboxItem
from wxsdk.errors import AckTimeout, ApiError, ConfigError, ConnectionLost, LimitExceeded, Unsupported, WxError
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import Change, MemoryStore, Put, Store
from wxsdk.sim.aibot.simulator import AiBotSim

WAIT = 10.0  # seconds after which a test gives up
Made = Callable[..., WSClient]


def markdown(text: Any) -> MarkdownBody:
    return MarkdownBody.of(str(text))


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "bot.db")
    yield made
    made.close()


@pytest.fixture
def make(sim: AiBotSim, store: Store) -> Iterator[Made]:
    """Makes clients with an outbox; every one is disconnected when the test ends."""
    made: List[WSClient] = []
    for userid in ("alice", "bob"):
        sim.user(userid)  # the bot knows them

    def client(**settings: Any) -> WSClient:
        known = {"bot_id": sim.bot_id, "secret": sim.secret, "ws_url": sim.ws_url, "reconnect_interval": 0.05}
        where = settings.pop("store", store)
        made.append(WSClient(WSClientOptions(**{**known, "outbox": True, **settings}), store=where))
        return made[-1]

    yield client
    assert [client.disconnect() for client in made] == [True] * len(made)


class GivenUp:
    """What a client gave up, in order."""

    def __init__(self, client: WSClient) -> None:
        self._queue: queue.Queue[Tuple[OutboxItem, WxError]] = queue.Queue()
        client.on_outbox_given_up(lambda item, error: self._queue.put((item, error)))

    def next(self) -> Tuple[OutboxItem, WxError]:
        return self._queue.get(timeout=WAIT)

    @property
    def empty(self) -> bool:
        return self._queue.empty()


def seen(sim: AiBotSim, chat: str = "alice") -> List[str]:
    return [message.text for message in sim.user(chat).sees]


def rows(store: Store, sim: AiBotSim) -> int:
    return len(store.items(f"aibot_outbox {sim.bot_id}"))


def test_a_push_goes_out_at_once_when_it_can(sim: AiBotSim, make: Made, store: Store) -> None:
    client = make()
    with client.connect(wait=WAIT):
        item = client.outbox.send_message("alice", markdown("hello"))
        assert (item.to, item.kind, item.attempts) == ("alice", "markdown", 0)
        assert client.outbox.flush(WAIT)
        assert seen(sim) == ["hello"]
        assert (client.outbox.pending(), rows(store, sim)) == ([], 0)
    assert not sim.violations


def test_pushes_wait_for_the_connection_and_go_out_in_order(sim: AiBotSim, make: Made) -> None:
    client, lost = make(), threading.Event()
    client.on_disconnected(lambda reason: lost.set())
    for number in range(25):
        client.outbox.send_message("alice", markdown(number))
    assert len(client.outbox.pending()) == 25
    with client.connect(wait=WAIT):
        sim.faults.refuse_connections()
        sim.faults.reset()
        assert lost.wait(WAIT)
        for number in range(25, 50):
            client.outbox.send_message("alice", markdown(number))
        sim.faults.restore()
        assert client.outbox.flush(WAIT)
    # What was on its way at the reset may be unknown, and is then not sent again; all others are there, in order.
    numbers = [int(text) for text in seen(sim)]
    assert numbers == sorted(set(numbers))
    assert set(range(25, 50)) <= set(numbers)
    assert len(numbers) >= 49


def test_an_acknowledgement_that_does_not_come_gives_up_and_doubles_nothing(
    sim: AiBotSim, make: Made, store: Store
) -> None:
    client = make(ack_timeout=0.2)
    told = GivenUp(client)
    sim.faults.ack("aibot_send_msg", lost=True)
    with client.connect(wait=WAIT):
        item = client.outbox.send_message("alice", markdown("one"))
        client.outbox.send_message("alice", markdown("two"))
        given, error = told.next()
        assert (given.id, given.attempts, type(error)) == (item.id, 1, AckTimeout)
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["one", "two"]
    assert (told.empty, rows(store, sim)) == (True, 0)


def test_a_connection_that_is_lost_before_the_acknowledgement_gives_up_and_doubles_nothing(
    sim: AiBotSim, make: Made
) -> None:
    client = make()
    told = GivenUp(client)
    held = sim.faults.ack("aibot_send_msg", late=True)
    with client.connect(wait=WAIT):
        client.outbox.send_message("alice", markdown("one"))
        client.outbox.send_message("alice", markdown("two"))
        held.wait_held()
        sim.faults.reset()
        error = told.next()[1]
        assert isinstance(error, ConnectionLost)
        assert error.may_have_been_sent
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["one", "two"]
    assert told.empty


def test_a_lost_subscription_is_no_reason_to_give_up(sim: AiBotSim, make: Made) -> None:
    client = make()
    sim.faults.ack("aibot_send_msg", errcode=846609)
    with client.connect(wait=WAIT):
        client.outbox.send_message("alice", markdown("one"))
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["one"]
    assert len(sim.connections) == 2


def test_a_used_up_rate_waits_and_holds_up_no_other_chat(sim: AiBotSim, make: Made) -> None:
    client = make()
    sim.faults.ack(lambda frame: frame.cmd == "aibot_send_msg" and frame.body["chatid"] == "alice", errcode=45009)
    with client.connect(wait=WAIT):
        client.outbox.send_message("alice", markdown("one"))
        client.outbox.send_message("alice", markdown("two"))
        client.outbox.send_message("bob", markdown("three"))
        assert sim.user("bob").expects(WAIT).text == "three"
        assert [item.to for item in client.outbox.pending()][:2] == ["alice", "alice"]
        client._postbox.wake()
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["one", "two"]


def test_a_refusal_for_good_is_given_up_once(sim: AiBotSim, make: Made, store: Store) -> None:
    client = make()
    told = GivenUp(client)
    sim.faults.ack("aibot_send_msg", errcode=93006)
    with client.connect(wait=WAIT):
        item = client.outbox.send_message("alice", markdown("one"))
        client.outbox.send_message("alice", markdown("two"))
        given, error = told.next()
        assert (given.id, type(error)) == (item.id, ApiError)
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["two"]
    assert (told.empty, rows(store, sim)) == (True, 0)


def test_a_push_that_waits_too_long_is_given_up(sim: AiBotSim, make: Made) -> None:
    client = make(outbox_max_age=0.001)
    told = GivenUp(client)
    client.outbox.send_message("alice", markdown("late"))
    threading.Event().wait(0.005)  # its age is real time
    with client.connect():
        assert isinstance(told.next()[1], LimitExceeded)
    assert seen(sim) == []


def test_without_a_callback_what_is_given_up_leaves_all_the_same(sim: AiBotSim, make: Made, store: Store) -> None:
    client = make()
    sim.faults.ack("aibot_send_msg", errcode=93006)
    with client.connect(wait=WAIT):
        client.outbox.send_message("alice", markdown("one"))
        assert client.outbox.flush(WAIT)
    assert rows(store, sim) == 0


class Frozen(MemoryStore):
    """Keeps a copy of itself as it was when a push was noted as being sent."""

    def __init__(self) -> None:
        super().__init__()
        self.copy = MemoryStore()

    def write(self, changes: Sequence[Change]) -> None:
        super().write(changes)
        if any(isinstance(change, Put) and '"sending":true' in change.value for change in changes):
            self.copy.write(changes)


def test_what_was_being_sent_when_the_process_died_is_told_and_not_sent_again(sim: AiBotSim, make: Made) -> None:
    before = Frozen()
    client = make(store=before)
    with client.connect(wait=WAIT):
        item = client.outbox.send_message("alice", markdown("once"))
        assert client.outbox.flush(WAIT)
    after = make(store=before.copy)
    told = GivenUp(after)
    assert [pending.id for pending in after.outbox.pending()] == [item.id]
    with after.connect(wait=WAIT):
        given, error = told.next()
        assert (given.id, given.attempts) == (item.id, 1)
        assert isinstance(error, ConnectionLost)
        assert error.may_have_been_sent
        assert after.outbox.flush(WAIT)
    assert seen(sim) == ["once"]
    assert rows(before.copy, sim) == 0


def test_a_note_that_the_store_does_not_take_sends_nothing_yet(sim: AiBotSim, make: Made) -> None:
    class Full(MemoryStore):
        broken = True

        def write(self, changes: Sequence[Change]) -> None:
            if self.broken and any(isinstance(change, Put) and '"sending":true' in change.value for change in changes):
                refused.set()
                raise OSError("disk full")
            super().write(changes)

    refused, store = threading.Event(), Full()
    client = make(store=store)
    with client.connect(wait=WAIT):
        client.outbox.send_message("alice", markdown("one"))
        assert refused.wait(WAIT)
        assert seen(sim) == []
        store.broken = False
        client._postbox.wake()
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["one"]


def test_a_disconnect_waits_a_moment_for_the_acknowledgement(sim: AiBotSim, make: Made) -> None:
    client = make()
    told = GivenUp(client)
    held = sim.faults.ack("aibot_send_msg", late=True)
    client.connect(wait=WAIT)
    client.outbox.send_message("alice", markdown("one"))
    client.outbox.send_message("alice", markdown("two"))
    held.wait_held()
    results: List[bool] = []
    thread = threading.Thread(target=lambda: results.append(client.disconnect()))
    thread.start()
    sim.faults.release_acks()
    thread.join(WAIT)
    assert results == [True]
    assert told.empty
    with client.connect(wait=WAIT):
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["one", "two"]


def test_a_card_is_remembered_as_if_it_had_been_sent_directly(sim: AiBotSim, make: Made) -> None:
    card = TemplateCard.text_notice(
        "Title", card_action=CardAction(type=1, url="https://example.com"), task_id="task-1"
    )
    client = make()
    with client.connect(wait=WAIT):
        item = client.outbox.send_message("alice", {"msgtype": "template_card", "template_card": card})
        assert item.kind == "template_card"
        assert client.outbox.flush(WAIT)
        assert client.sent_card("task-1") is not None
    assert not sim.violations


@pytest.mark.parametrize(
    ("chatid", "body", "error"),
    [
        ("", {"msgtype": "markdown", "markdown": {"content": "x"}}, ConfigError),
        ("alice", {"msgtype": "text", "text": {"content": "x"}}, Unsupported),
        ("alice", {"msgtype": "markdown", "markdown": {"content": "x" * 20_481}}, LimitExceeded),
        ("alice", {"msgtype": "markdown", "markdown": {"content": "x"}, "odd": object()}, ConfigError),
    ],
)
def test_it_checks_as_the_direct_call_does_before_anything_is_stored(
    chatid: str, body: Any, error: type, sim: AiBotSim, make: Made, store: Store
) -> None:
    client = make()
    with pytest.raises(error):
        client.outbox.send_message(chatid, body)
    assert (client.outbox.pending(), rows(store, sim)) == ([], 0)


def test_more_than_may_wait_is_refused_and_a_cancelled_push_never_goes_out(sim: AiBotSim, make: Made) -> None:
    client = make(outbox_max_count=1)
    first = client.outbox.send_message("alice", markdown("no"))
    with pytest.raises(LimitExceeded):
        client.outbox.send_message("alice", markdown("too many"))
    assert client.outbox.cancel(first.id)
    client.outbox.send_message("alice", markdown("yes"))
    with client.connect(wait=WAIT):
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["yes"]


def test_two_bots_may_share_a_store(sim: AiBotSim, make: Made) -> None:
    make(bot_id="another").outbox.send_message("alice", markdown("of another bot"))
    client = make()
    client.outbox.send_message("alice", markdown("mine"))
    with client.connect(wait=WAIT):
        assert client.outbox.flush(WAIT)
    assert seen(sim) == ["mine"]


def test_a_store_that_cannot_be_read_fails_the_connect_and_frees_the_bot(sim: AiBotSim, make: Made) -> None:
    class Unreadable(MemoryStore):
        def items(self, table: str) -> List[Tuple[str, str]]:
            raise OSError("damaged")

    with pytest.raises(OSError, match="damaged"):
        make(store=Unreadable()).connect()
    with make().connect(wait=WAIT):
        assert len(sim.subscribes) == 1


def test_while_it_is_off_nothing_runs_and_its_calls_name_the_setting(sim: AiBotSim, make: Made) -> None:
    store = MemoryStore()
    client = make(outbox=False, store=store)
    with client.connect(wait=WAIT):
        assert not [thread.name for thread in threading.enumerate() if "outbox" in thread.name]
        for call in (lambda: client.outbox.send_message("alice", markdown("x")), client.outbox.pending):
            with pytest.raises(ConfigError, match="outbox=True in WSClientOptions"):
                call()
    assert repr(store) == "MemoryStore({})"
