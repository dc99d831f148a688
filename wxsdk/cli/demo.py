"""Shows both protocols and a Bot, end to end, on the built-in simulators: ``wxsdk demo``."""

from __future__ import annotations

import argparse
import contextlib
import logging
from typing import Callable, Dict, Iterator

from ..errors import ConfigError
from .transcript import Transcript

TIME_LIMIT = 15.0  # seconds for the whole demo


@contextlib.contextmanager
def _only_errors_logged() -> Iterator[None]:
    """Leave out warnings: the demo cuts a connection on purpose, which would only confuse."""
    logger = logging.getLogger("wxsdk")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def run_demo(options: argparse.Namespace) -> int:
    """Run the demo and print its transcript; 0 only when every step came out as expected, within the time limit."""
    try:
        from .demo_aibot import show_aibot
        from .demo_bot import show_bot
        from .demo_ilink import show_ilink
    except ImportError as exc:
        raise ConfigError(
            f"The demo needs the simulators, and {exc.name} is missing.", remedy="Run: pip install 'wxsdk[sim,qr]'"
        ) from exc
    shows: Dict[str, Callable[[Transcript], None]] = {
        "ilink": show_ilink,
        "aibot": show_aibot,
        "bot": show_bot,
    }
    transcript = Transcript()
    with _only_errors_logged():
        for name, show in shows.items():
            if options.only in (None, name):
                show(transcript)
    print()
    if transcript.seconds > TIME_LIMIT:
        transcript.failures += 1
        print(f"It took longer than {TIME_LIMIT:.0f} s.")
    done = transcript.steps - transcript.failures
    print(f"{done} of {transcript.steps} steps came out as expected, in {transcript.seconds:.1f} s.")
    return 1 if transcript.failures else 0
