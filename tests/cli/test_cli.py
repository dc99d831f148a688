"""The command line, against the simulators."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path
from typing import Any, Dict, List

import pytest

from wxsdk import SQLiteStore, WeixinClient, WeixinConfig, WSClient, WSClientOptions, accounts
from wxsdk.cli import doctor, main
from wxsdk.cli.doctor import explain_health
from wxsdk.health import Health, HealthState
from wxsdk.runtime.http import HttpDoor


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of accounts of the test's own, and an environment that names no account."""
    for name in ("WXSDK_ACCOUNT", "WXSDK_TOKEN", "WXSDK_BASE_URL", "WXSDK_CREDENTIALS", "WXSDK_BOT_ID", "WXSDK_SECRET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WXSDK_LANG", "en")
    monkeypatch.setenv("WXSDK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def account(ilink_sim: Any, tmp_path: Path) -> List[str]:
    """The options of a stored account on the simulator."""
    path = tmp_path / "credentials.json"
    accounts.save_file(path, accounts.Account(token=ilink_sim.token, base_url=ilink_sim.base_url))
    return ["--credentials", str(path)]


@pytest.fixture
def bot(aibot_sim: Any, monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """The options of a WeCom bot on the simulator."""
    monkeypatch.setenv("WXSDK_BOT_ID", aibot_sim.bot_id)
    monkeypatch.setenv("WXSDK_SECRET", aibot_sim.secret)
    return ["--aibot", "--ws-url", aibot_sim.ws_url]


def test_the_demo_shows_both_protocols_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo"]) == 0
    shown = capsys.readouterr().out
    assert "steps came out as expected" in shown.splitlines()[-1]
    assert "✗" not in shown
    for who in ("alice", "bob", "bot"):
        assert f"  {who}  " in shown


def test_the_demo_fails_when_a_step_does(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    import wxsdk.cli.demo_ilink as demo_ilink

    monkeypatch.setattr(demo_ilink._Show, "steps", lambda self: [("a step that fails", lambda: 1 // 0)])
    assert main(["demo", "--only", "ilink"]) == 1
    assert "a step that fails: ZeroDivisionError" in capsys.readouterr().out


def test_login_stores_a_token_that_only_the_owner_can_read(
    ilink_sim: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "sub" / "ilink.json"
    person = threading.Thread(target=lambda: (ilink_sim.scan(user="alice"), ilink_sim.confirm()))
    person.start()
    assert main(["login", "--base-url", ilink_sim.base_url, "--credentials", str(path)]) == 0
    person.join()
    stored = accounts.load_file(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert str(stored.token) not in capsys.readouterr().out
    assert str(stored.token) not in repr(stored)


def test_send_sends_a_text_and_a_file(ilink_sim: Any, account: List[str], tmp_path: Path) -> None:
    alice, store = ilink_sim.user("alice"), tmp_path / "bot.db"
    config = WeixinConfig(token=ilink_sim.token, base_url=ilink_sim.base_url)
    with WeixinClient(config, lambda ctx: ctx.reply_text("noted"), store=SQLiteStore(store)):
        alice.says("hello")
        alice.expects()
    paper = tmp_path / "paper.txt"
    paper.write_text("content")
    assert main(["send", "alice", "good news", *account, "--store", str(store)]) == 0
    assert main(["send", "alice", "--file", str(paper), *account, "--store", str(store)]) == 0
    assert alice.expects().text == "good news"
    assert alice.expects().data == b"content"


def test_send_pushes_to_a_wecom_chat(aibot_sim: Any, bot: List[str]) -> None:
    assert main(["send", aibot_sim.user("bob").id, "**good news**", *bot]) == 0
    assert aibot_sim.user("bob").expects().text == "**good news**"


def test_send_without_anything_to_send_is_a_usage_error(account: List[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["send", "alice", *account]) == 2
    assert "nothing to send" in capsys.readouterr().err


def test_a_missing_account_is_a_usage_error_with_the_remedy(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["echo", "--credentials", str(tmp_path / "none.json")]) == 2
    assert "wxsdk login" in capsys.readouterr().err


def _environment(**more: str) -> Dict[str, str]:
    return {**os.environ, "PYTHONUNBUFFERED": "1", **more}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_echo_answers_and_ends_with_a_signal(ilink_sim: Any, account: List[str], number: int) -> None:
    command = [sys.executable, "-m", "wxsdk", "echo", *account]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        ilink_sim.user("alice").says("hello")
        assert ilink_sim.user("alice").expects(timeout=20).text == "hello"
        process.send_signal(number)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_echo_answers_on_wecom(aibot_sim: Any, bot: List[str]) -> None:
    command = [sys.executable, "-m", "wxsdk", "echo", *bot]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=_environment()) as process:
        aibot_sim.wait_subscribed(timeout=20)
        aibot_sim.user("bob").says("hello")
        assert aibot_sim.user("bob").expects().text == "hello"
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=10)
    assert process.returncode == 0


def test_the_doctor_finds_nothing_wrong_with_a_good_account(
    account: List[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", *account]) == 0
    assert "Nothing is wrong." in capsys.readouterr().out


def test_the_doctor_reaches_the_media_server_as_the_client_does(
    account: List[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: List[Any] = []

    class Noting(HttpDoor):
        def __init__(self, **options: Any) -> None:
            asked.append(options["ciphers"])
            super().__init__(**options)

    monkeypatch.setattr(doctor, "HttpDoor", Noting)
    assert main(["doctor", *account]) == 0
    assert [list((ciphers or {}).values()) for ciphers in asked] == [[], ["DEFAULT"]]


def test_the_doctor_explains_a_stale_token(
    ilink_sim: Any, account: List[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ilink_sim.revoke_token()
    assert main(["doctor", *account]) == 1
    assert "TokenStale" in capsys.readouterr().out


def test_the_doctor_tells_when_nothing_answers(
    ilink_sim: Any, account: List[str], capsys: pytest.CaptureFixture[str]
) -> None:
    ilink_sim.faults.refuse_connections()
    assert main(["doctor", *account]) == 1
    assert "cannot be reached (tcp)" in capsys.readouterr().out


def test_the_doctor_warns_of_a_store_that_others_can_read(
    account: List[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bot.db"
    store = SQLiteStore(path)
    store.items("inbox")
    store.close()
    path.chmod(0o644)
    assert main(["doctor", *account, "--store", str(path)]) == 1
    assert "chmod 600" in capsys.readouterr().out


def test_the_doctor_counts_what_waits_in_the_outbox(
    ilink_sim: Any, account: List[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bot.db"
    config = WeixinConfig(token=ilink_sim.token, base_url=ilink_sim.base_url, outbox=True)
    with closing(SQLiteStore(path)) as store:
        client = WeixinClient(config, store=store)
        for text in ("one", "two"):
            client.outbox.send_text("alice", text)
    assert main(["doctor", *account, "--store", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "2 message(s) of the outbox wait to be sent" in shown
    assert "no message waits" not in shown


def test_the_doctor_counts_what_waits_in_the_outbox_of_a_wecom_bot(
    aibot_sim: Any, bot: List[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "bot.db"
    options = WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url, outbox=True)
    with closing(SQLiteStore(path)) as store:
        WSClient(options, store=store).outbox.send_message(
            "bob", {"msgtype": "markdown", "markdown": {"content": "hi"}}
        )
    assert main(["doctor", *bot, "--store", str(path)]) == 0
    assert "1 message(s) of the outbox wait to be sent" in capsys.readouterr().out


def test_the_doctor_checks_a_wecom_bot(bot: List[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *bot, "--connect"]) == 0
    assert "accepted" in capsys.readouterr().out


def test_health_is_told_in_words() -> None:
    health = Health(HealthState.RETRYING, last_error="it broke", remedy="mend it", workers=2, workers_busy=2, queued=7)
    told = explain_health(health)
    assert told[0].startswith("the last exchange failed")
    assert told[-1] == "mend it"
    assert any("max_workers" in line for line in told)
    events = Health(HealthState.RUNNING, workers=2, priority_workers=4, priority_workers_busy=4, priority_queued=1)
    assert any("priority_workers" in line for line in explain_health(events))
    assert not any("max_workers" in line for line in explain_health(events))


@pytest.mark.parametrize("state", list(HealthState))
def test_every_state_of_health_has_words(state: HealthState) -> None:
    assert explain_health(Health(state))[0]


def test_the_demo_runs_in_a_terminal_that_knows_only_ascii() -> None:
    environment = dict(os.environ, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0", PYTHONIOENCODING="ascii")
    command = [sys.executable, "-m", "wxsdk", "demo", "--only", "ilink"]
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"steps came out as expected" in done.stdout


def test_a_reader_that_has_gone_away_ends_the_command_without_a_traceback() -> None:
    end, pipe = os.pipe()
    os.close(end)
    command = [sys.executable, "-m", "wxsdk", "demo", "--only", "ilink"]
    done = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, timeout=60)
    os.close(pipe)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("port", ["99999", "-5", "x"])
def test_a_port_that_is_none_is_wrong_usage(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["sim", f"--port={port}"])
    assert ended.value.code == 2
    assert "--port" in capsys.readouterr().err
