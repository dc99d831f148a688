"""docs/architecture.rst against the sources: its map, its table of imports, and every file that it names."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Dict, Set

import wxsdk
from tests import test_purity

ROOT = Path(wxsdk.__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.rst").read_text("utf-8")
PROTOCOL = ROOT / "docs" / "protocol"

sys.path.insert(0, str(ROOT / "docs" / "_ext"))
import import_map  # noqa: E402  (a script of the documentation, not a package)


def allowed() -> Dict[str, Set[str]]:
    """The table: what each package may import."""
    table = TEXT.partition(".. list-table:: What each package")[2].partition("\n\n``tests/docs")[0]
    rows = re.findall(r"^   \* - ``([\w.]+)``\n     - (?:.*\n(?:       .*\n)*)     - (.+)$", table, re.MULTILINE)
    return {name: set() if packages == "nothing" else set(packages.split(", ")) for name, packages in rows}


def test_no_import_leads_past_the_table() -> None:
    table = allowed()
    past = [
        f"{source} imports {target}"
        for source, target in import_map.arrows()
        if source != "wxsdk" and target not in table.get(source, set())
    ]
    assert not past, f"{past}: change the imports, or the table of docs/architecture.rst with the reason"


def test_every_package_has_a_row() -> None:
    rooms = {import_map.room_of(name) for name in import_map.module_names()} - {"wxsdk"}
    assert rooms <= set(allowed()), f"without a row: {sorted(rooms - set(allowed()))}"


def test_every_package_is_in_the_picture() -> None:
    rooms = {import_map.room_of(name) for name in import_map.module_names()}
    drawn = {room for floor in import_map.FLOORS for room in floor} | {"wxsdk"}
    assert rooms <= drawn, f"give these a place in FLOORS of docs/_ext/import_map.py: {sorted(rooms - drawn)}"


def test_the_picture_is_drawn_from_what_the_purity_test_reads() -> None:
    # Two readers of the same sources, written apart, must see the same imports.
    mine = {
        (name, target)
        for name, path in import_map.module_names().items()
        for target in import_map.imported(name, path, set(import_map.module_names()))
    }
    theirs = {
        (module.name, target)
        for module in test_purity.MODULES
        for target in test_purity.imports(module)
        if target in test_purity.NAMES
    }
    assert mine == theirs


def test_every_file_that_it_names_is_there() -> None:
    named = set(re.findall(r"``((?:[\w.]+/)+\w+\.py)``", TEXT)) | set(re.findall(r"``(tests/\w+)``", TEXT))
    assert len(named) > 50
    gone = [name for name in sorted(named) if not any((base / name).exists() for base in (ROOT, ROOT / "wxsdk"))]
    assert not gone, f"docs/architecture.rst names files that are not there: {gone}"


def test_every_thread_that_it_names_is_started_somewhere() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "wxsdk").rglob("*.py"))
    named = re.findall(r"``(wxsdk-[a-z-]+)(-<n>)?``", TEXT)
    assert len(named) > 5
    for name, numbered in named:
        assert (f'"{name}-{{' if numbered else f'"{name}"') in sources, name


def test_every_cited_section_of_the_protocol_notes_is_there() -> None:
    sections = {
        path.stem: set(re.findall(r"^(\d+)\. .+\n-+$", path.read_text("utf-8"), re.MULTILINE))
        for path in PROTOCOL.glob("*.rst")
    }
    assert len(sections) == 3
    missing = []
    for path in [*(ROOT / "wxsdk").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *(ROOT / "docs").glob("*.rst")]:
        for notes, number in re.findall(r"(?:docs|:doc:`)/?protocol/(\w+)`?, (\d+)", path.read_text("utf-8")):
            if number not in sections.get(notes, set()):
                missing.append(f"{path.name}: {notes}, {number}")
    assert not missing
