from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from moto.server import ThreadedMotoServer

from tests.tasks.fault_proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import Iterator

_numbers = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def _own_scratch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or fills the cache of whoever runs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NST_SCRATCH", str(tmp_path_factory.mktemp("scratch")))
        yield


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server of our own, over real HTTP, for the whole session."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def s3_client(s3_server: str) -> Iterator[Any]:
    """A plain boto3 client of that server, for what others may do there."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="other",
        aws_secret_access_key="other",
        config=Config(request_checksum_calculation="when_required"),
    )
    yield client
    client.close()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The environment of a machine whose S3 is that server; gives its address.

    boto3 tries once, so that what our own patience does can be seen.
    """
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    monkeypatch.setenv("NST_S3_ATTEMPTS", "1")
    monkeypatch.setenv("NST_S3_READ_TIMEOUT", "20")
    return s3_server


@pytest.fixture
def bucket(s3: str, s3_client: Any) -> str:
    """A new, empty bucket: ``s3://gallery-<n>``."""
    name = f"gallery-{next(_numbers)}"
    s3_client.create_bucket(Bucket=name)
    return f"s3://{name}"


@pytest.fixture(scope="session")
def proxy(s3_server: str) -> Iterator[FaultProxy]:
    """A line to that server that fails on demand; tests ask for `line`."""
    with FaultProxy(s3_server) as proxy:
        yield proxy


@pytest.fixture
def line(
    s3: str,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> FaultProxy:
    """The line, without faults and memories; the environment now leads through it.

    Patient, as a busy machine answers late; only who waits for a black hole is not.
    """
    proxy.heal()
    proxy.seen.clear()
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
    if "BLACK_HOLE" in request.node.name:
        monkeypatch.setenv("NST_S3_READ_TIMEOUT", "0.5")
    return proxy
