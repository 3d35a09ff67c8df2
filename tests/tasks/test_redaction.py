from __future__ import annotations

import io
import logging

import pytest

from tasks.redaction import RedactingFilter, redact

CANARY = "wJalrXUtnFEMI/canary+EXAMPLEKEY"


@pytest.mark.parametrize(
    "text",
    [
        f"could not connect to https://me:{CANARY}@host:9000/bucket",
        f"https://host/b/k?X-Amz-Credential={CANARY}&X-Amz-Expires=60",
        f"https://host/b/k?x-amz-expires=60&x-amz-signature={CANARY}",
        f"https://host/b/k?AWSAccessKeyId={CANARY}&Signature={CANARY}&Expires=1",
        f"x-amz-security-token:{CANARY}",
        f"{{'X-Amz-Security-Token': b'{CANARY}'}}",
        f"Authorization: AWS4-HMAC-SHA256 Credential={CANARY}, Signature={CANARY}",
    ],
)
def test_what_grants_access_is_masked(text: str):
    """Passwords, signatures and tokens are masked in whatever form they come."""
    assert "canary" not in redact(text)
    assert "***" in redact(text)


@pytest.mark.parametrize(
    "variable",
    [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "PREFECT_API_KEY",
        "PREFECT_API_AUTH_STRING",
        "SLACK_WEBHOOK_URL",
        "smtp_password",
    ],
)
def test_the_secrets_of_the_environment_are_masked_anywhere(
    variable: str, monkeypatch: pytest.MonkeyPatch
):
    """The values themselves are known, so they are found without any word beside them."""
    monkeypatch.setenv(variable, CANARY)

    assert redact(f"(1, {CANARY!r})") == "(1, '***')"


@pytest.mark.parametrize(
    "text",
    ["s3://bucket/me@home.png", "s3://bucket/12:30@home.png", "the Signature of Monet", "a:b@c"],
)
def test_other_text_stays_as_it_is(text: str):
    """Names that merely look a little like it are left alone."""
    assert redact(text) == text


def test_where_a_secret_lies_is_no_secret(monkeypatch: pytest.MonkeyPatch):
    """A message that names the file of a token is of use."""
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/token")

    assert redact("/var/run/token cannot be read") == "/var/run/token cannot be read"


def test_a_log_keeps_no_secret():
    """A handler with the filter writes neither messages nor tracebacks with secrets in them."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(RedactingFilter())
    log = logging.getLogger("night")
    log.addHandler(handler)

    log.error("trying %s", f"https://me:{CANARY}@host")
    error = ConnectionError(f"no answer from https://me:{CANARY}@host")
    log.error("failed", exc_info=error)
    log.removeHandler(handler)

    assert "ConnectionError: no answer from https://***@host" in written.getvalue()
    assert "canary" not in written.getvalue()
