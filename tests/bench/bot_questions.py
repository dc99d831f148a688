"""Opens many questions at once and measures what each costs, and how long a stop takes then.

python tests/bench/bot_questions.py [--questions 500]
"""

from __future__ import annotations

import argparse
import gc
import os
import threading
import time
from typing import Dict

from wxsdk import Bot, Message
from wxsdk.bot.trial import config_for, simulators

WAIT = 60.0  # seconds for what must happen


def resident_bytes() -> int:
    """What the process holds in memory now (Linux)."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_questions(count: int, platform: str = "aibot") -> Dict[str, float]:
    """Figures of *count* users whose question waits, with two workers; then every second one answers."""
    bot = Bot(max_workers=2)
    asked = threading.Semaphore(0)

    @bot.default
    def form(message: Message) -> str:
        asked.release()
        return f"thanks, {message.ask('your name?').text}"

    with simulators((platform,)) as sims, bot.stand_in({platform: config_for(sims[platform], platform)}):
        sim = sims[platform]
        bot.start()
        users = [sim.user(f"user{number}") for number in range(count)]
        users[0].says("warm up")
        users[0].expects(timeout=WAIT)
        users[0].says("Bo")
        users[0].expects(timeout=WAIT)
        gc.collect()
        before, threads = resident_bytes(), threading.active_count()
        for user in users:
            user.says("hello")
        for user in users:
            user.expects(timeout=WAIT)
        gc.collect()
        figures = {
            "memory_kb": (resident_bytes() - before) / count / 1024,
            "threads": (threading.active_count() - threads) / count,
        }
        began = time.perf_counter()
        for user in users[::2]:
            user.says("Bo")
        for user in users[::2]:
            assert "thanks, Bo" in str(user.expects(timeout=WAIT).text)
        figures["answers_s"] = time.perf_counter() - began
        began = time.perf_counter()
        assert bot.stop()
        figures["stop_s"] = time.perf_counter() - began
    return figures


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--questions", type=int, default=500)
    count = parser.parse_args().questions
    for platform in ("ilink", "aibot"):
        figures = open_questions(count, platform)
        print(
            f"{platform}: {count} open questions with max_workers=2: {figures['memory_kb']:.0f} KB and "
            f"{figures['threads']:.2f} threads each (simulator included), {count // 2} answers in "
            f"{figures['answers_s']:.2f} s, stop with {count - count // 2} open in {figures['stop_s']:.3f} s"
        )


if __name__ == "__main__":
    main()
