"""The bucket: listing, streamed and ranged reads, writes, with retries."""

from __future__ import annotations

import hashlib
import io
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from callmart.landing.errors import FileError
from callmart.settings import Settings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BLOCK_BYTES = 1 << 20
MEMORY_BYTES = 8 << 20  # what a spooled object may hold in memory before it goes to disk


@dataclass(frozen=True)
class ListedObject:
    """One object as the bucket lists it."""

    key: str
    etag: str
    size_bytes: int
    modified_at: datetime


class ObjectGoneError(FileError):
    """The object was overwritten or deleted between listing and reading."""


class ObjectStore:
    """One bucket behind any S3 endpoint. Nothing here holds more than a block in memory.

    Errors of the service are retried by botocore with back-off and jitter (standard mode), a
    stream that breaks off is taken up again at the byte where it broke.
    """

    def __init__(self, settings: Settings) -> None:
        """The bucket that the settings name; credentials come the usual boto3 way."""
        import boto3
        from botocore.config import Config

        self.bucket = settings.bucket
        self._client: S3Client = boto3.client(
            "s3",
            endpoint_url=settings.s3_endpoint_url,
            config=Config(
                # Addresses signed by the older version open in the oldest regions alone.
                signature_version="s3v4",
                retries={"mode": "standard", "max_attempts": 6},
                connect_timeout=10,
                read_timeout=60,
                # A bucket's name need not resolve as a host behind an endpoint of one's own.
                s3={"addressing_style": "path"} if settings.s3_endpoint_url else {},
            ),
        )

    def list_pages(self, prefix: str = "") -> Iterator[list[ListedObject]]:
        """The bucket's objects below `prefix`, a page (up to 1 000) at a time, in order of key."""
        paginator = self._client.get_paginator("list_objects_v2")
        for page in paginator.paginate(Bucket=self.bucket, Prefix=prefix):
            yield [
                ListedObject(
                    key=item["Key"],
                    etag=item["ETag"].strip('"'),
                    size_bytes=item["Size"],
                    modified_at=item["LastModified"],
                )
                for item in page.get("Contents", [])
            ]

    def stream(self, key: str, etag: str | None = None, start: int = 0) -> Iterator[bytes]:
        """The object's bytes from `start` on, in blocks of 1 MiB.

        With `etag`, exactly that version: raises ObjectGoneError where the key holds another one, or
        none, by now.
        """
        from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError

        position, failures = start, 0
        while True:
            arguments: dict[str, Any] = {"Bucket": self.bucket, "Key": key}
            if etag is not None:
                arguments["IfMatch"] = f'"{etag}"'
            if position:
                arguments["Range"] = f"bytes={position}-"
            try:
                response = self._client.get_object(**arguments)
                for block in response["Body"].iter_chunks(BLOCK_BYTES):
                    position += len(block)
                    yield block
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code in {"PreconditionFailed", "412"}:
                    raise ObjectGoneError(
                        "overwritten", "overwritten before it was read"
                    ) from error
                if code in {"NoSuchKey", "404"}:
                    raise ObjectGoneError("vanished", "deleted before it was read") from error
                if code in {"InvalidRange", "416"}:
                    return  # broken off exactly at the end, or an empty object
                raise
            except (HTTPClientError, IncompleteReadError):
                failures += 1
                if failures > 5:
                    raise
            else:
                return

    def read_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start` (fewer at the object's end)."""
        response = self._client.get_object(
            Bucket=self.bucket, Key=key, Range=f"bytes={start}-{start + length - 1}"
        )
        return response["Body"].read()

    def hash(self, key: str, etag: str | None = None) -> str:
        """SHA-256 of the object, by streaming, as lower-case hexadecimal digits."""
        digest = hashlib.sha256()
        for block in self.stream(key, etag):
            digest.update(block)
        return digest.hexdigest()

    def spool(self, key: str, etag: str | None = None) -> tuple[IO[bytes], str]:
        """The object as a seekable file (on disk beyond 8 MiB), and its SHA-256. Close the file."""
        digest = hashlib.sha256()
        with ExitStack() as stack:
            file: IO[bytes] = stack.enter_context(
                tempfile.SpooledTemporaryFile(max_size=MEMORY_BYTES)
            )
            for block in self.stream(key, etag):
                digest.update(block)
                file.write(block)
            file.seek(0)
            stack.pop_all()  # done: the file is the caller's to close
        return file, digest.hexdigest()

    def download(self, key: str, path: Path) -> None:
        """The object into a file."""
        with path.open("wb") as file:
            for block in self.stream(key):
                file.write(block)

    def put(self, key: str, body: bytes | IO[bytes], content_type: str | None = None) -> None:
        """Write an object (large files in parts)."""
        extra = {"ContentType": content_type} if content_type else {}
        file = io.BytesIO(body) if isinstance(body, bytes) else body
        self._client.upload_fileobj(file, self.bucket, key, ExtraArgs=extra)

    def link(self, key: str, seconds: int) -> str:
        """An address by which anyone can read the object for so long (604 800 s at most)."""
        return self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
        )

    def delete(self, keys: list[str]) -> None:
        """Delete objects, up to 1 000 a call; a key that is not there is no error."""
        for start in range(0, len(keys), 1000):
            part = keys[start : start + 1000]
            self._client.delete_objects(
                Bucket=self.bucket, Delete={"Objects": [{"Key": key} for key in part]}
            )
