"""What the inspector keeps to itself."""

from __future__ import annotations

from wxsdk.sim.page.hiding import HIDDEN, MAX_TEXT, hide, without


def test_secrets_are_hidden_by_name_at_any_depth() -> None:
    body = {"Secret": "s", "msgs": [{"context_token": "t", "image_item": {"aeskey": "k", "media": {"aes_key": "k"}}}]}
    item = {"context_token": HIDDEN, "image_item": {"aeskey": HIDDEN, "media": {"aes_key": HIDDEN}}}
    assert hide(body) == {"Secret": HIDDEN, "msgs": [item]}
    assert hide({"local_token_list": ["a", "b"], "token": ""}) == {"local_token_list": [HIDDEN, HIDDEN], "token": ""}


def test_signatures_and_bulk_are_cut() -> None:
    assert hide({"url": "http://h/p?sign=1"}) == {"url": f"http://h/p?{HIDDEN}"}
    assert hide({"base64_data": "A" * 2048}) == {"base64_data": "(2,048 characters of base64)"}
    assert hide("x" * (MAX_TEXT + 1)).endswith("(4,001 characters)")


def test_an_endless_nest_ends_and_a_long_id_stays_exact() -> None:
    nest: object = 1
    for _ in range(500):
        nest = [nest]
    assert "…" in str(hide(nest))
    assert hide({"message_id": 7_300_000_000_000_000_001}) == {"message_id": "7300000000000000001"}
    assert hide([True, 1.5, None, 3]) == [True, 1.5, None, 3]


def test_a_known_secret_is_taken_out_wherever_it_stands() -> None:
    assert without("a tok b tok", ["tok", ""]) == f"a {HIDDEN} b {HIDDEN}"
