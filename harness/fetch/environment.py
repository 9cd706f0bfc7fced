"""Environment variables that choose a proxy and certificates, and the error if they can't be used."""

from __future__ import annotations

import os

from harness.fetch.retry import SourceFailure

PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")
CERTIFICATES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def set_variables(names: tuple[str, ...] = PROXIES + CERTIFICATES) -> str:
    """Return those of the variables that are set, e.g. "$HTTPS_PROXY or $SSL_CERT_FILE"; values may hold passwords."""
    found = [name for each in names for name in dict.fromkeys((each, each.lower())) if os.environ.get(name)]
    return " or ".join(f"${name}" for name in found)


def hint(names: tuple[str, ...] = PROXIES) -> str:
    """Return what to look at where no connection comes about; "" where no variable is set."""
    found = set_variables(names)
    return f"; is {found} right?" if found else ""


def unusable(error: Exception) -> SourceFailure:
    """Return the failure of an HTTP library that can't begin: a malformed proxy, certificates that are not there."""
    text = " ".join(str(error).split())[:200] or type(error).__name__
    absent = tuple(name for name in CERTIFICATES if os.environ.get(name) and not os.path.exists(os.environ[name]))
    found = set_variables(absent or PROXIES + CERTIFICATES)
    advice = f"; correct or unset {found}" if found else ""
    return SourceFailure(f"expected settings that the HTTP library can use, found: {text}{advice}")
