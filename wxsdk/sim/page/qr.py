"""Draws QR codes for the page."""

from __future__ import annotations

import io

import segno


def qr_picture(text: str) -> bytes:
    """Return the QR code of *text* as an SVG picture."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", scale=8, border=3, dark="#111", light="#fff", xmldecl=False)
    return out.getvalue()
