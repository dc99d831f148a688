"""The sentences of the API's contract about personal WeChat, against a server of its own: requests as bytes, no sim."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import queue
import re
import signal
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, Type

import pytest
from Crypto.Cipher import AES

import wxsdk
from tests.contract.raw_ilink import RawILink, Request, batch, items_message, text_message
from wxsdk import (
    ApiError,
    ConfigError,
    DecryptError,
    HealthState,
    LoginError,
    LoginState,
    MessageContext,
    MessageHandler,
    SendRejected,
    StandaloneQrLogin,
    TokenStale,
    TransportError,
    Unsupported,
    UploadFailed,
    WeixinClient,
    WeixinConfig,
)

Make = Callable[..., WeixinClient]
USER = "alice@im.wechat"
KEY = bytes(range(16))


class Inbox:
    """A handler that keeps what it gets."""

    def __init__(self) -> None:
        self.contexts: queue.Queue[MessageContext] = queue.Queue()

    def __call__(self, ctx: MessageContext) -> None:
        self.contexts.put(ctx)

    def next(self) -> MessageContext:
        return self.contexts.get(timeout=10)


class Recorder(MessageHandler):
    """Notes every callback."""

    def __init__(self) -> None:
        self.news: queue.Queue[Any] = queue.Queue()

    def on_message(self, ctx: MessageContext) -> None:
        self.news.put(("message", ctx.body))

    def on_sync_buf_updated(self, sync_buf: str) -> None:
        self.news.put(("cursor", sync_buf))

    def on_start(self) -> None:
        self.news.put("start")

    def on_shutdown(self) -> None:
        self.news.put("shutdown")

    def on_token_stale(self, info: Any) -> None:
        self.news.put(("stale", info))

    def on_error(self, exc: BaseException, ctx: Any) -> None:
        self.news.put(("error", exc, ctx))

    def next(self) -> Any:
        return self.news.get(timeout=10)


def received(server: RawILink, make_client: Make, *messages: Dict[str, Any]) -> MessageContext:
    """The last of *messages* as a handler gets it."""
    inbox = Inbox()
    make_client(inbox).start()
    server.gives(batch(*messages, buf="c1"))
    return [inbox.next() for _ in messages][-1]


def encrypted(plain: bytes, key: bytes = KEY) -> bytes:
    pad = 16 - len(plain) % 16
    return AES.new(key, AES.MODE_ECB).encrypt(plain + bytes([pad]) * pad)


def decrypted(cipher: bytes, key: bytes) -> bytes:
    plain = AES.new(key, AES.MODE_ECB).decrypt(cipher)
    return plain[: -plain[-1]]


# -- transport ----------------------------------------


def test_every_post_has_the_headers_and_base_info(server: RawILink, make_client: Make) -> None:
    client = make_client(route_tag="blue", bot_agent="mybot/1.0")
    client.api.notify_start()
    client.api.get_config(USER, "ctx")
    for request in server.requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["ilink-app-id"] == "bot"
        assert headers["ilink-app-clientversion"] == "132105"
        assert headers["skroutetag"] == "blue"
        assert headers["content-type"] == "application/json"
        assert headers["authorizationtype"] == "ilink_bot_token"
        assert headers["authorization"] == "Bearer bot-token-canary"
        assert 0 <= int(base64.b64decode(headers["x-wechat-uin"])) < 1 << 32
        assert request.json["base_info"] == {"channel_version": "2.4.9", "bot_agent": "mybot/1.0"}
    first, second = (one.headers["X-WECHAT-UIN"] for one in server.requests)
    assert first != second
    assert set(server.requests[1].json) == {"ilink_user_id", "context_token", "base_info"}


def test_the_first_poll_asks_with_an_empty_cursor_and_the_next_with_the_new_one(
    server: RawILink, make_client: Make
) -> None:
    make_client(Inbox()).start()
    one, two = text_message("one", 1), text_message("two", 2, create_time_ms=2)
    server.gives(batch(one, buf="c1"), {"msgs": [two], "sync_buf": "c2"}, {"ret": 0})
    bodies = [one.json for one in server.wait_for("getupdates", 4)]
    assert set(bodies[0]) == {"get_updates_buf", "base_info"}
    assert [body["get_updates_buf"] for body in bodies[:4]] == ["", "c1", "c2", "c2"]


def test_a_start_with_a_cursor_begins_after_it(server: RawILink, make_client: Make) -> None:
    make_client(Inbox()).start("kept-cursor")
    assert server.wait_for("getupdates")[0].json["get_updates_buf"] == "kept-cursor"


@pytest.mark.parametrize("answer", [{}, {"ret": 0}, {"errcode": 0}, {"ret": 0, "errcode": 0}])
def test_a_missing_code_is_success(server: RawILink, make_client: Make, answer: Dict[str, Any]) -> None:
    server.answers["sendmessage"] = {**answer, "message_id": 77}
    result = make_client().send_text(USER, "hi", "ctx")
    assert (result.message_id, result.confirmed) == ("77", True)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"ret": -2, "errmsg": "prepare failed"}, SendRejected),
        ({"errcode": -2}, SendRejected),
        ({"ret": 0, "errcode": -2}, SendRejected),
        ({"ret": -14}, TokenStale),
        ({"errcode": -14}, TokenStale),
        ({"ret": 5, "errmsg": "odd"}, ApiError),
    ],
)
def test_a_code_in_either_place_is_a_typed_error(
    server: RawILink, make_client: Make, answer: Dict[str, Any], kind: Type[ApiError]
) -> None:
    server.answers["sendmessage"] = answer
    with pytest.raises(kind) as caught:
        make_client().send_text(USER, "hi", "ctx")
    error: Any = caught.value
    assert type(error) is kind
    assert error.errcode == (answer.get("ret") or answer["errcode"])
    assert error.errmsg == answer.get("errmsg", "")
    assert error.endpoint == "ilink/bot/sendmessage"
    assert error.cmd is None
    assert error.req_id is None
    assert error.remedy
    assert len(server.of("sendmessage")) == 1


@pytest.mark.parametrize(
    "answer",
    [(502, {}, b"bad gateway"), (200, {"Content-Type": "text/html"}, b"<html>"), (200, {}, b"{"), (404, {}, b"[]")],
)
def test_no_usable_answer_is_a_transport_error(server: RawILink, make_client: Make, answer: Any) -> None:
    server.answers["sendmessage"] = answer
    with pytest.raises(TransportError) as caught:
        make_client(send_retries=0).send_text(USER, "hi", "ctx")
    assert caught.value.kind == "http"
    assert caught.value.client_id == server.of("sendmessage")[0].json["msg"]["client_id"]
    assert caught.value.may_have_been_sent is (answer[0] != 404)


def test_a_server_that_is_gone_is_a_transport_error_of_kind_tcp(make_client: Make) -> None:
    with pytest.raises(TransportError) as caught:
        make_client(base_url="http://127.0.0.1:1", send_retries=0).send_text(USER, "hi", "ctx")
    assert (caught.value.kind, caught.value.may_have_been_sent) == ("tcp", False)
    assert caught.value.client_id


def test_no_error_and_no_repr_shows_a_token_that_the_server_echoes(server: RawILink, make_client: Make) -> None:
    def echo(request: Request) -> Dict[str, Any]:
        return {"ret": 9, "errmsg": f"{request.headers['Authorization']} {request.body.decode()}"}

    server.answers["sendmessage"] = echo
    client = make_client()
    with pytest.raises(ApiError) as caught:
        client.send_text(USER, "hi", "ctx-token-canary")
    for text in (str(caught.value), repr(caught.value), repr(client), repr(client.config), caught.value.errmsg):
        assert "canary" not in text


# -- messages ----------------------------------------


@pytest.mark.parametrize(("number", "shown"), [(7, "7"), ("8", "8"), (2**64 - 1, str(2**64 - 1))])
def test_a_message_id_is_text_however_it_comes(server: RawILink, make_client: Make, number: Any, shown: str) -> None:
    ctx = received(server, make_client, text_message("hello", number))
    assert ctx.message_id == shown
    assert (ctx.body, ctx.from_user_id, ctx.to_user_id) == ("hello", USER, "bot@im.bot")
    assert (ctx.create_time_ms, ctx.session_id, ctx.context_token) == (1_700_000_000_000, "s-1", "ctx-token-one")
    assert (ctx.media, ctx.ref_message, ctx.redelivered) == (None, None, False)
    assert isinstance(ctx.message, wxsdk.WeixinMessage)
    assert ctx.message.session_id == "s-1"


def quoting(text: str, ref: Dict[str, Any]) -> Dict[str, Any]:
    return items_message([{"type": 1, "text_item": {"text": text}, "ref_msg": ref}])


def test_a_quoted_text_stands_before_the_body(server: RawILink, make_client: Make) -> None:
    ref = {"title": "Bob: lunch", "svr_id": 99, "message_item": {"type": 1, "text_item": {"text": "lunch?"}}}
    ctx = received(server, make_client, quoting("yes", ref))
    assert ctx.body == "[引用: Bob: lunch | lunch?]\nyes"
    assert ctx.ref_message is not None
    assert (ctx.ref_message.title, ctx.ref_message.body, ctx.ref_message.message_id) == ("Bob: lunch", "lunch?", "99")
    assert (ctx.ref_message.quote_text, ctx.ref_message.media) == (None, None)


MEDIA = {"encrypt_query_param": "p", "aes_key": base64.b64encode(KEY.hex().encode()).decode()}


def test_a_quoted_file_leaves_the_body_alone_and_is_the_media(server: RawILink, make_client: Make) -> None:
    ref = {"title": "a picture", "message_item": {"type": 2, "msg_id": "m9", "image_item": {"media": MEDIA}}}
    ctx = received(server, make_client, quoting("what is it?", ref))
    assert ctx.body == "what is it?"
    assert ctx.media is not None
    assert ctx.media.kind == "image"
    assert ctx.ref_message is not None
    assert ctx.ref_message.message_id == "m9"
    assert ctx.ref_message.media is not None


def test_a_quote_by_id_finds_the_message_and_its_selected_part(server: RawILink, make_client: Make) -> None:
    selected = "two, and three"
    ref = {
        "svr_id": "5",
        "partial_text": {
            "start": "two",
            "end": "three",
            "startindex": 0,
            "endindex": 0,
            "quotemd5": hashlib.md5(selected.encode()).hexdigest(),
        },
    }
    ctx = received(
        server, make_client, text_message("one, two, and three, four", 5), {**quoting("?", ref), "message_id": 6}
    )
    assert ctx.ref_message is not None
    assert ctx.ref_message.body == "one, two, and three, four"
    assert ctx.ref_message.quote_text == selected


def test_a_voice_with_a_transcript_is_its_words_and_one_without_is_a_file(server: RawILink, make_client: Make) -> None:
    spoken = items_message([{"type": 3, "voice_item": {"media": MEDIA, "text": "good morning"}}], 1)
    silent = items_message([{"type": 3, "voice_item": {"media": MEDIA, "playtime": 900}}], 2, create_time_ms=5)
    inbox = Inbox()
    make_client(inbox).start()
    server.gives(batch(spoken, silent, buf="c"))
    first, second = inbox.next(), inbox.next()
    assert (first.body, first.media) == ("good morning", None)
    assert second.body is None
    assert second.media is not None
    assert second.media.kind == "voice"


def test_an_image_goes_before_a_video_before_a_file_before_a_voice(server: RawILink, make_client: Make) -> None:
    items = [
        {"type": 3, "voice_item": {"media": MEDIA}},
        {"type": 4, "file_item": {"media": MEDIA, "file_name": "报告.pdf", "len": "12"}},
        {"type": 5, "video_item": {"media": MEDIA}},
        {"type": 2, "image_item": {"media": {"aes_key": "no address"}}},
        {"type": 2, "image_item": {"media": MEDIA}},
    ]
    inbox = Inbox()
    make_client(inbox).start()
    kinds = []
    for count in (5, 3, 2, 1):
        message = items_message(items[:count], count, create_time_ms=count)
        server.gives(batch(message, buf=f"c{count}"))
        media = inbox.next().media
        assert media is not None
        kinds.append((media.kind, media.file_name, media.size))
    assert kinds == [("image", None, None), ("video", None, None), ("file", "报告.pdf", 12), ("voice", None, None)]


def test_only_what_users_have_written_for_good_is_handed_over(server: RawILink, make_client: Make) -> None:
    inbox = Inbox()
    make_client(inbox).start()
    server.gives(
        batch(
            text_message("a bot's", 1, message_type=2),
            text_message("deleted", 2, delete_time_ms=5),
            text_message("half", 3, message_state=1),
            items_message(None, 4, create_time_ms=1),
            items_message([None, {"type": 99, "new_item": {}}, "x", {"type": "odd"}], 5, create_time_ms=2),
            text_message("good", 6, create_time_ms=3),
            text_message("good", 6, create_time_ms=3),
            text_message("better", 7, create_time_ms=4),
            buf="c",
        )
    )
    assert [inbox.next().body for _ in range(4)] == [None, None, "good", "better"]


def test_the_newest_context_token_is_echoed_the_one_of_a_duplicate_too(server: RawILink, make_client: Make) -> None:
    inbox = Inbox()
    client = make_client(inbox)
    client.start()
    server.gives(batch(text_message("one", 1), buf="c1"))
    first = inbox.next()
    server.gives(batch(text_message("one", 1, context_token="ctx-token-two"), text_message("two", 2), buf="c2"))
    server.gives(batch(text_message("three", 3, context_token="ctx-token-three"), buf="c3"))
    assert [inbox.next().body, inbox.next().body] == ["two", "three"]
    first.reply_text("late")
    client.send_text(USER, "push")
    client.send_text(USER, "own", "ctx-token-own")
    sent = [one.json["msg"]["context_token"] for one in server.of("sendmessage")]
    assert sent == ["ctx-token-three", "ctx-token-three", "ctx-token-own"]
    assert client.context_tokens.get(USER) == "ctx-token-three"
    exported = json.loads(json.dumps(client.context_tokens.export_all()))
    assert exported == {USER: "ctx-token-three"}
    other = make_client(token="other-token")
    other.context_tokens.import_all(exported)
    other.context_tokens.set("bob@im.wechat", "bobs")
    assert other.context_tokens.get(USER) == "ctx-token-three"
    assert other.context_tokens.get("nobody") is None


# -- sending ----------------------------------------


def test_a_text_goes_out_with_exactly_these_fields_and_without_a_start(server: RawILink, make_client: Make) -> None:
    server.answers["sendmessage"] = {"message_id": "m-1"}
    client = make_client()
    result = client.send_text(USER, "hello", "ctx")
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "ilink/bot/sendmessage")
    assert request.json["msg"] == {
        "from_user_id": "",
        "to_user_id": USER,
        "client_id": result.client_id,
        "message_type": 2,
        "message_state": 2,
        "item_list": [{"type": 1, "text_item": {"text": "hello"}}],
        "context_token": "ctx",
    }
    assert set(request.json) == {"msg", "base_info"}
    assert re.fullmatch(r"[^:]+:\d{13}-[0-9a-f]{8}", result.client_id)
    assert (result.message_id, result.confirmed) == ("m-1", True)
    assert [part.client_id for part in result.parts] == [result.client_id]


def test_without_a_message_id_a_text_is_unconfirmed(server: RawILink, make_client: Make) -> None:
    result = make_client().send_text(USER, "hello", "ctx")
    assert (result.message_id, result.confirmed) == (None, False)


def test_a_long_text_goes_out_in_parts_and_the_result_is_the_last_ones(server: RawILink, make_client: Make) -> None:
    numbers = iter(range(1, 100))
    server.answers["sendmessage"] = lambda _: {"message_id": next(numbers)}
    text = "\n\n".join(f"{n} " + "字" * 2000 for n in range(6))
    result = make_client().send_text(USER, text, "ctx")
    sent = [one.json["msg"]["item_list"][0]["text_item"]["text"] for one in server.of("sendmessage")]
    assert len(sent) == len(result.parts) > 1
    assert all(len(part.encode()) <= 16384 for part in sent)
    assert "".join("".join(sent).split()) == "".join(text.split())
    assert [part.message_id for part in result.parts] == [str(n) for n in range(1, len(sent) + 1)]
    last = result.parts[-1]
    assert (result.client_id, result.message_id) == (last.client_id, last.message_id)


def test_a_retry_reuses_the_client_id(server: RawILink, make_client: Make) -> None:
    answers: List[Any] = [None, (502, {}, b""), {"ret": -1}, {"message_id": "m"}]
    server.answers["sendmessage"] = lambda _: answers.pop(0)
    assert make_client(send_retries=3).send_text(USER, "hello", "ctx").confirmed
    assert len({one.json["msg"]["client_id"] for one in server.of("sendmessage")}) == 1
    assert len(server.of("sendmessage")) == 4


@pytest.mark.parametrize(
    ("to", "text", "kind"),
    [(USER, "", ConfigError), (USER, 5, ConfigError), ("", "x", ConfigError), ("1@chatroom", "x", Unsupported)],
)
def test_what_cannot_be_sent_is_refused_before_any_request(
    server: RawILink, make_client: Make, to: str, text: Any, kind: Type[ApiError]
) -> None:
    with pytest.raises(kind):
        make_client().send_text(to, text)
    assert server.requests == []


def test_a_missing_file_is_a_media_error_before_any_request(
    server: RawILink, make_client: Make, tmp_path: Path
) -> None:
    with pytest.raises(wxsdk.MediaError):
        make_client().send_media(USER, tmp_path / "nothing.png")
    assert server.requests == []


def test_a_run_has_one_run_id_and_tool_calls_with_their_times(server: RawILink, make_client: Make) -> None:
    server.answers["sendmessage"] = (200, {}, b"")
    run = make_client().outbound_run(USER, "ctx", "run-7")
    run.tool_call_start("search", "call-1")
    result = run.tool_call_result("search", "call-1")
    server.answers["sendmessage"] = {"message_id": 3}
    run.send_text("found")
    start, end, text = (one.json["msg"] for one in server.of("sendmessage"))
    assert {start["run_id"], end["run_id"], text["run_id"]} == {"run-7"}
    (item,) = start["item_list"]
    assert abs(item.pop("create_time_ms") / 1000 - time.time()) < 60
    call = {"tool_name": "search", "tool_call_id": "call-1"}
    assert item == {"type": 11, "is_completed": False, "tool_call_start_item": call}
    (item,) = end["item_list"]
    assert item.pop("create_time_ms")
    assert item == {"type": 12, "is_completed": True, "tool_call_result_item": {**call, "status": "completed"}}
    assert result.confirmed
    assert make_client().outbound_run(USER).run_id


# -- files ----------------------------------------


def cdn(server: RawILink, reply: Dict[str, Any], param: str = "download-param") -> List[Request]:
    """Let the server take uploads; what it takes."""
    taken: List[Request] = []

    def take(request: Request) -> Any:
        taken.append(request)
        return 200, {"x-encrypted-param": param}, b""

    server.answers["getuploadurl"] = reply
    server.answers["c2c/upload"] = server.answers["signed"] = take
    server.answers["sendmessage"] = {"message_id": 1}
    return taken


@pytest.mark.parametrize("full", [True, False])
@pytest.mark.parametrize(
    ("name", "kind", "number"), [("a.png", "image", 1), ("a.mp4", "video", 2), ("a.silk", "file", 3)]
)
def test_a_file_is_announced_encrypted_and_sent_behind_its_caption(
    server: RawILink, make_client: Make, tmp_path: Path, full: bool, name: str, kind: str, number: int
) -> None:
    both = {"upload_param": "up/param+=", "upload_full_url": f"{server.url}/c2c/signed?x=1"}
    taken = cdn(server, both if full else {"upload_param": both["upload_param"]})
    path = tmp_path / name
    path.write_bytes(b"plain bytes " * 1000)
    progress: List[Any] = []
    client = make_client()
    client.send_media(USER, path, "ctx", caption="look", progress=lambda *counts: progress.append(counts))
    (asked,) = (one.json for one in server.of("getuploadurl"))
    plain = path.read_bytes()
    assert asked.pop("base_info")
    key, filekey = asked.pop("aeskey"), asked.pop("filekey")
    assert re.fullmatch("[0-9a-f]{32}", key)
    assert re.fullmatch("[0-9a-f]{32}", filekey)
    assert asked == {
        "media_type": number,
        "to_user_id": USER,
        "rawsize": len(plain),
        "rawfilemd5": hashlib.md5(plain).hexdigest(),
        "filesize": (len(plain) // 16 + 1) * 16,
        "no_need_thumb": True,
    }
    (upload,) = taken
    assert (upload.method, upload.headers["Content-Type"]) == ("POST", "application/octet-stream")
    assert "Authorization" not in upload.headers
    assert upload.path == ("c2c/signed" if full else "c2c/upload")
    wanted = {"x": ["1"]} if full else {"encrypted_query_param": ["up/param+="], "filekey": [filekey]}
    assert upload.query == wanted
    assert decrypted(upload.body, bytes.fromhex(key)) == plain
    caption, sent = (one.json["msg"]["item_list"] for one in server.of("sendmessage"))
    assert caption == [{"type": 1, "text_item": {"text": "look"}}]
    media = {
        "encrypt_query_param": "download-param",
        "aes_key": base64.b64encode(key.encode()).decode(),
        "encrypt_type": 1,
    }
    size = len(upload.body)
    item = {
        "image": {"type": 2, "image_item": {"media": media, "mid_size": size}},
        "video": {"type": 5, "video_item": {"media": media, "video_size": size}},
        "file": {"type": 4, "file_item": {"media": media, "file_name": name, "len": str(len(plain))}},
    }[kind]
    assert sent == [item]
    assert progress == sorted(progress)
    assert progress[-1] == (len(plain), len(plain))
    assert all(total == len(plain) for _, total in progress)


@pytest.mark.parametrize(
    ("answer", "tries"),
    [((403, {"x-error-message": "no such key"}, b""), 1), ((500, {}, b""), 3), ((200, {}, b""), 3), (None, 3)],
)
def test_an_upload_fails_at_once_by_4xx_and_else_after_three_tries(
    server: RawILink, make_client: Make, tmp_path: Path, answer: Any, tries: int
) -> None:
    cdn(server, {"upload_param": "p"})
    server.answers["c2c/upload"] = (lambda _: None) if answer is None else answer
    path = tmp_path / "a.bin"
    path.write_bytes(b"x")
    with pytest.raises(UploadFailed) as caught:
        make_client().send_media(USER, path, "ctx")
    assert len(server.of("c2c/upload")) == tries
    assert ("no such key" in str(caught.value)) is (tries == 1)
    assert server.of("sendmessage") == []


def download_of(server: RawILink, make_client: Make, item: Dict[str, Any], dest: Path, **progress: Any) -> Path:
    ctx = received(server, make_client, items_message([item]))
    assert ctx.media is not None
    return ctx.download_media(ctx.media, dest, **progress)


PLAIN = b"the file's bytes" * 9 + b"!"


@pytest.mark.parametrize(
    "aes_key", [base64.b64encode(KEY).decode(), base64.b64encode(KEY.hex().encode()).decode()], ids=["raw", "hex"]
)
@pytest.mark.parametrize("full", [True, False])
def test_a_file_is_fetched_and_decrypted_by_either_address_and_key(
    server: RawILink, make_client: Make, tmp_path: Path, aes_key: str, full: bool
) -> None:
    server.answers["c2c/download"] = server.answers["c2c/signed"] = (200, {}, encrypted(PLAIN))
    media = {"encrypt_query_param": "a/b+c=", "aes_key": aes_key}
    if full:
        media["full_url"] = f"{server.url}/c2c/signed?sig=1"
    item = {"type": 4, "file_item": {"media": media, "file_name": "../../notes.txt", "len": str(len(PLAIN))}}
    progress: List[Any] = []
    path = download_of(server, make_client, item, tmp_path, progress=lambda *counts: progress.append(counts))
    assert path == tmp_path / "notes.txt"
    assert path.read_bytes() == PLAIN
    assert progress[-1] == (len(PLAIN), len(PLAIN))
    (request,) = server.of("signed" if full else "c2c/download")
    assert request.query == ({"sig": ["1"]} if full else {"encrypted_query_param": ["a/b+c="]})
    assert "Authorization" not in request.headers


def test_the_hex_key_of_an_image_wins_and_one_without_a_key_is_plain(
    server: RawILink, make_client: Make, tmp_path: Path
) -> None:
    server.answers["c2c/download"] = (200, {}, encrypted(PLAIN))
    image = {"media": {"encrypt_query_param": "p", "aes_key": "nonsense"}, "aeskey": KEY.hex()}
    ctx = received(server, make_client, items_message([{"type": 2, "image_item": image}]))
    assert ctx.media is not None
    path = ctx.download_media(ctx.media, tmp_path / "one.jpg")
    assert (path, path.read_bytes()) == (tmp_path / "one.jpg", PLAIN)
    server.answers["c2c/download"] = (200, {}, PLAIN)
    plain = wxsdk.MediaInfo("image", None, None, wxsdk.CDNMedia(encrypt_query_param="p"))
    assert ctx.download_media(plain, tmp_path / "two.jpg").read_bytes() == PLAIN


def test_a_bad_key_names_its_field_and_a_wrong_one_leaves_nothing(
    server: RawILink, make_client: Make, tmp_path: Path
) -> None:
    server.answers["c2c/download"] = (200, {}, encrypted(PLAIN, bytes(16)))
    bad = {"type": 4, "file_item": {"media": {"encrypt_query_param": "p", "aes_key": "c2hvcnQ="}}}
    inbox = Inbox()
    make_client(inbox).start()
    server.gives(batch(items_message([bad], 1), buf="c1"))
    ctx = inbox.next()
    assert ctx.media is not None
    with pytest.raises(DecryptError, match="aes_key"):
        ctx.download_media(ctx.media, tmp_path / "x")
    wrong = {"type": 4, "file_item": {"media": MEDIA}}
    server.gives(batch(items_message([wrong], 2, create_time_ms=7), buf="c2"))
    ctx = inbox.next()
    assert ctx.media is not None
    with pytest.raises(DecryptError):
        ctx.download_media(ctx.media, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


# -- typing ----------------------------------------


def test_a_typing_ticket_is_fetched_once_and_the_sign_shown_and_ended(server: RawILink, make_client: Make) -> None:
    server.answers["getconfig"] = {"ret": 0, "typing_ticket": "ticket-1"}
    client = make_client()
    client.context_tokens.set(USER, "ctx")
    client.send_typing(USER)
    client.cancel_typing(USER)
    (asked,) = (one.json for one in server.of("getconfig"))
    assert {name: asked[name] for name in asked if name != "base_info"} == {
        "ilink_user_id": USER,
        "context_token": "ctx",
    }
    signs = [one.json for one in server.of("sendtyping")]
    assert [sign["status"] for sign in signs] == [1, 2]
    assert {(sign["ilink_user_id"], sign["typing_ticket"]) for sign in signs} == {(USER, "ticket-1")}


def test_a_typing_block_ends_the_sign_though_it_raises(server: RawILink, make_client: Make) -> None:
    server.answers["getconfig"] = {"typing_ticket": "ticket-1"}
    ctx = received(server, make_client, text_message("hi"))

    def work() -> None:
        with ctx.typing():
            server.wait_for("sendtyping", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert [one.json["status"] for one in server.of("sendtyping")] == [1, 2]


# -- life ----------------------------------------


def test_the_callbacks_come_in_their_order_and_errors_reach_on_error(server: RawILink, make_client: Make) -> None:
    class Raises(Recorder):
        def on_message(self, ctx: MessageContext) -> None:
            super().on_message(ctx)
            if ctx.body == "bad":
                raise ZeroDivisionError(ctx.body)

    handler = Raises()
    client = make_client(handler)
    client.start()
    server.gives(batch(text_message("bad", 1), text_message("good", 2, create_time_ms=2), buf="c1"))
    assert handler.next() == "start"
    assert handler.next() == ("message", "bad")
    what, error, ctx = handler.next()
    assert (what, type(error), ctx.body) == ("error", ZeroDivisionError, "bad")
    assert handler.next() == ("message", "good")
    assert handler.next() == ("cursor", "c1")
    assert client.shutdown() is True
    assert handler.next() == "shutdown"
    assert client.shutdown() is True
    assert handler.news.empty()


def test_the_platform_is_told_of_start_and_stop_and_a_refusal_does_no_harm(server: RawILink, make_client: Make) -> None:
    server.answers["notifystart"] = server.answers["notifystop"] = (500, {}, b"")
    inbox = Inbox()
    with make_client(inbox) as client:
        server.gives(batch(text_message("hi"), buf="c"))
        assert inbox.next().body == "hi"
        assert client.health().state is HealthState.RUNNING
    assert server.requests[0].path == "ilink/bot/msg/notifystart"
    assert len(server.wait_for("ilink/bot/msg/notifystop")) == 1
    assert client.health().state is HealthState.STOPPED


def test_a_second_start_changes_nothing(server: RawILink, make_client: Make) -> None:
    client = make_client(Inbox())
    client.start()
    server.wait_idle()
    threads = threading.active_count()
    client.start("other")
    assert threading.active_count() <= threads
    assert [one.json["get_updates_buf"] for one in server.of("getupdates")] == [""]
    assert client.wait(0) is False


def test_a_handler_may_shut_its_client_down(server: RawILink, make_client: Make) -> None:
    said: List[bool] = []

    def stop(_: MessageContext) -> None:
        said.append(client.shutdown())

    client = make_client(stop)
    client.start()
    server.gives(batch(text_message("stop"), buf="c"))
    assert client.wait(10) is True
    assert len(said) == 1
    assert client.shutdown() is True


def test_run_returns_after_a_shutdown_from_elsewhere(server: RawILink, make_client: Make) -> None:
    client: WeixinClient = make_client(lambda _: client.shutdown())
    server.gives(batch(text_message("stop"), buf="c"))
    client.run()
    assert client.wait(0) is True


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_returns_after_a_signal(server: RawILink, make_client: Make, number: int) -> None:
    client = make_client(lambda _: os.kill(os.getpid(), number))
    server.gives(batch(text_message("stop"), buf="c"))
    client.run()
    assert client.health().state is HealthState.STOPPED


def test_a_shutdown_with_a_poll_held_takes_no_time(server: RawILink, make_client: Make) -> None:
    client = make_client(Inbox())
    client.start()
    server.wait_idle()
    before = time.monotonic()
    assert client.shutdown() is True
    assert time.monotonic() - before < 0.5  # 0.2 s where nobody else needs the processor


def test_a_stale_token_is_told_once_sends_go_on_and_a_new_token_recovers(server: RawILink, make_client: Make) -> None:
    handler = Recorder()
    client = make_client(handler)
    client.context_tokens.set(USER, "old-ctx")
    client.start("old-cursor")
    assert handler.next() == "start"
    server.gives({"errcode": -14, "errmsg": "session timeout"})
    what, info = handler.next()
    assert (what, info.errcode, info.pause) == ("stale", -14, 3600.0)
    assert client.health().state is HealthState.TOKEN_STALE
    assert client.health().remedy
    client.send_text(USER, "still there")
    polls = len(server.of("getupdates"))
    client.set_token("new-token-canary")
    newest = server.wait_for("getupdates", polls + 1)[-1]
    assert newest.headers["Authorization"] == "Bearer new-token-canary"
    assert newest.json["get_updates_buf"] == ""
    assert client.context_tokens.export_all() == {}
    server.gives(batch(text_message("back", 5), buf="n1"))
    assert handler.next() == ("message", "back")


def test_a_handler_may_set_the_token(server: RawILink, make_client: Make) -> None:
    class Renews(Recorder):
        def on_token_stale(self, info: Any) -> None:
            client.set_token("renewed-canary")

    handler = Renews()
    client = make_client(handler)
    client.start()
    server.gives({"ret": -14})
    server.wait_for("getupdates", 2)
    assert server.of("getupdates")[-1].headers["Authorization"] == "Bearer renewed-canary"


def test_trouble_does_not_end_the_receiving(server: RawILink, make_client: Make) -> None:
    handler = Recorder()
    make_client(handler).start()
    assert handler.next() == "start"
    server.gives((502, {}, b""), (200, {}, b"<html>"), (200, {}, b"[]"), {"ret": 1}, batch(text_message("hi"), buf="c"))
    what, error, ctx = handler.next()
    assert (what, type(error), ctx) == ("error", TransportError, None)
    assert handler.next() == ("message", "hi")


def test_the_quota_counts_from_the_users_last_message(server: RawILink, make_client: Make) -> None:
    inbox = Inbox()
    client = make_client(inbox)
    assert (client.quota(USER).window_left, client.quota(USER).sent) == (None, 0)
    client.start()
    server.gives(batch(text_message("hi"), buf="c"))
    ctx = inbox.next()
    ctx.reply_text("one")
    ctx.reply_text("two")
    quota = client.quota(USER)
    assert (quota.sent, quota.limit, quota.remaining) == (2, 10, 8)
    assert quota.window_left is not None
    assert 86_300 < quota.window_left <= 86_400
    health = client.health()
    assert health.last_inbound is not None
    assert health.last_outbound is not None
    assert (health.last_error, health.retries, health.queued, health.workers) == (None, 0, 0, 16)


def test_a_client_without_a_handler_or_a_token_does_not_start(make_client: Make) -> None:
    with pytest.raises(ConfigError):
        make_client().start()
    with pytest.raises(ConfigError):
        make_client(Inbox(), token="").start()


# -- the login ----------------------------------------


def login_of(server: RawILink, **settings: Any) -> StandaloneQrLogin:
    return StandaloneQrLogin(WeixinConfig(token="", base_url=server.url, **settings))


CODE = {"qrcode": "qr-id", "qrcode_img_content": "https://example.com/scan"}
GIVEN = {"status": "confirmed", "bot_token": "T-new-token", "ilink_bot_id": "B", "ilink_user_id": "U"}


def test_a_login_asks_for_a_code_with_the_newest_ten_tokens(server: RawILink) -> None:
    server.answers["get_bot_qrcode"] = CODE
    login = login_of(server)
    session = login.start(local_tokens=[f"token-{n}" for n in range(12)])
    login.start("7")
    login.close()
    first, second = server.requests
    assert (first.method, first.path, first.query) == ("POST", "ilink/bot/get_bot_qrcode", {"bot_type": ["3"]})
    assert first.json == {"local_token_list": [f"token-{n}" for n in range(10)]}
    assert "Authorization" not in first.headers
    assert (second.query, second.json) == ({"bot_type": ["7"]}, {"local_token_list": []})
    assert (session.qrcode, session.qrcode_img_content) == ("qr-id", "https://example.com/scan")
    assert session.terminal().count("\n") > 10
    assert session._repr_png_().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ({"status": "wait"}, LoginState.WAIT),
        ({"status": "scaned"}, LoginState.SCANNED),
        ({"status": "need_verifycode"}, LoginState.NEED_VERIFY_CODE),
        ({"status": "verify_code_blocked"}, LoginState.VERIFY_CODE_BLOCKED),
        ({"status": "expired"}, LoginState.EXPIRED),
        ({"status": "binded_redirect"}, LoginState.ALREADY_BOUND),
        ({"status": "scaned_but_redirect", "redirect_host": "idc5.weixin.qq.com"}, LoginState.REDIRECT),
        ({"status": "something_new"}, LoginState.WAIT),
        ((502, {}, b""), LoginState.WAIT),
        ({**GIVEN, "baseurl": "https://idc5.weixin.qq.com"}, LoginState.CONFIRMED),
    ],
)
def test_each_word_of_the_platform_is_a_state(server: RawILink, answer: Any, state: LoginState) -> None:
    server.answers["get_bot_qrcode"] = CODE
    server.answers["get_qrcode_status"] = answer
    login = login_of(server)
    status = login.poll_status(login.start(), verify_code="42")
    login.close()
    assert status.state is state
    asked = server.of("get_qrcode_status")[0]
    assert (asked.method, asked.query) == ("GET", {"qrcode": ["qr-id"], "verify_code": ["42"]})
    assert "Authorization" not in asked.headers
    given = (status.bot_token, status.ilink_bot_id, status.base_url, status.ilink_user_id)
    if state is LoginState.CONFIRMED:
        assert given == ("T-new-token", "B", "https://idc5.weixin.qq.com", "U")
        assert "T-new-token" not in repr(status)
    else:
        assert given == (None, None, None, None)


def test_a_silent_server_means_to_wait(server: RawILink) -> None:
    hang = threading.Event()
    server.answers["get_bot_qrcode"] = CODE
    server.answers["get_qrcode_status"] = lambda _: {"status": "scaned"} if hang.wait(10) else None
    login = login_of(server, qr_status_timeout=0.05)
    assert login.poll_status(login.start()).state is LoginState.WAIT
    hang.set()
    login.close()


@pytest.mark.parametrize("host", ["evil.example", "weixin.qq.com.evil.example", "evilweixin.qq.com", "OWN"])
def test_a_redirect_to_a_stranger_is_refused_and_not_followed(server: RawILink, host: str) -> None:
    with RawILink() as stranger:
        host = stranger.url.partition("//")[2] if host == "OWN" else host
        server.answers["get_bot_qrcode"] = CODE
        server.answers["get_qrcode_status"] = {"status": "scaned_but_redirect", "redirect_host": host}
        login = login_of(server)
        session = login.start()
        with pytest.raises(LoginError):
            login.poll_status(session)
        login.close()
        assert stranger.requests == []


def test_a_redirect_to_a_login_host_is_followed(server: RawILink) -> None:
    with RawILink() as other:
        server.answers["get_bot_qrcode"] = CODE
        where = other.url.partition("//")[2]
        server.answers["get_qrcode_status"] = {"status": "scaned_but_redirect", "redirect_host": where}
        other.answers["get_qrcode_status"] = GIVEN
        states: List[LoginState] = []
        status = login_of(server, login_hosts=("127.0.0.1",)).login(
            on_qrcode=lambda _: None, on_status=lambda one: states.append(one.state)
        )
        assert states == [LoginState.REDIRECT, LoginState.CONFIRMED]
        assert (status.bot_token, status.base_url) == ("T-new-token", other.url)


def test_a_confirmation_without_a_bot_id_is_an_error(server: RawILink) -> None:
    server.answers["get_bot_qrcode"] = CODE
    server.answers["get_qrcode_status"] = {**GIVEN, "ilink_bot_id": ""}
    with pytest.raises(LoginError):
        login_of(server).login(on_qrcode=lambda _: None)


def test_a_whole_login_renews_codes_and_asks_for_the_number_until_it_is_right(server: RawILink) -> None:
    codes = iter(["one", "two"])
    server.answers["get_bot_qrcode"] = lambda _: {**CODE, "qrcode": next(codes)}

    def status(request: Request) -> Dict[str, Any]:
        if request.query["qrcode"] == ["one"]:
            return {"status": "expired"}
        right = request.query.get("verify_code") == ["42"]
        return GIVEN if right else {"status": "need_verifycode"}

    server.answers["get_qrcode_status"] = status
    shown: List[str] = []
    states: List[LoginState] = []
    asked: List[bool] = []

    def ask(was_wrong: bool) -> str:
        asked.append(was_wrong)
        return "42" if was_wrong else "41"

    client = WeixinClient(WeixinConfig(token="", base_url=server.url))
    final = client.qr_login().login(
        on_qrcode=lambda session: shown.append(str(session.qrcode)),
        on_status=lambda one: states.append(one.state),
        ask_verify_code=ask,
        timeout=60,
    )
    assert client.shutdown() is True
    assert shown == ["one", "two"]
    assert asked == [False, True]
    assert states == [LoginState.EXPIRED, LoginState.NEED_VERIFY_CODE, LoginState.CONFIRMED]
    assert (final.bot_token, final.base_url) == ("T-new-token", server.url)


def test_three_codes_in_all_then_it_is_over(server: RawILink) -> None:
    server.answers["get_bot_qrcode"] = CODE
    server.answers["get_qrcode_status"] = {"status": "expired"}
    with pytest.raises(LoginError):
        login_of(server).login(on_qrcode=lambda _: None)
    assert len(server.of("get_bot_qrcode")) == 3
