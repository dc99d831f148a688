"""The playground: a page on loopback on which people chat with a bot through both simulators."""

from .playground import Playground

__all__ = ["Playground"]
