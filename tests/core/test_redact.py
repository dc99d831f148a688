"""A secret cannot print itself, and known shapes of secrets are taken out of texts."""

from __future__ import annotations

import dataclasses
import json
import pickle
import re
import time
import traceback
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.core.redact import HIDDEN, Secret, scrub, scrub_exception

CANARY = "canary-0123456789abcdef"


@dataclasses.dataclass
class _Holder:
    token: Secret


def test_a_secret_is_a_str_that_shows_nothing() -> None:
    secret = Secret(CANARY)
    assert (secret, str(secret), f"{secret}", secret[:6]) == (CANARY, CANARY, CANARY, "canary")
    assert json.dumps({"token": secret}) == f'{{"token": "{CANARY}"}}'
    for shown in (repr(secret), repr([secret]), repr({"t": secret}), repr(_Holder(secret)), str(KeyError(secret))):
        assert "canary" not in shown
        assert HIDDEN in shown
    again = pickle.loads(pickle.dumps(secret))
    assert repr(again) == repr(secret)
    assert again == CANARY


@pytest.mark.parametrize(
    "text",
    [
        f'{{"token": "{CANARY}"}}',
        f'{{"bot_token":"{CANARY}","x":1}}',
        f'"context_token" : "{CANARY}"',
        f"{{'secret': '{CANARY}'}}",
        f"{{'aeskey': b'{CANARY}'}}",
        f'{{\\"aes_key\\": \\"{CANARY}\\"}}',
        f'{{"token": "a\\"{CANARY}"}}',
        f'{{"token": "{CANARY}',
        f'{{"local_token_list": ["{CANARY}", "{CANARY}"]}}',
        f"QrStart(local_token_list=['{CANARY}'])",
        f"Config(token='{CANARY}', base_url='x')",
        f"token={CANARY}&x=1",
        f"Authorization: Bearer {CANARY}",
        f"Authorization: {CANARY}",
        f"{{'Authorization': 'Bearer {CANARY}'}}",
        f"bearer {CANARY}",
        f'"response_url": "https://qyapi.example/reply?code={CANARY}"',
        f"GET https://cdn.example/c2c/download?encrypted_query_param={CANARY}&taskid=1",
        f"url: /c2c/upload?x={CANARY} (Caused by nothing)",
        f"(see https://h.example/p?q={CANARY}) and go on",
        f"TYPING_TICKET={CANARY}",
        f"X-Encrypted-Param: {CANARY}",
    ],
)
def test_known_shapes_of_secrets_are_taken_out(text: str) -> None:
    assert "canary" not in scrub(text)
    assert HIDDEN in scrub(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nothing to hide",
        "What about 1/2? Yes.",
        "Is it so?",
        "https://cdn.example/path",
        "the token is gone",
        "count = 3, errcode: 40058",
    ],
)
def test_ordinary_texts_stay_as_they_are(text: str) -> None:
    assert scrub(text) == text


def test_the_rest_of_a_text_stays_readable() -> None:
    text = f'{{"token": "{CANARY}", "errmsg": "invalid"}} from (https://h.example/p?q={CANARY}) twice'
    assert scrub(text) == '{"token": "***", "errmsg": "invalid"} from (https://h.example/p?***) twice'


def test_given_secrets_go_wherever_and_however_they_stand() -> None:
    secret = "a+b/c=d e&canary"
    text = f"{secret}|{quote(secret)}|{quote(secret, safe='')}|{quote_plus(secret)}"
    assert scrub(text, [Secret(secret)]) == "***|***|***|***"
    assert scrub("a cat", ["cat"]) == "a cat"  # too short to be told from a word


@pytest.mark.parametrize("secret", ["a+b/c=d e&canary", "a%2Bb%2fc%3Dd+e&canary", "中/文\ud800canary"])
def test_given_secrets_go_in_whatever_way_they_are_encoded(secret: str) -> None:
    for plain in (secret, unquote(secret), unquote_plus(secret)):
        once = quote(plain, safe="", errors="replace")
        small = re.sub("%..", lambda match: match.group().lower(), once)
        for echo in (plain, once, small, quote(once, safe=""), plain.replace("/", "\\/")):
            assert scrub(f"you sent {echo}.", [Secret(secret)]) == "you sent ***."


def test_a_short_number_goes_where_it_stands_alone() -> None:
    text = "bad code 48213, (48213) 48213. but not 148213, 482130 or x48213; ret=3"
    hidden = "bad code ***, (***) ***. but not 148213, 482130 or x48213; ret=3"
    assert scrub(text, [Secret("48213"), "3"]) == hidden


@given(st.text(max_size=200), st.sampled_from(["token", "secret", "context_token", "aeskey", "response_url"]))
def test_no_value_of_a_json_secret_survives(value: str, name: str) -> None:
    text = json.dumps({"before": 1, name: "canary" + value, "after": [2]})
    assert "canary" not in scrub(text)
    assert "canary" not in scrub(json.dumps(text))
    assert "canary" not in scrub(repr({name: "canary" + value}))


@given(st.text(max_size=300))
def test_scrubbing_never_fails_and_twice_is_once(text: str) -> None:
    once = scrub(text)
    assert scrub(once) == once


@pytest.mark.parametrize(
    "evil",
    ["/", "a", "token:", "token: ", 'token:"', '"token":"', "?", "/?", "token=[", "bearer ", "\\", 'token:\\"', "'"],
)
def test_hostile_texts_cost_little_time(evil: str) -> None:
    texts = [evil * (200_000 // len(evil)), "token:" + evil * (100_000 // len(evil)), evil + " " * 100_000]
    started = time.process_time()
    for text in texts:
        scrub(text)
    assert time.process_time() - started < 3.0  # quadratic ones take minutes


def test_an_exception_and_all_behind_it_lose_their_secrets() -> None:
    class Outer(Exception):
        reason: BaseException

    def fail() -> None:
        try:
            try:
                raise OSError(f"GET https://h.example/p?sig={CANARY}")
            except OSError as exc:
                raise ValueError("plain", RuntimeError(f"token={CANARY}"), 7, b"bytes") from exc
        except ValueError as exc:
            outer = Outer(f"secret: {CANARY}")
            outer.reason = KeyError(f"the value {CANARY}")
            raise outer from exc

    with pytest.raises(Outer) as raised:
        fail()
    raised.value.__cause__.__cause__.__context__ = raised.value  # type: ignore[union-attr]  # a ring must not trap it
    scrub_exception(raised.value, [CANARY])
    shown = "".join(traceback.format_exception(None, raised.value, None)) + repr(raised.value.reason)
    shown += repr(raised.value.__cause__)
    assert "canary" not in shown
    assert "GET https://h.example/p?***" in "".join(traceback.format_exception(None, raised.value, None))
