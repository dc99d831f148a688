"""A vote: everybody who says /lunch gets the question, and the count so far.

    wxsdk run --sim examples/vote.py

On WeCom the question is a card with buttons, on personal WeChat a numbered list.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import Dict

from wxsdk import Bot, Message

DISHES = {"noodles": "Noodles", "dumplings": "Dumplings", "rice": "Fried rice"}

bot = Bot()
lock = threading.Lock()
votes: Dict[str, str] = {}  # by user


@bot.command("lunch", help="vote for lunch")
def lunch(message: Message) -> str:
    dish = message.choose("What shall we eat?", DISHES)
    with lock:  # users are served side by side
        votes[message.user_id] = dish
        count = Counter(votes.values())
    return "\n".join(f"{DISHES[dish]}: {number}" for dish, number in count.most_common())
