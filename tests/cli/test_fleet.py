"""``wxsdk fleet`` on an SQLite file."""

from __future__ import annotations

import json
import pathlib

import pytest

from wxsdk import Bot, Fleet, SQLiteStore, WSClientOptions
from wxsdk.cli import main
from wxsdk.cli.fleet import table
from wxsdk.fleet.fleet import BotStatus, FleetStatus


def test_status_lists_the_bots_of_a_store(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "fleet.db"
    store = SQLiteStore(path)
    Fleet(Bot(), store=store).add("shop-1", WSClientOptions("bot", "canary-secret"))
    store.close()
    assert main(["fleet", "status", "--store", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "shop-1  -" in shown
    assert "unowned" in shown
    assert "canary" not in shown
    assert main(["fleet", "status", "--store", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["bots"]["shop-1"]["owner"] is None
    assert main(["fleet", "remove", "shop-1", "--store", str(path)]) == 0
    assert main(["fleet", "remove", "shop-1", "--store", str(path)]) == 2
    assert "shop-1" in capsys.readouterr().err


def test_without_a_store_it_says_where_one_may_be_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WXSDK_STORE", raising=False)
    assert main(["fleet", "status"]) == 2
    assert "WXSDK_STORE" in capsys.readouterr().err


def test_the_table_names_owners_and_how_full_each_process_is() -> None:
    bots = {"a": BotStatus("host/1/x", 0.0, "running", 2), "b": BotStatus(None, None, "unowned", 0)}
    lines = table(FleetStatus(bots, {"host/1/x": 10, "host/2/y": 5}))
    assert [line.split() for line in (lines[0], lines[2])] == [
        ["BOT", "OWNER", "SINCE", "STATE", "QUEUED"],
        ["b", "-", "-", "unowned", "0"],
    ]
    assert lines[1].split()[:2] == ["a", "host/1/x"]
    assert lines[3:] == ["host/1/x: 1/10", "host/2/y: 0/5"]
