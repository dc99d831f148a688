"""Explains why a TLS connection failed, and what to do about it; shared by the doors ``http`` and ``wsock``."""

from __future__ import annotations

import ssl
from typing import Dict, Tuple

NETWORK_REMEDY = "Check the network, the address and any proxy or firewall in between."
_INTERCEPTED = (
    "A proxy or firewall may decrypt the traffic: have its authority trusted (REQUESTS_CA_BUNDLE names a file with it; "
    "ssl_context of a WeCom client does so, too)."
)
_CLOCK = "Check this machine's clock; if it is right, the server's certificate has to be renewed."
_OTHER_HOST = "Check the address: another server answers there, or something in between does."

# By X509_V_ERR_* of OpenSSL (openssl/x509_vfy.h).
_UNTRUSTED: Dict[int, Tuple[str, str]] = {
    9: ("the server's certificate is not valid yet", _CLOCK),
    10: ("the server's certificate has expired", _CLOCK),
    18: ("the server's certificate is self-signed, so nothing vouches for it", _INTERCEPTED),
    19: ("the server's certificate comes from an authority that is not trusted here", _INTERCEPTED),
    20: ("the server's certificate comes from an authority that is not trusted here", _INTERCEPTED),
    21: ("the server's certificate comes from an authority that is not trusted here", _INTERCEPTED),
    23: ("the server's certificate was revoked", _OTHER_HOST),
    62: ("the server's certificate is for another host", _OTHER_HOST),
    64: ("the server's certificate is for another address", _OTHER_HOST),
}

# By the reason that OpenSSL gives (SSLError.reason); its names stay the same from version to version.
_REASONS: Dict[str, Tuple[str, str]] = {
    "WRONG_VERSION_NUMBER": (
        "what answers there does not speak TLS",
        "Check scheme and port of the address, and any proxy in between.",
    ),
    "HTTP_REQUEST": ("what answers there does not speak TLS", "Check scheme and port of the address."),
    "UNSUPPORTED_PROTOCOL": (
        "the server speaks only versions of TLS that are no longer safe",
        "Check any proxy in between; the platforms speak TLS 1.2 or newer.",
    ),
    "TLSV1_ALERT_PROTOCOL_VERSION": (
        "the server takes none of the TLS versions that are spoken here",
        "Check any proxy in between; the platforms speak TLS 1.2 or newer.",
    ),
    "SSLV3_ALERT_HANDSHAKE_FAILURE": (
        "the server takes none of the ciphers that are offered here",
        "Check whether this system's OpenSSL policy leaves ciphers out, and any proxy in between.",
    ),
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": (
        "the server asks for a certificate of the client",
        "Check the address: the platforms ask for none.",
    ),
}
_UNKNOWN_REMEDY = "Check the address, any proxy in between and this machine's clock."


def explain_tls(error: BaseException) -> Tuple[str, str, str]:
    """Return the kind of TransportError, what happened and the remedy for an error of the module ``ssl``.

    A connection that was cut is of kind "tcp", however ``ssl`` calls it.
    """
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "tcp", "The server, or something in between, cut the TLS connection.", "Try again; check any proxy."
    if isinstance(error, ssl.SSLCertVerificationError):
        why, remedy = _UNTRUSTED.get(error.verify_code, ("the server's certificate is not trusted here", _INTERCEPTED))
        return "tls", f"The TLS connection failed: {why}.", remedy
    reason = getattr(error, "reason", None) or ""
    why, remedy = _REASONS.get(reason, (f"OpenSSL says {reason}" if reason else "OpenSSL gives no reason", ""))
    return "tls", f"The TLS connection failed: {why}.", remedy or _UNKNOWN_REMEDY
