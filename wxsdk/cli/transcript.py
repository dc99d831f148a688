"""Prints what happens in a demo, step by step, and counts what did not come out as expected."""

from __future__ import annotations

import time
from typing import Callable, List


class StepFailed(Exception):
    """A step of the demo did not come out as expected."""


class Transcript:
    """Prints who said what, and when; counts what did not come out as expected."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.failures = 0
        self.steps = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def heading(self, text: str) -> None:
        print(f"\n── {text} " + "─" * max(70 - len(text), 0), flush=True)

    def says(self, who: str, text: str) -> None:
        shown = text if len(text) <= 90 else f"{text[:60]} … ({len(text):,} characters)"
        print(f"{self.seconds:7.2f} s  {who:>7}  {shown.replace(chr(10), ' ⏎ ')}", flush=True)

    def note(self, text: str) -> None:
        self.says("·", text)

    def step(self, name: str, action: Callable[[], None]) -> None:
        """Run *action*; an AssertionError, StepFailed or error of wxsdk in it is shown and counted."""
        began = time.monotonic()
        self.steps += 1
        try:
            action()
        except Exception as exc:  # noqa: BLE001  the demo goes on, to show the other steps as well
            self.failures += 1
            print(f"{self.seconds:7.2f} s  {'✗':>7}  {name}: {type(exc).__name__}: {exc}", flush=True)
        else:
            took = 1000 * (time.monotonic() - began)
            print(f"{self.seconds:7.2f} s  {'✓':>7}  {name} ({took:.0f} ms)", flush=True)


class ProgressBar:
    """A progress callback that draws one line when the last byte is done, and checks the promise of progress."""

    WIDTH = 30  # characters

    def __init__(self, transcript: Transcript, label: str) -> None:
        self._transcript = transcript
        self._label = label
        self.calls: List[int] = []

    def __call__(self, done: int, total: int) -> None:
        if self.calls and done < self.calls[-1]:
            raise StepFailed(f"progress went back from {self.calls[-1]} to {done}")
        self.calls.append(done)
        if done == total:
            bar = "█" * self.WIDTH
            self._transcript.note(f"{self._label} {bar} {total / 2**20:.1f} MB in {len(self.calls)} reports")


def expect(condition: object, what: str) -> None:
    """Raise StepFailed unless *condition* holds."""
    if not condition:
        raise StepFailed(what)
