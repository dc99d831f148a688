"""The Chinese edition has every string of the pages for users; none is empty, out of date or marked fuzzy."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import pytest

pytest.importorskip("sphinx", reason="the documentation is built where the extra docs is installed")
pytest.importorskip("furo", reason="the documentation is built where the extra docs is installed")

from babel.messages import pofile

ROOT = Path(__file__).parents[2]
CATALOGUES = ROOT / "docs" / "locale" / "zh_CN" / "LC_MESSAGES"
# Read by contributors, or made from docstrings, which are in English.
ENGLISH = ["architecture", "policy", "protocol/ilink", "protocol/aibot", "protocol/callback"]
ENGLISH += ["reference/api", "reference/settings", "reference/errors"]
# Still to be translated: take a page out of this list when its catalogue is complete.
WAITING = ["accounts", "cli", "integrations", "outbox", "delivery", "fidelity", "speed", "errors"]
MARKUP = re.compile(r"``[^`]+``|:doc:`[^`]+`")


def catalogue(path: Path) -> Dict[str, Tuple[str, bool]]:
    with path.open("rb") as file:
        return {str(each.id): (str(each.string), each.fuzzy) for each in pofile.read_po(file) if each.id}


@pytest.fixture(scope="module")
def templates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("gettext")
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "gettext", "docs", str(out)]
    made = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    return out


def translated(templates: Path) -> List[str]:
    pages = [str(path.relative_to(templates).with_suffix("")) for path in templates.rglob("*.pot")]
    return sorted(set(pages) - {*ENGLISH, *WAITING, "sphinx"})


@pytest.mark.timeout(300)
def test_every_string_has_its_translation(templates: Path) -> None:
    pages = translated(templates)
    assert len(pages) >= 20
    wrong = []
    for page in pages:
        wanted = set(catalogue(templates / f"{page}.pot"))
        path = CATALOGUES / f"{page}.po"
        have = catalogue(path) if path.exists() else {}
        wrong += [f"{page}: not translated: {each[:60]}" for each in sorted(wanted) if not have.get(each, ("",))[0]]
        wrong += [f"{page}: fuzzy: {each[:60]}" for each, (_, fuzzy) in have.items() if fuzzy]
        wrong += [f"{page}: no longer in the page: {each[:60]}" for each in sorted(set(have) - wanted)]
    assert not wrong, "\n".join(wrong)


def test_a_translation_names_the_same_code_and_pages() -> None:
    wrong = []
    for path in CATALOGUES.rglob("*.po"):
        for english, (chinese, _) in catalogue(path).items():
            theirs = sorted(MARKUP.findall(chinese))
            if sorted(MARKUP.findall(english)) != theirs and "NAME" not in english and "rest``" not in english:
                wrong.append(f"{path.stem}: {english[:60]}")
    assert not wrong, "\n".join(wrong)


def test_every_page_of_the_list_is_there() -> None:
    for page in (*ENGLISH, *WAITING):
        assert (ROOT / "docs" / f"{page}.rst").exists(), page


def test_no_page_waits_for_a_translation_that_it_has() -> None:
    assert not [page for page in WAITING if (CATALOGUES / f"{page}.po").exists()]
