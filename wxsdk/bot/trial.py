"""Runs a Bot on the simulators: ``wxsdk.testing.chat`` for tests of bots, and what ``wxsdk run --sim`` starts."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional, Union

from ..errors import ConfigError
from .bot import Bot

PLATFORMS = ("ilink", "aibot")
USER = "alice"
WAIT = 5.0  # seconds for the bot to be there

_LISTED = re.compile(r"(?P<question>.*?)(?P<options>(?:\n\d{1,2}\. [^\n]+)+)\Z", re.DOTALL)
_OPTION = re.compile(r"\n\d{1,2}\. ([^\n]+)")


class Reply:
    """One thing that the bot said, the same on both platforms.

    text: its words; of a question with options, the question alone. options: the labels to press. name, data: of a file
    or picture. raw: the simulator's own object.
    """

    def __init__(self, text: str, options: List[str], name: Optional[str], data: Optional[bytes], raw: Any) -> None:
        self.text = text
        self.options = options
        self.name = name
        self.data = data
        self.raw = raw

    def __repr__(self) -> str:
        extra = f", options={self.options}" if self.options else ""
        return f"Reply({self.text!r}{extra}{f', name={self.name!r}' if self.name else ''})"


class Chat:
    """A user who talks with a bot on a simulator. A context manager; on entry the bot runs, on exit it is stopped.

    keeps_store: the bot keeps its own store; else it has an empty one in memory meanwhile.
    """

    def __init__(self, bot: Bot, platform: str = "ilink", *, keeps_store: bool = False) -> None:
        if not isinstance(bot, Bot):
            raise ConfigError(f"chat needs a Bot, not {type(bot).__name__}.")
        if platform not in PLATFORMS:
            raise ConfigError(f"There is no simulated platform {platform!r}.", remedy=f"Give one of {PLATFORMS}.")
        self.bot = bot
        self.platform = platform
        self._keeps_store = keeps_store
        self._stack = contextlib.ExitStack()
        self._is_open = False
        self._user: Any = None
        self.sim: Any = None

    def __enter__(self) -> Chat:
        if self._is_open:
            return self
        with contextlib.ExitStack() as stack:
            sims = stack.enter_context(simulators((self.platform,)))
            store = self.bot.store if self._keeps_store else None
            config = config_for(sims[self.platform], self.platform)
            stack.enter_context(self.bot.stand_in({self.platform: config}, store))
            self.bot.start()
            self.sim = sims[self.platform]
            if self.platform == "aibot":
                self.sim.wait_subscribed(timeout=WAIT)
            self._user = self.sim.user(USER)
            self._stack = stack.pop_all()
        self._is_open = True
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        self._stack.close()

    def says(self, text: str) -> None:
        """The user writes *text*."""
        self._person.says(text)

    def sends(self, path: Union[str, Path]) -> None:
        """The user sends a file or a picture."""
        self._person.sends(Path(path))

    def presses(self, label: str) -> None:
        """The user presses a button, or chooses an option, of the newest question; on iLink its label is typed."""
        if self.platform == "ilink":
            self._person.says(label)
            return
        message = next((one for one in reversed(self._person.sees) if one.card), None)
        if message is None:
            raise AssertionError(f"There is no card to press {label!r} on.")
        self._press(message, label)

    def expects(self, text: Union[str, re.Pattern[str], None] = None, timeout: float = WAIT) -> Reply:
        """Return the next thing that the bot says; AssertionError when it is not *text*, or nothing comes in time.

        text: all of it (of a question with options, the question will do), or a pattern to search for.
        """
        reply = self._read(self._person.expects(timeout=timeout))
        if isinstance(text, re.Pattern):
            assert text.search(reply.text), f"the bot said {reply!r}, not something like {text.pattern!r}"
        elif text is not None:
            said = (reply.text, getattr(reply.raw, "text", "") or "")
            assert text.strip() in [one.strip() for one in said], f"the bot said {reply!r}, not {text!r}"
        return reply

    @property
    def _person(self) -> Any:
        if not self._is_open:
            raise ConfigError("The chat is not open.", remedy="Use it in a with-block.")
        return self._user

    def _read(self, message: Any) -> Reply:
        if self.platform == "ilink":
            return _from_ilink(message)
        return _from_aibot(message)

    def _press(self, message: Any, label: str) -> None:
        card: Dict[str, Any] = message.card
        for button in card.get("button_list") or ():
            if button["text"] == label:
                self._person.clicks(message, button["key"])
                return
        box = card.get("checkbox") or {}
        for option in box.get("option_list") or ():
            if option["text"] == label:
                self._person.votes(message, {box["question_key"]: [option["id"]]})
                return
        raise AssertionError(f"The card has no {label!r}; it has {_labels(card)}.")


@contextlib.contextmanager
def simulators(platforms: Any = PLATFORMS, **settings: Any) -> Iterator[Dict[str, Any]]:
    """Running simulators, by platform. ConfigError when what they need is not installed."""
    try:
        from ..sim import AiBotSim, ILinkSim
    except ImportError as exc:
        raise ConfigError(
            f"The simulators need {exc.name}, which is missing.", remedy="Run: pip install 'wxsdk[sim]'"
        ) from exc
    makers: Dict[str, Any] = {"ilink": ILinkSim, "aibot": AiBotSim}
    with contextlib.ExitStack() as stack:
        yield {platform: stack.enter_context(makers[platform]()) for platform in platforms}


def config_for(sim: Any, platform: str) -> Any:
    """Return the config of a bot on *sim*."""
    if platform == "ilink":
        addresses = {"BASE_URL": sim.base_url, "CDN_BASE_URL": sim.cdn_base_url, "TOKEN": sim.token}
    else:
        addresses = {"BOT_ID": sim.bot_id, "SECRET": sim.secret, "WS_URL": sim.ws_url}
    return config_on(platform, {f"WXSDK_{name}": value for name, value in addresses.items()})


def config_on(platform: str, environment: Mapping[str, str]) -> Any:
    """Return the config of a bot on the simulator that an *environment* names (``Playground.environment``)."""
    if platform == "ilink":
        from ..ilink.config import WeixinConfig

        return WeixinConfig(
            token=environment["WXSDK_TOKEN"],
            base_url=environment["WXSDK_BASE_URL"],
            cdn_base_url=environment["WXSDK_CDN_BASE_URL"],
            trusted_media_hosts=("127.0.0.1",),
            sends_per_second=None,  # the simulator blocks no bursts, and nobody waits for a test
        )
    from ..aibot.config import WSClientOptions

    return WSClientOptions(
        environment["WXSDK_BOT_ID"],
        environment["WXSDK_SECRET"],
        ws_url=environment["WXSDK_WS_URL"],
        trusted_media_hosts=("127.0.0.1",),
    )


def _from_ilink(message: Any) -> Reply:
    if message.kind != "text":
        return Reply("", [], message.file_name, message.data, message)
    return _from_text(message.text, message)


def _from_aibot(message: Any) -> Reply:
    if message.card:
        title = (message.card.get("main_title") or {}).get("title") or ""
        return Reply(title, _labels(message.card), None, None, message)
    if message.data is not None:
        return Reply("", [], message.name, message.data, message)
    return _from_text(message.visible_text, message)


def _from_text(text: str, message: Any) -> Reply:
    listed = _LISTED.fullmatch(text)
    if listed is None:
        return Reply(text, [], None, None, message)
    return Reply(listed["question"], _OPTION.findall(listed["options"]), None, None, message)


def _labels(card: Dict[str, Any]) -> List[str]:
    buttons = [button["text"] for button in card.get("button_list") or ()]
    return buttons + [option["text"] for option in (card.get("checkbox") or {}).get("option_list") or ()]
