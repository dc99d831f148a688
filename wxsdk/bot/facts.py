"""What a received message says, as far as choosing its handler needs it."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple

KINDS = ("text", "image", "mixed", "voice", "video", "file", "event", "choice")
CONVERSATIONAL = frozenset(KINDS) - {"event", "choice"}  # what a user says, so what may answer a question

_SLASHES = ("/", "／")
# A mention ends at a blank, which the apps write as U+2005; addresses (a@b) and paths are not mentions.
_MENTION = re.compile(r"\s*@[^\s@/\\]+(?=[\s\u200b]|\Z)[\s\u200b]*")


class Choice(str):
    """What was pressed on a card: the button's key, or the chosen option ids with commas between them.

    task_id: the card's. answers: the chosen option ids by question_key.
    """

    task_id: str
    answers: Dict[str, List[str]]

    @classmethod
    def of(cls, key: str, task_id: str, answers: Dict[str, List[str]]) -> Choice:
        """Return a choice by the button *key* (its own text unless a question was answered)."""
        chosen = [one for ids in answers.values() for one in ids]
        made = cls(",".join(chosen) if chosen else key)
        made.task_id, made.answers = task_id, answers
        return made

    def is_of(self, question: str) -> bool:
        """Return whether it belongs to *question*: a card's task_id or a question_key."""
        return question == self.task_id or question in self.answers


class Facts(NamedTuple):
    """One message as its platform's adapter reads it.

    text: without the mention of the bot; a voice's transcript; "" for none. event: of events only. urgent: it must be
    answered within seconds, so it does not wait for the chat's other messages.
    """

    id: str
    kind: str
    user_id: str
    chat_id: str
    is_group: bool = False
    text: str = ""
    event: str = ""
    choice: Optional[Choice] = None
    urgent: bool = False

    @property
    def lane(self) -> str:
        """Where its order and its state belong: the chat, in a group the chat and the user."""
        return f"{self.chat_id}|{self.user_id}" if self.is_group else self.chat_id


class Command(NamedTuple):
    """A message "/name rest"."""

    name: str
    args: str


def is_slashed(text: str) -> bool:
    """Return whether *text* may be a command."""
    return text[:1] in _SLASHES if text else False


def parse_command(text: str) -> Optional[Command]:
    """Return the command in *text*, None when it is none; the name in lower case, the rest stripped."""
    stripped = text.lstrip()
    if not stripped.startswith(_SLASHES):
        return None
    name, _, rest = _partition(stripped[1:])
    return Command(name.lower(), rest.strip()) if name else None


def without_mention(text: str) -> str:
    """*text* of a group without the mention that it begins with (docs/protocol/aibot, 8)."""
    found = _MENTION.match(text)
    return text[found.end() :].strip() if found else text.strip()


def _partition(text: str) -> Tuple[str, str, str]:
    parts = text.split(None, 1)
    if not parts or text[:1].isspace():
        return "", "", ""
    return parts[0], " ", parts[1] if len(parts) > 1 else ""
