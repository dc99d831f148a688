"""Settings: those that go by name, and that every configuration class refuses the same values."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any, Tuple

import pytest

from wxsdk.aibot import config as aibot_config
from wxsdk.aibot.config import WSClientOptions
from wxsdk.core.settings import MAX_SECONDS, MAX_THREADS, by_name_after, check_patience, check_seconds
from wxsdk.errors import ConfigError
from wxsdk.ilink import config as ilink_config
from wxsdk.ilink.config import WeixinConfig


@by_name_after("pace")
@dataclasses.dataclass(frozen=True)
class Wishes:
    """What is wished."""

    name: str
    pace: float = 1.0
    depth: int = 2
    hosts: Tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "hosts", tuple(self.hosts))


def test_the_first_settings_go_by_position_and_all_by_name() -> None:
    assert Wishes("a", 2.0, depth=3) == Wishes(name="a", pace=2.0, depth=3, hosts=[])  # type: ignore[arg-type]


def test_a_position_too_many_is_refused_by_the_name_of_the_setting() -> None:
    with pytest.raises(TypeError, match="Wishes takes depth and what follows it by name only"):
        Wishes("a", 2.0, 3)
    with pytest.raises(TypeError, match="depth"):
        Wishes("a", 2.0, 3, (), "more")  # type: ignore[call-arg]


def test_what_the_dataclass_refuses_is_refused_as_before() -> None:
    with pytest.raises(TypeError, match="name"):
        Wishes()  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="speed"):
        Wishes("a", speed=1)  # type: ignore[call-arg]


def test_the_signature_tells_which_settings_go_by_name() -> None:
    parameters = inspect.signature(Wishes).parameters
    assert list(parameters) == ["name", "pace", "depth", "hosts"]
    assert [each.kind is inspect.Parameter.KEYWORD_ONLY for each in parameters.values()] == [False, False, True, True]
    assert [each.default for each in parameters.values()] == [inspect.Parameter.empty, 1.0, 2, ()]


def test_copies_pickles_and_replacements_work() -> None:
    made = Wishes("a", depth=5)
    assert copy.deepcopy(made) == made == pickle.loads(pickle.dumps(made))
    assert dataclasses.replace(made, depth=6).depth == 6


@pytest.mark.parametrize(("given", "wanted"), [(0, 0.0), (2, 2.0), (0.5, 0.5), (-3, 0.0), (MAX_SECONDS, MAX_SECONDS)])
def test_seconds_are_numbers_and_a_moment_that_is_past_is_now(given: float, wanted: float) -> None:
    assert check_seconds("timeout", given) == wanted
    assert check_patience("timeout", given) == wanted


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf"), 1e12, True, "x", "5", b"5", [1], 1j])
def test_other_seconds_are_refused_by_name_and_value(odd: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        check_patience("wait", odd)
    assert str(caught.value).startswith(f"wait is {odd!r}.")


def test_no_limit_is_for_those_who_allow_it() -> None:
    assert check_patience("timeout", None) is None
    with pytest.raises(ConfigError, match="timeout is None"):
        check_seconds("timeout", None)


@pytest.mark.parametrize("odd", [0, -1, -0.5])
def test_where_no_time_makes_no_sense_it_is_refused(odd: float) -> None:
    with pytest.raises(ConfigError, match="above 0"):
        check_seconds("timeout", odd, above_zero=True)


def test_a_long_value_is_told_in_short() -> None:
    with pytest.raises(ConfigError) as caught:
        check_seconds("timeout", "5" * 1000)
    assert len(str(caught.value)) < 150


def personal(**settings: Any) -> WeixinConfig:
    return WeixinConfig("token", **settings)


def wecom(**settings: Any) -> WSClientOptions:
    return WSClientOptions("bot", "secret", **settings)


BOTH = (personal, wecom)
SHARED = {each.name for each in dataclasses.fields(WeixinConfig)} & {
    each.name for each in dataclasses.fields(WSClientOptions)
}


@pytest.mark.parametrize("module", [ilink_config, aibot_config])
def test_every_setting_has_a_check(module: Any) -> None:
    kind = WeixinConfig if module is ilink_config else WSClientOptions
    assert list(module.CHECKS) == [each.name for each in dataclasses.fields(kind)]


ODD = [
    *(
        ("proxy", url)
        for url in (
            "http://a b",
            "http://h#f",
            "http://h/x?y=1",
            "http://h?",
            "http://h\u00e9.com",
            "http://h:0",
            "http://h:65536",
            "http://-h",
            "http://h\\x",
            "http://h\n",
            " http://h",
            "https://h",
            "//h",
            "http://[::1",
            b"http://h",
            7,
            False,
        )
    ),
    *(("max_workers", number) for number in (MAX_THREADS + 1, 1_000_000, 10**30, 0, -1, 1.0, True, "4", None)),
    *(("max_queued_messages", number) for number in (10**8, 0, 1.5, False)),
    *(("max_download_bytes", number) for number in (1 << 51, 0, float("inf"), "1")),
    *(("max_seen_ids", number) for number in (10**8, 0, None)),
    *(("outbox_max_count", number) for number in (10**8, 0, None)),
    *(
        ("outbox_max_age", age)
        for age in (MAX_SECONDS + 1, 0, -1, float("nan"), float("inf"), "5", True, None, 10**400)
    ),
    *(
        ("trusted_media_hosts", listed)
        for listed in ("host", b"host", ("a b",), ("https://h",), ("h/x",), ("h:80",), ("h\u00e9",), (1,), None, 5)
    ),
    *(("single_instance", given) for given in (1, 0, "yes", None)),
    *(("outbox", given) for given in (1, 0, "no", None)),
]


@pytest.mark.parametrize("make", BOTH)
@pytest.mark.parametrize(("name", "value"), ODD)
def test_what_one_class_refuses_the_other_refuses_in_the_same_words(make: Any, name: str, value: Any) -> None:
    assert name in SHARED
    refusals = []
    for each in BOTH:
        with pytest.raises(ConfigError, match=name) as caught:
            each(**{name: value})
        refusals.append(str(caught.value))
    assert len(set(refusals)) == 1


def test_every_shared_setting_with_limits_is_in_the_comparison() -> None:
    assert {name for name, _ in ODD} == SHARED - {"bot_agent"}


FINE = [
    ("proxy", "http://user:p%40ss@proxy.example:3128/"),
    ("proxy", "http://[::1]:8080"),
    ("proxy", "HTTP://proxy"),
    ("proxy", ""),
    ("proxy", None),
    ("max_workers", MAX_THREADS),
    ("outbox_max_age", 365.5 * 86400),
    ("outbox_max_age", MAX_SECONDS),
    ("trusted_media_hosts", {"cdn.example.com"}),
    ("trusted_media_hosts", iter(["[::1]", "A.example"])),
]


@pytest.mark.parametrize(("name", "value"), FINE, ids=str)
def test_what_one_class_takes_the_other_takes_and_keeps_the_same(name: str, value: Any) -> None:
    given = list(value) if name == "trusted_media_hosts" else value
    assert getattr(personal(**{name: given}), name) == getattr(wecom(**{name: given}), name)


@pytest.mark.parametrize("make", BOTH)
def test_no_refusal_quotes_the_value_and_no_repr_shows_the_proxy(make: Any) -> None:
    for url in ("http://me:hunter22@h h", "ftp://me:hunter22@h", "http://me:hunter22@[::1"):
        with pytest.raises(ConfigError) as caught:
            make(proxy=url)
        assert "hunter22" not in str(caught.value)
        assert caught.value.__cause__ is None
    assert "hunter22" not in repr(make(proxy="http://me:hunter22@h"))
    assert "hunter22" not in repr(make(proxy="http://me:hunter22@h").proxy)


def test_a_gateway_reads_the_same_however_it_is_spelled() -> None:
    spellings = ("wss://Gateway.example:443", "WSS://gateway.example/", "wss://gateway.example")
    assert {wecom(ws_url=each).ws_url for each in spellings} == {"wss://gateway.example"}
    assert wecom(ws_url="ws://h:443/bot?room=1").ws_url == "ws://h:443/bot?room=1"
