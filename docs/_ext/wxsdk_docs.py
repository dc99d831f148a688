"""Directives that fill pages from the code, so that they cannot differ from it.

.. import-map::                     the picture of all packages, or with a name that of the modules of one
.. settings-table:: module:Class    every setting of a config: name, default, meaning with unit and source
.. error-table::                    every error class: what it says, and its fields
.. code-table:: ilink (or aibot)    every error code that is known: which error it becomes, and the remedy
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from typing import Any, Dict, Iterable, List, Sequence

import import_map
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.ext.graphviz import graphviz
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles


class Generated(SphinxDirective):
    """A directive whose content is reStructuredText that `lines` makes."""

    optional_arguments = 1

    def lines(self) -> Iterable[str]:
        raise NotImplementedError

    def run(self) -> List[nodes.Node]:
        holder = nodes.container()
        holder.document = self.state.document
        text = StringList(list(self.lines()), source=self.get_source_info()[0])
        nested_parse_with_titles(self.state, text, holder)
        return list(holder.children)


class ImportMap(SphinxDirective):
    optional_arguments = 1

    def run(self) -> List[nodes.Node]:
        node = graphviz()
        node["code"] = import_map.room(self.arguments[0]) if self.arguments else import_map.house()
        node["options"] = {"docname": self.env.docname}
        node["alt"] = "The packages of wxsdk and the imports between them"
        return [node]


def table(header: Sequence[str], rows: Iterable[Sequence[str]], widths: str) -> Iterable[str]:
    yield from (".. list-table::", "   :header-rows: 1", f"   :widths: {widths}", "")
    for row in (header, *rows):
        for place, cell in enumerate(row):
            yield f"   {'*' if place == 0 else ' '} - {cell}"
    yield ""


ENTRY = re.compile(r"(?:^|(?<=[.;)] ))((?:[a-z_]+(?:, )?)+): ")


def settings_in(docstring: str, names: Sequence[str]) -> Dict[str, str]:
    """What a config's docstring says of each of *names*; its entries are "name: text" or "one, two: text"."""
    found: Dict[str, str] = {}
    for block in re.split(r"\n(?=\S)", inspect.cleandoc(docstring)):
        parts = ENTRY.split(" ".join(block.split()))
        for keys, text in zip(parts[1::2], parts[2::2]):
            inside = [key for key in keys.split(", ") if key in names]
            found.update({key: text.strip() for key in inside})
    return found


def shown_default(field: Any) -> str:
    if field.default is not dataclasses.MISSING:
        return f"``{field.default!r}``"
    if field.default_factory is not dataclasses.MISSING:
        return f"``{field.default_factory()!r}``"
    return "(required)"


def cited(text: str) -> str:
    """*text* with the citations of protocol notes as links to them, and quoted URLs as code."""
    text = re.sub(r'"((?:https?|wss?)://[^"]*)"', r"``\1``", text)  # else it becomes a link to nowhere
    return re.sub(r"docs/(protocol/\w+|\w+), (\d+)", r":doc:`/\1`, \2", text)


def docstring(app: Any, what: str, name: str, obj: Any, options: Any, lines: List[str]) -> None:
    lines[:] = [cited(line) for line in lines]


class SettingsTable(Generated):
    required_arguments = 1
    optional_arguments = 0

    def lines(self) -> Iterable[str]:
        module, _, name = self.arguments[0].partition(":")
        config = getattr(importlib.import_module(module), name)
        fields = [field for field in dataclasses.fields(config) if not field.name.startswith("_")]
        meanings = settings_in(config.__doc__ or "", [field.name for field in fields])
        rows = [(f"``{field.name}``", shown_default(field), cited(meanings.get(field.name, ""))) for field in fields]
        missing = [field.name for field in fields if field.name not in meanings]
        if missing:
            raise self.error(f"{name}'s docstring says nothing of {missing}")
        return table(("setting", "default", "meaning, unit and source"), rows, "22 20 58")


class ErrorTable(Generated):
    def lines(self) -> Iterable[str]:
        errors = importlib.import_module("wxsdk.errors")
        for name, error in inspect.getmembers(errors, inspect.isclass):
            if issubclass(error, errors.WxError):
                base = error.__mro__[1].__name__
                said = " ".join(inspect.cleandoc(error.__doc__ or "").partition("\n\n")[0].split())
                yield from (f"``{name}`` (a ``{base}``)" if name != "WxError" else f"``{name}``", f"   {said}", "")


class CodeTable(Generated):
    required_arguments = 1
    optional_arguments = 0

    def lines(self) -> Iterable[str]:
        module = importlib.import_module(f"wxsdk.{self.arguments[0]}.errors")
        if self.arguments[0] == "ilink":
            kinds = {module.STALE_TOKEN: "TokenStale", module.REJECTED: "SendRejected"}
            rows = [(str(code), kinds.get(code, "ApiError"), text) for code, text in module.REMEDIES.items()]
        else:
            rows = [(str(code), known.error.__name__, known.remedy) for code, known in module.CODES.items()]
        rows = [(f"``{code}``", f"``{error}``", text) for code, error, text in rows if int(code) > -1_000]
        return table(("code", "error", "what to do"), sorted(rows, key=lambda row: int(row[0].strip("`"))), "14 20 66")


def setup(app: Sphinx) -> Dict[str, Any]:
    app.add_directive("import-map", ImportMap)
    app.add_directive("settings-table", SettingsTable)
    app.add_directive("error-table", ErrorTable)
    app.add_directive("code-table", CodeTable)
    app.connect("autodoc-process-docstring", docstring)
    return {"parallel_read_safe": True, "version": "1"}
