"""Commands as a person and a script use them: accounts, listen, send beside a running bot, doctor, completion."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any, Dict, List

import pytest

from wxsdk import SQLiteStore, WeixinClient, WeixinConfig, WSClient, WSClientOptions, accounts
from wxsdk.accounts import Account
from wxsdk.cli import main
from wxsdk.cli.arguments import COMMANDS

from .test_cli import home  # noqa: F401  a fixture for every test here

PATIENCE = 20.0  # seconds for another interpreter


def output_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> Any:
    status = main([*arguments, "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.fixture
def personal(ilink_sim: Any) -> None:
    accounts.save("default", Account(token=ilink_sim.token, base_url=ilink_sim.base_url, ilink_bot_id="b@im.bot"))


@pytest.fixture
def wecom(aibot_sim: Any) -> None:
    accounts.save("helpdesk", Account(bot_id=aibot_sim.bot_id, secret=aibot_sim.secret, ws_url=aibot_sim.ws_url))


# -- accounts ----------------------------------------


def test_accounts_are_listed_shown_renamed_and_removed_without_a_secret(
    capsys: pytest.CaptureFixture[str],
) -> None:
    accounts.save("a", Account(token="tok-canary", ilink_bot_id="b@im.bot"))
    accounts.save("w", Account(bot_id="aib", secret="sec-canary"))
    status, listed = output_of(capsys, "accounts", "list")
    assert (status, [each["name"] for each in listed]) == (0, ["a", "w"])
    assert main(["accounts", "list"]) == main(["accounts", "show", "w"]) == 0
    assert main(["accounts", "rename", "a", "b"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("a\nw\n")
    assert main(["accounts", "remove", "b"]) == 0
    assert accounts.list() == ["w"]
    assert "canary" not in shown + json.dumps(listed) + capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["show", "x"], ["remove", "x"], ["rename", "x", "y"], ["import", "/nowhere"]])
def test_what_is_named_and_not_there_is_wrong_usage(arguments: List[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accounts", *arguments]) == 2
    assert arguments[-1].strip("/y") in capsys.readouterr().err or arguments[0] == "rename"


def test_the_plugins_accounts_are_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "openclaw-weixin" / "accounts"
    folder.mkdir(parents=True)
    (folder.parent / "accounts.json").write_text('["abc-im-bot"]')
    (folder / "abc-im-bot.json").write_text('{"token": "tok"}')
    assert output_of(capsys, "accounts", "import", str(tmp_path)) == (0, {"imported": ["abc-im-bot"]})


def test_login_keeps_an_account_that_the_other_commands_use(
    ilink_sim: Any,
    capsys: pytest.CaptureFixture[str],
    home: Path,  # noqa: F811
) -> None:
    person = threading.Thread(target=lambda: (ilink_sim.scan(user="alice"), ilink_sim.confirm()))
    person.start()
    assert main(["login", "--base-url", ilink_sim.base_url]) == 0
    person.join()
    shown = capsys.readouterr()
    account = accounts.load("default")
    assert str(account.token) not in shown.out + shown.err
    assert stat.S_IMODE((home / "accounts" / "default.json").stat().st_mode) == 0o600
    status, found = output_of(capsys, "doctor")
    assert status == 0, found
    assert {row["name"]: row["ok"] for row in found["checks"]}["cdn"] is True


def test_login_keeps_a_wecom_bot(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("WXSDK_SECRET", "sec-canary")
    status, done = output_of(capsys, "login", "--aibot", "--bot-id", "aib", "--account", "helpdesk")
    assert (status, done["account"]) == (0, "helpdesk")
    assert accounts.load("helpdesk").secret == "sec-canary"
    assert "canary" not in json.dumps(done)


@pytest.mark.parametrize("encoding", ["gbk", "cp936", "cp1252", "ascii", "utf-8"])
def test_login_shows_code_and_address_on_every_console(encoding: str, ilink_sim: Any) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "LANG": "zh_CN.UTF-8", "WXSDK_LANG": ""}
    command = [sys.executable, "-m", "wxsdk", "login", "--base-url", ilink_sim.base_url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as process:
        code = ilink_sim.scan(user="alice", timeout=PATIENCE)
        ilink_sim.confirm()
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    shown = err.decode(encoding)
    assert "?" not in "".join(line for line in shown.splitlines() if "http" not in line)
    assert "http" in shown
    assert code is None or code
    assert out.decode(encoding).strip()


# -- who wins ----------------------------------------


@pytest.mark.parametrize("how", [["--credentials", "/nowhere/x.json"], ["--account", "missing"]])
def test_a_named_account_that_does_not_exist_is_an_error_whatever_the_environment_says(
    how: List[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WXSDK_TOKEN", "tok")
    for command in (["doctor"], ["echo"], ["listen"], ["send", "alice", "hi"]):
        status = main([*command, *how])
        assert status == (1 if command == ["doctor"] else 2)
        shown = capsys.readouterr()
        assert "does not exist" in shown.out + shown.err
    monkeypatch.setenv("WXSDK_CREDENTIALS", "/nowhere/y.json")
    assert main(["send", "alice", "hi"]) == 2


# -- listen ----------------------------------------


def test_listen_prints_json_lines_saves_files_and_ends_after_the_count(
    ilink_sim: Any, personal: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alice = ilink_sim.user("alice")
    alice.says("one\ntwo")
    alice.sends(b"%PDF-1.7 x", name="report.pdf")
    assert main(["listen", "--json", "--count", "2", "--save", str(tmp_path / "in")]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["user"], first["text"], first["files"]) == ("alice", "one\ntwo", [])
    assert Path(second["files"][0]["path"]).read_bytes() == b"%PDF-1.7 x"
    assert (tmp_path / "in" / "report.pdf").exists()


def test_listen_prints_one_line_a_message_on_wecom(
    aibot_sim: Any, wecom: None, capsys: pytest.CaptureFixture[str]
) -> None:
    done: List[int] = []
    listener = threading.Thread(target=lambda: done.append(main(["listen", "--account", "helpdesk", "--count", "1"])))
    listener.start()
    aibot_sim.wait_subscribed(timeout=PATIENCE)
    aibot_sim.user("bob").says("hello\nthere")
    listener.join(PATIENCE)
    assert done == [0]
    assert capsys.readouterr().out.rstrip().endswith("bob  hello ⏎ there")


def test_a_reader_of_listen_that_goes_away_ends_it(ilink_sim: Any, personal: None) -> None:
    command = [sys.executable, "-m", "wxsdk", "listen"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(os.environ)) as process:
        assert process.stdout is not None
        ilink_sim.user("alice").says("one")
        process.stdout.readline()
        process.stdout.close()
        ilink_sim.user("alice").says("two")
        assert process.wait(PATIENCE) == 141
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()


# -- send ----------------------------------------


def test_send_reads_standard_input_and_tells_a_script_what_happened(
    ilink_sim: Any, personal: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    _met(ilink_sim, tmp_path / "bot.db")
    monkeypatch.setattr(sys, "stdin", io.StringIO("from a pipe\n"))
    status, done = output_of(capsys, "send", "alice", "-", "--store", str(tmp_path / "bot.db"))
    assert (status, done["via"], done["parts"]) == (0, "direct", 1)
    assert ilink_sim.user("alice").expects().text == "from a pipe"


def test_what_is_no_text_on_standard_input_is_wrong_usage(personal: None) -> None:
    for encoding in ("utf-8", "ascii"):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        command = [sys.executable, "-m", "wxsdk", "send", "alice", "-"]
        done = subprocess.run(command, input=b"\xff\xfe\xfa", env=environment, capture_output=True, timeout=60)
        assert (done.returncode, b"--file" in done.stderr) == (2, True)


def test_an_input_that_ends_early_is_wrong_usage(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["login", "--aibot"]) == 2
    assert "The input ended" in capsys.readouterr().err


def test_names_stay_apart_on_a_console_without_their_characters() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    shown = []
    for name in ("客服", "中文"):
        command = [sys.executable, "-m", "wxsdk", "accounts", "show", name]
        shown.append(subprocess.run(command, env=environment, capture_output=True, timeout=60).stderr)
    assert shown[0] != shown[1]
    assert b"\\u5ba2" in shown[0]


def test_markdown_goes_as_plain_text_and_plain_text_as_it_is(ilink_sim: Any, personal: None, tmp_path: Path) -> None:
    store = tmp_path / "bot.db"
    _met(ilink_sim, store)
    assert main(["send", "alice", "**bold** 2*3*4", "--store", str(store)]) == 0
    assert main(["send", "alice", "##### Title", "--markdown", "--store", str(store)]) == 0
    assert ilink_sim.user("alice").expects().text == "**bold** 2*3*4"
    assert "#" not in ilink_sim.user("alice").expects().text


def _met(sim: Any, store: Path) -> None:
    """alice has written to the bot, whose store knows her since then."""
    config = WeixinConfig(token=sim.token, base_url=sim.base_url, cdn_base_url=sim.cdn_base_url)
    with WeixinClient(config, lambda ctx: ctx.reply_text("noted"), store=SQLiteStore(store)):
        sim.user("alice").says("hello")
        sim.user("alice").expects()


def test_sending_takes_no_message_that_the_bot_should_get(ilink_sim: Any, personal: None, tmp_path: Path) -> None:
    _met(ilink_sim, tmp_path / "bot.db")
    polls = len([each for each in ilink_sim.requests if "getupdates" in each.path])
    assert main(["send", "alice", "hi", "--store", str(tmp_path / "bot.db")]) == 0
    assert len([each for each in ilink_sim.requests if "getupdates" in each.path]) == polls


def test_send_goes_through_a_running_personal_bot(
    ilink_sim: Any, personal: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "bot.db"
    config = WeixinConfig(token=ilink_sim.token, base_url=ilink_sim.base_url, outbox=True)
    with WeixinClient(config, lambda ctx: ctx.reply_text("noted"), store=SQLiteStore(store)):
        ilink_sim.user("alice").says("hello")
        ilink_sim.user("alice").expects()
        done = _in_another_process("send", "alice", "from cron", "--store", str(store), "--json")
        assert (done["via"], done["pid"]) == ("outbox", os.getpid())
        assert ilink_sim.user("alice").expects(timeout=PATIENCE).text == "from cron"


def test_send_goes_through_a_running_wecom_bot_and_says_when_it_cannot(
    aibot_sim: Any, wecom: None, tmp_path: Path
) -> None:
    store = tmp_path / "bot.db"
    options = WSClientOptions(aibot_sim.bot_id, aibot_sim.secret, ws_url=aibot_sim.ws_url, outbox=True)
    client = WSClient(options, store=SQLiteStore(store))
    bob = aibot_sim.user("bob")  # the gateway knows him before the outbox may write to him
    with client:
        aibot_sim.wait_subscribed(timeout=PATIENCE)
        done = _in_another_process("send", "bob", "from cron", "--aibot", "--store", str(store), "--json")
        assert (done["via"], done["pid"]) == ("outbox", os.getpid())
        assert bob.expects(timeout=PATIENCE).text == "from cron"
        refused = _in_another_process("send", "bob", "x", "--aibot", "--json", status=3)
        assert refused["error"] == "AlreadyRunning"
        assert "--store" in refused["remedy"]
    assert len(aibot_sim.subscribes) == 1


def _in_another_process(*arguments: str, status: int = 0) -> Dict[str, Any]:
    done = subprocess.run([sys.executable, "-m", "wxsdk", *arguments], capture_output=True, env=dict(os.environ))
    assert done.returncode == status, done.stderr.decode()
    return dict(json.loads(done.stdout))


def test_a_send_whose_outcome_is_not_known_has_a_status_of_its_own(
    ilink_sim: Any, personal: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from wxsdk import TransportError

    def lost(*_: Any, **__: Any) -> None:
        raise TransportError("The connection was lost.", kind="tcp", may_have_been_sent=True)

    monkeypatch.setattr(WeixinClient, "send_text", lost)
    assert main(["send", "alice", "hi"]) == 4
    assert "not known whether the message went out" in capsys.readouterr().err


# -- doctor ----------------------------------------

CHECKS = ["client_version", "clock", "cdn", "credentials", "lock", "network", "proxy", "store", "tls"]


def test_the_doctor_gives_scripts_every_check_by_its_name(
    ilink_sim: Any, personal: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _met(ilink_sim, tmp_path / "bot.db")
    for arguments in (["--store", str(tmp_path / "bot.db")], ["--account", "missing"], []):
        _, found = output_of(capsys, "doctor", *arguments)
        assert sorted(row["name"] for row in found["checks"]) == sorted(CHECKS)
        assert all(set(row) == {"name", "ok", "detail", "remedy"} for row in found["checks"])


@pytest.mark.parametrize("damage", ["text", "cut"])
def test_the_doctor_finds_a_damaged_store(
    damage: str, ilink_sim: Any, personal: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = tmp_path / "bot.db"
    _met(ilink_sim, store)
    content = store.read_bytes()
    store.write_bytes(b"not a database" * 500 if damage == "text" else content[: len(content) // 2])
    status, found = output_of(capsys, "doctor", "--store", str(store))
    row = next(row for row in found["checks"] if row["name"] == "store")
    assert (status, row["ok"]) == (1, False)
    assert row["remedy"]


def test_the_doctor_names_the_process_that_runs_the_bot(
    ilink_sim: Any, personal: None, capsys: pytest.CaptureFixture[str]
) -> None:
    config = WeixinConfig(token=ilink_sim.token, base_url=ilink_sim.base_url)
    with WeixinClient(config, lambda ctx: None):
        _, found = output_of(capsys, "doctor")
    row = next(row for row in found["checks"] if row["name"] == "lock")
    assert f"process {os.getpid()} " in row["detail"]


def test_the_doctor_sees_a_clock_that_is_off_and_an_odd_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    from wxsdk.cli import doctor

    probe = object.__new__(doctor._Probe)
    probe._date = "Wed, 21 Oct 2026 07:28:00 GMT"
    now = 1792567680.0
    assert probe.clock(now + 5).ok is True
    assert probe.clock(now - 3600).ok is False
    probe._date = "yesterday"
    assert probe.clock(now).ok is None
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "socks5://me:hunter22@p:1080"})
    row = doctor.check_proxy()
    assert row.ok is False
    assert "hunter22" not in row.detail


# -- wrong input ----------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["send"],
        ["send", "alice"],
        ["send", "alice", "hi", "--file", "/nowhere"],
        ["send", "", "hi"],
        ["send", "alice", "hi", "--base-url", "nonsense"],
        ["send", "alice", "hi", "--store", "/nowhere/bot.db"],
        ["send", "alice", "hi", "--aibot"],
        ["echo", "--aibot", "--ws-url", "http://x"],
        ["listen", "--count", "0"],
        ["listen", "--count", "x"],
        ["sim", "--port", "99999"],
        ["demo", "--only", "x"],
        ["run", "/nowhere.py"],
        ["accounts"],
        ["accounts", "show", "../x"],
        ["login", "--base-url", "http://127.0.0.1:1"],
        ["completion", "tcsh"],
        ["nonsense"],
        ["--nonsense"],
        ["-v"],
    ],
    ids=" ".join,
)
def test_wrong_input_ends_with_a_sentence_and_no_traceback(
    arguments: List[str], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WXSDK_TOKEN", "tok")
    monkeypatch.setenv("WXSDK_BASE_URL", "http://127.0.0.1:1")
    try:
        status: Any = main(arguments)
    except SystemExit as ended:
        status = ended.code
    shown = capfd.readouterr()
    assert status in (1, 2)
    assert (shown.err or shown.out).strip()
    assert "Traceback" not in shown.err + shown.out


def test_without_a_command_the_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(f"    {name} " in shown for name in COMMANDS)
    assert "exit codes:" in shown


def test_an_unexpected_error_is_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], personal: None
) -> None:
    monkeypatch.setattr(WeixinClient, "send_text", lambda *_, **__: 1 // 0)
    assert main(["send", "alice", "hi"]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_port_in_use_says_who_uses_it_and_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["sim", "--port", str(taken.getsockname()[1])]) == 2
    shown = capsys.readouterr().err
    assert "--port 0" in shown
    if Path("/proc/net/tcp").exists():
        assert f"process {os.getpid()}" in shown


def test_sim_prints_an_environment_that_works(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "wxsdk", "sim"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        facts: Dict[str, str] = {}
        for line in process.stdout:
            if line.strip().startswith("export "):
                name, _, value = line.strip()[len("export ") :].partition("=")
                facts[name] = value
            if "Ctrl-C" in line:
                break
        done = subprocess.run(
            [sys.executable, "-m", "wxsdk", "doctor"], env={**os.environ, **facts}, capture_output=True, text=True
        )
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
    assert (process.returncode, done.returncode) == (0, 0), done.stdout


def test_sim_runs_a_program_on_itself_and_ends_with_it(capfd: pytest.CaptureFixture[str]) -> None:
    program = "import sys; from wxsdk import WeixinConfig as c; print('at', c.from_env().base_url); sys.exit(7)"
    assert main(["sim", "--", sys.executable, "-c", program]) == 7
    assert "at http://127.0.0.1:" in capfd.readouterr().out
    assert main(["sim", "--", "/no/such/program"]) == 2
    assert "There is no program" in capfd.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_sim_ends_the_program_that_it_runs(number: int, tmp_path: Path) -> None:
    program = "import os, time, signal; print(os.getpid(), flush=True); signal.pause()"
    command = [sys.executable, "-m", "wxsdk", "sim", "--", sys.executable, "-u", "-c", program]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        child = next(int(line) for line in process.stdout if line.strip().isdigit())
        process.send_signal(number)
        process.wait(PATIENCE)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


# -- completion ----------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_command_and_the_shell_can_read_it(
    shell: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(name in script for name in COMMANDS)
    assert "markdown" in script
    program = shutil.which(shell)
    if program is not None:
        (tmp_path / "script").write_text(script)
        assert subprocess.run([program, "-n", str(tmp_path / "script")], check=False).returncode == 0


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("line", "wanted"),
    [("wxsdk se", {"send"}), ("wxsdk accounts re", {"rename", "remove"}), ("wxsdk send --mark", {"--markdown"})],
)
def test_bash_completes(line: str, wanted: set[str], capsys: pytest.CaptureFixture[str]) -> None:
    main(["completion", "bash"])
    words = line.split(" ")
    program = (
        f"{capsys.readouterr().out}\nCOMP_WORDS=({' '.join(words)}); COMP_CWORD={len(words) - 1}; _wxsdk\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True)
    assert set(done.stdout.split()) == wanted, done.stderr
