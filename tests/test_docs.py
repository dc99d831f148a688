"""Every Python block of the README and the guides runs, against the simulators."""

from __future__ import annotations

import builtins
import logging
import re
import textwrap
import threading
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple

import pytest

from wxsdk import Bot, WeixinClient, WSClient

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^\.\. code-block:: python\n\n((?:    .*\n|\n)+)", re.MULTILINE)


def blocks() -> Iterator[Tuple[str, str]]:
    for path in [ROOT / "README.rst", ROOT / "README.zh-CN.rst", *sorted((ROOT / "docs").rglob("*.rst"))]:
        for number, found in enumerate(BLOCK.findall(path.read_text(encoding="utf-8")), 1):
            yield f"{path.stem}-{number}", textwrap.dedent(found)


BLOCKS = list(blocks())


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[List[Any]]:
    """The clients that a block runs or starts, stopped afterwards; ``run`` returns at once."""
    clients: List[Any] = []

    def run(client: Any) -> None:
        clients.append(client)
        if isinstance(client, WSClient):
            client.connect(wait=5)
        else:
            client.start()

    monkeypatch.setattr(Bot, "run", run)
    monkeypatch.setattr(WSClient, "run", run)
    monkeypatch.setattr(WeixinClient, "run", run)
    yield clients
    for client in clients:
        if isinstance(client, WSClient):
            client.disconnect()
        elif isinstance(client, Bot):
            client.stop()
        else:
            client.shutdown()


def localized(code: str, ilink: Any, aibot: Any) -> str:
    """*code* with the placeholders for credentials filled in, pointing to the simulators."""
    ilink_facts = f"token={ilink.token!r}, base_url={ilink.base_url!r}, cdn_base_url={ilink.cdn_base_url!r}"
    aibot_facts = f"bot_id={aibot.bot_id!r}, secret={aibot.secret!r}, ws_url={aibot.ws_url!r}"
    code = code.replace('token=""', f'token="", base_url={ilink.base_url!r}')
    return code.replace('token="…"', ilink_facts).replace('bot_id="…", secret="…"', aibot_facts)


@pytest.mark.parametrize("code", [code for _, code in BLOCKS], ids=[name for name, _ in BLOCKS])
def test_the_block_runs(
    code: str,
    ilink_sim: Any,
    aibot_sim: Any,
    running: List[Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("wxsdk"), "level", logging.NOTSET)  # one block sets it; put back afterwards
    monkeypatch.setenv("WXSDK_HOME", str(tmp_path))
    scope: Dict[str, Any] = {"llm": lambda question: f"An answer to {question}", "__name__": "snippet"}
    ilink_sim.user("user_id").says("so that there is a conversation")
    if ".login(" in code:
        threading.Thread(target=_scan, args=(ilink_sim,), daemon=True).start()
        monkeypatch.setattr(builtins, "print", lambda *_: None)
    if 'context_token="…"' in code:
        token = ilink_sim.user("user_id").context_token
        code = code.replace('context_token="…"', f"context_token={token!r}")
    exec(compile(localized(code, ilink_sim, aibot_sim), "snippet", "exec"), scope)
    if "WxBot(" in code:
        _use_flask(scope, aibot_sim)
    for name in [name for name in scope if name.startswith("test_")]:
        fixtures = re.search(rf"def {name}\((\w+)\)", code)
        assert fixtures is not None
        scope[name](request.getfixturevalue(fixtures.group(1)))
    for client in running:
        _talk(client, ilink_sim, aibot_sim)
    for sender in [value for value in scope.values() if isinstance(value, WeixinClient)]:
        sender.shutdown()
    assert ilink_sim.violations == []
    assert aibot_sim.violations == []


def _scan(sim: Any) -> None:
    sim.scan(user="alice")
    sim.confirm()


def _talk(client: Any, ilink: Any, aibot: Any) -> None:
    """Whoever a block runs must answer a text."""
    if isinstance(client, Bot):
        aibot.wait_subscribed()
        for user in (ilink.user("alice"), aibot.user("bob")):
            user.says("hello")
            assert "hello" in user.expects().text
    elif isinstance(client, WSClient):
        aibot.user("bob").says("hello")
        shown = aibot.user("bob").expects()
        assert shown.finished
        if "checkbox" in (shown.card or {}):
            _vote(aibot, shown)
    else:
        ilink.user("alice").says("hello")
        assert "hello" in ilink.user("alice").expects().text


def _vote(aibot: Any, shown: Any) -> None:
    """A vote for two options must be seen on the card."""
    question = shown.card["checkbox"]
    chosen = [option["id"] for option in question["option_list"][:2]]
    assert question["mode"] == 1
    aibot.user("bob").votes(shown, {question["question_key"]: chosen})
    aibot.wait_for(lambda: all(f"{each}: 1" in shown.card["main_title"]["desc"] for each in chosen))


def _use_flask(scope: Dict[str, Any], aibot: Any) -> None:
    scope["bot"].start()  # as a server does that loads the application
    aibot.wait_subscribed()
    aibot.user("bob").says("hello")
    assert "application context" in aibot.user("bob").expects().text
    assert scope["app"].test_client().get("/bot/health").json["state"] == "running"
    assert scope["bot"].stop()


def test_there_are_blocks_to_run() -> None:
    assert {name.split("-")[0] for name, _ in BLOCKS} >= {
        "README",
        "tutorial",
        "bot",
        "ilink",
        "aibot",
        "testing",
        "integrations",
    }
