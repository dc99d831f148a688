"""Turns the state of the WeCom gateway into JSON and back, so that a simulator can go on after a restart. Pure."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Dict, List, Tuple

from .state import Bubble, Request, World

KEPT = 500  # of the newest requests and bubbles; what a person at the playground can still scroll to
_REQUEST = [each.name for each in fields(Request) if each.name != "streams"]
_BUBBLE = [each.name for each in fields(Bubble) if each.name not in ("images", "data", "raw", "viewers")]


def export_state(world: World, bot_id: str, port: int) -> Dict[str, Any]:
    """Return everything but uploads and the bytes of media. The caller holds the lock."""
    return {
        "version": 1,
        "bot_id": bot_id,
        "port": port,
        "bots": dict(world.bots),
        "users": sorted(world.users),
        "groups": {chatid: list(members) for chatid, members in world.groups.items()},
        "requests": [_plain(one, _REQUEST) for one in list(world.requests.values())[-KEPT:]],
        "bubbles": [
            {**_plain(one, _BUBBLE), "viewers": list(one.viewers), "tasks": _tasks(world, one)}
            for one in world.bubbles[-KEPT:]
        ],
    }


def import_state(world: World, state: Dict[str, Any]) -> Tuple[str, int]:
    """Fill *world* from *state*; the first bot's id and the port come back. ValueError for anything else."""
    try:
        bots = {str(name): str(secret) for name, secret in state["bots"].items()}
        bot_id, port = str(state["bot_id"]), int(state["port"])
        if state["version"] != 1 or bot_id not in bots:
            raise ValueError(f"version {state['version']!r}")
        requests = [Request(**one) for one in state["requests"]]
        bubbles = [_bubble(one) for one in state["bubbles"]]
        groups = {str(chatid): [str(one) for one in members] for chatid, members in state["groups"].items()}
        users = {str(one) for one in state["users"]}
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"this is not the state of a simulated WeCom gateway: {error}") from error
    world.bots = bots
    world.users |= users
    world.groups.update(groups)
    world.requests.update((one.req_id, one) for one in requests)
    for bubble, tasks in bubbles:
        _put_back(world, bubble, tasks)
    return bot_id, port


def _plain(thing: Any, names: List[str]) -> Dict[str, Any]:
    return {name: getattr(thing, name) for name in names}


def _tasks(world: World, bubble: Bubble) -> List[str]:
    return [task_id for (_, task_id), one in world.cards.items() if one is bubble]


def _bubble(one: Dict[str, Any]) -> Tuple[Bubble, List[str]]:
    facts = {name: value for name, value in one.items() if name != "tasks"}
    facts["viewers"] = tuple(facts["viewers"])
    return Bubble(**facts), [str(task_id) for task_id in one["tasks"]]


def _put_back(world: World, bubble: Bubble, tasks: List[str]) -> None:
    world.bubbles.append(bubble)
    request = world.requests.get(bubble.req_id or "")
    if request is not None and bubble.stream_id is not None:
        request.streams[bubble.stream_id] = bubble
    for task_id in tasks:
        world.cards[bubble.bot_id, task_id] = bubble
        world.task_ids.add((bubble.bot_id, task_id))
