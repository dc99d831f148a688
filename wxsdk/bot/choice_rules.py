"""Questions: what is asked, as which card or list, and whether a message answers it. Decides only."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple, Union

from ..errors import ConfigError, LimitExceeded
from .facts import CONVERSATIONAL, Facts

MAX_BUTTONS = 6  # of a button card (docs/protocol/aibot, 5)
MAX_OPTIONS = 20  # of a vote card (docs/protocol/aibot, 5)
MAX_KEY_BYTES = 128  # of an option id (docs/protocol/aibot, 5)

Options = Union[Mapping[str, str], List[str], Tuple[str, ...]]

_NUMBER = re.compile(r"[\s(（]*(\d{1,3})[\s.)）、。]*")


@dataclass(frozen=True)
class Question:
    """What is asked. options: keys and labels of a choice, None where any message answers. task_id: of its card."""

    text: str
    options: Optional[Dict[str, str]] = None
    task_id: str = ""


def check_question(text: Any) -> str:
    """*text* when it can be asked; ConfigError when it is no str or empty."""
    if not isinstance(text, str):
        raise ConfigError(f"The question is not a str but {type(text).__name__}.")
    if not text.strip():
        raise ConfigError("The question is empty.", remedy="Say what is asked.")
    return text


def check_options(options: Any) -> Dict[str, str]:
    """*options* (key -> label, or labels that are their own keys) as a dict. ConfigError or LimitExceeded."""
    if isinstance(options, (list, tuple)):
        pairs = [(label, label) for label in options]
    elif isinstance(options, Mapping):
        pairs = list(options.items())
    else:
        raise ConfigError("The options are not a dict of keys and labels.", remedy='Give {"r": "Red", "b": "Blue"}.')
    if not pairs:
        raise ConfigError("There are no options to choose from.")
    if len(pairs) > MAX_OPTIONS:
        raise LimitExceeded("There are too many options.", limit=MAX_OPTIONS, actual=len(pairs), remedy="Ask twice.")
    for key, label in pairs:
        if not isinstance(key, str) or not isinstance(label, str) or not key.strip() or not label.strip():
            raise ConfigError("Keys and labels of options are str with something to read.")
        if len(key.encode("utf-8", "replace")) > MAX_KEY_BYTES:
            raise LimitExceeded("A key is too long in bytes.", limit=MAX_KEY_BYTES, actual=len(key.encode()))
    known = dict(pairs)
    labels = [label.strip().casefold() for label in known.values()]
    if len(known) != len(pairs) or len(set(labels)) != len(labels):
        raise ConfigError("Two options have the same key or label.", remedy="Make them different.")
    return known


def list_text(question: Question) -> str:
    """Return the question and its numbered options, for a platform without cards."""
    lines = [f"{number}. {label}" for number, label in enumerate((question.options or {}).values(), 1)]
    return "\n".join([question.text, *lines])


def card_of(question: Question, chosen: Optional[str] = None) -> Dict[str, Any]:
    """Return the question as a card: buttons up to six options, a vote above. chosen: the key to show as the answer."""
    options = question.options or {}
    title = {"title": question.text}
    if len(options) <= MAX_BUTTONS:
        buttons = [{"text": label, "key": key, "style": 1} for key, label in options.items()]
        if chosen is not None:
            buttons = [{"text": f"✓ {options[chosen]}", "key": chosen, "style": 1}]
        return {
            "card_type": "button_interaction",
            "main_title": title,
            "button_list": buttons,
            "task_id": question.task_id,
        }
    entries = [{"id": key, "text": label, "is_checked": key == chosen} for key, label in options.items()]
    return {
        "card_type": "vote_interaction",
        "main_title": title,
        "checkbox": {
            "question_key": question.task_id,
            "mode": 0,
            "option_list": entries,
            "disable": chosen is not None,
        },
        "submit_button": {"text": "✓" if chosen is not None else "OK", "key": "submit"},
        "task_id": question.task_id,
    }


def find_option(options: Mapping[str, str], said: str) -> Optional[str]:
    """Return the key that *said* names: a key, a label, or the number of an option; None when it names none."""
    text = said.strip()
    if text in options:
        return text
    folded = text.casefold()
    for key, label in options.items():
        if folded in (key.casefold(), label.strip().casefold()):
            return key
    number = _NUMBER.fullmatch(text)
    keys = list(options)
    if number is not None and 1 <= int(number.group(1)) <= len(keys):
        return keys[int(number.group(1)) - 1]
    return None


def key_in(question: Question, facts: Facts) -> Optional[str]:
    """Return the key of the option that a message chooses; None when it chooses none of *question*."""
    options = question.options or {}
    if facts.choice is not None:
        chosen = str(facts.choice)
        return chosen if facts.choice.is_of(question.task_id) and chosen in options else None
    return find_option(options, facts.text)


def may_answer(question: Question, facts: Facts) -> bool:
    """Whether a message of the user is meant for *question*: all that the user says, and clicks on its own card."""
    if facts.choice is not None:
        return question.options is not None and facts.choice.is_of(question.task_id)
    return facts.kind in CONVERSATIONAL
