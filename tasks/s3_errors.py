"""What boto3 raises, sorted by what is to be done about it.

The names are those of the S3 API's error list and of botocore's exceptions. A HEAD has no body to
name an error in, so its bare status stands for the usual meaning.
"""

from __future__ import annotations

import os
import re
from http import HTTPStatus

from botocore import exceptions as boto
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from tasks.redaction import redact
from tasks.storage_errors import (
    BusyError,
    ExpiredError,
    InputError,
    RefusedError,
    StorageError,
    TakenError,
)

MISSING = {"NoSuchKey", "NotFound", "404"}
"""Codes of an object that is not there."""
TAKEN = {"PreconditionFailed", "412"}
"""Codes of a condition that does not hold."""

_FORBIDDEN = {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
_EXPIRED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "RequestExpired",
    "RequestTimeTooSkewed",
    "TokenRefreshRequired",
    "400",  # what a HEAD gets instead of ExpiredToken
}
_BUCKET = {"NoSuchBucket", "InvalidBucketName", "PermanentRedirect", "301", "AllAccessDisabled"}
_BUSY = {
    "BadDigest",
    "BandwidthLimitExceeded",
    "ConditionalRequestConflict",
    "IncompleteBody",
    "InternalError",
    "NoSuchUpload",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequests",
    "TooManyRequestsException",
    "429",
    "XAmzContentChecksumMismatch",
    "XAmzContentSHA256Mismatch",
}
_UNSUPPORTED = {"NotImplemented", "501"}
_CONDITION = re.compile(r"(?i)(unsupported|unknown) header\W+if-(none-)?match")
_NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.ProfileNotFound,
    boto.InvalidConfigError,
    boto.ConfigParseError,
)
_STALE_CREDENTIALS = (
    boto.CredentialRetrievalError,
    boto.LoginError,
    boto.SSOError,
    boto.TokenRetrievalError,
    boto.RefreshWithMFAUnsupportedError,
    boto.MetadataRetrievalError,
)
_BROKEN_LINE = (
    boto.ConnectionError,
    boto.HTTPClientError,
    boto.IncompleteReadError,
    boto.FlexibleChecksumError,
    ResponseParserError,
)


def is_unsupported(error: ClientError) -> bool:
    """Tell whether a store says that it does not know a condition we sent."""
    said = error.response["Error"]
    return said["Code"] in _UNSUPPORTED or bool(_CONDITION.search(said.get("Message", "")))


def translated(error: Exception, location: str) -> StorageError:
    """Return the error of ours that says what a failed request means.

    Args:
        error: As boto3 raised it.
        location: What the request was about.
    """
    if isinstance(error, ClientError):
        return _from_answer(error, location)
    said = redact(f"{location!r}: {error}")
    if isinstance(error, _NO_CREDENTIALS):
        return RefusedError(said, remedy="set AWS_PROFILE, or the AWS_... keys, and run nst check")
    if isinstance(error, _STALE_CREDENTIALS):
        return ExpiredError(said, remedy="log in again; uploads go on by themselves")
    if isinstance(error, boto.SSLError) and "CERTIFICATE_VERIFY_FAILED" in str(error):
        return RefusedError(said, remedy="set AWS_CA_BUNDLE to the certificate of your store")
    if isinstance(error, _BROKEN_LINE):
        is_unreached = isinstance(error, boto.EndpointConnectionError)
        advice = "check the network, and AWS_ENDPOINT_URL" if is_unreached else None
        return BusyError(said, remedy=advice)
    return RefusedError(said, code="E-S3-REQUEST")


def _from_answer(error: ClientError, location: str) -> StorageError:
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    said = redact(
        f"{location!r}: {code} for {error.operation_name}"
        f" ({error.response['Error'].get('Message', 'no message')})"
    )
    if code in MISSING:
        return InputError(f"{location!r} does not exist")
    if code in TAKEN:
        return TakenError(f"{location!r} was written by somebody else")
    if code in _EXPIRED:
        return ExpiredError(said, remedy="renew the credentials; uploads go on by themselves")
    if code in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return BusyError(said)
    word, remedy = "E-S3-REQUEST", "check that the endpoint is an S3 service"
    if "x-amz-checksum" in said:
        remedy = "set AWS_REQUEST_CHECKSUM_CALCULATION=when_required for this store"
    if code in _BUCKET:
        word, remedy = "E-S3-BUCKET", "check the bucket's name and region"
    elif status in _FORBIDDEN or code == "InvalidToken":
        profile = os.environ.get("AWS_PROFILE", "default")
        word, remedy = "E-S3-ACCESS", f"check the keys and rights of profile {profile!r}"
    return RefusedError(said, code=word, remedy=remedy)
