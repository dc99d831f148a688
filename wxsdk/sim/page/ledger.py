"""Keeps what the page shows: users, chats, and the entries of each chat, oldest first."""

from __future__ import annotations

from typing import Any, Callable, ContextManager, Dict, List, Optional

KEPT = 5_000  # newest entries; a bot that talks all night must not fill the memory
SHOWN = 1_000  # newest entries that a freshly opened page gets
SIDES = ("ilink", "aibot")

Entry = Dict[str, Any]
Publish = Callable[[str, Any], None]


class Ledger:
    """The page's memory. Any thread may use it. *lock* is the feed's: a change and its event are one step."""

    def __init__(self, publish: Publish, lock: ContextManager[Any]) -> None:
        self._publish = publish
        self.lock = lock
        self.users: List[str] = []
        self.groups: Dict[str, Dict[str, Any]] = {}
        self._entries: Dict[str, Entry] = {}
        self.dirty = False

    def add_user(self, name: str) -> None:
        """Add a user, who then has a chat with each bot."""
        with self.lock:
            if name not in self.users:
                self.users.append(name)
                self._changed("people", self.people())

    def set_group(self, chat: str, name: str, members: List[str]) -> None:
        """Add a group of the WeCom side, or change its members."""
        with self.lock:
            self.groups[chat] = {"id": chat, "name": name, "members": list(members)}
            for member in members:
                self.add_user(member)
            self._changed("people", self.people())

    def people(self) -> Dict[str, Any]:
        """Return the users and the groups as the page knows them."""
        with self.lock:
            return {"users": list(self.users), "groups": list(self.groups.values())}

    @property
    def people_by_group(self) -> Dict[str, List[str]]:
        """Return the members of each group by its id."""
        with self.lock:
            return {chat: list(group["members"]) for chat, group in self.groups.items()}

    def put(self, entry_id: str, **fields: Any) -> Entry:
        """Add an entry, or change the fields of one; only what has changed is published."""
        with self.lock:
            entry = self._entries.get(entry_id)
            if entry is None:
                entry = self._entries[entry_id] = {"id": entry_id, **fields}
                if len(self._entries) > KEPT:
                    del self._entries[next(iter(self._entries))]
                self._changed("entry", dict(entry))
                return entry
            changes = {name: value for name, value in fields.items() if name not in entry or entry[name] != value}
            if not changes:
                return entry
            self._changed("patch", {"id": entry_id, **_grown(entry, changes)})
            entry.update(changes)
            return entry

    def get(self, entry_id: str) -> Optional[Entry]:
        """Return a copy of an entry; None when there is none of that id."""
        with self.lock:
            entry = self._entries.get(entry_id)
            return None if entry is None else dict(entry)

    def entries(self, side: Optional[str] = None, chat: Optional[str] = None) -> List[Entry]:
        """Return copies of the entries, of one chat if it is named."""
        with self.lock:
            return [
                dict(entry)
                for entry in self._entries.values()
                if side in (None, entry["side"]) and chat in (None, entry["chat"])
            ]

    def clear(self, side: str, chat: str) -> None:
        """Forget the entries of one chat."""
        with self.lock:
            for entry in self.entries(side, chat):
                del self._entries[entry["id"]]
            self._changed("cleared", {"side": side, "chat": chat})

    def snapshot(self) -> Dict[str, Any]:
        """Return what a freshly opened page needs."""
        with self.lock:
            return {**self.people(), "entries": self.entries()[-SHOWN:]}

    def export(self) -> Dict[str, Any]:
        """Return everything as JSON."""
        with self.lock:
            self.dirty = False
            return {**self.people(), "entries": self.entries()}

    def load(self, saved: Dict[str, Any]) -> None:
        """Take over what an earlier process exported. ValueError for anything else."""
        try:
            users = [str(one) for one in saved["users"]]
            groups = {str(one["id"]): dict(one) for one in saved["groups"]}
            entries = {str(one["id"]): dict(one) for one in saved["entries"]}
            if not all(one["side"] in SIDES and isinstance(one["chat"], str) for one in entries.values()):
                raise ValueError("an entry stands in no chat")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"this is not the history of a playground: {error}") from error
        with self.lock:
            self.users, self.groups, self._entries = users, groups, entries

    def _changed(self, kind: str, data: Any) -> None:
        self.dirty = True
        self._publish(kind, data)


def _grown(entry: Entry, changes: Dict[str, Any]) -> Dict[str, Any]:
    """Send what was added to a growing text in place of all of it: a stream's snapshots have up to 20 KB each."""
    text, before = changes.get("text"), entry.get("text")
    if isinstance(text, str) and isinstance(before, str) and before and text.startswith(before):
        return {**{name: value for name, value in changes.items() if name != "text"}, "more": text[len(before) :]}
    return changes
