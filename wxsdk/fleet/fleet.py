"""Fleet: the bots of a store, spread over every process that runs it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ..bot.adapters import account_config
from ..bot.bot import STOP_TIMEOUT, Bot
from ..core.settings import check_patience, check_seconds, count, text
from ..errors import ConfigError, WxError
from ..log import get_logger
from ..runtime.clock import Clock
from ..runtime.lease import DEFAULT_TTL, Lease
from ..runtime.lifecycle import wait_until_stopped
from ..runtime.store import Change, Delete, Put
from ..runtime.worker import Worker, next_number
from .account_rules import dump_config, identity_of, load_config
from .fenced_store import FencedStore
from .share_rules import plan

log = get_logger(__name__)

ACCOUNTS = "fleet_accounts"  # name -> the config
IDENTITIES = "fleet_identities"  # which bot -> the account's name, against two accounts of one bot
MEMBERS = "fleet_members"  # process -> its capacity and when it last showed life
OWNERS = "fleet_owners"  # account's name -> who runs it, since when, its state
TICK = 1.0  # seconds between two looks; additions take effect within 5, take-overs within the lease's life + 2
DRAIN = 5.0  # seconds for the handlers of a bot that is given up


@dataclass(frozen=True)
class BotStatus:
    """One bot of a fleet. owner: the process that runs it, None for none; since: seconds since 1970.

    state: as of its Health, "unowned" where no process runs it. queued: received messages that wait there.
    """

    owner: Optional[str]
    since: Optional[float]
    state: str
    queued: int


@dataclass(frozen=True)
class FleetStatus:
    """The fleet as the store has it. bots: by name; members: the capacity of each process that lives."""

    bots: Dict[str, BotStatus] = field(default_factory=dict)
    members: Dict[str, int] = field(default_factory=dict)


@dataclass
class _Owned:
    """A bot that this process runs."""

    bot: Bot
    lease: Lease
    config: str
    since: float
    shown: str = ""  # what OWNERS says


class Fleet:
    """Runs *bot*'s handlers for every account of the *store*, together with all other processes that do.

    store: RedisStore or PostgresStore, on one machine SQLiteStore. capacity: how many bots this process takes at most.
    lease_ttl: seconds after which the bots of a process that died are taken over, by 2 more at the latest. Making a
    Fleet starts nothing; ``add``, ``remove`` and ``status`` work in any process, running or not.
    """

    def __init__(
        self,
        bot: Bot,
        *,
        store: Any,
        capacity: int = 1000,
        lease_ttl: float = DEFAULT_TTL,
        _clock: Optional[Clock] = None,
    ) -> None:
        if not callable(getattr(store, "lease", None)) or not callable(getattr(store, "put_if_absent", None)):
            raise ConfigError(
                "A Fleet needs a store that several processes share.",
                remedy="Give RedisStore(url), PostgresStore(dsn) or SQLiteStore(path).",
            )
        self._bot = bot
        self._store = store
        self._capacity = count(1)("capacity", capacity)
        self._ttl = check_seconds("lease_ttl", lease_ttl, above_zero=True)
        self._clock = _clock or Clock()
        self._life = threading.Lock()
        self._condition = threading.Condition(threading.Lock())
        self._stopping = False
        self._drain = DRAIN
        self._worker: Optional[Worker] = None
        self._ended = self._clock.event()
        self._ended.set()
        self._owned: Dict[str, _Owned] = {}
        self._seen: Dict[str, Tuple[float, float]] = {}  # member -> its last sign of life, and when it was seen here
        self.member = ""  # this process's name, while it runs

    def __repr__(self) -> str:
        return f"<Fleet {self.member or 'stopped'}: {len(self._owned)} bots of {self._capacity}>"

    # -- accounts, from any process ----------------------------------------

    def add(self, name: str, config: Any) -> None:
        """Add a bot, or give it other settings; within 5 s some process runs it. config: or the name of an account.

        ConfigError, naming the other account, when another one is of the same bot; StoreError when nothing was added.
        """
        text("name", name)
        if isinstance(config, str):
            config = account_config(config)
        row = dump_config(config)
        now = self._clock.wall()
        other = self._store.put_if_absent(Put(IDENTITIES, identity_of(config), name, now))
        if other is not None and other != name:
            raise ConfigError(
                f"{name!r} is of the same bot as {other!r}, which the fleet has already.",
                remedy=f"Remove {other!r} first, or give the settings of another bot.",
            )
        before = self._store.get(ACCOUNTS, name)
        changes: List[Change] = [Put(ACCOUNTS, name, row, now)]
        if before is not None and identity_of(load_config(before)) != identity_of(config):
            changes.append(Delete(IDENTITIES, identity_of(load_config(before))))
        self._store.write(changes)
        self._wake()

    def remove(self, name: str) -> None:
        """Remove a bot; within 5 s its process lets its handlers end and stops it. ConfigError when it is unknown.

        What it has received and not handled stays in the store and is handled if it is added again.
        """
        before = self._store.get(ACCOUNTS, name)
        if before is None:
            raise ConfigError(f"The fleet has no bot {name!r}.")
        self._store.write([Delete(ACCOUNTS, name), Delete(IDENTITIES, identity_of(load_config(before)))])
        self._wake()

    def status(self) -> FleetStatus:
        """Who runs which bot, as the store has it. Raises what the store raises."""
        members = self._members()
        owners = {name: json.loads(row) for name, row in self._store.items(OWNERS)}
        bots: Dict[str, BotStatus] = {}
        for name, _ in self._store.items(ACCOUNTS):
            row = owners.get(name)
            if row is None or row["owner"] not in members:
                bots[name] = BotStatus(None, None, "unowned", 0)
            else:
                bots[name] = BotStatus(row["owner"], row["since"], row["state"], row["queued"])
        return FleetStatus(bots, members)

    # -- life ----------------------------------------

    def start(self) -> None:
        """Take part: run bots up to the capacity, on threads of their own. A second call changes nothing."""
        with self._life:
            if self._worker is not None:
                return
            self._stopping = False
            self._ended.clear()
            self.member = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"
            try:
                self._beat()
            except BaseException:
                self._ended.set()
                raise
            self._worker = Worker(f"wxsdk-fleet-{next_number()}", self._live)
            self._worker.start()

    def run(self, drain: float = DRAIN) -> None:
        """start(), wait, and stop on Ctrl-C, SIGTERM or a stop() from elsewhere; each bot gets *drain* seconds."""
        try:
            wait_until_stopped(self.wait, start=self.start)
        finally:
            self.stop(drain + STOP_TIMEOUT, drain)

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until this process takes no part any more; False when *timeout* seconds passed first."""
        # Not by joining the thread: a signal's exception in Thread.join() makes Python 3.11 take it for ended.
        return self._ended.wait(check_patience("timeout", timeout))

    def stop(self, timeout: float = STOP_TIMEOUT, drain: Optional[float] = None) -> bool:
        """Let handlers end for *drain* seconds, give every bot up so that others take it, and end the threads.

        True when all that came about within *timeout* seconds.
        """
        timeout = check_seconds("timeout", timeout)
        with self._life:
            worker, self._worker = self._worker, None
        if worker is None:
            return True
        with self._condition:
            self._stopping = True
            self._drain = min(timeout, DRAIN) if drain is None else check_seconds("drain", drain)
            self._condition.notify_all()
        deadline = self._clock.now() + timeout
        return self._ended.wait(timeout) and worker.join(deadline - self._clock.now())

    def _wake(self) -> None:
        with self._condition:
            self._condition.notify_all()

    # -- the fleet's thread ----------------------------------------

    def _live(self) -> None:
        try:
            self._run()
        finally:
            self._ended.set()

    def _run(self) -> None:
        while True:
            with self._condition:
                if self._stopping:
                    break
            try:
                self._tick()
            except Exception as exc:  # noqa: BLE001  a store may raise anything of its own
                # What is owned goes on until its lease has run out, which is looked at even without the store.
                log.warning("the fleet's store failed and is tried again: %s", type(exc).__name__)
                self._stop_lost()
            with self._condition:
                if not self._stopping:
                    self._clock.wait(self._condition, TICK)
        self._give_up(list(self._owned))
        try:
            self._store.write([Delete(MEMBERS, self.member)])
        except Exception as exc:  # noqa: BLE001  it runs out by itself
            log.warning("the fleet could not be left in good order: %s", type(exc).__name__)

    def _tick(self) -> None:
        """One look at the store, and what follows from it."""
        self._stop_lost()
        self._beat()
        accounts = dict(self._store.items(ACCOUNTS))
        owners = {name: json.loads(row)["owner"] for name, row in self._store.items(OWNERS)}
        changed = [name for name, owned in self._owned.items() if accounts.get(name, owned.config) != owned.config]
        self._give_up(changed)  # to be taken again with the new settings, by whoever has room
        todo = plan(self.member, list(accounts), owners, list(self._owned), self._members())
        self._give_up(todo.give_up)
        for name in todo.take:
            with self._condition:
                if self._stopping:
                    return
            self._take(name, accounts[name])
        self._show()

    def _stop_lost(self) -> None:
        """Stop the bots whose lease is lost; another process has them, or will."""
        for name, owned in list(self._owned.items()):
            if not owned.lease.held:
                log.warning("the bot %s is lost to another process, and stopped here", name)
                del self._owned[name]
                owned.bot.stop(STOP_TIMEOUT, 0.0)
                owned.lease.release()

    def _take(self, name: str, config: str) -> None:
        lease: Lease = self._store.lease(f"bot {name}", self._ttl)
        if not lease.acquire():
            return
        bot = self._bot.copy(FencedStore(self._store, lease))
        try:
            bot.add(load_config(config), name=name)
            bot.start()
        except WxError as exc:
            log.error("the bot %s cannot be started here: %s", name, exc)
            lease.release()
            return
        self._owned[name] = _Owned(bot, lease, config, self._clock.wall())

    def _give_up(self, names: List[str]) -> None:
        """Stop bots whose handlers have had time to end, and let others have them."""
        given = [(name, self._owned.pop(name)) for name in names if name in self._owned]
        stops = [Worker(f"wxsdk-fleet-stop-{next_number()}", _Stop(owned, self._drain)) for _, owned in given]
        for stop in stops:
            stop.start()
        for stop in stops:
            stop.join(self._drain + STOP_TIMEOUT)
        for name, owned in given:
            try:
                self._store.write([Delete(OWNERS, name)], lease=owned.lease)
            except Exception as exc:  # noqa: BLE001  the next owner writes its own
                log.info("the owner of %s was not struck off: %s", name, type(exc).__name__)
            owned.lease.release()

    def _show(self) -> None:
        """Write down how the bots of this process are, where that has changed."""
        for name, owned in self._owned.items():
            health = owned.bot.health()[name]
            row = {
                "owner": self.member,
                "since": owned.since,
                "state": health.state.value,
                "queued": health.queued,
            }
            shown = json.dumps(row)
            if shown != owned.shown:
                self._store.write([Put(OWNERS, name, shown, self._clock.wall())], lease=owned.lease)
                owned.shown = shown

    def _beat(self) -> None:
        row = json.dumps({"capacity": self._capacity, "at": self._clock.wall(), "ttl": self._ttl})
        self._store.write([Put(MEMBERS, self.member, row, self._clock.wall())])

    def _members(self) -> Dict[str, int]:
        """The capacity of each process that lives.

        Another machine's clock may be wrong, so a sign of life counts from when this process saw it change. One that is
        seen for the first time counts when it is recent by this machine's clock.
        """
        now, wall = self._clock.now(), self._clock.wall()
        found: Dict[str, int] = {}
        for name, value in self._store.items(MEMBERS):
            row = json.loads(value)
            last = self._seen.get(name)
            if last is None:
                is_recent = abs(wall - row["at"]) <= row["ttl"]
                last = self._seen[name] = (row["at"], now if is_recent else now - row["ttl"] - 1.0)
            elif last[0] != row["at"]:
                last = self._seen[name] = (row["at"], now)
            if now - last[1] <= row["ttl"]:
                found[name] = row["capacity"]
        return found


class _Stop:
    """Stops one bot, on a thread of its own, so that many are drained at the same time."""

    def __init__(self, owned: _Owned, drain: float) -> None:
        self._owned = owned
        self._drain = drain

    def __call__(self) -> None:
        self._owned.bot.stop(self._drain + STOP_TIMEOUT, self._drain)
