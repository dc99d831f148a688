"""Holds the demo's conversations with one Bot on both platforms."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Iterator

from .. import Bot, Message, SQLiteStore
from ..bot.trial import Chat
from .transcript import Transcript, expect

TEAMS = {"r": "Red", "b": "Blue"}
USERS = {"ilink": "alice", "aibot": "bob"}


def make_bot(path: Path) -> Bot:
    """Make the Bot of the demo, with its store at *path*."""
    bot = Bot(store=SQLiteStore(path))

    @bot.command("signup", help="join a team")
    def signup(message: Message) -> str:
        name = message.ask("What is your name?").text
        team = message.choose(f"Hello {name}, which team?", TEAMS)
        return f"{name} plays for {TEAMS[team]}."

    @bot.default
    def count(message: Message) -> Iterator[str]:
        message.state["texts"] = message.state.get("texts", 0) + 1
        yield f"{message.text}: "
        yield f"your text number {message.state['texts']}"

    return bot


def show_bot(transcript: Transcript) -> None:
    """Talk with the same Bot on both simulators."""
    transcript.heading("One Bot for both platforms")
    for platform in USERS:
        with TemporaryDirectory() as folder:
            bot = make_bot(Path(folder) / "bot.db")
            transcript.step(
                f"a conversation, interrupted by a restart ({platform})", partial(_talk, transcript, bot, platform)
            )


def _talk(transcript: Transcript, bot: Bot, platform: str) -> None:
    with Chat(bot, platform, keeps_store=True) as user:
        _exchange(transcript, user, "hello", "hello: your text number 1")
        _exchange(transcript, user, "/signup", "What is your name?")
        transcript.note("the bot is stopped, and started again")
        expect(bot.stop(), "the bot did not stop")
        bot.start()
        _exchange(transcript, user, "Bo", "Hello Bo, which team?")
        transcript.says(USERS[platform], "(chooses «Blue»)")
        user.presses("Blue")
        _hear(transcript, user, "Bo plays for Blue.")
        _exchange(transcript, user, "still there?", "still there?: your text number 2")


def _exchange(transcript: Transcript, user: Chat, says: str, expects: str) -> None:
    transcript.says(USERS[user.platform], says)
    user.says(says)
    _hear(transcript, user, expects)


def _hear(transcript: Transcript, user: Chat, expects: str) -> None:
    reply = user.expects(expects)
    options = f"  [{'] ['.join(reply.options)}]" if reply.options else ""
    transcript.says("bot", reply.text + options)
