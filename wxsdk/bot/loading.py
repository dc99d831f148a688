"""Loads the Bot of a program for ``wxsdk run``, without letting the program run it by itself."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, Iterator, Optional, Tuple

from ..errors import ConfigError
from .bot import Bot, runs_left_out

SIMULATED = "simulated"  # stands for credentials that nobody uses
MODULE = "__wxsdk_run__"  # the name of a program that is given as a file; its "if __name__" block is left out


def load_bot(target: str, *, simulated: bool = False) -> Bot:
    """Return the Bot of *target*: "bot.py", "bot.py:name", "package.module" or "package.module:name".

    ``bot.run()`` at the program's end does nothing meanwhile. simulated: the program's accounts will not be used, so
    placeholders in place of tokens and names of accounts that do not exist will do. Raises ConfigError when there is no
    such program, or no Bot or more than one in it, and whatever the program raises.
    """
    where, name = _split(target)
    with runs_left_out(), _any_account() if simulated else contextlib.nullcontext():
        module = _load_file(where) if _is_file(where) else _load_module(where)
    return _choose(module, where, name)


@contextlib.contextmanager
def _any_account() -> Iterator[None]:
    """In the block, ``wxsdk.WeixinConfig`` and ``wxsdk.WSClientOptions`` take unusable credentials, too."""
    import wxsdk

    real = wxsdk.WeixinConfig, wxsdk.WSClientOptions
    names: Any = vars(wxsdk)
    names["WeixinConfig"] = _lenient(real[0], token=SIMULATED)
    names["WSClientOptions"] = _lenient(real[1], bot_id=SIMULATED, secret=SIMULATED)
    try:
        yield
    finally:
        names["WeixinConfig"], names["WSClientOptions"] = real


def _lenient(real: Any, **instead: str) -> Any:
    class Lenient(real):  # type: ignore[misc]
        def __new__(cls, *args: Any, **settings: Any) -> Any:
            try:
                return real(*args, **settings)  # not an instance of this class, so no __init__ follows
            except ConfigError:
                return real(**instead)

    Lenient.__name__ = real.__name__
    return Lenient


def file_of(target: str) -> Optional[Path]:
    """Return the file of *target* when it is given as one."""
    where, _ = _split(target)
    return Path(where) if _is_file(where) else None


def _split(target: str) -> Tuple[str, Optional[str]]:
    where, colon, name = target.rpartition(":")
    if not colon or not name.isidentifier():
        return target, None
    return where, name


def _is_file(where: str) -> bool:
    return where.endswith(".py") or os.sep in where or "/" in where


def _load_file(where: str) -> ModuleType:
    path = Path(where).resolve()
    if not path.is_file():
        raise ConfigError(f"There is no file {where}.", remedy="Give the program with your Bot: wxsdk run bot.py")
    sys.path.insert(0, str(path.parent))  # what stands beside it can be imported, as with python bot.py
    spec = importlib.util.spec_from_file_location(MODULE, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    spec.loader.exec_module(module)
    return module


def _load_module(where: str) -> ModuleType:
    sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as exc:
        if exc.name is not None and (where == exc.name or where.startswith(f"{exc.name}.")):
            raise ConfigError(f"There is no module {where}.", remedy="Give a file (bot.py) or module:name.") from None
        raise


def _choose(module: ModuleType, where: str, name: Optional[str]) -> Bot:
    found: Dict[str, Bot] = {each: value for each, value in vars(module).items() if isinstance(value, Bot)}
    if name is not None:
        chosen = getattr(module, name, None)
        if not isinstance(chosen, Bot):
            raise ConfigError(f"{where} has no Bot named {name}{_listed(found)}.", remedy="Name one that it has.")
        return chosen
    bots = {id(bot): bot for bot in found.values()}
    if len(bots) != 1:
        if found:
            raise ConfigError(f"{where} has {len(bots)} Bots{_listed(found)}.", remedy=f"Name one: {where}:NAME")
        public = [each for each in vars(module) if not each.startswith("_")]
        names = f"; its names are {', '.join(public[:20])}" if public else "; it is empty"
        raise ConfigError(f"{where} has no Bot{names}.", remedy="Make one there: bot = Bot()")
    return next(iter(bots.values()))


def _listed(found: Dict[str, Bot]) -> str:
    return f" (it has {', '.join(found)})" if found else ""
