"""The pages build without a warning, in both languages, and every internal link leads somewhere."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Dict, Iterator, List, Set
from urllib.parse import unquote, urlsplit

import pytest

pytest.importorskip("sphinx", reason="the documentation is built where the extra docs is installed")
pytest.importorskip("furo", reason="the documentation is built where the extra docs is installed")

ROOT = Path(__file__).parents[2]
LANGUAGES = ["en", "zh_CN"]

pytestmark = [
    pytest.mark.skipif(shutil.which("dot") is None, reason="the pictures are drawn by Graphviz's dot"),
    pytest.mark.timeout(300),  # 20 s on an idle machine
]


@pytest.fixture(scope="module", params=LANGUAGES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp(f"html-{request.param}")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
    command += ["-D", f"language={request.param}", "-d", str(out / ".doctrees"), "docs", str(out)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    return out


class Links(HTMLParser):
    """The targets of a page's links, and the ids that other pages may link to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.hrefs: List[str] = []
        self.ids: Set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: List[tuple[str, str | None]]) -> None:
        facts = dict(attributes)
        if facts.get("id"):
            self.ids.add(str(facts["id"]))
        for name in ("href", "src", "data"):
            if facts.get(name):
                self.hrefs.append(str(facts[name]))


def pages(site: Path) -> Dict[Path, Links]:
    return {path: Links(path.read_text("utf-8")) for path in site.rglob("*.html")}


def dead(site: Path) -> Iterator[str]:
    found = pages(site)
    for path, links in found.items():
        for href in links.hrefs:
            parts = urlsplit(href)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.exists():
                yield f"{path.name} -> {href}"
            elif parts.fragment and target in found and unquote(parts.fragment) not in found[target].ids:
                yield f"{path.name} -> {href} (no such place on the page)"


def test_every_internal_link_leads_somewhere(site: Path) -> None:
    assert not list(dead(site))


def test_the_search_works_without_a_network(site: Path) -> None:
    assert "Search.setIndex" in (site / "searchindex.js").read_text("utf-8")
    for path, links in pages(site).items():
        fetched = [href for href in links.hrefs if re.match(r"(https?:)?//", href) and re.search(r"\.(js|css)\b", href)]
        assert not fetched, f"{path.name} fetches {fetched}"


def test_the_pictures_are_there(site: Path) -> None:
    assert len(list((site / "_images").glob("graphviz-*.svg"))) >= 1
