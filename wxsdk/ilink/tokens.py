"""The context tokens of the users, kept in the store."""

from __future__ import annotations

from typing import Dict, List, Mapping, Optional

from ..core.redact import Secret
from ..errors import ConfigError
from ..runtime.clock import Clock
from ..runtime.store import Change, Put, Store
from .jsontext import check_whole_characters
from .tables import CONTEXT_TOKENS


class ContextTokenStore:
    """The newest context token of each user, which the platform wants to see again with every send.

    Any thread may use it. Tokens come back as ``Secret``: a str that hides itself in reprs. What the store itself
    raises is passed on.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def __repr__(self) -> str:
        return "<ContextTokenStore>"  # no count: reading would open a store that was closed

    def get(self, user_id: str) -> Optional[str]:
        """The newest token of *user_id*, None when there is none. ConfigError for what is no text."""
        if not isinstance(user_id, str):
            raise ConfigError("The user_id is not a text.", remedy="Give the from_user_id of a message.")
        token = self._store.get(CONTEXT_TOKENS, user_id)
        return None if token is None else Secret(token)

    def set(self, user_id: str, token: str) -> None:
        """Make *token* the newest one of *user_id*. ConfigError as of ``import_all``."""
        self.import_all({user_id: token})

    def export_all(self) -> Dict[str, str]:
        """Every user's token, for ``import_all`` of another client. Treat it as a secret; json.dumps shows it."""
        return {user_id: Secret(token) for user_id, token in self._store.items(CONTEXT_TOKENS)}

    def import_all(self, mapping: Mapping[str, str]) -> None:
        """Take over the tokens of *mapping*, all or none.

        ConfigError unless it is a mapping, and users and tokens are texts, not empty and of whole characters.
        """
        if not isinstance(mapping, Mapping):
            raise ConfigError("What is to be imported is no mapping.", remedy="Give what export_all() returned.")
        changes: List[Change] = []
        for user_id, token in mapping.items():
            if not all(isinstance(one, str) and one for one in (user_id, token)):
                raise ConfigError(
                    "A context token, or its user, is not usable.", remedy="Give texts that are not empty."
                )
            check_whole_characters(user_id, "user_id of a context token")
            check_whole_characters(token, "context token")
            changes.append(Put(CONTEXT_TOKENS, str(user_id), str(token), self._clock.wall()))
        if changes:
            self._store.write(changes)
