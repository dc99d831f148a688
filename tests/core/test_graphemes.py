"""What is shown as one character is told from what is shown as two."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wxsdk.core.graphemes import MAX_CLUSTER, is_joined, whole_until

ENGLAND = "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"
CLUSTERS = {
    "an accent": "e\u0301",
    "two accents": "o\u0308\u0323",
    "a family": "👨\u200d👩\u200d👧\u200d👦",
    "a skin tone": "👍🏽",
    "a woman with a skin tone at work": "👩🏽\u200d💻",
    "a flag": "🇨🇳",
    "the flag of a region": ENGLAND,
    "the flag of a movement": "🏳\ufe0f\u200d🌈",
    "a heart with a variation selector": "❤\ufe0f",
    "an ideograph with a variation selector": "葛\U000e0100",
    "a keycap": "1\ufe0f\u20e3",
    "a decomposed syllable": "\u1112\u1161\u11ab",
    "an old syllable": "\u1107\u1109\u1161",
    "an old syllable of extended parts": "\ua960\ud7b0\ud7cb",
    "a composed syllable with a trailing consonant": "\uac00\u11ab",
    "a vowel sign": "नि",
    "a conjunct": "क्ष",
    "three consonants": "स्त्र",
    "a Bengali conjunct": "ক্ষ",
    "a conjunct with a joiner": "क्\u200dष",
    "a word's end without a joiner": "ك\u200c",
    "Thai am": "กำ",
    "half-width Katakana": "ｶﾞ",
    "a line end": "\r\n",
}


@pytest.mark.parametrize("cluster", CLUSTERS.values(), ids=CLUSTERS.keys())
def test_what_is_shown_as_one_is_joined_within_and_not_to_its_neighbours(cluster: str) -> None:
    text = f"x{cluster}{cluster}x"
    cuts = [cut for cut in range(1, len(text)) if not is_joined(text, cut)]
    assert cuts == [1, 1 + len(cluster), 1 + 2 * len(cluster)]


@pytest.mark.parametrize(
    "pair",
    [
        "ab",
        "你好",
        "\n\r",
        "\n\n",
        "가나",
        "\uac01\u1161",
        "\u11ab\u1112",
        "\u1161\uac00",
        "कष",
        "😀😀",
        "a🇨",
        "🏴a",
        "க்க",
    ],
)
def test_what_is_shown_as_two_is_not_joined(pair: str) -> None:
    assert not is_joined(pair, len(pair) - 1)


def test_the_ends_of_a_text_are_no_seams() -> None:
    assert not is_joined("\u0301\u0301", 0)
    assert not is_joined("\u0301\u0301", 2)
    assert not is_joined("", 0)


def test_flags_are_counted_from_the_start() -> None:
    run = "🇨🇳🇩🇪🇫🇷"
    assert [is_joined(run, cut) for cut in range(1, 6)] == [True, False, True, False, True]
    assert [is_joined(run, cut, 1) for cut in range(2, 6)] == [True, False, True, False]
    assert whole_until(run, 5) == 4


@given(st.lists(st.sampled_from([*CLUSTERS.values(), "a", "你", " "]), max_size=30), st.data())
def test_a_cut_falls_between_two_clusters(clusters: list, data: st.DataObject) -> None:
    text = "".join(clusters)
    seams = {len("".join(clusters[:count])) for count in range(len(clusters) + 1)}
    end = data.draw(st.integers(0, len(text)))
    first = len(clusters[0]) if clusters else 0
    cut = whole_until(text, end)
    assert cut == max(seam for seam in seams if seam <= end) if end >= first else cut == end


def test_a_cluster_that_is_too_long_is_cut_all_the_same() -> None:
    assert whole_until("e" + "\u0301" * 20, 5) == 5
    text = "xe" + "\u0301" * (2 * MAX_CLUSTER)
    assert whole_until(text, MAX_CLUSTER) == 1
    assert whole_until(text, MAX_CLUSTER + 10) == MAX_CLUSTER + 10


@pytest.mark.parametrize("unit", ["🇨🇳", "\u0301", ENGLAND, "👨\u200d", "\u1112\u1161\u11ab", "क्"])
def test_a_cut_looks_no_further_back_than_it_must(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    began = time.perf_counter()
    cut = 0
    while cut < len(text):
        cut = whole_until(text, min(cut + 5000, len(text)), cut)
    assert time.perf_counter() - began < 5.0  # takes about 0.1; a quadratic way takes minutes
