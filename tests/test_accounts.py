"""Accounts are kept privately, found by name, and give a client its settings in a fixed order."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path
from typing import Any, Dict, List

import pytest

from wxsdk import ConfigError, WeixinConfig, WSClientOptions, accounts
from wxsdk.accounts import Account
from wxsdk.runtime import account_files

VARIABLES = [
    *("WXSDK_HOME", "WXSDK_ACCOUNT", "WXSDK_TOKEN", "WXSDK_BASE_URL", "WXSDK_CDN_BASE_URL", "WXSDK_ROUTE_TAG"),
    *("WXSDK_BOT_AGENT", "WXSDK_BOT_ID", "WXSDK_SECRET", "WXSDK_WS_URL", "XDG_CONFIG_HOME"),
    *("OPENCLAW_STATE_DIR", "OPENCLAW_CONFIG"),
]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of the test's own, and an environment that names nothing."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WXSDK_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


PERSONAL = Account(token="tok-1", base_url="https://idc.weixin.qq.com", route_tag="7", ilink_bot_id="b@im.bot")
WECOM = Account(bot_id="aib", secret="s3cret-value", ws_url="wss://gateway.example/bot")


def test_what_is_saved_is_listed_loaded_and_removed() -> None:
    assert accounts.list() == []
    accounts.save("support", PERSONAL)
    accounts.save("客服", WECOM)
    assert accounts.list() == ["support", "客服"]
    loaded = accounts.load("support")
    assert (loaded.token, loaded.base_url, loaded.platform, loaded.bot) == (
        "tok-1",
        "https://idc.weixin.qq.com",
        "ilink",
        "b@im.bot",
    )
    assert loaded.saved_at is not None
    assert (accounts.load("客服").secret, accounts.load("客服").platform) == ("s3cret-value", "aibot")
    accounts.remove("support")
    assert accounts.list() == ["客服"]


def test_a_file_is_private_and_whole_and_no_secret_shows(home: Path) -> None:
    accounts.save("support", PERSONAL)
    path = home / "accounts" / "support.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert os.listdir(path.parent) == ["support.json"]
    assert "tok-1" not in repr(accounts.load("support"))
    assert "s3cret" not in repr(WECOM)
    path.chmod(0o644)
    accounts.load("support")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_is_not_an_account_keeps_its_mode(tmp_path: Path) -> None:
    other = tmp_path / "passwd"
    other.write_text("root:x:0:0\n")
    other.chmod(0o644)
    with pytest.raises(ConfigError, match="not the file of an account"):
        account_files.read(other, "The file")
    assert stat.S_IMODE(other.stat().st_mode) == 0o644


def test_a_write_that_fails_leaves_the_old_account(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    accounts.save("support", PERSONAL)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ConfigError, match="No space left"):
        accounts.save("support", Account(token="tok-2"))
    assert accounts.load("support").token == "tok-1"
    assert os.listdir(home / "accounts") == ["support.json"]


@pytest.mark.parametrize(
    "name", ["", ".hidden", "a/b", "..", "a\\b", "a b", "a\n", "x" * 65, "NUL", "com1.x", None, 5, "a\0"]
)
def test_a_name_that_is_none_is_refused_everywhere(name: Any) -> None:
    for call in (accounts.load, accounts.remove, accounts.config, lambda each: accounts.save(each, PERSONAL)):
        with pytest.raises(ConfigError):
            call(name)


@pytest.mark.parametrize("call", [accounts.load, accounts.remove, accounts.config, WeixinConfig.from_env])
def test_a_named_account_that_does_not_exist_is_an_error_that_names_it(
    call: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WXSDK_TOKEN", "tok-of-the-environment")
    accounts.save("other", PERSONAL)
    with pytest.raises(ConfigError, match="'missing' does not exist"):
        call("missing")


def test_an_account_that_the_environment_names_and_that_does_not_exist_is_an_error_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WXSDK_TOKEN", "tok")
    monkeypatch.setenv("WXSDK_ACCOUNT", "missing")
    with pytest.raises(ConfigError, match="missing"):
        WeixinConfig.from_env()


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff\xfe", b"{}", b'{"token": 5}', b'{"token": ""}', b"[" * 99_999],
)
def test_a_damaged_file_is_refused_without_being_quoted(content: bytes, home: Path) -> None:
    accounts.save("good", PERSONAL)
    (home / "accounts" / "bad.json").write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.json"):
        accounts.load("bad")
    assert accounts.local_tokens() == ["tok-1"]


def test_what_a_later_version_wrote_is_passed_over(home: Path) -> None:
    accounts.save("support", PERSONAL)
    path = home / "accounts" / "support.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "new_thing": [1]}))
    assert accounts.load("support").token == "tok-1"


@pytest.mark.parametrize(
    "wrong",
    [{}, {"token": "t", "secret": "s", "bot_id": "b"}, {"bot_id": "b"}, {"secret": "s"}, {"token": 5}, {"token": b"t"}],
)
def test_an_account_is_one_of_the_two(wrong: Dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Account(**wrong)
    with pytest.raises(ConfigError):
        accounts.save("x", wrong)  # type: ignore[arg-type]


def test_an_account_becomes_the_configuration_of_its_platform() -> None:
    accounts.save("p", PERSONAL)
    accounts.save("w", WECOM)
    personal, wecom = accounts.config("p", max_workers=3), accounts.config("w", scene=4)
    assert isinstance(personal, WeixinConfig)
    assert (personal.token, personal.base_url, personal.route_tag, personal.max_workers) == (
        "tok-1",
        "https://idc.weixin.qq.com",
        "7",
        3,
    )
    assert isinstance(wecom, WSClientOptions)
    assert (wecom.bot_id, wecom.ws_url, wecom.scene) == ("aib", "wss://gateway.example/bot", 4)


def test_arguments_come_before_an_account_and_an_account_before_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accounts.save("p", PERSONAL)
    monkeypatch.setenv("WXSDK_TOKEN", "tok-env")
    monkeypatch.setenv("WXSDK_BASE_URL", "https://env.weixin.qq.com")
    monkeypatch.setenv("WXSDK_BOT_AGENT", "Env/1.0")
    monkeypatch.setenv("WXSDK_ROUTE_TAG", "9")
    assert WeixinConfig.from_env().token == "tok-env"
    named = WeixinConfig.from_env("p")
    assert (named.token, named.base_url, named.route_tag) == ("tok-1", "https://idc.weixin.qq.com", "7")
    assert named.bot_agent == "Env/1.0"  # the account says nothing of it
    assert WeixinConfig.from_env("p", base_url="https://arg.weixin.qq.com").base_url == "https://arg.weixin.qq.com"
    monkeypatch.setenv("WXSDK_ACCOUNT", "p")
    assert WeixinConfig.from_env().token == "tok-1"
    assert WeixinConfig.from_env(token="tok-arg").token == "tok-arg"


def test_without_a_name_and_a_token_the_default_account_is_used_or_the_only_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for kind in (WeixinConfig, WSClientOptions):
        with pytest.raises(ConfigError, match="There is no account"):
            kind.from_env()
    accounts.save("p", PERSONAL)
    accounts.save("w", WECOM)
    assert (WeixinConfig.from_env().token, WSClientOptions.from_env().secret) == ("tok-1", "s3cret-value")
    accounts.save("q", Account(token="tok-2"))
    with pytest.raises(ConfigError, match="p, q"):
        WeixinConfig.from_env()
    accounts.save("default", Account(token="tok-3"))
    assert WeixinConfig.from_env().token == "tok-3"
    monkeypatch.setenv("WXSDK_BOT_ID", "aib-env")  # half of it is nothing
    assert WSClientOptions.from_env().secret == "s3cret-value"
    monkeypatch.setenv("WXSDK_SECRET", "secret-env")
    assert WSClientOptions.from_env().bot_id == "aib-env"


@pytest.mark.parametrize(("kind", "name"), [(WeixinConfig, "w"), (WSClientOptions, "p")])
def test_an_account_of_the_other_platform_is_refused(kind: Any, name: str) -> None:
    accounts.save("p", PERSONAL)
    accounts.save("w", WECOM)
    with pytest.raises(ConfigError, match="WeCom"):
        kind.from_env(name)


def test_an_account_of_a_simulator_reaches_no_public_media_host() -> None:
    accounts.save("sim", Account(token="tok", base_url="http://127.0.0.1:5000"))
    assert WeixinConfig.from_env("sim").cdn_base_url == "http://127.0.0.1:5000/c2c"
    assert accounts.config("sim").cdn_base_url == "http://127.0.0.1:5000/c2c"  # type: ignore[union-attr]


def test_local_tokens_are_the_newest_ones_of_the_server_that_is_asked() -> None:
    for number in range(12):
        accounts.save(f"n{number}", Account(token=f"tok-{number}"))
    accounts.save("sim", Account(token="tok-sim", base_url="http://127.0.0.1:5000"))
    accounts.save("w", WECOM)
    assert accounts.local_tokens() == [f"tok-{number}" for number in range(11, 1, -1)]
    assert accounts.local_tokens("http://127.0.0.1:5000") == ["tok-sim"]
    assert accounts.local_tokens("http://127.0.0.1:6000") == []
    assert "tok-3" not in repr(accounts.local_tokens())


def test_an_account_can_be_renamed_but_onto_no_other_one() -> None:
    accounts.save("a", PERSONAL)
    accounts.save("b", WECOM)
    saved_at = accounts.load("a").saved_at
    with pytest.raises(ConfigError, match="already"):
        accounts.rename("a", "b")
    accounts.rename("a", "c")
    assert accounts.list() == ["b", "c"]
    assert accounts.load("c").saved_at == saved_at


def test_many_threads_and_readers_see_whole_accounts_only() -> None:
    tokens = ["t" * 500, "u" * 5000]
    accounts.save("x", Account(token=tokens[0]))
    seen: List[Any] = []

    def use(index: int) -> None:
        for _ in range(20):
            accounts.save("x", Account(token=tokens[index % 2]))
            seen.append(accounts.load("x").token)

    threads = [threading.Thread(target=use, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 120
    assert set(seen) <= set(tokens)


# -- the official plugin's state ----------------------------------------


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The state folder as the plugin writes it, with one account under the older form of its file's name."""
    state = tmp_path / "openclaw"
    folder = state / "openclaw-weixin" / "accounts"
    folder.mkdir(parents=True)
    (state / "openclaw-weixin" / "accounts.json").write_text('["abc-im-bot", "old-im-bot", "empty-im-bot", 5, ""]')
    new = {"token": "tok-new", "savedAt": "x", "baseUrl": "https://idc.weixin.qq.com", "userId": "u@im.wechat"}
    (folder / "abc-im-bot.json").write_text(json.dumps(new))
    (folder / "abc-im-bot.sync.json").write_text('{"get_updates_buf": "b"}')
    (folder / "old@im.bot.json").write_text('{"token": " tok-old "}')
    (folder / "empty-im-bot.json").write_text('{"userId": "u"}')
    section = {
        "routeTag": 12,
        "botAgent": "MyBot/1.0",
        "accounts": {"abc-im-bot": {"routeTag": "34", "cdnBaseUrl": "https://cdn.example"}},
    }
    (state / "openclaw.json").write_text(json.dumps({"channels": {"openclaw-weixin": section}}))
    return state


def snapshot(folder: Path) -> Dict[str, Any]:
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def test_the_plugins_accounts_come_over_and_its_folder_stays_as_it_is(plugin: Path) -> None:
    before = snapshot(plugin)
    found = accounts.import_openclaw(plugin)
    assert accounts.list() == sorted(found) == ["abc-im-bot", "old-im-bot"]
    first, second = accounts.load("abc-im-bot"), accounts.load("old-im-bot")
    assert (first.token, first.base_url, first.ilink_bot_id) == ("tok-new", "https://idc.weixin.qq.com", "abc@im.bot")
    assert (first.route_tag, first.cdn_base_url, first.ilink_user_id) == ("34", "https://cdn.example", "u@im.wechat")
    assert (second.token, second.route_tag, second.bot_agent) == ("tok-old", "12", "MyBot/1.0")
    assert WeixinConfig.from_env("old-im-bot").bot_agent == "MyBot/1.0"
    assert snapshot(plugin) == before


def test_an_import_replaces_another_token_only_when_it_is_told_to(plugin: Path) -> None:
    accounts.save("old-im-bot", Account(token="newer"))
    with pytest.raises(ConfigError, match="old-im-bot"):
        accounts.import_openclaw(plugin)
    assert accounts.list() == ["old-im-bot"]
    accounts.import_openclaw(plugin, replace=True)
    assert accounts.load("old-im-bot").token == "tok-old"
    assert accounts.import_openclaw(plugin)  # again: the same tokens


def test_the_older_single_account_is_found_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "credentials" / "openclaw-weixin" / "credentials.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"token": "tok-legacy"}')
    monkeypatch.setenv("OPENCLAW_STATE_DIR", str(tmp_path))
    assert list(accounts.import_openclaw()) == ["default"]
    assert accounts.load("default").token == "tok-legacy"


@pytest.mark.parametrize("broken", [None, "", "{", "[", "5", '{"a": 1}', '["../../etc/passwd"]', '["gone-im-bot"]'])
def test_a_folder_without_accounts_is_an_error(broken: Any, tmp_path: Path) -> None:
    if broken is not None:
        (tmp_path / "openclaw-weixin").mkdir()
        (tmp_path / "openclaw-weixin" / "accounts.json").write_text(broken)
    with pytest.raises(ConfigError, match="holds no accounts"):
        accounts.import_openclaw(tmp_path)
    with pytest.raises(ConfigError):
        accounts.import_openclaw(5)  # type: ignore[arg-type]


def test_the_platforms_folder_is_used_without_a_home_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WXSDK_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert accounts.folder() == tmp_path / ".config" / "wxsdk" / "accounts"
        monkeypatch.setenv("XDG_CONFIG_HOME", "relative")
        assert accounts.folder() == tmp_path / ".config" / "wxsdk" / "accounts"
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    assert accounts.folder().name == "accounts"
    assert accounts.folder().is_relative_to(tmp_path)
