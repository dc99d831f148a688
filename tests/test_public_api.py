"""The public names, their signatures, defaults and values: what users may rely on, written down once more.

New names and keyword-only parameters with defaults may come; what stands here stays.
"""

from __future__ import annotations

import ast
import dataclasses
import enum
import importlib
import inspect
import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import pytest

import wxsdk
import wxsdk.errors


def words(text: str) -> List[str]:
    return text.split()


NAMES = words("""
    WeixinClient WeixinConfig MessageHandler MessageContext MediaInfo CDNMedia RefMessageInfo WeixinMessage SendResult
    OutboundRun ContextTokenStore StandaloneQrLogin QrLogin QrLoginSession LoginStatus LoginState Quota Health
    HealthState filter_markdown StreamingMarkdownFilter split_text MemoryStore SQLiteStore Store
    WSClient WSClientOptions WsFrame ReplyStream StreamOutcome UploadMediaResult generate_req_id
    MessageType EventType TemplateCardType WeComMediaType WsCmd TemplateCard DefaultLogger WecomCrypto Encrypted
    CardSource ActionMenu MenuAction MainTitle EmphasisContent QuoteArea HorizontalContent Jump CardAction CardImage
    ImageTextArea VerticalContent Button Selection Option Checkbox SubmitButton Feedback VideoOptions
    ReplyMsgItem ReplyImage TextBody MarkdownBody StreamBody TemplateCardBody StreamWithTemplateCardBody
    WxError ConfigError TransportError ConnectionLost AckTimeout ApiError TokenStale SendRejected RateLimited
    StreamExpired InvalidReqId NotSubscribed AuthFailed ReconnectExhausted Kicked LimitExceeded MediaError DecryptError
    UploadFailed DownloadFailed ReplyQueueFull LoginError AlreadyRunning Overloaded Unsupported
""")

DOTTED = {
    "wxsdk.sim": "ILinkSim AiBotSim",
    "wxsdk.testing": "FakeClock no_leaks",
    "wxsdk.pytest_plugin": "ilink_sim aibot_sim",
    "wxsdk.cli": "main",
    "wxsdk.ext.flask": "WxBot",
    "wxsdk.ext.django": "with_database",
    "wxsdk.ext.jupyter": "serve log_in",
}

# What to call, and its parameters as they are written in a call; self is left out.
SIGNATURES = """
WeixinClient(config, handler=None, *, store=None)
WeixinClient.start(sync_buf=None)
WeixinClient.run(sync_buf=None)
WeixinClient.shutdown(timeout=5.0)
WeixinClient.wait(timeout=None)
WeixinClient.send_text(to, text, context_token=None)
WeixinClient.send_media(to, path, context_token=None, *, caption=None, progress=None)
WeixinClient.send_typing(to)
WeixinClient.cancel_typing(to)
WeixinClient.outbound_run(to, context_token=None, run_id=None)
WeixinClient.qr_login()
WeixinClient.set_token(token, *, base_url=None)
WeixinClient.quota(user_id)
WeixinClient.health()
OutboundRun.send_text(text)
OutboundRun.send_media(path)
OutboundRun.tool_call_start(name, call_id=None)
OutboundRun.tool_call_result(name, call_id=None, status="completed")
MessageHandler.on_message(ctx)
MessageHandler.on_sync_buf_updated(sync_buf)
MessageHandler.on_start()
MessageHandler.on_shutdown()
MessageHandler.on_token_stale(info)
MessageHandler.on_error(exc, ctx)
MessageContext.reply_text(text)
MessageContext.reply_media(path, *, caption=None, progress=None)
MessageContext.download_media(media, dest, *, progress=None)
MessageContext.send_typing()
MessageContext.cancel_typing()
MessageContext.typing()
MessageContext.run()
ContextTokenStore.get(user_id)
ContextTokenStore.set(user_id, token)
ContextTokenStore.export_all()
ContextTokenStore.import_all(mapping)
StandaloneQrLogin(config)
QrLogin.start(bot_type=None, local_tokens=())
QrLogin.poll_status(session, verify_code=None)
QrLogin.login(*, on_qrcode, on_status=None, ask_verify_code=None, timeout=480)
QrLoginSession.terminal()
filter_markdown(text)
StreamingMarkdownFilter()
StreamingMarkdownFilter.feed(delta)
StreamingMarkdownFilter.flush()
split_text(text, max_bytes)
MemoryStore()
SQLiteStore(path)
WSClient(options)
WSClient.connect(wait=None)
WSClient.disconnect(timeout=5.0)
WSClient.run()
WSClient.wait(timeout=None)
WSClient.health()
WSClient.reply(frame, body, cmd=None)
WSClient.reply_stream(frame, stream_id, content, finish=False, msg_item=None, feedback=None)
WSClient.reply_stream_non_blocking(frame, stream_id, content, finish=False, msg_item=None, feedback=None)
WSClient.has_pending_reply_ack(frame)
WSClient.reply_welcome(frame, body)
WSClient.reply_template_card(frame, template_card, feedback=None)
WSClient.reply_stream_with_card(frame, stream_id, content, finish=False, *, msg_item=None, stream_feedback=None, \
template_card=None, card_feedback=None)
WSClient.update_template_card(frame, template_card, userids=None)
WSClient.reply_media(frame, media_type, media_id, video_options=None)
WSClient.send_message(chatid, body)
WSClient.send_media_message(chatid, media_type, media_id, video_options=None)
WSClient.upload_media(file, *, type, filename=None, progress=None)
WSClient.download_file(url, aes_key=None)
WSClient.save_file(url, aes_key, folder)
WSClient.open_stream(frame, *, feedback=None)
ReplyStream.write(delta)
ReplyStream.replace(text)
ReplyStream.thinking()
ReplyStream.finish(text=None, msg_item=None)
generate_req_id(prefix)
WecomCrypto(token, encoding_aes_key, receive_id="")
WecomCrypto.compute_signature(timestamp, nonce, encrypt)
WecomCrypto.verify_signature(signature, timestamp, nonce, encrypt)
WecomCrypto.encrypt(text, timestamp, nonce)
WecomCrypto.decrypt(encrypt)
DefaultLogger()
""".strip().split("\n")

# The settings that may be given by position, in this order; further ones are keyword-only.
SETTINGS: Dict[str, List[Tuple[str, Any]]] = {
    "WeixinConfig": [
        ("token", inspect.Parameter.empty),
        ("base_url", "https://ilinkai.weixin.qq.com"),
        ("cdn_base_url", "https://novac2c.cdn.weixin.qq.com/c2c"),
        ("route_tag", None),
        ("bot_agent", f"wxsdk/{wxsdk.__version__}"),
        ("channel_version", "2.4.9"),
        ("long_poll_timeout", 35.0),
        ("api_timeout", 15.0),
        ("markdown_filter", True),
        ("max_workers", 16),
        ("max_text_bytes", 16384),
        ("sends_per_second", 2.0),
        ("send_burst", 2),
        ("max_download_bytes", 104857600),
        ("trusted_media_hosts", ()),
        ("stale_token_pause", 3600.0),
        ("login_hosts", ("weixin.qq.com",)),
        ("max_queued_messages", 10000),
        ("quota_policy", "warn"),
    ],
    "WSClientOptions": [
        ("bot_id", inspect.Parameter.empty),
        ("secret", inspect.Parameter.empty),
        ("reconnect_interval", 1.0),
        ("max_reconnect_attempts", 10),
        ("max_auth_failure_attempts", 5),
        ("heartbeat_interval", 30.0),
        ("request_timeout", 10.0),
        ("ack_timeout", 5.0),
        ("ws_url", "wss://openws.work.weixin.qq.com"),
        ("scene", None),
        ("plug_version", None),
        ("max_reply_queue_size", 500),
        ("max_workers", 16),
        ("reconnect_max_delay", 30.0),
        ("kick_cooldown", None),
        ("chunk_ack_timeout", 30.0),
        ("max_download_bytes", 104857600),
        ("trusted_media_hosts", ()),
        ("ssl_context", None),
        ("proxy", None),
        ("logger", None),
    ],
}

FIELDS = {
    "MediaInfo": "kind file_name size media",
    "CDNMedia": "encrypt_query_param aes_key encrypt_type full_url",
    "RefMessageInfo": "title body message_id quote_text media",
    "SendResult": "client_id message_id confirmed parts",
    "LoginStatus": "state bot_token ilink_bot_id base_url ilink_user_id",
    "Quota": "sent limit remaining window_left",
    "Health": "state since last_inbound last_outbound last_error remedy retries queued workers_busy workers",
    "StreamOutcome": "state rescued frames error",
    "UploadMediaResult": "type media_id created_at downgraded",
    "WeixinMessage": "seq message_id from_user_id to_user_id client_id create_time_ms update_time_ms delete_time_ms "
    "session_id group_id message_type message_state item_list context_token run_id",
    "TemplateCard": "card_type source action_menu main_title emphasis_content quote_area sub_title_text "
    "horizontal_content_list jump_list card_action task_id feedback card_image image_text_area vertical_content_list "
    "button_selection button_list checkbox submit_button select_list",
}

ENUMS = {
    "LoginState": "WAIT SCANNED REDIRECT NEED_VERIFY_CODE VERIFY_CODE_BLOCKED EXPIRED ALREADY_BOUND CONFIRMED",
    "HealthState": "STOPPED STARTING RUNNING RETRYING TOKEN_STALE KICKED FAILED",
    "MessageType": "TEXT=text IMAGE=image MIXED=mixed VOICE=voice FILE=file VIDEO=video",
    "EventType": "ENTER_CHAT=enter_chat TEMPLATE_CARD_EVENT=template_card_event FEEDBACK_EVENT=feedback_event "
    "DISCONNECTED_EVENT=disconnected_event",
    "TemplateCardType": "TEXT_NOTICE=text_notice NEWS_NOTICE=news_notice BUTTON_INTERACTION=button_interaction "
    "VOTE_INTERACTION=vote_interaction MULTIPLE_INTERACTION=multiple_interaction",
    "WeComMediaType": "FILE=file IMAGE=image VOICE=voice VIDEO=video",
    "WsCmd": "SUBSCRIBE=aibot_subscribe HEARTBEAT=ping RESPONSE=aibot_respond_msg "
    "RESPONSE_WELCOME=aibot_respond_welcome_msg RESPONSE_UPDATE=aibot_respond_update_msg SEND_MSG=aibot_send_msg "
    "UPLOAD_MEDIA_INIT=aibot_upload_media_init UPLOAD_MEDIA_CHUNK=aibot_upload_media_chunk "
    "UPLOAD_MEDIA_FINISH=aibot_upload_media_finish CALLBACK=aibot_msg_callback EVENT_CALLBACK=aibot_event_callback",
}

ERRORS = {
    "WxError": (Exception,),
    "ConfigError": ("WxError", ValueError),
    "TransportError": ("WxError",),
    "ConnectionLost": ("TransportError",),
    "AckTimeout": ("TransportError",),
    "ApiError": ("WxError",),
    **dict.fromkeys(("TokenStale", "SendRejected", "RateLimited", "StreamExpired"), ("ApiError",)),
    **dict.fromkeys(("InvalidReqId", "NotSubscribed"), ("ApiError",)),
    **dict.fromkeys(("AuthFailed", "ReconnectExhausted", "Kicked", "LimitExceeded", "MediaError"), ("WxError",)),
    **dict.fromkeys(("DecryptError", "UploadFailed", "DownloadFailed"), ("MediaError",)),
    **dict.fromkeys(("ReplyQueueFull", "LoginError", "AlreadyRunning", "Overloaded", "Unsupported"), ("WxError",)),
}

CALLBACKS = words("""
    connected authenticated disconnected reconnecting error message message_text message_image message_mixed
    message_voice message_file message_video event event_enter_chat event_template_card_event event_feedback_event
    event_disconnected_event
""")


def found(path: str) -> Any:
    """What `wxsdk.<path>` is."""
    value: Any = wxsdk
    for name in path.split("."):
        value = getattr(value, name)
    return value


def test_import_wxsdk_gives_every_name() -> None:
    assert [name for name in NAMES if not hasattr(wxsdk, name)] == []
    assert set(NAMES) <= set(wxsdk.__all__)
    assert [name for name in wxsdk.__all__ if not hasattr(wxsdk, name)] == []


def test_names_come_from_where_type_checkers_see_them() -> None:
    tree = ast.parse(Path(wxsdk.__file__).read_text("utf-8"))
    seen = {
        alias.name: f"wxsdk.{node.module}"
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.level
        for alias in node.names
    }
    assert set(seen) == set(wxsdk.__all__)
    assert wxsdk.__all__ == sorted(wxsdk.__all__)
    assert set(wxsdk.__all__) <= set(dir(wxsdk))
    for name, module in seen.items():
        assert getattr(wxsdk, name) is getattr(importlib.import_module(module), name)
    assert wxsdk.sim.__name__ == "wxsdk.sim"
    with pytest.raises(AttributeError, match="nonsense"):
        wxsdk.nonsense  # noqa: B018
    with pytest.raises(ImportError, match="nonsense"):
        exec("from wxsdk import nonsense")


@pytest.mark.parametrize("module", DOTTED)
def test_dotted_names_are_at_their_path(module: str) -> None:
    loaded = importlib.import_module(module)
    assert [name for name in DOTTED[module].split() if not hasattr(loaded, name)] == []


def _written(call: str) -> Tuple[str, inspect.Signature]:
    path, _, parameters = call.partition("(")
    # A lambda has just the parameters that are written; the text is this file's own.
    return path, inspect.signature(eval(f"lambda {parameters[:-1]}: None"))


@pytest.mark.parametrize("call", SIGNATURES)
def test_signatures_are_as_written(call: str) -> None:
    path, wanted = _written(call)
    given = list(inspect.signature(found(path)).parameters.values())
    if "." in path:
        assert given.pop(0).name == "self"
    bound = [(each.name, each.kind, each.default) for each in given]
    by_position = [each for each in bound if each[1] is not inspect.Parameter.KEYWORD_ONLY]
    by_name = {each[0]: each for each in bound if each[1] is inspect.Parameter.KEYWORD_ONLY}
    for each in wanted.parameters.values():
        expected = (each.name, each.kind, each.default)
        assert (by_name.pop(each.name) if each.name in by_name else by_position.pop(0)) == expected
    further = [*by_position, *by_name.values()]
    assert all(default is not inspect.Parameter.empty for _, _, default in further), further


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_have_their_order_and_defaults_and_further_ones_go_by_name(name: str) -> None:
    parameters = list(inspect.signature(getattr(wxsdk, name)).parameters.values())
    listed, further = parameters[: len(SETTINGS[name])], parameters[len(SETTINGS[name]) :]
    assert [(each.name, each.default) for each in listed] == SETTINGS[name]
    assert {each.kind for each in listed} == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert {each.kind for each in further} == {inspect.Parameter.KEYWORD_ONLY}
    assert all(each.default is not inspect.Parameter.empty for each in further)
    assert dataclasses.fields(getattr(wxsdk, name))
    made = getattr(wxsdk, name)(*(each.default if each.default is not each.empty else "given" for each in listed))
    for each in parameters:
        assert getattr(made, each.name) == ("given" if each.default is each.empty else each.default)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.max_workers = 3
    with pytest.raises(TypeError, match=further[0].name):
        getattr(wxsdk, name)(*(["given"] * (len(listed) + 1)))
    assert "given" not in repr(
        getattr(wxsdk, name)(**{listed[0].name: "x", "token" if name == "WeixinConfig" else "secret": "given"})
    )


@pytest.mark.parametrize("name", FIELDS)
def test_dataclasses_have_their_fields(name: str) -> None:
    have = {each.name for each in dataclasses.fields(getattr(wxsdk, name))}
    assert set(FIELDS[name].split()) - have == set()


@pytest.mark.parametrize("name", ENUMS)
def test_enums_have_their_members(name: str) -> None:
    kind = getattr(wxsdk, name)
    assert issubclass(kind, enum.Enum)
    for wanted in ENUMS[name].split():
        member, _, value = wanted.partition("=")
        assert not value or kind[member].value == value == kind[member]
        assert kind[member].name == member


def test_the_error_tree() -> None:
    for name, bases in ERRORS.items():
        kind = getattr(wxsdk.errors, name)
        assert kind is getattr(wxsdk, name)
        assert kind.__bases__ == tuple(getattr(wxsdk, one) if isinstance(one, str) else one for one in bases), name


def test_errors_carry_their_facts_and_absent_ones_are_none() -> None:
    transport = wxsdk.TransportError("gone")
    assert (transport.kind, transport.may_have_been_sent, transport.client_id) == ("unknown", False, None)
    assert wxsdk.ConnectionLost("gone").may_have_been_sent is False
    assert wxsdk.AckTimeout("late").may_have_been_sent is True
    refused = wxsdk.ApiError(5)
    assert (refused.errcode, refused.errmsg, refused.endpoint, refused.cmd, refused.req_id, refused.remedy) == (
        *(5, "", None, None, None),
        "",
    )
    exceeded = wxsdk.LimitExceeded("long", limit=1, actual=2)
    assert (exceeded.limit, exceeded.actual) == (1, 2)


def test_a_handler_has_defaults_for_all_but_on_message() -> None:
    class Bot(wxsdk.MessageHandler):
        def on_message(self, ctx: wxsdk.MessageContext) -> None:
            """Nothing."""

    bot = Bot()
    assert [bot.on_start(), bot.on_shutdown(), bot.on_sync_buf_updated("c")] == [None] * 3
    bot.on_error(ValueError(), None)
    with pytest.raises(TypeError):
        wxsdk.MessageHandler()  # type: ignore[abstract]


def test_every_callback_is_a_decorator_that_gives_the_function_back() -> None:
    client = wxsdk.WSClient(wxsdk.WSClientOptions("b", "s"))
    for name in CALLBACKS:
        assert getattr(client, f"on_{name}")(print) is print


def test_clients_have_their_attributes_before_they_start() -> None:
    bot = wxsdk.WSClient(wxsdk.WSClientOptions("b", "s"))
    assert (bot.is_connected, bot.health().state, bot.wait(0)) == (False, wxsdk.HealthState.STOPPED, True)
    assert bot.disconnect() is True
    assert bot.api is not None
    client = wxsdk.WeixinClient(wxsdk.WeixinConfig("t"))
    assert isinstance(client.context_tokens, wxsdk.ContextTokenStore)
    assert (client.health().state, client.wait(0), client.shutdown()) == (wxsdk.HealthState.STOPPED, True, True)
    endpoints = words("get_updates send_message get_upload_url get_config send_typing notify_start notify_stop")
    assert all(callable(getattr(client.api, name)) for name in endpoints)


def test_stores_fulfil_the_protocol_that_others_can_write(tmp_path: Path) -> None:
    wanted = {name for name in vars(wxsdk.Store) if not name.startswith("_")} - {"durable"}
    for store in (wxsdk.MemoryStore(), wxsdk.SQLiteStore(tmp_path / "s.db")):
        assert all(callable(getattr(store, name)) for name in wanted)
        assert isinstance(store.durable, bool)
        store.close()
    assert all(inspect.getdoc(getattr(wxsdk.Store, name)) for name in wanted)


PROBE = """
import json, socket, sys, threading
import requests  # urllib3 opens a socket to see whether there is IPv6
opened = []
class Socket(socket.socket):
    def __init__(self, *args, **kwargs):
        opened.append(args)
        super().__init__(*args, **kwargs)
socket.socket = Socket
import wxsdk
at_once = [name for name in sys.modules if name.startswith("wxsdk.")]
names = [getattr(wxsdk, name) for name in wxsdk.__all__]
facts = {"threads": threading.active_count(), "sockets": len(opened)}
print(json.dumps({**facts, "modules": sorted(sys.modules), "at_once": at_once}))
"""
EXTRAS = ("werkzeug", "wsproto", "flask", "django", "IPython", "segno", "pytest", "pilk", "filetype")


def test_import_wxsdk_and_all_its_names_start_no_thread_open_no_socket_and_load_no_extra() -> None:
    output = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True, timeout=60)
    facts = json.loads(output.stdout)
    assert (facts["threads"], facts["sockets"]) == (1, 0)
    assert set(facts["at_once"]) == {"wxsdk._version", "wxsdk.errors"}
    loaded = {name for name in facts["modules"] if name.startswith("wxsdk.")}
    assert not [name for name in loaded if name.startswith(("wxsdk.sim", "wxsdk.cli", "wxsdk.ext", "wxsdk.testing"))]
    assert [name for name in EXTRAS if name in facts["modules"]] == []


@pytest.mark.parametrize("command", ["demo", "login", "echo", "send", "sim", "doctor"])
def test_the_command_line_has_its_commands(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    from wxsdk.cli import main

    with pytest.raises(SystemExit) as caught:
        main([command, "--help"])
    assert caught.value.code == 0
    assert command in capsys.readouterr().out


def test_the_package_runs_as_a_module() -> None:
    output = subprocess.run(
        [sys.executable, "-m", "wxsdk", "--version"], capture_output=True, text=True, check=True, timeout=60
    )
    assert output.stdout.strip() == f"wxsdk {wxsdk.__version__}"


def test_the_simulators_have_their_names(ilink_sim: Any, aibot_sim: Any) -> None:
    assert ilink_sim.base_url.startswith("http://127.0.0.1:")
    assert ilink_sim.cdn_base_url.startswith("http://127.0.0.1:")
    assert aibot_sim.ws_url.startswith("ws://127.0.0.1:")
    for sim in (ilink_sim, aibot_sim):
        user = sim.user("alice")
        assert all(callable(getattr(user, name)) for name in ("says", "sends", "expects"))
        assert inspect.signature(user.expects).parameters["timeout"].default == 5
        assert sim.faults is not None
