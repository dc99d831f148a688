"""For tests of programs that use wxsdk: a chat with a bot on a simulator, a clock that tests own, a check that nothing
was left running, and the checks that every store must pass."""

from __future__ import annotations

import contextlib
import math
import os
import queue
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional, Tuple, TypeVar

from .runtime.clock import Clock
from .runtime.store import Clear, Delete, Put, Store, put_if_absent

__all__ = ["STORE_CHECKS", "FakeClock", "chat", "check_store", "no_leaks"]

if TYPE_CHECKING:
    from .bot.bot import Bot
    from .bot.trial import Chat

T = TypeVar("T")

SAFETY_NET = 30.0  # real seconds after which a forgotten wait of a test fails instead of hanging
GRACE = 2.0  # real seconds that a thread on its way out may take
YIELD = 0.001  # real seconds to let a notified thread run before looking again
THREAD_PREFIX = "wxsdk-"


@dataclass(eq=False)
class _Parked:
    condition: threading.Condition
    deadline: Optional[float]
    name: str


class FakeClock(Clock):
    """Time that moves only by ``advance``. Threads that wait by it are *parked* until a notification or their hour."""

    def __init__(self, now: float = 1_000.0, wall: float = 1_700_000_000.0) -> None:
        self._now = now
        self._wall = wall
        self._parked: List[_Parked] = []
        self._changed = threading.Condition(threading.Lock())

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._wall

    def wait(self, condition: threading.Condition, timeout: Optional[float]) -> None:
        self._park(condition, None if timeout is None else self._now + timeout)

    def wait_for(self, condition: threading.Condition, predicate: Callable[[], bool], timeout: Optional[float]) -> bool:
        # The hour is fixed once: an advance() between two looks at the clock must not move it.
        deadline = None if timeout is None else self._now + timeout
        while not predicate():
            if not self._park(condition, deadline):
                return False
        return True

    def _park(self, condition: threading.Condition, deadline: Optional[float]) -> bool:
        """Wait for a notification or the hour; False when the hour is past already."""
        parked = _Parked(condition, deadline, threading.current_thread().name)
        with self._changed:
            if deadline is not None and deadline <= self._now:
                return False
            self._parked.append(parked)
            self._changed.notify_all()
        try:
            if not condition.wait(SAFETY_NET):
                raise AssertionError(f"{parked.name} waited {SAFETY_NET:.0f} real seconds on a fake clock")
        finally:
            self._unpark([parked])
        return True

    def get(self, source: queue.Queue[T], timeout: Optional[float]) -> T:
        with source.not_empty:
            self.wait_for(source.not_empty, lambda: bool(source.queue), timeout)
        return source.get_nowait()

    def advance(self, seconds: float) -> None:
        """Move time on and wake each thread whose hour has come. A woken thread no longer counts as parked."""
        with self._changed:
            self._now += seconds
            self._wall += seconds
            due = [parked for parked in self._parked if parked.deadline is not None and parked.deadline <= self._now]
        # Un-park first: a barrier that follows must not take a thread that was just woken for one that waits.
        self._unpark(due)
        for parked in due:
            with parked.condition:
                parked.condition.notify_all()

    def jump_wall(self, seconds: float) -> None:
        """Change the time of day alone, as an administrator or NTP does."""
        self._wall += seconds

    def wait_parked(self, count: int = 1, *, name: str = "") -> None:
        """The barrier: return once *count* threads whose names contain *name* are parked.

        A thread that was notified, by whomever, counts no more, though it may not have run yet.
        """
        deadline = time.monotonic() + SAFETY_NET
        while True:
            with self._changed:
                found = [parked for parked in self._parked if name in parked.name]
                if len(found) < count and not self._changed.wait(max(deadline - time.monotonic(), 0.0)):
                    names = [parked.name for parked in self._parked]
                    raise AssertionError(f"{count} parked thread(s) like {name!r} expected, there are {names}")
            if len(found) >= count and not _notified(found):
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"thread(s) like {name!r} were notified but did not run")
            with self._changed:
                self._changed.wait(YIELD)

    def next_deadline(self) -> Optional[float]:
        """Seconds from now to the first hour that a parked thread waits for; None when none does.

        ``advance`` by that much reaches the hour.
        """
        with self._changed:
            hours = [parked.deadline for parked in self._parked if parked.deadline is not None]
            if not hours:
                return None
            hour = min(hours)
            gap = hour - self._now
            while self._now + gap < hour:  # the difference was rounded down
                gap += math.ulp(hour)
            return gap

    def _unpark(self, woken: List[_Parked]) -> None:
        with self._changed:
            self._parked = [parked for parked in self._parked if parked not in woken]
            self._changed.notify_all()


def _notified(parked: List[_Parked]) -> bool:
    """True when a thread of *parked* was notified and has not woken yet.

    Only the condition's own list tells. Its lock is taken, since a thread that holds it is just about to wait.
    """
    for condition in {id(each.condition): each.condition for each in parked}.values():
        with condition:
            waiting = len(condition._waiters)  # type: ignore[attr-defined]
        if waiting < sum(each.condition is condition for each in parked):
            return True
    return False


def _threads() -> List[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(THREAD_PREFIX)]


def _open_sockets() -> int:
    """How many sockets this process holds; 0 where the system does not tell (only Linux does, by /proc)."""
    count = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # closed between listing and reading
                count += os.readlink(f"/proc/self/fd/{entry}").startswith("socket:")
    return count


@contextlib.contextmanager
def no_leaks() -> Iterator[None]:
    """Fail with AssertionError when the block leaves a thread of wxsdk, or more open sockets than before, behind."""
    threads_before = set(_threads())
    sockets_before = _open_sockets()
    yield
    deadline = time.monotonic() + GRACE
    for thread in _threads():
        if thread not in threads_before:
            thread.join(max(deadline - time.monotonic(), 0.0))
    left = sorted(thread.name for thread in _threads() if thread not in threads_before)
    assert not left, f"threads left running: {left}"
    # A server of the test, on its own thread, may be a moment behind in closing its end.
    while _open_sockets() > sockets_before and time.monotonic() < deadline:
        threading.Event().wait(0.005)
    sockets = _open_sockets()
    assert sockets <= sockets_before, f"{sockets - sockets_before} socket(s) left open"


def chat(bot: Bot, platform: str = "ilink") -> Chat:
    """A user who talks with *bot*, which runs on the simulator of *platform* ("ilink" or "aibot") in the with-block.

        with chat(bot) as user:
            user.says("hello")
            user.expects("hello")

    What the bot was given by ``add`` is left alone, and its store is replaced by an empty one meanwhile.
    """
    from .bot.trial import Chat

    return Chat(bot, platform)


def check_store(make_store: Callable[[], Store]) -> None:
    """Run every check of ``STORE_CHECKS``; *make_store* gives a new, empty store each time. Raises AssertionError.

    With pytest, parametrise over ``STORE_CHECKS`` instead and each of them is a test of its own.
    """
    for check in STORE_CHECKS:
        store = make_store()
        try:
            check(store)
        finally:
            store.close()


def _what_was_put_is_there(store: Store) -> None:
    assert store.get("a", "key") is None
    store.write([Put("a", "key", "value", 1.0)])
    assert store.get("a", "key") == "value"
    assert store.get("b", "key") is None
    assert store.items("b") == []


def _items_come_in_the_order_of_the_first_put(store: Store) -> None:
    store.write([Put("a", key, key, 1.0) for key in ("z", "m", "a")])
    store.write([Put("a", "m", "new", 2.0), Put("b", "x", "x", 1.0)])
    assert store.items("a") == [("z", "z"), ("m", "new"), ("a", "a")]
    store.write([Delete("a", "z"), Put("a", "z", "again", 3.0)])
    assert store.items("a") == [("m", "new"), ("a", "a"), ("z", "again")]


def _changes_apply_in_their_order(store: Store) -> None:
    store.write([Put("a", "k", "1", 1.0), Delete("a", "k"), Put("a", "k", "2", 1.0), Put("a", "k", "3", 1.0)])
    assert store.items("a") == [("k", "3")]
    store.write([Put("a", "j", "1", 1.0), Clear("a"), Put("a", "i", "1", 1.0)])
    assert store.items("a") == [("i", "1")]
    store.write([Delete("a", "never there"), Clear("never used")])
    store.write([])
    assert store.items("a") == [("i", "1")]


def _clear_empties_one_table(store: Store) -> None:
    store.write([Put("a", "k", "1", 1.0), Put("b", "k", "1", 1.0), Clear("a")])
    assert (store.items("a"), store.items("b")) == ([], [("k", "1")])


def _trim_removes_the_old_and_then_the_first(store: Store) -> None:
    store.write([Put("a", str(n), "", float(n)) for n in range(10)])
    store.write([Put("b", "k", "", 0.0)])
    assert store.trim("a", before=2.0) == 2  # 2 itself is not before 2
    assert store.trim("a", max_count=5, before=4.0) == 3
    assert [key for key, _ in store.items("a")] == ["5", "6", "7", "8", "9"]
    assert (store.trim("a"), store.trim("a", max_count=5), store.trim("a", max_count=9)) == (0, 0, 0)
    assert store.trim("a", max_count=0) == 5
    assert (store.items("a"), store.items("b")) == ([], [("k", "")])


def _a_second_put_makes_a_row_younger(store: Store) -> None:
    store.write([Put("a", "k", "1", 1.0), Put("a", "j", "1", 1.0)])
    store.write([Put("a", "k", "2", 9.0)])
    assert store.trim("a", before=5.0) == 1
    assert store.items("a") == [("k", "2")]


def _every_text_survives(store: Store) -> None:
    texts = ["", " ", "\0", "a\0b", "'\"%_?", "微信", "\U0001f600", "\ud800", "x" * 100_000, "1", "1.0", "null"]
    store.write([Put(text[:50], text, text, 1.0) for text in texts])
    for text in texts:
        assert store.get(text[:50], text) == text
        assert store.items(text[:50]) == [(text, text)]
        store.write([Delete(text[:50], text)])
        assert store.items(text[:50]) == []


def _many_threads_may_use_it(store: Store) -> None:
    failures: List[BaseException] = []

    def use(number: int) -> None:
        try:
            for turn in range(20):
                table = f"own-{number}"
                store.write([Put(table, str(turn), "x", 1.0), Put("shared", f"{number}-{turn}", "x", 1.0)])
                assert store.get(table, str(turn)) == "x"
                assert len(store.items(table)) == turn + 1
        except BaseException as exc:  # noqa: BLE001  shown by the thread that checks
            failures.append(exc)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[0]
    assert len(store.items("shared")) == 8 * 20


def _a_batch_is_seen_whole_or_not_at_all(store: Store) -> None:
    done = threading.Event()
    sizes: List[Tuple[int, int]] = []

    def read() -> None:
        while not done.is_set():
            rows = store.items("batch")
            sizes.append((len(rows), len({value for _, value in rows})))

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(50):
        store.write([Clear("batch"), *(Put("batch", str(n), str(turn), 1.0) for n in range(10))])
    done.set()
    reader.join()
    assert set(sizes) <= {(0, 0), (10, 1)}


def _one_of_many_puts_what_is_absent(store: Store) -> None:
    winners: List[str] = []

    def put(value: str) -> None:
        if put_if_absent(store, Put("absent", "k", value, 1.0)) is None:
            winners.append(value)

    threads = [threading.Thread(target=put, args=(str(number),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.items("absent") == [("k", winners[0])]
    assert len(winners) == 1
    assert put_if_absent(store, Put("absent", "k", "later", 9.0)) == winners[0]
    assert store.trim("absent", before=5.0) == 1  # it did not become younger either


def _close_may_be_called_twice(store: Store) -> None:
    store.close()
    store.close()


STORE_CHECKS: Tuple[Callable[[Any], None], ...] = (
    _what_was_put_is_there,
    _items_come_in_the_order_of_the_first_put,
    _changes_apply_in_their_order,
    _clear_empties_one_table,
    _trim_removes_the_old_and_then_the_first,
    _a_second_put_makes_a_row_younger,
    _every_text_survives,
    _many_threads_may_use_it,
    _a_batch_is_seen_whole_or_not_at_all,
    _one_of_many_puts_what_is_absent,
    _close_may_be_called_twice,
)
