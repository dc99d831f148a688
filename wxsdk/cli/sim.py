"""Runs both simulators and the page to chat with a bot: ``wxsdk sim``."""

from __future__ import annotations

import argparse
import os
import subprocess
import threading
from typing import Dict, List, Optional

from ..errors import ConfigError
from ..runtime.lifecycle import wait_until_stopped
from . import output
from .ports import check_port
from .texts import text

PATIENCE = 10.0  # seconds that a program has to end before it is killed


def run_sim(options: argparse.Namespace) -> int:
    """Run until Ctrl-C or SIGTERM, after printing how to point a bot at the simulators; 0."""
    try:
        from ..sim.page import Playground
    except ImportError as exc:
        raise ConfigError(text("sim.missing", module=exc.name), remedy=text("sim.missing.remedy")) from exc
    check_port(options.port)
    with Playground(port=options.port, state=options.state) as page:
        output.say(text("sim.page", url=page.url))
        if options.program:
            return _run_program(options.program, page.environment())
        output.say()
        output.say(text("sim.environment"))
        command = "set" if os.name == "nt" else "export"
        for name, value in page.environment().items():
            output.say(f"  {command} {name}={value}")
        output.say()
        output.say(text("sim.started"))
        wait_until_stopped(threading.Event().wait)
    return 0


def _run_program(command: List[str], environment: Dict[str, str]) -> int:
    """Run *command* until it ends, or Ctrl-C or SIGTERM ends it; its exit status."""
    try:
        process = subprocess.Popen(command, env={**os.environ, **environment})
    except OSError as exc:
        raise ConfigError(text("sim.no_program", name=command[0]), remedy=text("sim.no_program.remedy")) from exc
    try:
        # A Ctrl-C reaches the program as well, from the terminal; SIGTERM does not.
        wait_until_stopped(lambda seconds: _has_ended(process, seconds))
        return abs(process.wait(PATIENCE)) if process.poll() is not None else _ended(process)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def _has_ended(process: subprocess.Popen[bytes], seconds: Optional[float]) -> bool:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _ended(process: subprocess.Popen[bytes]) -> int:
    """End *process* as a person would; 0 when it ends in time."""
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        return 1
    return 0
