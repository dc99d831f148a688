"""Both clients under gevent's monkey patching, each time in a process of its own; eventlet is refused."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time
import types
import urllib.request
from pathlib import Path
from typing import Any, Dict, Iterator

import pytest

from tests.delivery.waiting import WAIT, until
from wxsdk import ConfigError, WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.sim import AiBotSim, ILinkSim

pytest.importorskip("gevent")
pytestmark = pytest.mark.may_leak(reason="what the simulators' users sent is closed with them")

PROGRAM = """
from gevent import monkey
monkey.patch_all()
import json, sys, tempfile, time
import gevent
from gevent.fileobject import FileObject
from wxsdk import SQLiteStore, WeixinClient, WeixinConfig, WSClient, WSClientOptions

facts = json.loads(sys.argv[1])
folder = tempfile.mkdtemp()

def on_message(ctx):
    with ctx.typing():
        if ctx.media is not None:
            ctx.reply_media(ctx.download_media(ctx.media, folder))
        else:
            ctx.reply_text("echo " + ctx.body)

ilink = WeixinClient(
    WeixinConfig(
        token=facts["token"], base_url=facts["base_url"], cdn_base_url=facts["cdn_base_url"], sends_per_second=None,
        trusted_media_hosts=("127.0.0.1",), single_instance=False,
    ),
    on_message,
    store=SQLiteStore(folder + "/bot.db"),
)
wecom = WSClient(WSClientOptions(facts["bot_id"], facts["secret"], ws_url=facts["ws_url"], single_instance=False))

@wecom.on_message_text
def answer(frame):
    if frame.body.text.content == "stream":
        with wecom.open_stream(frame) as stream:
            for piece in ("Once ", "upon ", "a time"):
                stream.write(piece)
    else:
        wecom.reply(frame, {"msgtype": "markdown", "markdown": {"content": "plain"}})
        uploaded = wecom.upload_media(b"x" * 1_000_000, type="file", filename="a.bin")
        wecom.send_media_message(frame.body.from_.userid, "file", uploaded.media_id)

ilink.start()
wecom.connect(wait=10)
ticks = []

def tick():
    while True:
        gevent.sleep(0.001)
        ticks.append(time.monotonic())

ticking = gevent.spawn(tick)
print("ready", flush=True)
FileObject(sys.stdin).readline()
ticking.kill()
began = time.monotonic()
ended = ilink.shutdown() and wecom.disconnect()
print(json.dumps({"ended": ended, "stop": time.monotonic() - began, "ticks": len(ticks)}), flush=True)
"""


@pytest.fixture
def sims() -> Iterator[Any]:
    with ILinkSim() as ilink, AiBotSim() as aibot:
        yield ilink, aibot


def _facts(sims: Any) -> Dict[str, str]:
    ilink, aibot = sims
    return {
        "token": str(ilink.token),
        "base_url": ilink.base_url,
        "cdn_base_url": ilink.cdn_base_url,
        "bot_id": aibot.bot_id,
        "secret": str(aibot.secret),
        "ws_url": aibot.ws_url,
    }


def test_both_clients_work_under_gevents_monkey_patching(sims: Any, tmp_path: Path) -> None:
    ilink, aibot = sims
    alice, bob = ilink.user("alice"), aibot.user("bob")
    file = tmp_path / "report.pdf"
    file.write_bytes(b"%PDF-" + bytes(range(256)) * 2000)
    command = [sys.executable, "-c", PROGRAM, json.dumps(_facts(sims))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for number in range(5):
            alice.says(f"hello {number}")
            assert alice.expects(WAIT).text == f"echo hello {number}"
        alice.sends(file)
        assert alice.expects(WAIT).data == file.read_bytes()
        bob.says("stream")
        assert "Once upon a time" in str(bob.expects(WAIT))
        bob.says("plain")
        assert "plain" in str(bob.expects(WAIT))
        assert "file" in str(bob.expects(WAIT))
        told = json.loads(process.communicate("\n", timeout=WAIT)[0])
    assert told["ended"] is True
    assert told["stop"] < 2.0
    assert told["ticks"] > 10  # other greenlets ran all the while


APPLICATION = """
import json, os
from wxsdk import WeixinClient, WeixinConfig, WSClient, WSClientOptions
from wxsdk.ext.standby import Standby

facts = json.loads(os.environ["FACTS"])
ilink = WeixinClient(
    WeixinConfig(token=facts["token"], base_url=facts["base_url"], cdn_base_url=facts["cdn_base_url"]),
    lambda ctx: ctx.reply_text("echo " + ctx.body),
)
wecom = WSClient(WSClientOptions(facts["bot_id"], facts["secret"], ws_url=facts["ws_url"]))

@wecom.on_message_text
def answer(frame):
    with wecom.open_stream(frame) as stream:
        stream.write("from gunicorn")

for client in (ilink, wecom):
    Standby(client).start()

def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(client.health().state.value for client in (ilink, wecom)).encode()]
"""


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def _get(port: int) -> str:
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        return str(answer.read().decode())
    return ""


def test_both_clients_serve_beside_an_application_in_gunicorns_gevent_worker(
    sims: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("gunicorn")
    ilink, aibot = sims
    (tmp_path / "served.py").write_text(APPLICATION)
    monkeypatch.setenv("FACTS", json.dumps(_facts(sims)))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    port = _free_port()
    options = ["-k", "gevent", "-w", "1", "-b", f"127.0.0.1:{port}", "--log-level", "error", "--graceful-timeout", "3"]
    command = [sys.executable, "-m", "gunicorn", *options, "served:application"]
    process = subprocess.Popen(command, cwd=tmp_path)
    try:
        until(lambda: _get(port) == "running running")
        ilink.user("alice").says("hi")
        assert ilink.user("alice").expects(WAIT).text == "echo hi"
        aibot.user("bob").says("yo")
        assert "from gunicorn" in str(aibot.user("bob").expects(WAIT))
        assert _get(port) == "running running"
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.wait(WAIT)
        assert time.monotonic() - began < 5
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def test_eventlets_monkey_patching_is_refused_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    ilink = WeixinClient(WeixinConfig(token="t"), lambda ctx: None)
    wecom = WSClient(WSClientOptions("b", "s"))
    patcher = types.SimpleNamespace(is_monkey_patched=lambda name: name == "socket")
    monkeypatch.setitem(sys.modules, "eventlet.patcher", patcher)  # type: ignore[arg-type]
    before = threading.active_count()
    for refused in (
        ilink.start,
        wecom.connect,
        lambda: WeixinClient(WeixinConfig(token="t")),
        lambda: WSClient(WSClientOptions("b", "s")),
    ):
        with pytest.raises(ConfigError, match="eventlet") as raised:
            refused()
        assert "gevent" in raised.value.remedy
    assert threading.active_count() == before
