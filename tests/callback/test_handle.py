"""What CallbackClient.handle answers to strangers, to the platform's oddities, and under load."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from typing import Any, Dict, List, Optional, Tuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk import CallbackOptions, MemoryStore, WecomCrypto
from wxsdk.callback.client import CallbackClient
from wxsdk.callback.request_rules import CallbackResponse
from wxsdk.errors import StoreError
from wxsdk.testing import FakeClock

from .bots import Desk, Handler

KEY = base64.b64encode(bytes(range(32))).decode().rstrip("=")
CRYPTO = WecomCrypto("token", KEY)


def make(handler: Optional[Handler] = None, *, store: Any = None, clock: Any = None, **settings: Any) -> Any:
    client = CallbackClient(CallbackOptions("bot", "token", KEY, **settings), store=store, _clock=clock)
    desk = Desk(client, handler or (lambda client, frame: client.reply_text(frame, "ok")))
    return client, desk


def signed(sealed: str, at: Optional[float] = None, nonce: str = "n") -> Dict[str, str]:
    stamp = str(int(time.time() if at is None else at))
    return {"msg_signature": CRYPTO.compute_signature(stamp, nonce, sealed), "timestamp": stamp, "nonce": nonce}


def posted(client: CallbackClient, message: Any, at: Optional[float] = None, name: str = "encrypt") -> CallbackResponse:
    text = message if isinstance(message, str) else json.dumps(message)
    sealed = CRYPTO.encrypt(text, 0, "n").encrypt
    return client.handle("POST", signed(sealed, at), json.dumps({name: sealed}).encode(), {})


def opened(response: CallbackResponse) -> Any:
    envelope = json.loads(response.body)
    assert isinstance(envelope["timestamp"], int)
    assert CRYPTO.verify_signature(
        envelope["msgsignature"], envelope["timestamp"], envelope["nonce"], envelope["encrypt"]
    )
    return json.loads(CRYPTO.decrypt(envelope["encrypt"]))


def text(content: str = "hello", msgid: str = "m1", user: str = "alice", **more: Any) -> Dict[str, Any]:
    body = {"msgid": msgid, "aibotid": "bot", "chattype": "single", "from": {"userid": user}, "msgtype": "text"}
    return {**body, "text": {"content": content}, **more}


# -- verification ----------------------------------------


@pytest.mark.parametrize("name", ["msg_signature", "msgsignature", "signature"])
@pytest.mark.parametrize("raw", [False, True], ids=["mapping", "raw"])
def test_a_verification_is_answered_with_the_text_alone(name: str, raw: bool) -> None:
    client, _ = make()
    sealed = CRYPTO.encrypt("12345", 0, "n").encrypt
    query: Any = signed(sealed)
    query[name] = query.pop("msg_signature")
    query["echostr"] = sealed
    if raw:  # with "+" as it stands: somebody on the way has not encoded it
        query = "&".join(f"{key}={value}" for key, value in query.items())
    response = client.handle("GET", query, b"", {})
    assert (response.status, response.body) == (200, b"12345")
    assert response.headers["Content-Type"].startswith("text/plain")


def test_a_list_of_values_is_read_as_its_first() -> None:
    client, _ = make()
    sealed = CRYPTO.encrypt("1", 0, "n").encrypt
    query = {key: [value, "another"] for key, value in {**signed(sealed), "echostr": sealed}.items()}
    assert client.handle("get", query, b"", {}).body == b"1"


# -- strangers ----------------------------------------


def test_a_wrong_signature_is_403_and_not_handled() -> None:
    client, desk = make()
    with client:
        sealed = CRYPTO.encrypt(json.dumps(text()), 0, "n").encrypt
        query = {**signed(sealed), "msg_signature": "0" * 40}
        assert client.handle("POST", query, json.dumps({"encrypt": sealed}).encode(), {}).status == 403
        assert not desk.seen


@pytest.mark.parametrize("age", [3700, -3700, 10**9])
def test_an_old_signature_is_403(age: float) -> None:
    client, desk = make()
    with client:
        assert posted(client, text(), at=time.time() - age).status == 403
        assert not desk.seen


@pytest.mark.parametrize("stamp", ["", "x", "1e9", "-5", "９", "9" * 5000])
def test_a_timestamp_that_is_none_is_refused(stamp: str) -> None:
    client, _ = make()
    sealed = CRYPTO.encrypt("1", 0, "n").encrypt
    query = {"timestamp": stamp, "nonce": "n", "echostr": sealed}
    query["msg_signature"] = CRYPTO.compute_signature(stamp, "n", sealed)
    assert client.handle("GET", query, b"", {}).status in (400, 403)


def test_a_replay_of_a_message_gets_its_answer_and_is_not_handled_again() -> None:
    client, desk = make()
    with client:
        first = posted(client, text())
        desk.join()
        again = posted(client, text(), at=time.time() - 1800)
        assert opened(first) == opened(again)
        assert len(desk.seen) == 1


def test_another_key_is_400_with_a_sentence_that_names_it() -> None:
    client, _ = make()
    other = WecomCrypto("token", base64.b64encode(os.urandom(32)).decode().rstrip("="))
    sealed = other.encrypt("{}", 0, "n").encrypt
    response = client.handle("POST", signed(sealed), json.dumps({"encrypt": sealed}).encode(), {})
    assert response.status == 400
    assert b"EncodingAESKey" in response.body


def test_a_body_of_a_mebibyte_is_taken_and_one_byte_more_is_413() -> None:
    client, _ = make()
    with client:
        sealed = CRYPTO.encrypt(json.dumps(text("x" * 700_000)), 0, "n").encrypt
        body = json.dumps({"encrypt": sealed}).encode()
        body += b" " * (1_048_576 - len(body))
        assert client.handle("POST", signed(sealed), body, {}).status == 200
        assert client.handle("POST", signed(sealed), body + b" ", {}).status == 413


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b"\xff\xfe", b'{"encrypt": 5}', b'{"encrypt": ""}', b"[" * 100_000, b"x" * 1000],
)
def test_garbage_is_400(body: bytes) -> None:
    client, _ = make()
    assert client.handle("POST", signed("x"), body, {}).status == 400


@pytest.mark.parametrize("plain", ["", "[]", "null", "5", '"x"', "{" * 50_000, '{"msgtype": "text"', "1e999"])
def test_decrypted_garbage_is_400(plain: str) -> None:
    client, _ = make()
    with client:
        assert posted(client, plain).status == 400


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"msgtype": None},
        {"msgtype": "from the future"},
        {"msgtype": "stream"},
        {"msgtype": "stream", "stream": {"id": 5}},
        {"msgtype": "text", "text": {"content": "x"}},
        text(user="sys"),
        text(user=" "),
        text(chattype="group"),
        {"msgtype": "text", "from": "alice"},
    ],
)
def test_what_is_no_persons_message_is_answered_with_nothing(message: Dict[str, Any]) -> None:
    client, desk = make()
    with client:
        response = posted(client, message)
        assert (response.status, response.body) == (200, b"")
        assert not desk.seen


def test_encrypt_may_be_written_with_a_capital() -> None:
    client, desk = make()
    with client:
        assert opened(posted(client, text(), name="Encrypt"))["stream"]["content"] == "ok"
        desk.join()


@given(
    st.text(max_size=8),
    st.one_of(st.text(max_size=50), st.binary(max_size=50), st.dictionaries(st.text(max_size=5), st.integers())),
    st.binary(max_size=100),
)
def test_nothing_that_a_stranger_sends_makes_it_raise(method: str, query: Any, body: bytes) -> None:
    client, _ = make()
    assert client.handle(method, query, body, {}).status in (400, 403, 405)


# -- the handler's time ----------------------------------------


def test_a_handler_that_takes_long_is_answered_for_within_the_timeout() -> None:
    go = threading.Event()

    def slow(client: CallbackClient, frame: Any) -> None:
        go.wait(30)
        client.reply_text(frame, "done")

    client, desk = make(slow, answer_timeout=0.4, stream_after=0.2)
    with client:
        began = time.monotonic()
        first = opened(posted(client, text()))
        again = opened(posted(client, text()))
        assert time.monotonic() - began < 1.5
        assert first == again == {"msgtype": "stream", "stream": {**first["stream"], "finish": False, "content": ""}}
        go.set()
        desk.join()
        refresh = {"msgtype": "stream", "stream": {"id": first["stream"]["id"]}, "from": {"userid": "alice"}}
        assert opened(posted(client, refresh))["stream"] == {**first["stream"], "finish": True, "content": "done"}
        assert len(desk.seen) == 1


def test_an_unknown_stream_is_finished_so_that_the_platform_stops(caplog: Any) -> None:
    client, _ = make()
    answers = [opened(posted(client, {"msgtype": "stream", "stream": {"id": f"s{n}"}})) for n in range(3)]
    assert [answer["stream"] for answer in answers] == [
        {"id": f"s{n}", "finish": True, "content": ""} for n in range(3)
    ]
    assert caplog.text.count("needs a store that they share") == 1


def test_a_message_is_answered_with_503_until_the_bot_runs() -> None:
    client, desk = make()
    assert posted(client, text()).status == 503
    with client:
        assert posted(client, text()).status == 200
        desk.join()
    assert posted(client, text("again", "m2")).status == 503


class Failing(MemoryStore):
    """A store whose server is away."""

    durable = True
    fails = True

    def get(self, table: str, key: str) -> Optional[str]:
        if self.fails:
            raise StoreError("The server is away.", number=5)
        return super().get(table, key)


def test_a_failing_store_is_503_so_that_the_platform_calls_again() -> None:
    store = Failing()
    client, desk = make(store=store)
    with client:
        assert posted(client, text()).status == 503
        assert isinstance(desk.failures[0], StoreError)
        store.fails = False
        assert opened(posted(client, text()))["stream"]["content"] == "ok"
        desk.join()
        assert len(desk.seen) == 1


def test_fifty_threads_with_the_same_and_with_different_messages() -> None:
    client, desk = make(lambda client, frame: client.reply_text(frame, frame.body.text.content))
    results: List[Tuple[str, str]] = []

    def ask(number: int) -> None:
        name = f"m{number % 10}"
        results.append((name, opened(posted(client, text(name, name, f"user-{name}")))["stream"]["content"]))

    with client:
        threads = [threading.Thread(target=ask, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        desk.join()
        # Who asks while it is handled may see the beginning of the stream.
        assert all(content in (name, "") for name, content in results)
        assert len(desk.seen) == 10


def test_secrets_are_in_no_repr_and_no_log(caplog: Any) -> None:
    caplog.set_level("DEBUG")
    client, desk = make()
    url = "https://example.invalid/response?code=verysecret"
    with client:
        posted(client, text(response_url=url))
        desk.join()
        posted(client, "garbage")
        shown = f"{client!r} {client.options!r} {desk.seen[0].origin!r} {caplog.text}"
        assert KEY not in shown
        assert "verysecret" not in shown
        assert "token='token'" not in shown


def test_snapshots_are_flushed_by_the_keeper_and_not_at_each_word() -> None:
    class Counting(MemoryStore):
        durable = True
        written = 0

        def write(self, changes: Any) -> None:
            self.written += sum("callback_answers" in change.table for change in changes)
            super().write(changes)

    clock, store, go = FakeClock(), Counting(), threading.Event()

    def talk(client: CallbackClient, frame: Any) -> None:
        with client.open_stream(frame) as stream:
            for _ in range(1000):
                stream.write("x")
            go.wait(10)

    client, desk = make(talk, store=store, clock=clock)
    with client:
        posted(client, text(), at=clock.wall())
        clock.wait_parked(1, name="keep")
        assert store.written < 20
        go.set()
        desk.join()
