"""An assistant that remembers the conversation: streamed answers, /reset, and /stop while it talks.

    OPENAI_API_KEY=… wxsdk run --sim examples/assistant.py      (needs: pip install openai)

The handler yields the chunks of the openai package as they are; any OpenAI-compatible server will do (OPENAI_BASE_URL).
"""

from __future__ import annotations

import os
from typing import Any, Iterator

from wxsdk import Bot, Message

MODEL = os.environ.get("OPENAI_MODEL", "gpt-4o-mini")
REMEMBERED = 20  # messages of both sides

bot = Bot(apology="Something went wrong; please try again.")


@bot.command("reset", help="forget our conversation")
def reset(message: Message) -> str:
    message.state.clear()
    return "Forgotten."


@bot.command("stop", help="stop talking", urgent=True)
def stop(message: Message) -> str:
    return "Stopped." if message.cancel_running() else "I was not talking."


@bot.default
def chat(message: Message) -> Iterator[Any]:
    history = message.state.setdefault("history", [])
    history.append({"role": "user", "content": message.text})
    answer = ""
    for chunk in ask_model(history):
        yield chunk
        if chunk.choices:
            answer += chunk.choices[0].delta.content or ""
    history.append({"role": "assistant", "content": answer})
    del history[:-REMEMBERED]


def ask_model(history: Any) -> Any:
    from openai import OpenAI

    return OpenAI().chat.completions.create(model=MODEL, messages=history, stream=True)
