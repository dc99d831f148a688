"""``WeixinClient.outbox`` against the simulator."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import pytest

from wxsdk.core.outbox_rules import OutboxItem
from wxsdk.errors import ApiError, ConfigError, LimitExceeded, Unsupported, UploadFailed, WxError
from wxsdk.ilink.client import WeixinClient
from wxsdk.ilink.context import MessageContext
from wxsdk.runtime import doorbell
from wxsdk.runtime.clock import Clock
from wxsdk.runtime.sqlite_store import SQLiteStore
from wxsdk.runtime.store import MemoryStore, Store
from wxsdk.sim import ILinkSim

from .bots import WAIT, Recorder, config_for, started


class Bot(Recorder):
    """Notes what is given up, too."""

    def __init__(self) -> None:
        super().__init__()
        self.given_up: List[Tuple[OutboxItem, WxError]] = []

    def on_outbox_given_up(self, item: OutboxItem, error: WxError) -> None:
        self._note("given up", self.given_up, (item, error))


def client_of(sim: ILinkSim, store: Store, bot: Any = None, **settings: Any) -> WeixinClient:
    return WeixinClient(config_for(sim, **{"outbox": True, **settings}), bot or Bot(), store=store)


class Ahead(Clock):
    """Real time, some seconds later."""

    seconds = 0.0

    def now(self) -> float:
        return super().now() + self.seconds

    def wall(self) -> float:
        return super().wall() + self.seconds


def texts(sim: ILinkSim, user: str = "alice") -> List[str]:
    return [message.text for message in sim.user(user).received]


@pytest.fixture
def sim() -> Iterator[ILinkSim]:
    """Takes messages to people who never wrote."""
    with ILinkSim(hold=20, quota_limit=None, window=None) as sim:
        yield sim


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    made: Store = MemoryStore() if request.param == "memory" else SQLiteStore(tmp_path / "bot.db")
    yield made
    made.close()


def test_a_message_goes_out_at_once_when_it_can(sim: ILinkSim, store: Store) -> None:
    sim.user("alice").says("hello")
    with client_of(sim, store) as client:
        item = client.outbox.send_text("alice", "answer")
        assert (item.to, item.kind, item.attempts) == ("alice", "text", 0)
        assert client.outbox.flush(WAIT)
        assert texts(sim) == ["answer"]
        assert client.outbox.pending() == []
    assert store.items("outbox") == []
    assert sim.violations == []


def test_what_is_put_in_before_the_start_goes_out_after_it(sim: ILinkSim, store: Store) -> None:
    client = client_of(sim, store)
    client.outbox.send_text("alice", "later")
    assert sim.requests == []
    assert [item.to for item in client.outbox.pending()] == ["alice"]
    with client:
        assert sim.user("alice").expects(WAIT).text == "later"


def test_a_closed_window_waits_for_the_user(store: Store) -> None:
    with ILinkSim(hold=20) as sim, client_of(sim, store) as client:
        client.outbox.send_text("alice", "one")
        client.outbox.send_text("alice", "two")
        sim.wait_for(lambda: sim.refusals, WAIT)
        sim.user("bob").says("hello")
        client.outbox.send_text("bob", "not held up")
        assert sim.user("bob").expects(WAIT).text == "not held up"
        assert texts(sim) == []
        sim.user("alice").says("hello")
        assert client.outbox.flush(WAIT)
        assert texts(sim) == ["one", "two"]
        assert len(sim.refusals) == 1
        assert sim.violations == []


def test_a_used_up_quota_waits_for_the_user(store: Store) -> None:
    with ILinkSim(hold=20, quota_limit=3, window=None) as sim, client_of(sim, store, quota_limit=3) as client:
        sim.user("alice").says("hello")
        sim.wait_for(lambda: client.context_tokens.get("alice"), WAIT)
        for number in range(7):
            client.outbox.send_text("alice", str(number))
        sim.wait_for(lambda: len(sim.refusals) == 1, WAIT)
        assert texts(sim) == ["0", "1", "2"]
        client.outbox.send_text("bob", "not held up")  # nobody waits for alice
        assert sim.user("bob").expects(WAIT).text == "not held up"
        sim.user("alice").says("more")
        sim.wait_for(lambda: len(sim.refusals) == 2, WAIT)
        sim.user("alice").says("more")
        assert client.outbox.flush(WAIT)
        assert texts(sim) == [str(number) for number in range(7)]
        assert len(sim.refusals) == 2  # one request for each closed window
        assert sim.duplicates == []
        assert sim.violations == []


def test_the_policy_refuse_makes_no_request_for_a_closed_window(sim: ILinkSim, store: Store) -> None:
    sim.settings.limits.quota = None
    with client_of(sim, store, quota_limit=1, quota_policy="refuse") as client:
        sim.user("alice").says("hello")
        sim.wait_for(lambda: client.context_tokens.get("alice"), WAIT)
        for number in range(2):
            client.outbox.send_text("alice", str(number))
        sim.user("alice").waits_for(lambda message: message.text == "0", WAIT)
        client.outbox.send_text("bob", "the outbox has come by")
        sim.user("bob").expects(WAIT)
        assert texts(sim) == ["0"]
        sim.user("alice").says("more")
        assert client.outbox.flush(WAIT)
        assert texts(sim) == ["0", "1"]


def test_messages_wait_for_the_network_and_go_out_in_order(sim: ILinkSim, store: Store) -> None:
    bot = Bot()
    sim.user("alice").says("hello")
    with client_of(sim, store, bot) as client:
        bot.wait_for(lambda: bot.contexts)
        sim.faults.refuse_connections()
        bot.wait_for(lambda: bot.errors)
        for number in range(50):
            client.outbox.send_text(("alice", "bob")[number % 2], str(number))
        assert len(client.outbox.pending()) == 50
        sim.faults.restore()
        assert client.outbox.flush(WAIT)
    assert texts(sim) == [str(number) for number in range(0, 50, 2)]
    assert texts(sim, "bob") == [str(number) for number in range(1, 50, 2)]
    assert sim.most_sends_in_flight("alice") == 1
    assert sim.violations == []


def test_an_answer_that_is_lost_doubles_nothing(sim: ILinkSim, store: Store) -> None:
    bot = Bot()
    sim.user("alice").says("hello")
    with client_of(sim, store, bot) as client:
        bot.wait_for(lambda: bot.contexts)
        hold = sim.faults.hold("sendmessage", late=True)
        client.outbox.send_text("alice", "once")
        sim.wait_for(lambda: texts(sim) == ["once"], WAIT)
        sim.user("alice").says("a newer token")
        bot.wait_for(lambda: len(bot.contexts) == 2)
        client._interrupt_sends()
        client._resume_sends()
        hold.release()
        assert client.outbox.flush(WAIT)
        client.outbox.send_text("alice", "twice")
        assert client.outbox.flush(WAIT)
    assert texts(sim) == ["once", "twice"]
    assert len(sim.duplicates) == 1  # the platform was asked again, with the very same message
    assert sim.violations == []


def test_a_long_text_goes_out_in_parts_and_a_refused_part_later(store: Store) -> None:
    with ILinkSim(hold=20, quota_limit=2) as sim, client_of(sim, store, max_text_bytes=16) as client:
        sim.user("alice").says("hello")
        sim.wait_for(lambda: client.context_tokens.get("alice"), WAIT)
        client.outbox.send_text("alice", "one two three, four five six, seven eight nine")
        sim.wait_for(lambda: sim.refusals, WAIT)
        sim.user("alice").says("more")
        assert client.outbox.flush(WAIT)
        assert " ".join(texts(sim)) == "one two three, four five six, seven eight nine"
        assert sim.violations == []


def test_a_file_goes_out_with_its_caption_and_is_uploaded_once(sim: ILinkSim, store: Store, payload: Path) -> None:
    sim.settings.limits.quota = 1
    with client_of(sim, store) as client:
        sim.user("alice").says("hello")
        sim.wait_for(lambda: client.context_tokens.get("alice"), WAIT)
        assert client.outbox.send_media("alice", payload, "the report").kind == "media"
        sim.wait_for(lambda: sim.refusals, WAIT)
        assert texts(sim) == ["the report"]
        data = payload.read_bytes()
        payload.unlink()  # it is on the platform's side already
        sim.user("alice").says("more")
        assert client.outbox.flush(WAIT)
    assert sim.user("alice").received[-1].data == data
    assert sim.count("getuploadurl") == 1
    assert sim.violations == []


def test_a_file_that_is_gone_is_given_up_and_the_next_message_goes(sim: ILinkSim, store: Store, payload: Path) -> None:
    bot = Bot()
    client = client_of(sim, store, bot)
    item = client.outbox.send_media("alice", payload)
    client.outbox.send_text("alice", "next")
    payload.unlink()
    with client:
        assert sim.user("alice").expects(WAIT).text == "next"
        bot.wait_for(lambda: bot.given_up)
    assert [(given.id, type(error)) for given, error in bot.given_up] == [(item.id, UploadFailed)]
    assert store.items("outbox") == []


def test_a_refusal_for_good_is_given_up_once(sim: ILinkSim, store: Store) -> None:
    bot = Bot()
    sim.faults.ret("sendmessage", -99)
    with client_of(sim, store, bot) as client:
        item = client.outbox.send_text("alice", "unwanted")
        bot.wait_for(lambda: bot.given_up)
        assert client.outbox.pending() == []
    assert [(given.id, given.attempts, type(error)) for given, error in bot.given_up] == [(item.id, 1, ApiError)]
    with client_of(sim, store, bot):
        sim.wait_for(lambda: sim.polls_in_flight == 1, WAIT)
    assert len(bot.given_up) == 1
    assert texts(sim) == []


def test_a_message_that_waits_too_long_is_given_up(sim: ILinkSim, store: Store) -> None:
    bot, clock = Bot(), Ahead()
    client = WeixinClient(config_for(sim, outbox=True, outbox_max_age=60.0), bot, store=store, _clock=clock)
    client.outbox.send_text("alice", "late")
    clock.seconds = 61.0
    with client:
        bot.wait_for(lambda: bot.given_up)
    assert isinstance(bot.given_up[0][1], LimitExceeded)
    assert sim.count("sendmessage") == 0


def test_a_callback_that_raises_harms_nothing(sim: ILinkSim, store: Store) -> None:
    class Clumsy(Bot):
        def on_outbox_given_up(self, item: OutboxItem, error: WxError) -> None:
            raise ValueError("oops")

    bot = Clumsy()
    sim.faults.ret("sendmessage", -99)
    with client_of(sim, store, bot) as client:
        client.outbox.send_text("alice", "unwanted")
        client.outbox.send_text("alice", "wanted")
        assert sim.user("alice").expects(WAIT).text == "wanted"
        bot.wait_for(lambda: bot.errors)
    assert store.items("outbox") == []


def test_a_stale_token_makes_one_request_and_a_new_one_sends_what_waits(sim: ILinkSim, store: Store) -> None:
    bot = Bot()
    with client_of(sim, store, bot) as client:
        sim.user("alice").says("hello")
        bot.wait_for(lambda: bot.contexts)
        sim.revoke_token()
        bot.wait_for(lambda: bot.stale)
        for user in ("alice", "bob", "carol"):
            client.outbox.send_text(user, f"to {user}")
        sim.wait_for(lambda: sim.count("sendmessage") == 1, WAIT)
        client.set_token(sim.mint_token())
        assert client.outbox.flush(WAIT)
    assert [texts(sim, user) for user in ("alice", "bob", "carol")] == [["to alice"], ["to bob"], ["to carol"]]
    assert sim.count("sendmessage") == 4


def test_a_handler_may_use_it_and_what_is_in_flight_at_a_stop_stays(sim: ILinkSim, store: Store) -> None:
    def answer(ctx: MessageContext) -> None:
        client.outbox.send_text(ctx.from_user_id, f"re: {ctx.body}")

    client = WeixinClient(config_for(sim, outbox=True), answer, store=store)
    hold = sim.faults.hold("sendmessage")
    with client:
        sim.user("alice").says("hello")
        hold.wait_entered()
        assert client.shutdown(2.0)
        assert texts(sim) == []
    hold.release()
    with client:
        assert sim.user("alice").expects(WAIT).text == "re: hello"
        assert client.outbox.flush(WAIT)
    assert texts(sim) == ["re: hello"]
    assert sim.violations == []


@pytest.mark.parametrize(
    ("to", "text", "error"),
    [
        ("", "x", ConfigError),
        ("alice", " ", ConfigError),
        ("alice", "\ud800", ConfigError),
        ("g@chatroom", "x", Unsupported),
    ],
)
def test_it_checks_as_direct_sends_do_before_anything_is_stored(
    to: str, text: str, error: type, sim: ILinkSim, store: Store
) -> None:
    client = client_of(sim, store)
    with pytest.raises(error):
        client.outbox.send_text(to, text)
    with pytest.raises(error):
        client.outbox.send_media(to, __file__, text)
    assert client.outbox.pending() == []


def test_a_file_that_cannot_be_read_is_refused_at_once(sim: ILinkSim, store: Store, tmp_path: Path) -> None:
    client = client_of(sim, store)
    with pytest.raises(UploadFailed):
        client.outbox.send_media("alice", tmp_path / "missing")
    with pytest.raises(ConfigError):
        client.outbox.send_media("alice", tmp_path)
    assert client.outbox.pending() == []


def test_more_than_may_wait_is_refused(sim: ILinkSim, store: Store) -> None:
    client = client_of(sim, store, outbox_max_count=1)
    client.outbox.send_text("alice", "one")
    with pytest.raises(LimitExceeded):
        client.outbox.send_text("alice", "two")
    assert len(client.outbox.pending()) == 1


def test_a_cancelled_message_never_goes_out(sim: ILinkSim, store: Store) -> None:
    client = client_of(sim, store)
    first = client.outbox.send_text("alice", "no")
    client.outbox.send_text("alice", "yes")
    assert client.outbox.cancel(first.id)
    with client:
        assert client.outbox.flush(WAIT)
    assert texts(sim) == ["yes"]


def test_while_it_is_off_nothing_runs_and_its_calls_name_the_setting(sim: ILinkSim) -> None:
    store = MemoryStore()
    with WeixinClient(config_for(sim), Bot(), store=store) as client:
        sim.wait_for(lambda: sim.polls_in_flight == 1, WAIT)
        assert not [thread.name for thread in threading.enumerate() if "outbox" in thread.name]
        for call in (
            lambda: client.outbox.send_text("alice", "x"),
            lambda: client.outbox.send_media("alice", __file__),
            client.outbox.pending,
        ):
            with pytest.raises(ConfigError, match="outbox=True in WeixinConfig"):
                call()
    assert "outbox" not in repr(store)


def test_no_text_and_no_token_shows_in_a_repr(sim: ILinkSim) -> None:
    client = client_of(sim, MemoryStore())
    item = client.outbox.send_text("alice", "the text")
    assert "the text" not in repr((item, client.outbox, client.outbox.pending()))


ELSEWHERE = """
import sys
from wxsdk import SQLiteStore, WeixinClient, WeixinConfig
config = WeixinConfig(token=sys.argv[1], base_url=sys.argv[2], outbox=True)
client = WeixinClient(config, store=SQLiteStore(sys.argv[3]))
if sys.argv[4] == "cancel":
    print(client.outbox.cancel(client.outbox.pending()[0].id))
else:
    client.outbox.send_text("alice", sys.argv[4])
    print(client.outbox.flush(float(sys.argv[5])))
client.shutdown()
"""


def _elsewhere(sim: ILinkSim, path: Path, *arguments: str) -> str:
    command = [sys.executable, "-c", ELSEWHERE, sim.token, sim.base_url, str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("sockets", [True, False])
def test_what_another_process_puts_in_is_sent_by_the_one_that_runs(
    sockets: bool, sim: ILinkSim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not sockets:  # as on Windows, and where the path is too long for one
        monkeypatch.setattr(doorbell, "LONGEST_PATH", 0)
        monkeypatch.setattr(doorbell, "LOOK_EVERY", 0.05)
    path = tmp_path / "bot.db"
    bot = Recorder()
    client = started(sim, bot, store=SQLiteStore(path), outbox=True)
    sim.user("alice").says("hi")
    bot.wait_for(lambda: bot.contexts)
    assert _elsewhere(sim, path, "from cron", str(WAIT)) == "True"
    assert sim.user("alice").expects(WAIT).text == "from cron"
    assert client.shutdown()
    assert not list(tmp_path.glob("*-wake-*"))
    assert sim.violations == []


def test_what_another_process_takes_out_is_not_sent(sim: ILinkSim, tmp_path: Path) -> None:
    path = tmp_path / "bot.db"
    client = WeixinClient(config_for(sim, outbox=True), Recorder(), store=SQLiteStore(path))
    client.outbox.send_text("alice", "never")
    assert _elsewhere(sim, path, "cancel") == "True"
    assert client.outbox.pending() == []
    client.start()
    assert client.outbox.flush(WAIT)
    assert client.shutdown()
    assert sim.count("sendmessage") == 0
