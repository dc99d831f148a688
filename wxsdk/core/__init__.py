"""Decisions and values that both protocols share: pure, without sockets, threads or clocks."""
