"""A bucket as a store: S3, and what speaks its language (MinIO, Ceph, R2).

What a store answers is never taken on trust. A checksum header that is merely echoed proves
nothing; the etag of a plain object is the MD5 of what really lies there, and where it is not
(encryption by KMS, several parts), the bytes are read back.
"""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from contextlib import closing, contextmanager, suppress
from email.utils import parsedate_to_datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from tasks.locations import S3Location
from tasks.s3_errors import MISSING, TAKEN, is_unsupported, translated
from tasks.storage_errors import BusyError, InputError
from tasks.store import ObjectInfo, find_in_bucket

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from tasks.settings import Settings

#: Below, one request carries an object: it is there or it is not, and a failure leaves nothing.
MULTIPART_FROM = 64 << 20
_PART = 16 << 20

_MD5 = re.compile(r"[0-9a-f]{32}")

_CONTENT_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".mp4": "video/mp4",
    ".pdf": "application/pdf",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".csv": "text/csv; charset=utf-8",
    ".md": "text/markdown; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


class S3Store:
    """Buckets behind one endpoint, as boto3's own configuration and our settings describe it.

    Args:
        settings: Endpoint, path style, timeouts, tries, size limit.
        multipart_from: Size in bytes from which an object travels in parts.
    """

    def __init__(self, settings: Settings, *, multipart_from: int = MULTIPART_FROM) -> None:
        self._settings = settings
        self._multipart_from = multipart_from
        self._guard = threading.Lock()
        self._connected: Any = None
        self._conditional = True

    def find(self, pattern: str) -> list[str]:
        """See `Store.find`."""
        return find_in_bucket(self, pattern)

    def listing(self, folder: str, *, deep: bool = True) -> Iterator[ObjectInfo]:
        """See `Store.listing`."""
        place = S3Location.parse(folder)
        request = {"Bucket": place.bucket, "Prefix": place.key}
        if not deep:
            request["Delimiter"] = "/"
        with self._client(folder) as client:
            for page in client.get_paginator("list_objects_v2").paginate(**request):
                for entry in page.get("Contents", ()):
                    # Some tools mark folders with an empty object whose key ends in a slash.
                    if not entry["Key"].endswith("/"):
                        yield ObjectInfo(
                            f"s3://{place.bucket}/{entry['Key']}",
                            entry["Size"],
                            entry.get("ETag", ""),
                            _age(page, entry["LastModified"]),
                        )

    def names(self, folder: str) -> Iterator[str]:
        """See `Store.names`."""
        place = S3Location.parse(folder)
        request = {"Bucket": place.bucket, "Prefix": place.key, "Delimiter": "/"}
        with self._client(folder) as client:
            for page in client.get_paginator("list_objects_v2").paginate(**request):
                keys = [entry["Key"] for entry in page.get("Contents", ())]
                keys += [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]
                yield from filter(None, (key[len(place.key) :].rstrip("/") for key in keys))

    def head(self, location: str) -> ObjectInfo | None:
        """See `Store.head`."""
        place = S3Location.parse(location)
        with self._client(location) as client:
            try:
                answer = client.head_object(Bucket=place.bucket, Key=place.key)
            except ClientError as error:
                if error.response["Error"]["Code"] in MISSING:
                    return None
                raise
        return ObjectInfo(
            location,
            answer["ContentLength"],
            answer.get("ETag", ""),
            _age(answer, answer["LastModified"]),
        )

    def read(self, location: str, *, etag: str | None = None) -> bytes:
        """See `Store.read`. Bytes that no etag vouches for are read twice and must agree."""
        first, vouched = self._get(location, etag)
        if not vouched and self._get(location, etag)[0] != first:
            raise BusyError(f"{location!r} arrived differently twice", code="E-S3-DAMAGED")
        return first

    def _get(self, location: str, etag: str | None) -> tuple[bytes, bool]:
        """Download once; tell whether that will do."""
        place = S3Location.parse(location)
        condition = {"IfMatch": etag} if etag else {}
        with self._client(location) as client:
            try:
                answer = client.get_object(Bucket=place.bucket, Key=place.key, **condition)
            except ClientError as error:
                if error.response["Error"]["Code"] in TAKEN:
                    raise InputError(
                        f"{location!r} changed while it was read", code="E-INPUT-CHANGED"
                    ) from None
                raise
            # Entering the body itself would lend the raw stream, which checks nothing.
            with closing(answer["Body"]) as body:
                limit = self._settings.max_input_bytes
                if answer["ContentLength"] > limit:
                    raise InputError(
                        f"{location!r} has {answer['ContentLength']} bytes, more than {limit}",
                        code="E-INPUT-TOOBIG",
                        remedy="raise NST_MAX_INPUT if that is meant",
                    )
                data = body.read()
        said = answer.get("ETag", "").strip('"')
        if _md5(data) == said:
            return data, True
        encrypted = "ServerSideEncryption" in answer or "SSECustomerAlgorithm" in answer
        if _MD5.fullmatch(said) and not encrypted:
            raise BusyError(f"{location!r} arrived damaged", code="E-S3-DAMAGED")
        # Large objects came in parts; their etag tells nothing, and reading them twice is dear.
        return data, "-" in said

    def write(
        self, location: str, data: bytes, *, create_only: bool = False, etag: str | None = None
    ) -> str:
        """See `Store.write`. A store that refuses to check conditions is asked without them."""
        condition = {"IfNoneMatch": "*"} if create_only else {"IfMatch": etag} if etag else {}
        if not self._conditional:
            condition = {}
        send = self._put if len(data) < self._multipart_from else self._put_in_parts
        with self._client(location) as client:
            try:
                return send(client, S3Location.parse(location), data, condition)
            except ClientError as error:
                if not (condition and is_unsupported(error)):
                    raise
                self._conditional = False
                return send(client, S3Location.parse(location), data, {})

    def _put(self, client: Any, place: S3Location, data: bytes, condition: dict[str, Any]) -> str:
        answer = client.put_object(
            Bucket=place.bucket,
            Key=place.key,
            Body=data,
            **_integrity(client, data),
            **_headers(place, data),
            **condition,
        )
        return str(answer.get("ETag", ""))

    def _put_in_parts(
        self, client: Any, place: S3Location, data: bytes, condition: dict[str, Any]
    ) -> str:
        """Send a large object in parts, after clearing away what a killed try may have left."""
        target = {"Bucket": place.bucket, "Key": place.key}
        self._abort_unfinished(client, target)
        headers = _headers(place, data)
        if "ChecksumSHA256" in _integrity(client, b""):
            headers["ChecksumAlgorithm"] = "SHA256"
        upload = client.create_multipart_upload(**target, **headers)["UploadId"]
        try:
            parts = []
            for number, start in enumerate(range(0, len(data), _PART), start=1):
                part = data[start : start + _PART]
                integrity = _integrity(client, part)
                answer = client.upload_part(
                    **target, UploadId=upload, PartNumber=number, Body=part, **integrity
                )
                integrity.pop("ContentMD5", None)
                parts.append({"PartNumber": number, "ETag": answer["ETag"], **integrity})
            done = client.complete_multipart_upload(
                **target, UploadId=upload, MultipartUpload={"Parts": parts}, **condition
            )
        except BaseException:
            # An abort that fails as well is made up for by the next try.
            with suppress(BotoCoreError, ClientError):
                client.abort_multipart_upload(**target, UploadId=upload)
            raise
        return str(done.get("ETag", ""))

    def _abort_unfinished(self, client: Any, target: dict[str, str]) -> None:
        """Abort uploads of one key that a kill left unfinished: invisible, but paid for."""
        pages = client.get_paginator("list_multipart_uploads")
        # Not every store can list them, nor every key; that must not stop an upload.
        with suppress(ClientError):
            for page in pages.paginate(Bucket=target["Bucket"], Prefix=target["Key"]):
                for upload in page.get("Uploads", ()):
                    if upload["Key"] == target["Key"]:
                        client.abort_multipart_upload(**target, UploadId=upload["UploadId"])

    def holds(self, location: str, data: bytes) -> bool:
        """See `Store.holds`."""
        info = self.head(location)
        if info is None or info.bytes != len(data):
            return False
        return info.etag.strip('"') == _md5(data) or self.read(location) == data

    def delete(self, location: str) -> None:
        """See `Store.delete`."""
        place = S3Location.parse(location)
        with self._client(location) as client:
            client.delete_object(Bucket=place.bucket, Key=place.key)

    def renew(self) -> None:
        """See `Store.renew`. A new session reads profiles, tokens and instance roles again."""
        with self._guard:
            self._connected = None

    @contextmanager
    def _client(self, location: str) -> Iterator[Any]:
        """Lend the client; what boto3 raises meanwhile leaves as a `StorageError`."""
        try:
            with self._guard:
                if self._connected is None:
                    self._connected = self._connect()
            yield self._connected
        except (BotoCoreError, ClientError, ResponseParserError) as error:
            # Not chained: boto's messages and what they wrap may carry addresses with secrets.
            raise translated(error, location) from None

    def _connect(self) -> Any:
        settings = self._settings
        return boto3.session.Session().client(
            "s3",
            endpoint_url=settings.s3_endpoint,
            config=Config(
                retries={"mode": "standard", "total_max_attempts": settings.s3_attempts},
                connect_timeout=settings.s3_connect_timeout,
                read_timeout=settings.s3_read_timeout,
                max_pool_connections=16,
                s3={"addressing_style": "path" if settings.s3_path_style else "auto"},
                user_agent_extra="nst-gallery",
            ),
        )


def _integrity(client: Any, data: bytes) -> dict[str, str]:
    """Return the checksum a store is to verify: SHA-256, or MD5 where no newer one is wanted."""
    if client.meta.config.request_checksum_calculation == "when_required":
        digest = hashlib.md5(data, usedforsecurity=False).digest()
        return {"ContentMD5": base64.b64encode(digest).decode()}
    return {"ChecksumSHA256": base64.b64encode(hashlib.sha256(data).digest()).decode()}


def _headers(place: S3Location, data: bytes) -> dict[str, Any]:
    """Return what helps whoever meets the object without us: its type, and its SHA-256."""
    headers: dict[str, Any] = {"Metadata": {"sha256": hashlib.sha256(data).hexdigest()}}
    if content_type := _CONTENT_TYPES.get(PurePosixPath(place.key).suffix.lower()):
        headers["ContentType"] = content_type
    return headers


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def _age(answer: dict[str, Any], modified: datetime) -> float:
    """Return seconds since an object was written; both times are the server's."""
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return (now - modified).total_seconds()
