"""The page's texts: both languages have the same keys, and every key that the code names is there."""

from __future__ import annotations

import json
import re
from typing import Dict

import pytest

from wxsdk.sim.page.server import STATIC
from wxsdk.sim.page.trouble import Trouble

JS = STATIC / "js"


def catalogue(name: str) -> Dict[str, str]:
    lines = (JS / f"texts-{name}.js").read_text("utf-8").splitlines()
    found = [re.fullmatch(r'  ("[^"]+"): (".*"),', line) for line in lines if line.startswith("  ")]
    return {json.loads(match[1]): json.loads(match[2]) for match in found if match}


EN, ZH = catalogue("en"), catalogue("zh")


def test_both_languages_have_the_same_texts_with_the_same_places() -> None:
    assert len(EN) > 150
    assert set(EN) == set(ZH)
    for key, text in EN.items():
        assert sorted(re.findall(r"\{\w+\}", text)) == sorted(re.findall(r"\{\w+\}", ZH[key])), key


def test_chinese_texts_are_chinese() -> None:
    same = {key for key in EN if EN[key] == ZH[key]}
    assert same <= {"quota", "otherLanguage"}


def test_every_text_that_the_code_names_is_there() -> None:
    source = "".join(path.read_text("utf-8") for path in JS.glob("*.js") if not path.name.startswith("texts-"))
    named = set(re.findall(r"\bt\(\"([\w-]+)\"", source))
    assert len(named) > 80
    assert named <= set(EN)


@pytest.mark.parametrize("part", ["once", "lasting"])
def test_every_fault_has_a_text(part: str) -> None:
    from wxsdk.sim import AiBotSim, ILinkSim

    names = Trouble(ILinkSim(), AiBotSim()).names[part]
    assert names
    assert not [name for name in names if f"fault-{name}" not in EN]
