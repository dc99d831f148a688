"""A form as straight-line code: the bot asks, the user answers, and a crash in between loses nothing.

    wxsdk run --sim --store form.db examples/form.py

Say /signup, answer the first question, kill the program, start it again: it goes on with the second question.
"""

from __future__ import annotations

from wxsdk import Bot, Message, NoAnswer

TEAMS = {"r": "Red", "b": "Blue"}

bot = Bot()


@bot.command("signup", help="join a team")
def signup(message: Message) -> str:
    try:
        name = message.ask("What is your name?", timeout=300).text
        team = message.choose(f"Hello {name}, which team?", TEAMS, timeout=300)
    except NoAnswer:
        return "Never mind; say /signup when you have the time."
    message.state["team"] = team
    return f"{name} plays for {TEAMS[team]}."


@bot.command("team", help="which team am I in?")
def team(message: Message) -> str:
    key = message.state.get("team")
    return f"You play for {TEAMS[key]}." if key else "You have no team yet; say /signup."
