"""Secrets are taken out of every text before it is shown or kept.

Three kinds are known: ``user:password@`` in an address, the signature fields of a signed request
(as a query, as a header, as botocore's debug log prints them), and the values of all variables of
the environment whose names say that they are secret: AWS keys, Prefect's, webhooks.
"""

from __future__ import annotations

import logging
import os
import re

_MASK = "***"
# The last words of a name, but not those that only tell where a secret lies. Whoever knows a
# webhook's address may post there.
_SECRET_NAME = re.compile(
    r"(SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIALS?|(WEBHOOK|NOTIFY)(_URL)?|AUTH(_STRING)?"
    r"|(API|ACCESS|PRIVATE|SECRET)_?KEY(_ID)?)$",
    re.IGNORECASE,
)
# Dummy values such as "test" are no secrets, and masking them would mangle the text.
_SHORTEST_SECRET = 8
_USERINFO = re.compile(r"(?<=://)[^\s/@:]+:[^\s@]+@")
_SIGNATURE = re.compile(
    r"\b(X-Amz-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|Credential|Signature)"
    r"""(['"]?\s*[=:]\s*(?:b?['"])?)([^\s&,;'"]+)""",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Return the text with every secret in it replaced by ``***``.

    Args:
        text: Anything about to be logged, shown or written: a message, an address, a traceback.
    """
    for variable, secret in os.environ.items():
        if len(secret) >= _SHORTEST_SECRET and _SECRET_NAME.search(variable):
            text = text.replace(secret, _MASK)
    return _SIGNATURE.sub(rf"\1\2{_MASK}", _USERINFO.sub(f"{_MASK}@", text))


class RedactingFilter(logging.Filter):
    """Redacts every record that passes; put it on each handler that writes somewhere."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record pass, without its secrets."""
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True
