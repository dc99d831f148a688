"""Defines WSClient, a WeCom AI bot."""

from __future__ import annotations

import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, List, Optional, Tuple

from ..core.redact import hide
from ..core.settings import check_patience, check_seconds
from ..errors import ConfigError, ConnectionLost, WxError
from ..health import Health, HealthState
from ..runtime.clock import Clock
from ..runtime.forked import tell_of_forks
from ..runtime.green import check_green_threads
from ..runtime.instance_lock import InstanceLock, LockNoted, Owner
from ..runtime.lifecycle import wait_until_stopped
from ..runtime.receiver import Received, Receiver
from ..runtime.standby_group import StandbyGroup
from ..runtime.store import Store, as_store
from ..runtime.worker import EarlierRuns, join_all
from ..runtime.wsock import WsDoor
from .acks import Replies
from .callbacks import Callbacks
from .config import WSClientOptions
from .connection import Connection
from .connection_rules import State
from .download import Downloads, Folder
from .frames import WsFrame
from .inbox import Inbox
from .kick_note import binds, kicked_before, note_of
from .logger import BotLog
from .outbox import Outbox, make_outbox
from .parts import Parts
from .run import Run
from .seen import SeenIds
from .sending import Sending
from .stream import OpenStreams, ReplyStream
from .upload import FileLike, Progress, upload
from .upload_rules import UploadMediaResult

DEFAULT_SHUTDOWN = 5.0  # seconds
DEFAULT_DRAIN = 5.0  # seconds; an answer that is being written usually ends within that
END_GRACE = 0.5  # seconds that are left for ending the threads when the drain has taken all the time
NEWS_GRACE = 5.0  # seconds that wait() gives on_error to hear why the client ended; usually under a millisecond
OUTBOX_FAREWELL = 1.0  # seconds that disconnect() gives a push of the outbox to be acknowledged
STREAM_FAREWELL = 1.0  # seconds that disconnect() gives open streams to end their messages; none when none is open


class WSClient(Callbacks, Sending):
    """A WeCom AI bot.

    store: where ``outbox`` keeps what waits; a MemoryStore by default. Making a client starts and opens nothing.
    Everything may be called from any thread, callbacks included. Use it as a context manager, or ``run()`` it, or
    ``connect()`` and ``disconnect()``.
    """

    def __init__(
        self, options: WSClientOptions, *, store: Optional[Store] = None, _clock: Optional[Clock] = None
    ) -> None:
        check_green_threads()
        if not isinstance(options, WSClientOptions):
            raise ConfigError("The options are no WSClientOptions.", remedy="Give WSClientOptions(bot_id, secret).")
        clock = _clock or Clock()
        replies = Replies(options, clock)
        Callbacks.__init__(self)
        Sending.__init__(self, options, replies, clock)
        self.options = options
        self._store = as_store(store)
        self._postbox = make_outbox(self._store, options, replies, clock, self._remember_card)
        self.outbox = Outbox(self._postbox)
        self._streams = OpenStreams(options, replies, clock, self._stream_troubled)
        self._log = BotLog(options.logger, (str(options.secret),))
        self._seen = SeenIds(options.max_seen_ids)
        self._inbox = Inbox(self._store, options, clock, self._log)
        self._receiver: Optional[Receiver] = None
        self._door = WsDoor(ssl_context=options.ssl_context, proxy=options.proxy)
        self._downloads = Downloads(options)
        self._instance = InstanceLock("aibot", f"{options.ws_url}\n{options.bot_id}")
        self._standby_group = StandbyGroup(self._instance)
        self._life = threading.Lock()  # guards _run
        self._run: Optional[Run] = None
        self._earlier = EarlierRuns()
        tell_of_forks(self)

    def __repr__(self) -> str:
        return f"WSClient({self.options.bot_id!r}, {self.health().state.value})"

    # -- life ----------------------------------------

    def connect(self, wait: Optional[float] = None, *, takeover: bool = False) -> WSClient:
        """Start the threads and return; a second call changes nothing, one after disconnect() starts anew.

        Raises AlreadyRunning when this machine has a client of this bot already. takeover: for a process that stands by
        and calls this again and again, until that client has ended; raises Kicked, too, as long as another connection
        has taken the bot over from that one, since the processes of one machine would else take it back one after the
        other (``wxsdk.ext`` does it so). With *wait*, return once subscribed:
        raises AuthFailed, ReconnectExhausted or Kicked when the client ends before that, and ConnectionLost when *wait*
        seconds pass or another thread disconnects it. What this call has started is disconnected then; a client that
        another call had started goes on.
        """
        wait = check_patience("wait", wait)
        run, is_new = self._started(takeover)
        if wait is None or run.connection.wait_subscribed(wait):
            return self
        error = run.error
        if error is None and run.stopping:
            error = ConnectionLost("The client was disconnected before it was subscribed.", kind="tcp")
        elif error is None:
            error = ConnectionLost(f"Not subscribed within {wait:g} seconds.", kind="timeout")
            error.__cause__ = run.connection.error
        if is_new:
            self._end(run, DEFAULT_SHUTDOWN)
        raise error

    def disconnect(self, timeout: float = DEFAULT_SHUTDOWN, *, drain: float = DEFAULT_DRAIN) -> bool:
        """Stop: let callbacks and open streams end, end the connection, fail every waiting call, end the threads.

        drain: seconds, at most *timeout*, in which callbacks that run or wait, and open streams, may end while the
        connection stays; what is open after that ends with a notice. Without any, all of it takes milliseconds, else at
        most *timeout* seconds and 0.5 s. True when all threads have ended, those of earlier connect()s included. Called
        again, it waits for those that are left. From a callback it does not wait for that callback; from a logger or a
        store, on a thread that the client lives by, it waits for nothing.
        """
        timeout, drain = check_seconds("timeout", timeout), check_seconds("drain", drain)
        run = self._run
        deadline = self._clock.now() + timeout
        has_ended = True
        if run is not None:
            has_ended = self._end(run, timeout, drain)
            deadline = max(deadline, self._clock.now())
            has_ended = has_ended and not run.alive(deadline)
        has_ended = not self._earlier.alive(deadline) and has_ended
        self._downloads.close()  # those of a client that is not connected, too
        self._standby_group.leave()
        return has_ended

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Wait until the client has ended; False when *timeout* seconds passed first.

        Raises AuthFailed, ReconnectExhausted or Kicked when it ended by itself, after on_error has had it.
        """
        timeout = check_patience("timeout", timeout)
        run = self._run
        if run is None:
            return True
        if not run.ended.wait(timeout):
            return False
        if run.error is not None:
            if not run.is_inside:
                run.reported.wait(NEWS_GRACE)
            raise run.error
        return True

    def run(self, *, drain: float = DEFAULT_DRAIN) -> None:
        """Connect, and serve until Ctrl-C, SIGTERM, disconnect() or the client's own end (raised as by wait()).

        drain: as of disconnect(), for an end by a signal; a second Ctrl-C ends it.
        """
        drain = check_seconds("drain", drain)
        try:
            wait_until_stopped(self.wait, start=self.connect)
        finally:
            self.disconnect(drain=drain)

    def __enter__(self) -> WSClient:
        return self.connect()

    def __exit__(self, *_: object) -> None:
        self.disconnect()

    def set_receiver(self, receiver: Optional[Receiver]) -> None:
        """Give messages and events from the next connect() on to *receiver* in place of the callbacks, as ``Bot`` does.

        With a durable store they are on the disk by then, and handed over again after a restart until they are
        finished. The callbacks of the client's own life (``on_error`` and so on) are called as ever.
        """
        self._receiver = receiver

    # -- streams ----------------------------------------

    def open_stream(self, frame: WsFrame, *, feedback: Any = None) -> ReplyStream:
        """Open a streamed answer to *frame*, to be written piece by piece; use it in a with-block.

        *feedback*: ``{"id": …}`` asks the user for an opinion. Raises Unsupported for an event, LimitExceeded 24 h
        after the message, ConfigError for a frame that cannot be answered.
        """
        return self._streams.open(frame, feedback)

    # -- media ----------------------------------------

    def upload_media(
        self, file: FileLike, *, type: str, filename: Optional[str] = None, progress: Optional[Progress] = None
    ) -> UploadMediaResult:
        """Upload bytes, the file at a path, or a binary file; the media_id is good for 3 days.

        *type*: "file", "image", "voice" or "video"; what is over the limit of its type, or no AMR voice, goes as "file"
        (``downgraded``). *progress(done_bytes, total_bytes)* is called on this thread and ends at the file's size.
        Raises ConfigError (an empty or unreadable file), LimitExceeded over 20 MB, what any call raises for the first
        step, UploadFailed for the rest.
        """
        return upload(self.options, self._replies, self._clock, file, type, filename, progress)

    def download_file(self, url: str, aes_key: Optional[str] = None) -> Tuple[bytes, str]:
        """Fetch a file that a user sent: its decrypted bytes and its name; the name is a harmless base name.

        Addresses live 5 minutes. Raises DownloadFailed, DecryptError, LimitExceeded over max_download_bytes.
        """
        url, aes_key = hide(url), hide(aes_key)
        return self._downloads.to_memory(url, aes_key)

    def save_file(self, url: str, aes_key: Optional[str], folder: Folder) -> Path:
        """Like download_file, in constant memory: save the file in *folder*, which is made if need be; its path.

        Nothing is overwritten: a name that is taken gets a number. After a failure nothing is left.
        """
        url, aes_key = hide(url), hide(aes_key)
        return self._downloads.to_folder(url, aes_key, folder)

    # -- state ----------------------------------------

    @property
    def is_connected(self) -> bool:
        """True while subscribed."""
        run = self._run
        return run is not None and run.connection.state is State.READY

    def owner(self) -> Optional[Owner]:
        """Return which process of this machine runs this bot (``pid``, ``since``), None when none does."""
        return self._instance.owner()

    def health(self) -> Health:
        """Report how the client is. Takes microseconds, never waits."""
        run = self._run
        if run is None:
            return Health(HealthState.STOPPED)
        connection, delivery = run.connection, run.delivery
        error: Any = connection.ended_by or connection.error or self._streams.trouble
        state = _health_state(connection)
        if state is HealthState.RUNNING and connection.is_late:
            # Giving the connection up takes another interval; a caller should not have to wait for that.
            state, error = HealthState.RETRYING, ConnectionLost("The gateway did not answer the last ping.")
        return Health(
            state,
            since=_utc(connection.since),
            last_inbound=self._at(delivery.last_inbound),
            last_outbound=self._at(self._replies.last_sent),
            last_error=None if error is None else error.what,
            remedy=(error.remedy or None) if error is not None else None,
            retries=connection.retries,
            **delivery.load(),
        )

    # -- inside ----------------------------------------

    def _at(self, moment: Optional[float]) -> Optional[datetime]:
        """Return the time of day of *moment* on the clock, by what the time of day is now."""
        return None if moment is None else _utc(self._clock.wall() - (self._clock.now() - moment))

    def _started(self, takeover: bool) -> Tuple[Run, bool]:
        """Return the run that lives and False; else a new one and True, once the one before has left."""
        while True:
            with self._life:
                run = self._run
                if run is None or run.left:
                    return self._new_run(takeover), True
                if run.error is None and not run.stopping:
                    return run, False
            self._leave(run)

    def _new_run(self, takeover: bool) -> Run:
        """Begin a run. Under the lock."""
        check_green_threads()
        if self.options.single_instance:
            self._own(takeover)
        try:
            self._postbox.load()
            left_over = self._left_over()
        except BaseException:
            self._instance.release()
            raise
        self._door.resume()
        if self._run is not None:
            self._earlier.add(self._run, self._clock.now())
        parts = Parts(self.options, self._clock, self._log, self, self._seen, self._door, self._replies, self._inbox)
        run = self._run = Run(parts, receiver=self._receiver, on_ready=self._postbox.wake, on_over=self._over)
        if run.intake is not None:
            run.intake.start(left_over)
        run.connection.start()
        self._postbox.start(run.gave_up)
        run.outbox_worker = self._postbox.worker
        return run

    def _left_over(self) -> List[Received]:
        """Return what the receiver did not handle in an earlier run. Raises what the store raises."""
        if self._receiver is None:
            return []
        self._inbox.recall(self._seen)
        return self._inbox.left_over()

    def _own(self, takeover: bool) -> None:
        """Take the lock of this bot. Raises AlreadyRunning, ConfigError, or Kicked (see ``connect``)."""
        if takeover:
            self._standby_group.join()
        try:
            self._instance.acquire(unless_noted=takeover)
        except LockNoted as noted:
            if binds(noted.note, self._clock.wall()):
                raise kicked_before() from None
            self._instance.acquire()

    def _stream_troubled(self, error: WxError) -> None:
        """Report a streamed answer that was refused or lost, to the log and on_error: its writer may not look."""
        run = self._run
        # Not on this thread, which may be the reader, or the one with the timers of all clients: a logger may block.
        if run is None or not run.delivery.report_trouble(error):
            self._log.warning("%s", error)

    def _over(self) -> None:
        """Clean up after a run that has ended, by itself or not; on its reader."""
        self._streams.abandon()
        run = self._run
        error = None if run is None else run.error or run.connection.error
        self._instance.release(note_of(error, self.options.kick_cooldown, self._clock.wall()))

    def _leave(self, run: Run) -> None:
        """End *run* and wait until nothing of it can touch what the next one uses."""
        deadline = self._clock.now() + DEFAULT_SHUTDOWN
        self._end(run, DEFAULT_SHUTDOWN)
        # In a callback that another thread's disconnect() waits for, the line before does not wait.
        if run.stopped.wait(max(deadline - self._clock.now(), 0.0)):
            join_all(run.connection.workers, self._clock, deadline)
            run.left = True

    def _end(self, run: Run, timeout: float, drain: float = 0.0) -> bool:
        """End *run*; see ``disconnect``."""
        deadline = self._clock.now() + timeout
        with self._life:
            first, run.stopping = not run.stopping, True
        if first:
            try:
                self._drain(run, min(drain, timeout))
                return self._stop(run, max(deadline, self._clock.now() + END_GRACE))
            finally:
                run.connection.stop()  # a Ctrl-C may have come before it
                run.ended.set()
                run.stopped.set()
        return run.stopped.is_set() if run.is_inside else run.stopped.wait(timeout + END_GRACE)

    def _drain(self, run: Run, seconds: float) -> None:
        """Let the callbacks and streams end while they can still send; not for a client that has ended by itself."""
        if run.is_at_work or run.ended.is_set() or seconds <= 0:
            return
        deadline = self._clock.now() + seconds
        run.delivery.drain(deadline)
        self._streams.wait(deadline)

    def _stop(self, run: Run, deadline: float) -> bool:
        at_work = run.is_at_work
        left_by = self._clock.now() if at_work else deadline  # nothing ends while the thread that it needs waits for it
        self._postbox.stop()
        if run.connection.state is State.READY:
            self._streams.break_off(min(self._clock.now() + STREAM_FAREWELL, left_by))
        self._postbox.join(min(OUTBOX_FAREWELL, left_by - self._clock.now()))
        run.connection.stop()
        self._downloads.interrupt()
        alive = join_all(run.workers, self._clock, left_by)
        if at_work:
            run.close_when_over(deadline)
        else:
            run.delivery.drain(deadline)
            alive += run.delivery.close(deadline)
        self._downloads.close()
        self._close_store()
        if alive and not at_work:
            self._log.warning("still running after disconnect: %s", ", ".join(alive))
        return not alive

    def _after_fork(self) -> None:
        """Forget what runs, in a forked child; connect() works as soon as the parent's client has ended."""
        self._life = threading.Lock()  # a thread that is not here may hold the old one; so with those of the parts
        self._cards_lock = threading.Lock()
        self._streams.after_fork()
        if self._run is not None:
            self._of_the_parent, self._run = self._run, None  # kept, so that nothing of it is closed here
            self._earlier = EarlierRuns()
            self._replies.after_fork()
            self._postbox.after_fork()

    def _close_store(self) -> None:
        try:
            self._store.close()
        except Exception as exc:  # noqa: BLE001  a store may raise anything
            self._log.warning("the store could not be closed: %s", type(exc).__name__)


def _health_state(connection: Connection) -> HealthState:
    state = connection.state
    if state is State.READY:
        return HealthState.RUNNING
    if state in (State.CLOSED, State.STOPPED):
        return HealthState.STOPPED
    if state is State.FAILED:
        return HealthState.FAILED
    if state is State.KICKED:
        return HealthState.KICKED
    return HealthState.STARTING if connection.error is None else HealthState.RETRYING


def _utc(wall: Optional[float]) -> Optional[datetime]:
    return None if wall is None else datetime.fromtimestamp(wall, timezone.utc)
