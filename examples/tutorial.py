"""The tutorial's assistant: it streams, remembers, takes files and asks with buttons. `wxsdk run tutorial.py --sim`"""

from pathlib import Path
from typing import Iterator

from wxsdk import Bot, Message

bot = Bot(apology="Sorry, that went wrong. Please try again.")
INBOX = Path("inbox")


def model(question: str, turn: int) -> Iterator[str]:
    """Stands where your language model will be: it gives an answer piece by piece."""
    for word in f"Answer {turn}: you asked “{question}”. Let me think about that.".split(" "):
        yield word + " "


@bot.command("reset", help="forget our conversation")
def reset(message: Message) -> str:
    message.state.clear()
    return "Forgotten."


@bot.command("signup", help="join a team")
def signup(message: Message) -> str:
    name = message.ask("What is your name?").text
    team = message.choose(f"Hello {name}, which team?", {"r": "Red", "b": "Blue"})
    message.state["team"] = team
    return f"{name} plays for {'Red' if team == 'r' else 'Blue'}."


@bot.on("image", "file")
def keep(message: Message) -> str:
    INBOX.mkdir(exist_ok=True)
    kept = [each.save(INBOX).name for each in message.attachments]
    return f"Kept {', '.join(kept)}."


@bot.default
def chat(message: Message) -> Iterator[str]:
    message.state["turns"] = message.state.get("turns", 0) + 1
    yield from model(message.text, message.state["turns"])


if __name__ == "__main__":
    bot.add("mybot")  # the name under which `wxsdk login` saved the account
    bot.run()
