"""The embedded S3 server: what it has answered stays, whatever happens to the process."""

from __future__ import annotations

import io
import os
import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from callmart.local.ports import find_free_port, listens
from callmart.local.processes import Service

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEY = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret"}
# Names that break careless servers: blanks, plus, Chinese, a name below another name.
AWKWARD = [
    "a",
    "a/b",
    "a b+c@d~e",
    "录音/dt=2026-11-01/通话.一.agent.wav",
    "x//y",
    "p%20q",
    "é&=?#",
]


class Server:
    """One S3 server of a test, which can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "s3"
        self.port = find_free_port(32001, 32700)
        self.service = Service("s3", folder)
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "callmart.local.s3", "--folder", str(self.folder)]
        self.service.start([*command, "--port", str(self.port)], {**os.environ, **KEY})
        self.service.wait_until(partial(listens, self.port), seconds=60)

    def kill_and_start(self) -> None:
        assert self.service.pid is not None
        process = psutil.Process(self.service.pid)
        process.kill()
        process.wait(timeout=10)
        self.start()

    def client(self, secret: str = KEY["AWS_SECRET_ACCESS_KEY"], **config: Any) -> S3Client:
        return boto3.client(
            "s3",
            endpoint_url=f"http://127.0.0.1:{self.port}",
            region_name="us-east-1",
            aws_access_key_id=KEY["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=secret,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.service.stop(seconds=5)


@pytest.fixture
def bucket(server: Server) -> str:
    name = f"calls-{uuid.uuid4().hex[:8]}"
    server.client().create_bucket(Bucket=name)
    return name


def content_of(client: S3Client, bucket: str) -> dict[str, tuple[Any, ...]]:
    """Every object: content, moment, tag, type, metadata."""
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for item in page.get("Contents", []):
            got = client.get_object(Bucket=bucket, Key=item["Key"])
            body = got["Body"].read()
            found[item["Key"]] = (
                body,
                item["LastModified"],
                got["LastModified"],
                got["ETag"],
                got["ContentType"],
                got["Metadata"],
            )
            assert item["Size"] == len(body)
    return found


def test_nothing_answered_is_lost_by_kill_9(server: Server, bucket: str) -> None:
    client = server.client()
    for name in AWKWARD:
        client.put_object(
            Bucket=bucket,
            Key=name,
            Body=name.encode() * 100,
            ContentType="audio/wav",
            Metadata={"call": "c1"},
        )
    large = os.urandom(9_000_000)  # two parts
    client.upload_fileobj(io.BytesIO(large), bucket, "large.bin")
    client.copy_object(Bucket=bucket, Key="copy.bin", CopySource=f"{bucket}/large.bin")
    client.put_object(Bucket=bucket, Key="empty", Body=b"")
    client.put_object(Bucket=bucket, Key="twice", Body=b"first")
    client.put_object(Bucket=bucket, Key="twice", Body=b"second")
    for name in ("gone", "gone 1", "gone 2"):
        client.put_object(Bucket=bucket, Key=name, Body=b"x")
    client.delete_object(Bucket=bucket, Key="gone")

    client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "gone 1"}, {"Key": "gone 2"}]})
    client.create_bucket(Bucket="dropped")
    client.delete_bucket(Bucket="dropped")
    before = content_of(client, bucket)

    server.kill_and_start()

    after = content_of(server.client(), bucket)
    assert after == before
    assert set(after) == {*AWKWARD, "large.bin", "copy.bin", "empty", "twice"}
    assert after["large.bin"][0] == after["copy.bin"][0] == large
    assert after["twice"][0] == b"second"
    assert after["a"][4:] == ("audio/wav", {"call": "c1"})
    names = [b["Name"] for b in server.client().list_buckets()["Buckets"]]
    assert bucket in names
    assert "dropped" not in names


def test_leftovers_of_an_interrupted_write_are_deleted_and_harm_nothing(
    server: Server, bucket: str
) -> None:
    server.client().put_object(Bucket=bucket, Key="a", Body=b"whole")
    content = next(p for p in (server.folder / bucket).glob("*/*") if p.suffix != ".json")
    leftover = content.with_name(f"{content.name}0")
    leftover.write_bytes(b"ha")

    server.kill_and_start()

    assert not leftover.exists()
    assert server.client().get_object(Bucket=bucket, Key="a")["Body"].read() == b"whole"


def test_an_overwritten_object_leaves_no_old_content_on_disk(server: Server, bucket: str) -> None:
    for body in (b"1", b"22", b"333"):
        server.client().put_object(Bucket=bucket, Key="a", Body=body)

    files = [
        p for p in (server.folder / bucket).rglob("*") if p.is_file() and p.name != "bucket.json"
    ]

    assert sorted(p.suffix == ".json" for p in files) == [False, True]


def test_of_many_who_create_an_object_one_wins(server: Server, bucket: str) -> None:
    client = server.client(max_pool_connections=16)

    def create(number: int) -> bool:
        try:
            client.put_object(
                Bucket=bucket, Key="claim", Body=str(number).encode(), IfNoneMatch="*"
            )
        except ClientError as error:
            if error.response["Error"]["Code"] != "PreconditionFailed":
                raise
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        won = list(threads.map(create, range(32)))

    assert won.count(True) == 1
    winner = client.get_object(Bucket=bucket, Key="claim")["Body"].read()
    assert winner == str(won.index(True)).encode()


def test_ranges_and_pages(server: Server, bucket: str) -> None:
    client = server.client()
    for number in range(25):
        client.put_object(Bucket=bucket, Key=f"k/{number:02}", Body=bytes(range(100)))

    part = client.get_object(Bucket=bucket, Key="k/03", Range="bytes=10-19")["Body"].read()
    pages = list(
        client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": 10}
        )
    )

    assert part == bytes(range(10, 20))
    assert [len(page["Contents"]) for page in pages] == [10, 10, 5]


def test_a_request_with_another_key_is_refused(server: Server, bucket: str) -> None:
    with pytest.raises(ClientError, match="SignatureDoesNotMatch"):
        server.client("a guess").list_buckets()
    assert httpx.get(f"http://127.0.0.1:{server.port}/{bucket}").status_code == 403


def test_a_presigned_address_works_for_its_object_alone(server: Server, bucket: str) -> None:
    client = server.client(signature_version="s3v4")
    client.put_object(Bucket=bucket, Key="mine", Body=b"mine")
    client.put_object(Bucket=bucket, Key="other", Body=b"other")
    where = {"Bucket": bucket, "Key": "mine"}
    address = client.generate_presigned_url("get_object", Params=where, ExpiresIn=60)
    expired = client.generate_presigned_url("get_object", Params=where, ExpiresIn=-60)

    assert httpx.get(address).content == b"mine"
    assert httpx.get(address.replace("/mine", "/other")).status_code == 403
    assert httpx.get(expired).status_code == 403


def test_what_could_not_be_kept_is_refused(server: Server, bucket: str) -> None:
    client = server.client()
    client.put_object(Bucket=bucket, Key="a", Body=b"1")

    with pytest.raises(ClientError, match=r"NotImplemented.*versioning"):
        client.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    with pytest.raises(ClientError, match=r"NotImplemented.*tagging"):
        client.put_object_tagging(
            Bucket=bucket, Key="a", Tagging={"TagSet": [{"Key": "k", "Value": "v"}]}
        )


def test_files_are_for_the_owner_alone(server: Server, bucket: str) -> None:
    server.client().put_object(Bucket=bucket, Key="a", Body=b"1")

    for path in (server.folder, *server.folder.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
