"""Keeps the files and pictures that users send, and gives them back.

    wxsdk run --sim examples/file_keeper.py

A picture and the words that come right after it are one message, since the Bot has a merge window.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, List

from wxsdk import Bot, Message

FOLDER = Path(os.environ.get("KEEPER_FOLDER", "kept"))

bot = Bot(merge_window=0.5)


@bot.on("image", "file", "video", "mixed")
def keep(message: Message) -> str:
    folder = FOLDER / message.user_id
    paths = [each.save(f"{folder}/") for each in message.attachments]
    note = f" ({message.text})" if message.text else ""
    return f"Kept {', '.join(path.name for path in paths)}{note}."


@bot.command("files", help="everything that you sent")
def files(message: Message) -> List[Any]:
    folder = FOLDER / message.user_id
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return ["Here they are:", *found] if found else ["There are none."]
