from __future__ import annotations

import base64
import hashlib
import logging
import os
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from botocore import exceptions as boto

from tasks.redaction import RedactingFilter
from tasks.s3_errors import translated
from tasks.s3_store import S3Store
from tasks.settings import Settings
from tasks.storage_errors import (
    BusyError,
    ExpiredError,
    InputError,
    RefusedError,
    StorageError,
    TakenError,
)
from tests.tasks.fault_proxy import ALWAYS, Fault, FaultProxy

if TYPE_CHECKING:
    from pathlib import Path

LILIES = os.urandom(5000)
CANARY = "wJalrXUtnFEMI/canary+EXAMPLEKEY"


@pytest.fixture
def store(line: FaultProxy) -> S3Store:
    """A bucket's store at the far end of the line."""
    return S3Store(Settings.from_environment())


def answer(code: str, status: int) -> boto.ClientError:
    """Return what boto3 raises for an answer."""
    error = {"Code": code, "Message": "..."}
    return boto.ClientError(
        {"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, "PutObject"
    )


class TestWhatIsSent:
    def test_a_checksum_goes_along(self, store: S3Store, bucket: str, line: FaultProxy):
        """The store can refuse what arrives damaged, and others can verify it later."""
        store.write(f"{bucket}/a.png", LILIES)

        sent = line.seen[-1].headers
        digest = hashlib.sha256(LILIES)
        assert base64.b64decode(sent["x-amz-checksum-sha256"]) == digest.digest()
        assert sent["x-amz-meta-sha256"] == digest.hexdigest()

    def test_an_old_store_gets_an_old_checksum(
        self, bucket: str, line: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ):
        """With `when_required`, MD5 does the same, as every S3-compatible store knows it."""
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")

        S3Store(Settings.from_environment()).write(f"{bucket}/a.png", LILIES)

        sent = line.seen[-1].headers
        assert base64.b64decode(sent["content-md5"]) == hashlib.md5(LILIES).digest()
        assert not [name for name in sent if name.startswith(("x-amz-checksum", "x-amz-trailer"))]
        assert "chunked" not in str(sent)

    @pytest.mark.parametrize(
        ("name", "content_type"),
        [
            ("a.png", "image/png"),
            ("sheets/show.pdf", "application/pdf"),
            ("index.html", "text/html; charset=utf-8"),
            ("a", None),
        ],
    )
    def test_the_type_goes_along(
        self, store: S3Store, bucket: str, line: FaultProxy, name: str, content_type: str | None
    ):
        """A browser shows a gallery in a bucket, instead of offering it for download."""
        store.write(f"{bucket}/{name}", LILIES)

        assert line.seen[-1].headers.get("content-type") == content_type

    def test_buckets_stand_in_the_path_if_asked(
        self, bucket: str, line: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ):
        """With path style, the host's name stays as it is: `localhost` has no sub-domains."""
        by_name = line.url.replace("127.0.0.1", "localhost")
        monkeypatch.setenv("AWS_ENDPOINT_URL", by_name)
        monkeypatch.setenv("NST_S3_PATH_STYLE", "yes")

        S3Store(Settings.from_environment()).write(f"{bucket}/a.png", LILIES)

        assert line.seen[-1].path == f"/{bucket.removeprefix('s3://')}/a.png"
        assert f"http://{line.seen[-1].headers['host']}" == by_name

    def test_the_profile_decides_who_we_are(
        self, bucket: str, line: FaultProxy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        """Keys of a profile are used, and a renewal reads them again."""
        for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(variable)
        profile = tmp_path / "credentials"
        profile.write_text("[night]\naws_access_key_id = FIRST\naws_secret_access_key = x\n")
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(profile))
        monkeypatch.setenv("AWS_PROFILE", "night")
        store = S3Store(Settings.from_environment())

        store.head(f"{bucket}/a.png")
        profile.write_text("[night]\naws_access_key_id = SECOND\naws_secret_access_key = x\n")
        store.renew()
        store.head(f"{bucket}/a.png")

        used = [request.headers["authorization"] for request in line.seen]
        assert ["Credential=FIRST" in used[0], "Credential=SECOND" in used[1]] == [True, True]

    @pytest.mark.parametrize("fault", [Fault.NOT_IMPLEMENTED, Fault.UNKNOWN_HEADER])
    def test_a_store_without_conditions_is_asked_without_them(
        self, store: S3Store, bucket: str, line: FaultProxy, fault: Fault
    ):
        """A store that refuses a condition gets the write without it, and no more conditions."""
        line.inject(fault, method="PUT")

        store.write(f"{bucket}/a.png", LILIES, create_only=True)
        store.write(f"{bucket}/b.png", LILIES, create_only=True)

        conditions = ["if-none-match" in request.headers for request in line.seen]
        assert conditions == [True, False, False]


class TestLargeObjects:
    """Objects that travel in parts; here, all of them."""

    @pytest.fixture
    def large(self) -> bytes:
        return os.urandom(1000) * (17 << 10)

    @pytest.fixture
    def store(self, line: FaultProxy) -> S3Store:
        return S3Store(Settings.from_environment(), multipart_from=1)

    def unfinished(self, client: Any, bucket: str) -> list[str]:
        uploads = client.list_multipart_uploads(Bucket=bucket.removeprefix("s3://"))
        return [upload["Key"] for upload in uploads.get("Uploads", ())]

    @pytest.mark.parametrize("checksums", ["when_supported", "when_required"])
    def test_parts_make_a_whole(
        self,
        bucket: str,
        line: FaultProxy,
        large: bytes,
        checksums: str,
        monkeypatch: pytest.MonkeyPatch,
    ):
        """What arrives in parts is what was sent, with either kind of checksum."""
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", checksums)
        store = S3Store(Settings.from_environment(), multipart_from=1)

        store.write(f"{bucket}/a.png", large)

        assert store.head(f"{bucket}/a.png").etag.endswith('-2"')
        assert store.holds(f"{bucket}/a.png", large)
        assert store.read(f"{bucket}/a.png") == large

    def test_a_part_that_fails_leaves_nothing(
        self, store: S3Store, bucket: str, line: FaultProxy, large: bytes, s3_client: Any
    ):
        """An upload that breaks off is aborted: its parts would be stored and paid for."""
        line.inject(Fault.INTERNAL_ERROR, method="PUT")

        with pytest.raises(BusyError):
            store.write(f"{bucket}/a.png", large)

        assert store.head(f"{bucket}/a.png") is None
        assert self.unfinished(s3_client, bucket) == []

    def test_what_a_kill_left_is_cleared_by_the_next_try(
        self, store: S3Store, bucket: str, s3_client: Any
    ):
        """Unfinished uploads of the same key go; those of others stay."""
        for key in ("a.png", "a.png.other"):
            s3_client.create_multipart_upload(Bucket=bucket.removeprefix("s3://"), Key=key)

        store.write(f"{bucket}/a.png", LILIES)

        assert self.unfinished(s3_client, bucket) == ["a.png.other"]

    def test_conditions_hold(self, store: S3Store, bucket: str, s3_client: Any):
        """A large object is created only once, too, and the loser leaves nothing."""
        store.write(f"{bucket}/a.png", LILIES, create_only=True)

        with pytest.raises(TakenError):
            store.write(f"{bucket}/a.png", b"other", create_only=True)

        assert store.read(f"{bucket}/a.png") == LILIES
        assert self.unfinished(s3_client, bucket) == []


class TestWhatIsBelieved:
    def test_an_echoed_checksum_proves_nothing(self, store: S3Store, bucket: str, line: FaultProxy):
        """This server keeps any checksum it is told; only the content's own etag is believed."""
        line.inject(Fault.FLIP_UP, method="PUT")
        store.write(f"{bucket}/a.png", LILIES)

        assert not store.holds(f"{bucket}/a.png", LILIES)

    def test_an_etag_of_another_kind_is_no_reproach(
        self, store: S3Store, bucket: str, s3_client: Any, line: FaultProxy
    ):
        """Where encryption makes the etag, the bytes are read back instead, and twice."""
        s3_client.put_object(
            Bucket=bucket.removeprefix("s3://"),
            Key="a.png",
            Body=LILIES,
            ServerSideEncryption="aws:kms",
        )
        line.inject(Fault.FOREIGN_ETAG, times=ALWAYS)

        assert store.read(f"{bucket}/a.png") == LILIES
        assert store.holds(f"{bucket}/a.png", LILIES)
        assert not store.holds(f"{bucket}/a.png", bytes(5000))

    def test_downloads_that_differ_are_not_believed(
        self, store: S3Store, bucket: str, s3_client: Any, line: FaultProxy
    ):
        """Without a witness, two readings must agree."""
        s3_client.put_object(
            Bucket=bucket.removeprefix("s3://"),
            Key="a.png",
            Body=LILIES,
            ServerSideEncryption="aws:kms",
        )
        line.inject(Fault.FLIP_DOWN, method="GET")

        with pytest.raises(BusyError, match="differently"):
            store.read(f"{bucket}/a.png")


class TestWhatErrorsMean:
    @pytest.mark.parametrize(
        ("error", "kind", "code"),
        [
            (answer("NoSuchKey", 404), InputError, "E-INPUT-MISSING"),
            (answer("NoSuchBucket", 404), RefusedError, "E-S3-BUCKET"),
            (answer("InvalidBucketName", 400), RefusedError, "E-S3-BUCKET"),
            (answer("PermanentRedirect", 301), RefusedError, "E-S3-BUCKET"),
            (answer("AccessDenied", 403), RefusedError, "E-S3-ACCESS"),
            (answer("403", 403), RefusedError, "E-S3-ACCESS"),
            (answer("SignatureDoesNotMatch", 403), RefusedError, "E-S3-ACCESS"),
            (answer("InvalidToken", 400), RefusedError, "E-S3-ACCESS"),
            (answer("ExpiredToken", 400), ExpiredError, "E-S3-EXPIRED"),
            (answer("RequestTimeTooSkewed", 403), ExpiredError, "E-S3-EXPIRED"),
            (answer("400", 400), ExpiredError, "E-S3-EXPIRED"),
            (answer("PreconditionFailed", 412), TakenError, "E-S3-TAKEN"),
            (answer("ConditionalRequestConflict", 409), BusyError, "E-S3-BUSY"),
            (answer("SlowDown", 503), BusyError, "E-S3-BUSY"),
            (answer("RequestTimeout", 400), BusyError, "E-S3-BUSY"),
            (answer("BadDigest", 400), BusyError, "E-S3-BUSY"),
            (answer("NewFangledError", 502), BusyError, "E-S3-BUSY"),
            (answer("MalformedXML", 400), RefusedError, "E-S3-REQUEST"),
            (boto.NoCredentialsError(), RefusedError, "E-S3-ACCESS"),
            (boto.ProfileNotFound(profile="x"), RefusedError, "E-S3-ACCESS"),
            (boto.UnauthorizedSSOTokenError(), ExpiredError, "E-S3-EXPIRED"),
            (boto.EndpointConnectionError(endpoint_url="x"), BusyError, "E-S3-BUSY"),
            (boto.ConnectTimeoutError(endpoint_url="x"), BusyError, "E-S3-BUSY"),
            (boto.ReadTimeoutError(endpoint_url="x"), BusyError, "E-S3-BUSY"),
            (boto.FlexibleChecksumError(error_msg="x"), BusyError, "E-S3-BUSY"),
            (boto.SSLError(endpoint_url="x", error="EOF"), BusyError, "E-S3-BUSY"),
            (
                boto.SSLError(endpoint_url="x", error="CERTIFICATE_VERIFY_FAILED"),
                RefusedError,
                "E-S3-ACCESS",
            ),
            (boto.ParamValidationError(report="x"), RefusedError, "E-S3-REQUEST"),
        ],
        ids=lambda value: getattr(value, "__name__", None) or type(value).__name__,
    )
    def test_each_has_one_meaning(self, error: Exception, kind: type[StorageError], code: str):
        """Every way to fail is either final, or passing, or a matter of credentials."""
        meaning = translated(error, "s3://bucket/a.png")

        assert (type(meaning), meaning.code) == (kind, code)
        assert "s3://bucket/a.png" in str(meaning)

    def test_a_store_that_cannot_be_reached_comes_with_advice(self):
        """The address may be a slip."""
        error = boto.EndpointConnectionError(endpoint_url="http://x")

        assert "; check the network, and AWS_ENDPOINT_URL" in str(translated(error, "s3://b/a"))

    def test_an_old_store_is_told_how_to_serve(self):
        """Who does not know our checksums is helped by a setting, which the message names."""
        error = answer("InvalidArgument", 400)
        error.response["Error"]["Message"] = "Unsupported header 'x-amz-checksum-sha256'"

        assert "when_required" in str(translated(error, "s3://bucket/a.png"))

    def test_no_password_of_a_configured_address_comes_out(
        self, s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ):
        """boto3's own messages repeat the address that its configuration file gives."""
        password = CANARY.replace("/", "")
        config = tmp_path / "config"
        config.write_text(f"[default]\nendpoint_url = http://me:{password}@127.0.0.1:9\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
        monkeypatch.delenv("AWS_ENDPOINT_URL")

        with pytest.raises(BusyError, match=r"\*\*\*@127\.0\.0\.1") as caught:
            S3Store(Settings.from_environment()).head("s3://bucket/a.png")

        assert "canary" not in "".join(traceback.format_exception(caught.value))

    @pytest.mark.parametrize("fault", [None, *Fault])
    def test_no_secret_ever_comes_out(
        self,
        bucket: str,
        line: FaultProxy,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        fault: Fault | None,
    ):
        """Keys and tokens are in no message, no traceback, and not even in botocore's debug log."""
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
        monkeypatch.setenv("AWS_SESSION_TOKEN", f"token-{CANARY}")
        caplog.handler.addFilter(RedactingFilter())
        caplog.set_level(logging.DEBUG)
        if fault:
            line.inject(fault, times=ALWAYS)
        store = S3Store(Settings.from_environment())
        told = ""

        for action in (
            lambda: store.write(f"{bucket}/a.png", LILIES, create_only=True),
            lambda: store.read(f"{bucket}/a.png"),
            lambda: list(store.listing(bucket)),
        ):
            try:
                action()
            except StorageError as error:
                told += repr(error) + "".join(traceback.format_exception(error))

        assert "canary" not in told + caplog.text
        assert "botocore" in caplog.text
