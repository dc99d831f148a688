"""What each module may import, read from its source: pure ones decide, runtime knows no protocol, shells join the two.

The table is below. A module that is not covered by it, or that imports past its kind, fails with what to do about it.
"""

from __future__ import annotations

import ast
import pathlib
import sys
from typing import Callable, Dict, FrozenSet, Iterator, List, NamedTuple, Set

import pytest

import wxsdk

ROOT = pathlib.Path(wxsdk.__file__).parent


def words(text: str) -> Set[str]:
    return set(text.split())


# -- the table ----------------------------------------

PURE_ROOT = words("_version errors health log")
EDGE_ROOT = words("__init__ __main__ accounts hooks pytest_plugin testing")
# Modules of the protocols that do things. Every other module of ilink, aibot and callback is pure.
SHELL = {
    "ilink": words(
        """api cdn client context handler in_progress inbox login outbound_run outbox ownership pending_login poll
        received run send_limits sending state tokens typing_indicator"""
    ),
    "aibot": words(
        "ack_calls acks client connection delivery download inbox outbox parts run sending stream ticker upload"
    ),
    "callback": words("client desk exchange keeper received response_url stream"),
}
# Callback mode has the messages and cards of the WebSocket, so it may use what reads and checks them.
NEIGHBOURS = {"callback": "aibot"}

# Modules of the second floor that decide only. Every other module of bot does things.
BOT_PURE = words("address arguments choice_rules chunks facts journal_rules merge_rules paragraphs routes state_rules")
BOT_EDGE = words("trial")  # runs a Bot on the simulators

# What pure code may use of the standard library: nothing that reads, writes, waits, or differs from call to call.
HARMLESS = words(
    """__future__ abc base64 binascii bisect collections contextlib copy dataclasses datetime enum fractions functools
    hashlib heapq hmac html inspect ipaddress itertools json json.encoder math numbers operator re string struct
    textwrap types typing unicodedata urllib.parse"""
)
ALLOWED: Dict[str, Set[str]] = {
    "wxsdk.log": {"logging"},
    "wxsdk.aibot.logger": {"logging", "traceback"},
    "wxsdk.aibot.ids": {"secrets", "time"},  # an id is random and dated by its nature
    "wxsdk.aibot.cards": {"uuid"},  # likewise
    "wxsdk.aibot.callback_crypto": {"secrets"},  # the random bytes in front of what is encrypted
    "wxsdk.ilink.media": {"pathlib"},  # names, no files
}

# The one way from settings to files: from_env() of a configuration class reads the account that is named.
READS_ACCOUNTS = {
    ("wxsdk.ilink.config", "wxsdk.runtime.account_files"),
    ("wxsdk.aibot.config", "wxsdk.runtime.account_files"),
}

# One door per dependency: top-level package -> the modules, or packages, that may import it.
DOORS: Dict[str, Set[str]] = {
    "requests": {"wxsdk.runtime.http", "wxsdk.runtime.http_connections", "wxsdk.runtime.http_errors"},
    "urllib3": {"wxsdk.runtime.http_connections", "wxsdk.runtime.http_errors"},
    "certifi": {"wxsdk.runtime.http_connections"},
    "websocket": {"wxsdk.runtime.wsock"},
    "Crypto": {"wxsdk.ilink.aes", "wxsdk.aibot.aes", "wxsdk.aibot.callback_crypto", "wxsdk.sim"},
    "dataclasses_json": {"wxsdk.core.wiretype"},
    "click": {"wxsdk.ext.flask"},  # the one that Flask brings along
    "typing_extensions": {"wxsdk.bot.bot"},  # for type checkers alone, which bring it along
    "redis": {"wxsdk.runtime.redis_store"},
    "psycopg": {"wxsdk.runtime.postgres_store"},
    "cryptography": {"wxsdk.runtime.sealing"},
    "segno": {"wxsdk.ilink.login", "wxsdk.ext.jupyter", "wxsdk.sim.page"},
    "werkzeug": {"wxsdk.sim"},
    "wsproto": {"wxsdk.sim"},
    "filetype": {"wxsdk.sim"},
    "prometheus_client": {"wxsdk.ext.prometheus"},
    "opentelemetry": {"wxsdk.ext.opentelemetry"},
    "flask": {"wxsdk.ext.flask"},
    "django": {"wxsdk.ext.django"},
    "IPython": {"wxsdk.ext.jupyter"},
    "pilk": {"wxsdk.ext.silk"},
    "pytest": {"wxsdk.pytest_plugin"},
}

# What command line and integrations may use of the packages below them: the clients, and what a program needs to run.
CLIENTS = {
    *("wxsdk.ilink.client", "wxsdk.ilink.config", "wxsdk.ilink.login_rules", "wxsdk.ilink.login"),
    *("wxsdk.aibot.client", "wxsdk.aibot.config"),
    *("wxsdk.runtime.http", "wxsdk.runtime.lifecycle", "wxsdk.runtime.worker"),
}

# What the second floor may use of the clients: what `import wxsdk` gives, from where that takes it.
PUBLIC = {
    *("wxsdk.ilink.client", "wxsdk.ilink.config", "wxsdk.ilink.context", "wxsdk.ilink.frames_out"),
    *("wxsdk.ilink.handler", "wxsdk.ilink.media", "wxsdk.ilink.wire"),
    *("wxsdk.aibot.client", "wxsdk.aibot.config", "wxsdk.aibot.frames", "wxsdk.aibot.cards"),
    *("wxsdk.aibot.stream", "wxsdk.aibot.stream_rules"),
    *("wxsdk.callback.client", "wxsdk.callback.config", "wxsdk.callback.stream"),
}

# -- reading the sources ----------------------------------------


class Module(NamedTuple):
    name: str
    tree: ast.Module
    is_package: bool

    @property
    def package(self) -> str:
        """The package inside wxsdk, "" for the root."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 2 or (self.is_package and len(parts) == 2) else ""

    @property
    def leaf(self) -> str:
        return "__init__" if self.is_package else self.name.rpartition(".")[2]


def _module(path: pathlib.Path) -> Module:
    parts = ("wxsdk", *path.relative_to(ROOT).with_suffix("").parts)
    is_package = parts[-1] == "__init__"
    return Module(".".join(parts[:-1] if is_package else parts), ast.parse(path.read_text("utf-8")), is_package)


MODULES = [_module(path) for path in sorted(ROOT.rglob("*.py"))]
NAMES = {module.name for module in MODULES}


def imports(module: Module) -> Iterator[str]:
    """The full names of the modules that *module* imports, inside functions and type-checking blocks as well."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                here = module.name.split(".")
                cut = node.level - (1 if module.is_package else 0)
                base = ".".join([*here[: len(here) - cut], *([base] if base else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in NAMES else base


def kind(module: Module) -> str:
    """ "pure", "runtime", "shell", "bot", "edge", or "" for one that the table does not know."""
    if not module.package:
        return "pure" if module.leaf in PURE_ROOT else "edge" if module.leaf in EDGE_ROOT or module.is_package else ""
    if module.package in SHELL:
        return "shell" if module.leaf in SHELL[module.package] else "pure"
    if module.package == "fleet":
        return "pure" if module.leaf == "share_rules" else "bot"
    if module.package == "bot":
        return "pure" if module.leaf in BOT_PURE else "edge" if module.leaf in BOT_EDGE else "bot"
    return {"core": "pure", "runtime": "runtime", "sim": "edge", "cli": "edge", "ext": "edge"}.get(module.package, "")


def _own(module: Module) -> List[str]:
    return sorted({name for name in imports(module) if name.split(".")[0] == "wxsdk"})


def _is_pure(name: str) -> bool:
    # Of the root package itself only __version__ is worth importing, and reading it does nothing.
    return name == "wxsdk" or any(module.name == name and kind(module) == "pure" for module in MODULES)


def _package_of(name: str) -> str:
    return next((module.package for module in MODULES if module.name == name), name.partition(".")[2])


def _of_kind(*kinds: str) -> List[Module]:
    return [module for module in MODULES if kind(module) in kinds]


def _for_each(modules: List[Module]) -> Callable[[Callable[[Module], None]], Callable[[], None]]:
    """One test of a check of many modules, which names all that fail it."""

    def decorate(check: Callable[[Module], None]) -> Callable[[], None]:
        def test() -> None:
            failures = []
            for module in modules:
                try:
                    check(module)
                except AssertionError as exc:
                    failures.append(str(exc).partition("\n")[0])
            assert not failures, "\n".join(failures)

        test.__name__ = check.__name__
        return test

    return decorate


# -- the rules ----------------------------------------


@_for_each(MODULES)
def test_every_module_is_in_the_table(module: Module) -> None:
    assert kind(module), (
        f"{module.name} is of no kind yet: add it to PURE_ROOT or EDGE_ROOT in {pathlib.Path(__file__).name} (a module"
        " of the root), or give its package a kind there and a place in the design."
    )


def test_no_exception_is_made_for_a_module_that_is_gone() -> None:
    # A stale name among the kinds allows nothing; one among the exceptions would.
    known = set(ALLOWED) | CLIENTS | PUBLIC | {place for places in DOORS.values() for place in places}
    assert known <= NAMES, f"take these out of the table: {sorted(known - NAMES)}"


@_for_each(_of_kind("pure"))
def test_a_pure_module_imports_nothing_that_does_things(module: Module) -> None:
    doors = {package for package, places in DOORS.items() if module.name in places}
    allowed = HARMLESS | ALLOWED.get(module.name, set())
    foreign = {name for name in imports(module) if name.split(".")[0] not in {"wxsdk", *doors}} - allowed
    assert not foreign, (
        f"{module.name} counts as pure, but imports {sorted(foreign)}. Let the caller pass in what these give, or, when"
        " doing things is its purpose, list it under SHELL."
    )
    home = ("", "core", module.package, NEIGHBOURS.get(module.package, ""))
    past = [
        name
        for name in _own(module)
        if (not _is_pure(name) or _package_of(name) not in home) and (module.name, name) not in READS_ACCOUNTS
    ]
    assert not past, f"{module.name} is pure and may import pure modules of the root and of its package, not {past}."


@_for_each(_of_kind("pure"))
def test_a_pure_module_reads_no_clock_and_no_file(module: Module) -> None:
    effects: FrozenSet[str] = frozenset({"open", "print", "input"})
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name):
            assert called.id not in effects, f"{module.name}:{node.lineno} calls {called.id}()"
        elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            words = (called.value.id, called.attr)
            assert words not in {("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}, (
                f"{module.name}:{node.lineno} reads the clock; let the time be an argument"
            )


@_for_each(_of_kind("runtime"))
def test_runtime_knows_no_protocol(module: Module) -> None:
    past = [name for name in _own(module) if _package_of(name) != "runtime" and not _is_pure(name)]
    past += [name for name in _own(module) if _package_of(name) not in ("", "core", "runtime")]
    assert not past, f"{module.name} is of the runtime and may import it and the pure root, not {past}."


@_for_each(_of_kind("shell"))
def test_a_shell_joins_its_own_protocol_with_the_runtime(module: Module) -> None:
    past = [name for name in _own(module) if _package_of(name) not in ("", "core", "runtime", module.package)]
    if module.package in NEIGHBOURS:
        free = {"wxsdk.aibot.download"}  # pictures are fetched alike
        near = NEIGHBOURS[module.package]
        past = [name for name in past if not (_package_of(name) == near and _is_pure(name)) and name not in free]
    past += [name for name in _own(module) if not _package_of(name) and not _is_pure(name)]
    assert not past, f"{module.name} may import its package, the runtime and the pure root, not {past}."


@_for_each(_of_kind("bot"))
def test_bot_stands_on_the_public_names_of_the_clients(module: Module) -> None:
    below = ("", "core", "runtime", "bot", module.package)
    past = [name for name in _own(module) if _package_of(name) not in below and name not in PUBLIC]
    assert not past, f"{module.name} reaches behind the clients: {past}. Use what `import wxsdk` gives."


@_for_each([module for module in MODULES if module.package in ("ilink", "aibot", "callback", "runtime", "core")])
def test_no_client_knows_of_bot(module: Module) -> None:
    past = [name for name in _own(module) if _package_of(name) == "bot"]
    assert not past, f"{module.name} imports {past}, which stands on it."


@_for_each([module for module in MODULES if module.package == "sim"])
def test_the_simulator_shares_nothing_with_the_clients(module: Module) -> None:
    past = [name for name in _own(module) if _package_of(name) in ("ilink", "aibot", "runtime")]
    assert not past, f"{module.name} imports {past}: both sides would then share one misreading of the protocol."


@_for_each([module for module in MODULES if module.package in ("cli", "ext")])
def test_command_line_and_integrations_use_the_clients_only(module: Module) -> None:
    past = [name for name in _own(module) if _package_of(name) in ("ilink", "aibot", "runtime") and name not in CLIENTS]
    assert not past, f"{module.name} reaches behind the clients: {past}. Use what `import wxsdk` gives."


def test_the_two_protocols_never_import_each_other() -> None:
    for package, other in (("ilink", "aibot"), ("aibot", "ilink")):
        for module in MODULES:
            if module.package == package:
                assert other not in {_package_of(name) for name in _own(module)}, module.name


@_for_each(MODULES)
def test_each_dependency_has_one_door(module: Module) -> None:
    standard = getattr(sys, "stdlib_module_names", None)  # Python 3.10
    for name in imports(module):
        top = name.split(".")[0]
        if top in DOORS:
            fits = any(module.name == place or module.name.startswith(f"{place}.") for place in DOORS[top])
            assert fits, f"{module.name} imports {top}, which is for {sorted(DOORS[top])} alone."
        elif standard is not None and top != "wxsdk":
            assert top in standard, f"{module.name} imports {top}, which is no dependency of wxsdk."


@pytest.mark.parametrize("forbidden", ["asyncio", "sched", "multiprocessing", "pickle", "marshal", "shelve"])
def test_nobody_imports_what_the_library_does_without(forbidden: str) -> None:
    for module in MODULES:
        assert forbidden not in {name.split(".")[0] for name in imports(module)}, module.name


def test_nobody_sleeps() -> None:
    for module in MODULES:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", None) or getattr(node.func, "id", None)
                assert name != "sleep", f"{module.name}:{node.lineno} sleeps; wait for the reason to stop"
