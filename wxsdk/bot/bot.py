"""Bot: one program for every WeChat."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, Mapping, Optional, TypeVar

from ..core.settings import (
    MAX_THREADS,
    check_patience,
    check_seconds,
    count,
    optional,
    seconds,
    seconds_or_zero,
    text,
)
from ..errors import AuthFailed, ConfigError, Kicked, ReconnectExhausted
from ..health import Health
from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.lifecycle import wait_until_stopped
from ..runtime.store import Store, as_store
from .adapter import Adapter
from .adapters import account_config, make_adapter, platform_of
from .address import parse_address
from .arguments import check_arity
from .feed import Feed
from .message import Message
from .questions import OpenQuestions
from .routes import Routes
from .store_view import StoreView
from .workshop import Workshop

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Union

    from typing_extensions import Concatenate, ParamSpec

    from ..aibot.cards import TemplateCard

    P = ParamSpec("P")
    Answer = Union[None, str, Path, TemplateCard, Iterator[Any], List[Any]]

log = get_logger(__name__)

NOTICE = "（服务正在重启，回复到此中断。The bot is restarting; this answer ends here.）"
STOP_TIMEOUT = 5.0  # seconds
DRAIN = 5.0  # seconds that running handlers get before their streams are closed
LOOK_EVERY = 1.0  # seconds between two looks at whether every bot has ended by itself
CLIENT_SHARE = 0.3  # of a stop's time that is kept for the clients and the threads
_FATAL = (AuthFailed, Kicked, ReconnectExhausted)

F = TypeVar("F", bound=Callable[..., Any])
R = TypeVar("R", bound="Answer")  # what a handler may return


_left_out = threading.local()


@contextlib.contextmanager
def runs_left_out() -> Iterator[None]:
    """``run()`` of every Bot does nothing on this thread in the block: who loads a program runs its Bot later."""
    _left_out.active = True
    try:
        yield
    finally:
        _left_out.active = False


class Bot:
    """Handlers, and the bots of personal WeChat and WeCom that they serve.

    store: where inboxes, conversations and states are kept; with a durable one nothing is lost by a crash. max_workers:
    handlers that run at the same time. merge_window: seconds within which a user's messages become one. state_ttl:
    seconds after which an untouched ``message.state`` is forgotten; None: never. max_conversations: how many handlers
    may wait for an answer. apology: a text for the user whose handler raised. notice: what a stop writes below a
    stream that it ends. Making a Bot starts and opens nothing.
    """

    def __init__(
        self,
        *,
        store: Optional[Store] = None,
        max_workers: int = 16,
        merge_window: float = 0.0,
        state_ttl: Optional[float] = None,
        max_conversations: int = 1000,
        apology: Optional[str] = None,
        notice: str = NOTICE,
        _clock: Optional[Clock] = None,
    ) -> None:
        self._clock = _clock or Clock()
        self._store = None if store is None else as_store(store)
        self._max_workers = count(1, MAX_THREADS)("max_workers", max_workers)
        self._merge_window = seconds_or_zero("merge_window", merge_window)
        self._state_ttl = optional(seconds)("state_ttl", state_ttl)
        self._max_conversations = count(1)("max_conversations", max_conversations)
        self._apology = optional(text)("apology", apology)
        self._notice = "" if notice == "" else text("notice", notice)
        self._routes = Routes()
        self._middleware: List[Callable[..., Any]] = []
        self._on_error: List[Callable[..., Any]] = []
        self._on_start: List[Callable[[], Any]] = []
        self._on_stop: List[Callable[[], Any]] = []
        self._adapters: Dict[str, Adapter] = {}
        self._life = threading.Lock()
        self._workshop: Optional[Workshop] = None
        self._earlier: List[Workshop] = []  # with handlers that outlived their stop
        self._ended = self._clock.event()
        self._ended.set()

    def __repr__(self) -> str:
        state = "stopped" if self._ended.is_set() else "running"
        return f"<Bot {state}: {', '.join(self._adapters) or 'no bots added'}>"

    # registering

    def command(
        self, name: str, *aliases: str, help: str = "", urgent: bool = False
    ) -> Callable[[Callable[[Message], R]], Callable[[Message], R]]:
        """Handle "/name rest" (``message.args`` is the rest), in a group after the mention of the bot.

        help: a line for /help, which is made of them unless it is registered. urgent: it does not wait for the user's
        handler that runs. ConfigError for a name that is taken or no word, and for a function of another form.
        """
        return self._registering(partial(self._routes.add_command, (name, *aliases), help, urgent))

    def on_text(
        self, pattern: Optional[str] = None
    ) -> Callable[[Callable[Concatenate[Message, P], R]], Callable[Concatenate[Message, P], R]]:
        """Handle texts in which *pattern* is found (``re.search``); None: every message of kind "text".

        A pattern is looked for in transcripts of voices and in the words of mixed messages, too. Its named groups are
        keyword arguments of the function, as far as that names them.
        """
        return self._registering(partial(self._routes.add_text, pattern))

    def on(self, *kinds: str) -> Callable[[Callable[[Message], R]], Callable[[Message], R]]:
        """Handle messages of these kinds (``Message.kind``)."""
        return self._registering(partial(self._routes.add_kinds, kinds))

    def on_event(self, name: str) -> Callable[[Callable[[Message], R]], Callable[[Message], R]]:
        """Handle events of that name, such as "enter_chat"."""
        return self._registering(partial(self._routes.add_event, name))

    def on_choice(self, question: str) -> Callable[[Callable[[Message], R]], Callable[[Message], R]]:
        """Handle clicks on the card with that task_id, or answers to that question_key; ``message.choice``."""
        return self._registering(partial(self._routes.add_choice, question))

    def default(self, function: Callable[[Message], R]) -> Callable[[Message], R]:
        """Handle what users say and nothing else takes; events and clicks need on_event, on_choice or on."""
        self._routes.set_default(function)
        return function

    def middleware(self, function: F) -> F:
        """Call ``function(message, proceed)`` around every handler, those registered first outermost.

        ``proceed()`` runs what is inside and returns its result, which is to be returned, or another one in its place.
        """
        check_arity(function, "middleware", "message", "proceed")
        self._middleware.append(function)
        return function

    def on_error(self, function: F) -> F:
        """Call ``function(exc, message)`` once for each failure; message is None for those outside of handlers."""
        check_arity(function, "on_error", "exc", "message")
        self._on_error.append(function)
        return function

    def on_start(self, function: F) -> F:
        """Call ``function()`` before the first message of a start."""
        check_arity(function, "on_start")
        self._on_start.append(function)
        return function

    def on_stop(self, function: F) -> F:
        """Call ``function()`` after the last handler of a start."""
        check_arity(function, "on_stop")
        self._on_stop.append(function)
        return function

    def _registering(self, register: Callable[[Any], None]) -> Callable[[F], F]:
        def decorate(function: F) -> F:
            register(function)
            return function

        return decorate

    # bots

    def add(self, config: Any, *, name: Optional[str] = None, **options: Any) -> Any:
        """Serve one more bot, and return its client.

        config: a WeixinConfig, WSClientOptions, or the name of a saved account. name: ``message.bot``, also the name
        under which its inbox and states are kept, so it must stay the same; by default the account's, or the platform's
        ("ilink", then "ilink-2"). options: those of the client's class; a ``store`` of its own replaces the Bot's.
        ConfigError for a name that is taken, and while the Bot runs.
        """
        if not self._ended.is_set():
            raise ConfigError("The Bot runs already.", remedy="Add every bot before start().")
        if isinstance(config, str):
            name, config = name or config, account_config(config)
        platform = platform_of(config)
        chosen = self._free_name(platform) if name is None else name
        if not isinstance(chosen, str) or not chosen or not chosen.isprintable() or chosen in self._adapters:
            raise ConfigError(f"{chosen!r} cannot be the name of a bot, or is taken.", remedy="Give another name.")
        own: Any = options.pop("store", None)
        store: Any = StoreView(lambda: self._store, chosen) if own is None else own
        adapter = make_adapter(chosen, config, store, **options)
        self._adapters[chosen] = adapter
        return adapter.client

    @property
    def store(self) -> Optional[Store]:
        """Where everything is kept; None when no store was given."""
        return self._store

    def use_store(self, store: Store) -> None:
        """Keep everything in *store* in place of the one given before; for bots without a store of their own.

        ConfigError while the Bot runs.
        """
        if not self._ended.is_set():
            raise ConfigError("The Bot runs already.", remedy="Set the store before start().")
        self._store = as_store(store)

    def copy(self, store: Store) -> Bot:
        """Make a Bot with the same handlers, middleware and settings, no bots yet, and *store*.

        What is registered later, with either, is for both. on_start and on_stop functions are not taken along: they are
        for the program, which may run many copies.
        """
        made = Bot(
            store=store,
            max_workers=self._max_workers,
            merge_window=self._merge_window,
            state_ttl=self._state_ttl,
            max_conversations=self._max_conversations,
            apology=self._apology,
            notice=self._notice,
            _clock=self._clock,
        )
        made._routes, made._middleware, made._on_error = self._routes, self._middleware, self._on_error
        return made

    @contextlib.contextmanager
    def stand_in(self, configs: Mapping[str, Any], store: Optional[Store] = None) -> Iterator[Dict[str, Any]]:
        """For tests and trials: in the block, the Bot serves *configs* (by name) in place of what was added.

        Their clients, by name, come out. *store* (a MemoryStore by default) replaces the Bot's. ConfigError while the
        Bot runs. It is stopped at the end of the block.
        """
        if not self._ended.is_set():
            raise ConfigError("The Bot runs already.", remedy="Stop it first.")
        before = self._adapters, self._store
        self._adapters, self._store = {}, None if store is None else as_store(store)
        try:
            yield {name: self.add(config, name=name) for name, config in configs.items()}
        finally:
            self.stop()
            self._adapters, self._store = before

    @property
    def clients(self) -> Dict[str, Any]:
        """The clients that ``add`` made, by the names of their bots."""
        return {name: adapter.client for name, adapter in self._adapters.items()}

    def _free_name(self, platform: str) -> str:
        names = (platform, *(f"{platform}-{number}" for number in range(2, len(self._adapters) + 3)))
        return next(name for name in names if name not in self._adapters)

    # life

    def start(self) -> None:
        """Start every bot, and return when their threads run. A second call changes nothing.

        Raises ConfigError without a bot, and what starting a client raises; then none is left running.
        """
        with self._life:
            if not self._ended.is_set():
                return
            if not self._adapters:
                raise ConfigError("There is no bot.", remedy='Add one: bot.add(WeixinConfig(token="…")).')
            self._workshop = workshop = self._make_workshop()
            self._ended.clear()
            self._earlier = [each for each in self._earlier if not each.is_over]
            workshop.start(self._earlier)
            started: List[Adapter] = []
            try:
                for function in self._on_start:
                    function()
                for adapter in self._adapters.values():
                    adapter.attach(Feed(adapter, lambda: self._workshop), self._failed)
                    adapter.start()
                    started.append(adapter)
            except BaseException:
                for adapter in started:
                    adapter.stop(STOP_TIMEOUT)
                self._workshop = None
                workshop.close()
                workshop.end_threads(self._clock.now())
                self._ended.set()
                raise

    def run(self, drain: float = DRAIN) -> None:
        """start(), wait, and stop on Ctrl-C, SIGTERM or a stop() from elsewhere. drain: see ``stop``.

        Raises what start() raises, and, when every bot has ended by itself, what ended the last one. In a program that
        ``wxsdk run`` loads it returns at once: the command runs the Bot.
        """
        check_seconds("drain", drain)
        if getattr(_left_out, "active", False):
            return
        try:
            wait_until_stopped(self.wait, start=self.start)
        finally:
            self.stop(drain + STOP_TIMEOUT, drain)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until the Bot has stopped, or every bot of it has ended by itself; False after *timeout* seconds.

        Raises what ended the last one by itself.
        """
        timeout = check_patience("timeout", timeout)
        deadline = None if timeout is None else self._clock.now() + timeout
        while True:
            left = LOOK_EVERY if deadline is None else min(deadline - self._clock.now(), LOOK_EVERY)
            if self._ended.wait(max(left, 0.0)):
                return True
            ends = [adapter.ended() for adapter in self._adapters.values()]
            if all(has_ended for has_ended, _ in ends):
                error = next((error for _, error in reversed(ends) if error is not None), None)
                if error is not None:
                    raise error
                return True
            if deadline is not None and self._clock.now() >= deadline:
                return False

    def stop(self, timeout: float = STOP_TIMEOUT, drain: Optional[float] = None) -> bool:
        """Stop: let handlers end, close their streams, end the clients; True when all came about within *timeout*.

        drain: seconds that running handlers get to end by themselves (at most most of *timeout*, which is the
        default); what they stream is then closed with the notice. With a durable store, what was not handled,
        conversations included, is handed over at the next start. A handler may call it.
        """
        timeout = check_seconds("timeout", timeout)
        drain = timeout if drain is None else check_seconds("drain", drain)
        with self._life:
            workshop = self._workshop
            if workshop is None:
                return True
            deadline = self._clock.now() + timeout
            return self._stop(workshop, deadline, min(drain, timeout * (1 - CLIENT_SHARE)))

    def _stop(self, workshop: Workshop, deadline: float, drain: float) -> bool:
        workshop.stop_taking()
        drained = workshop.drain(self._clock.now() + drain)
        workshop.close()
        workshop.end_calls(self._notice)
        for function in self._on_stop:
            self._guarded(function)
        ends = [adapter.stop(max(deadline - self._clock.now(), 0.0)) for adapter in self._adapters.values()]
        self._workshop = None
        alive = workshop.end_threads(deadline)
        if not workshop.is_over:
            self._earlier.append(workshop)
        for name in alive:
            log.warning("thread %s is still running after the stop", name)
        self._close_store()
        self._ended.set()
        return drained and all(ends) and not alive

    def __enter__(self) -> Bot:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def health(self) -> Dict[str, Health]:
        """Return how each bot is, by name. Takes microseconds and never waits."""
        workshop = self._workshop
        found = {name: adapter.health() for name, adapter in self._adapters.items()}
        if workshop is None:
            return found
        queued, busy, workers = workshop.queued, workshop.busy, workshop.workers
        return {
            name: replace(health, queued=queued, workers_busy=busy, workers=workers) for name, health in found.items()
        }

    # pushing

    def send(self, address: str, thing: Any) -> Any:
        """Send a text, a Path or a card to an address (``message.address``), whenever.

        Through the client's outbox when that is on. ConfigError for what is no address, or of a bot that is not here.
        """
        where = parse_address(address)
        adapter = self._adapters.get(where.bot)
        if adapter is None or adapter.platform != where.platform:
            raise ConfigError(f"There is no bot {where.bot!r} of {where.platform} here.", remedy="Add it first.")
        return adapter.push(where.chat_id, thing)

    # inside

    def _make_workshop(self) -> Workshop:
        return Workshop(
            self._routes,
            self._middleware,
            self._on_error,
            clock=self._clock,
            questions=OpenQuestions(self._max_conversations),
            max_workers=self._max_workers,
            max_conversations=self._max_conversations,
            merge_window=self._merge_window,
            state_ttl=self._state_ttl,
            apology=self._apology,
        )

    def _failed(self, exc: BaseException) -> None:
        """A client failed outside of handlers; on a thread of the client."""
        if isinstance(exc, _FATAL):
            log.error("a bot has ended: %s", exc)
        workshop = self._workshop
        if workshop is not None:
            workshop.later(partial(workshop.report, exc, None))

    def _guarded(self, function: Callable[[], Any]) -> None:
        try:
            function()
        except BaseException as exc:
            log.error("on_stop raised %s", type(exc).__name__, exc_info=exc)
            workshop = self._workshop
            if workshop is not None:
                workshop.report(exc, None)

    def _close_store(self) -> None:
        try:
            if self._store is not None:
                self._store.close()
        except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
            log.warning("the store could not be closed: %s", type(exc).__name__)
