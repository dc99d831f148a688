"""Simulates the gateway of WeCom's AI bots on a free loopback port, for tests, demos and playing.

It speaks docs/protocol/aibot through its own eyes and imports nothing of the client, so that one misreading cannot
sit on both sides.

    with AiBotSim() as sim:
        client = WSClient(WSClientOptions(bot_id=sim.bot_id, secret=sim.secret, ws_url=sim.ws_url))
        ...
        with client:
            alice = sim.user("alice")
            alice.says("hello")                      # waits until a bot is subscribed
            answer = alice.expects()                 # a stream counts once it is finished
            assert answer.text == "echo: hello"
            assert not sim.thinking() and not sim.violations
"""

from __future__ import annotations

import ssl
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

from ..changes import Listener
from . import saved, wire
from .callbacks import Flood
from .connection import ConnectionRecord
from .content import HOSTILE_NAMES, Generated
from .desk import FrameDesk, SimFrame
from .errors import SimError, SimTimeout
from .faults import AckFault, AiBotFaults
from .gateway import Gateway
from .media import SimMedia
from .seal import Seal, mint_key
from .state import Bubble, Settings, Violation
from .uploads import Upload
from .users import SimUser
from .views import SimGroup, SimMessage, SimSent
from .webhook import SimCallback, Webhook

__all__ = [
    "HOSTILE_NAMES",
    "AckFault",
    "AiBotFaults",
    "AiBotSim",
    "ConnectionRecord",
    "Generated",
    "Settings",
    "SimCallback",
    "SimError",
    "SimFrame",
    "SimGroup",
    "SimMedia",
    "SimMessage",
    "SimSent",
    "SimTimeout",
    "SimUser",
    "Violation",
]

DEFAULT_BOT_ID = "aib-sim-bot"


class AiBotSim:
    """The simulated gateway. A context manager; or start() and stop(), each harmless when repeated.

    *clock*: seconds since the epoch, for every window and life (`advance` moves it on). *ssl_context*: a
    server context makes ws_url a wss one. *port*: where to listen, a free port when 0. The other switches are
    attributes of ``settings`` and may be turned at any time; see Settings.

    *callback_url*: call this address for what the users say, as in callback mode (docs/protocol/callback), in place of
    pushing it over a connection; signed and encrypted with *token* and *encoding_aes_key*, fresh ones when None. A
    message's answers are judged as a connection's are: see ``violations`` and ``callbacks``.

    All methods may be called from any thread. Threads are daemons named ``wxsdk-sim-…`` and are joined by
    stop().
    """

    def __init__(
        self,
        *,
        bot_id: str = DEFAULT_BOT_ID,
        secret: Optional[str] = None,
        clock: Callable[[], float] = time.time,
        ssl_context: Optional[ssl.SSLContext] = None,
        drops_equal_final: bool = True,
        enforce_rates: bool = False,
        errors_without_req_id: bool = False,
        kick_keeps_open: bool = False,
        record_frames: bool = True,
        port: int = 0,
        callback_url: Optional[str] = None,
        token: Optional[str] = None,
        encoding_aes_key: Optional[str] = None,
    ) -> None:
        self.settings = Settings(drops_equal_final, enforce_rates, errors_without_req_id, kick_keeps_open)
        self.bot_id = bot_id
        self.secret = secret if secret is not None else wire.mint("secret")
        self._advanced = 0.0
        self._clock = clock
        self._desk = FrameDesk(self.now, self.settings)
        self._desk.record_frames = record_frames
        self._gateway = Gateway(self._desk, ssl_context, masked_pong=lambda: self.settings.masked_pong, port=port)
        self._desk.gateway = self._gateway
        self._webhook: Optional[Webhook] = None
        self._tls = ssl_context is not None
        self._users: Dict[str, SimUser] = {}
        self._groups: Dict[str, SimGroup] = {}
        self.faults = AiBotFaults(self._desk)
        self.add_bot(self.bot_id, self.secret)
        self.token = token if token is not None else wire.mint("token")
        self.encoding_aes_key = encoding_aes_key if encoding_aes_key is not None else mint_key()
        if callback_url is not None:
            self.callback_url = callback_url
        self._desk.world.touched = lambda bubble: self._desk.changed.tell("bubble", self._message(bubble))

    # -- life ----------------------------------------

    def start(self) -> AiBotSim:
        """Bind a free port (the same one as before after a stop) and serve."""
        self._desk.stopped.clear()
        self._gateway.start()
        return self

    def stop(self) -> bool:
        """End every connection and download, join every thread; True when all have ended. Takes some
        milliseconds. Twice is once.
        """
        self._desk.stopped.set()
        self._desk.notify()  # the waiting threads leave
        ended = self._gateway.stop()
        if self._desk.webhook is not None:
            ended = self._desk.webhook.join() and ended
        ended = self.faults.join(1.0) and ended
        return self._desk.media.stop() and ended

    def __enter__(self) -> AiBotSim:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Report what happens to *listener* until the returned function is called; see `wxsdk.sim.changes.Listener`.

        The words: "frame" (a SimFrame, when it was judged and again when a held answer went out), "pushed" (a frame to
        the bot, as a dict), "callback" (a SimCallback), "said" (a SimSent), "bubble" (a SimMessage, new or changed),
        "connection" (a ConnectionRecord), "changed" (anything).
        """
        return self._desk.changed.listen(listener)

    def export_state(self) -> Dict[str, Any]:
        """Return what a later simulator needs to go on from here, as JSON: port, secrets, chats, requests, cards.

        Holds the bots' secrets, so keep it as one keeps a password. Uploaded media are not part of it.
        """
        with self._desk.changed:
            state = saved.export_state(self._desk.world, self.bot_id, self._gateway.port)
        callback = {"url": self.callback_url, "token": self.token, "encoding_aes_key": self.encoding_aes_key}
        return {**state, "callback": callback}

    def import_state(self, state: Dict[str, Any]) -> None:
        """Go on from an exported state. Before start(), and only once; ValueError for what export_state never made."""
        if self._gateway.running:
            raise SimError("import_state() comes before start()")
        with self._desk.changed:
            self.bot_id, self._gateway.port = saved.import_state(self._desk.world, state)
            self.secret = self._desk.world.bots[self.bot_id]
        callback = state.get("callback") or {}
        self.token = str(callback.get("token") or self.token)
        self.encoding_aes_key = str(callback.get("encoding_aes_key") or self.encoding_aes_key)
        if callback.get("url"):
            self.callback_url = str(callback["url"])

    @property
    def ws_url(self) -> str:
        """Where a client connects."""
        if not self._gateway.port:
            raise SimError("ws_url is known once the simulator has been started")
        return f"{'wss' if self._tls else 'ws'}://{self._gateway.host}:{self._gateway.port}/"

    @property
    def port(self) -> int:
        return self._gateway.port

    # -- callback mode ----------------------------------------

    @property
    def callback_url(self) -> Optional[str]:
        """The bot's address in callback mode; None while users' messages are pushed over connections."""
        return None if self._webhook is None else self._webhook.url

    @callback_url.setter
    def callback_url(self, url: Optional[str]) -> None:
        if url is None:
            self._webhook = self._desk.webhook = self._desk.media.shared_key = self._desk.media.respond = None
            return
        seal = Seal(self.token, self.encoding_aes_key)
        self._webhook = self._desk.webhook = Webhook(self._desk, url, self.bot_id, seal)
        self._desk.media.shared_key = seal.key
        self._desk.media.respond = self._webhook.respond

    @property
    def webhook(self) -> Webhook:
        """What calls the bot; ``answer_seconds`` (5) and ``refresh_seconds`` may be turned. SimError without a
        callback_url.
        """
        if self._webhook is None:
            raise SimError("there is no callback_url")
        return self._webhook

    @property
    def callbacks(self) -> List[SimCallback]:
        """Every HTTP request to the bot, in order, with what came back."""
        with self._desk.changed:
            return [] if self._webhook is None else list(self._webhook.calls)

    def verify_callback(self) -> None:
        """Ask the bot's address to prove itself, as the administration page does when it is saved; SimError else."""
        self.webhook.verify()

    # -- who is there ----------------------------------------

    def add_bot(self, bot_id: str, secret: str) -> None:
        """Let a further bot subscribe."""
        with self._desk.changed:
            self._desk.world.bots[bot_id] = secret

    def user(self, userid: str) -> SimUser:
        """The person of that userid; the same one each time. From now on the bot may push to it."""
        with self._desk.changed:
            self._desk.world.users.add(userid)
            return self._users.setdefault(userid, SimUser(self._desk, userid))

    def group(self, chatid: str, members: Sequence[Union[str, SimUser]] = ()) -> SimGroup:
        """The group chat of that chatid, with *members* added. A user who speaks in it joins it."""
        with self._desk.changed:
            self._desk.world.groups.setdefault(chatid, [])
            group = self._groups.setdefault(chatid, SimGroup(self._desk, chatid))
        return group.add(*(one if isinstance(one, str) else one.id for one in members))

    @property
    def is_subscribed(self) -> bool:
        """Whether the first bot is subscribed now."""
        return self._desk.subscriber(None) is not None

    @property
    def secrets(self) -> List[str]:
        """The secrets of the bots, for those who have to hide them."""
        with self._desk.changed:
            return [*self._desk.world.bots.values(), self.token, self.encoding_aes_key]

    def find(self, message_id: str) -> SimMessage:
        """The message of that `SimMessage.id`; SimError when there is none."""
        with self._desk.changed:
            for bubble in reversed(self._desk.world.bubbles):
                if bubble.id == message_id:
                    return self._message(bubble)
        raise SimError("this message is not there any more")

    # -- time ----------------------------------------

    def now(self) -> float:
        """The simulator's time: its clock plus what advance() has added."""
        return self._clock() + self._advanced

    def advance(self, seconds: float) -> None:
        """Let the platform's windows and lives run on by *seconds*, at once."""
        with self._desk.changed:
            self._advanced += seconds
            self._desk.changed.notify_all()

    def expire_stream(self, which: Union[str, SimMessage, None] = None) -> int:
        """From now on answer frames of this stream (a SimMessage, a stream id; None: every open one) with
        846608; how many.
        """
        with self._desk.changed:
            met = [bubble for bubble in self._desk.world.bubbles if bubble.kind == "stream" and not bubble.finished]
            if which is not None:
                met = [bubble for bubble in met if which in (bubble.stream_id, SimMessage(self._desk, bubble, ""))]
            for bubble in met:
                bubble.expired = True
                self._desk.world.touched(bubble)
            self._desk.changed.notify_all()
            return len(met)

    def expire_request(self, which: Union[str, SimSent]) -> None:
        """From now on answer replies to this callback with 846604."""
        with self._desk.changed:
            self._desk.world.requests[which if isinstance(which, str) else which.req_id].over = True

    # -- what was seen ----------------------------------------

    @property
    def frames(self) -> List[SimFrame]:
        """Every well-formed frame the clients wrote, in order, with its verdict."""
        with self._desk.changed:
            return list(self._desk.frames)

    @property
    def subscribes(self) -> List[SimFrame]:
        """Every subscribe, the refused ones included."""
        with self._desk.changed:
            return list(self._desk.subscribes)

    @property
    def pings(self) -> List[SimFrame]:
        """Every JSON ping."""
        with self._desk.changed:
            return list(self._desk.pings)

    @property
    def connections(self) -> List[ConnectionRecord]:
        """Every TCP connection since the start, and how each ended."""
        return list(self._gateway.records)

    @property
    def violations(self) -> List[Violation]:
        """What a careful client does not do; a good test ends by asserting that there are none."""
        with self._desk.changed:
            return list(self._desk.world.violations)

    @property
    def uploads(self) -> List[Upload]:
        """Every upload session, with the order in which its chunks arrived."""
        with self._desk.changed:
            return list(self._desk.world.uploads.sessions.values())

    def thinking(self) -> List[SimMessage]:
        """Streams never finished, as long as the platform still waits for them."""
        with self._desk.changed:
            return [self._message(bubble) for bubble in self._desk.world.thinking(self.now())]

    def messages(self) -> List[SimMessage]:
        """Everything the bots have said, in all chats, oldest first."""
        with self._desk.changed:
            return [self._message(bubble) for bubble in self._desk.world.bubbles]

    def _message(self, bubble: Bubble) -> SimMessage:
        return SimMessage(self._desk, bubble, bubble.chat)

    # -- waiting ----------------------------------------

    def wait_for(self, predicate: Callable[[], Any], timeout: float = 5.0, what: str = "the condition") -> Any:
        """Return the first true value of *predicate*, asked after each change of the simulator; raises
        SimTimeout.

        It is called with the simulator's lock held: it may read the simulator, and must not wait for
        anything.
        """
        return self._desk.wait_for(predicate, timeout, what)

    def wait_subscribed(self, bot: Optional[str] = None, timeout: float = 5.0) -> ConnectionRecord:
        """Return the connection of the bot once it is subscribed; raises SimTimeout."""
        connection = self.wait_for(lambda: self._desk.subscriber(bot), timeout, "no bot subscribed")
        record: ConnectionRecord = connection.record
        return record

    # -- pushing ----------------------------------------

    def push(self, frame: wire.Wire, *, bot: Optional[str] = None, wait: float = 5.0) -> bool:
        """Write any frame to the subscribed bot, exactly as it is; False when wait is 0 and no bot is
        subscribed.
        """
        return self._desk.push(bot, wire.as_wire(frame), wait)

    def prepare_flood(
        self,
        users: Union[SimUser, Sequence[SimUser]],
        count: int,
        text: str = "hello",
        *,
        bot: Optional[str] = None,
    ) -> Flood:
        """Build *count* texts, said by *users* in turn, without writing them; ``.go()`` does."""
        return Flood(self._desk, [users] if isinstance(users, SimUser) else list(users), count, text, bot)

    def flood(
        self,
        users: Union[SimUser, Sequence[SimUser]],
        count: int,
        text: str = "hello",
        *,
        bot: Optional[str] = None,
    ) -> Flood:
        """Push *count* texts as fast as the client reads; req_ids, msgids, started_at and ended_at are in
        what comes back.
        """
        return self.prepare_flood(users, count, text, bot=bot).go()
