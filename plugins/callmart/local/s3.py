"""An S3 server on a loopback port that forgets nothing.

moto speaks the S3 API; what it lacks is added here: every change is on disk before it is
answered, objects are read from there and not held in memory, and a request must be signed with the
stack's own key. What cannot be kept (versions, policies, tags …) is refused instead of being lost
at the end.

Run as a process of its own: `python -m callmart.local.s3 --folder DIR --port PORT` with the key in
AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.

On disk: `<bucket>/bucket.json`, and for each object `<bucket>/<aa>/<sha256 of the key>.json` which
names the file beside it that holds the content. The `.json` is renamed into place last, so it is
the one moment at which a change happens.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import os
import signal
import threading
import uuid
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, quote
from xml.sax.saxutils import escape

import click

from callmart.local.processes import write_file

Environ = dict[str, Any]
StartResponse = Callable[..., Any]

# The requests that change something we keep, by (method, what the path names, sub-resource).
_KEPT = {
    ("PUT", "bucket", ""),
    ("DELETE", "bucket", ""),
    ("POST", "bucket", "delete"),
    ("PUT", "object", ""),
    ("DELETE", "object", ""),
    ("PUT", "object", "uploadId"),
    ("POST", "object", "uploads"),
    ("POST", "object", "uploadId"),
    ("DELETE", "object", "uploadId"),
}
# Query parameters that choose another operation, as the S3 API reference lists them.
_SUBRESOURCES = [
    "uploads",
    "uploadId",
    "delete",
    "acl",
    "tagging",
    "versioning",
    "versionId",
    "policy",
    "lifecycle",
    "cors",
    "website",
    "logging",
    "notification",
    "replication",
    "encryption",
    "object-lock",
    "retention",
    "legal-hold",
    "accelerate",
    "requestPayment",
    "ownershipControls",
    "publicAccessBlock",
    "inventory",
    "analytics",
    "metrics",
    "intelligent-tiering",
    "restore",
    "select",
]


class _FileContent:
    """In the place of moto's temporary file of an object: the file on disk, open while read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            position += self._path.stat().st_size
        self._position = position
        return position

    def tell(self) -> int:
        return self._position

    def read(self, size: int = -1) -> bytes:
        with self._path.open("rb") as file:
            file.seek(self._position)
            content = file.read(size)
        self._position += len(content)
        return content

    def close(self) -> None:
        """Nothing is open; the file itself is the store's to delete."""


class Store:
    """moto's S3 backend, and the folder that mirrors it."""

    def __init__(self, folder: Path) -> None:
        from moto.core.models import DEFAULT_ACCOUNT_ID
        from moto.s3.models import s3_backends

        self._folder = folder
        self._account = DEFAULT_ACCOUNT_ID
        self._backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
        self._changed: set[tuple[str, str]] = set()
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)

    def _track(self, bucket: Any) -> None:
        """Note every name whose object is set or removed from now on."""
        from moto.s3.utils import _VersionedKeyStore

        changed = self._changed

        class TrackedKeys(_VersionedKeyStore):
            def setlist(self, key: str, list_: Any) -> None:
                super().setlist(key, list_)
                changed.add((bucket.name, key))

            def pop(self, key: str, *default: Any) -> None:
                super().pop(key)
                changed.add((bucket.name, key))

        bucket.keys = TrackedKeys(bucket.keys)

    def load(self) -> None:
        """Fill moto from the folder; contents stay on disk. Leftovers of a kill are deleted."""
        for record in sorted(self._folder.glob("*/bucket.json")):
            facts = json.loads(record.read_text())
            bucket = self._backend.create_bucket(facts["name"], facts["region"])
            bucket.creation_date = datetime.fromisoformat(facts["created"])
            named = {record.name}
            for path in sorted(record.parent.glob("*/*.json")):
                entry = json.loads(path.read_text())
                bucket.keys.setlist(entry["key"], [self._object(bucket, entry, path)])
                named |= {path.name, entry["content"]}
            for path in record.parent.rglob("*"):
                if path.is_file() and path.name not in named:
                    path.unlink()
            self._track(bucket)

    def _object(self, bucket: Any, entry: dict[str, Any], path: Path) -> Any:
        from moto.s3.models import FakeKey

        key: Any = FakeKey(
            name=entry["key"],
            value=b"",
            account_id=self._account,
            region_name=bucket.region_name,
            storage=entry["storage_class"],
            etag=entry["etag"],
            version_id="null",
            bucket_name=bucket.name,
            checksum_value=entry["checksum_value"],
            checksum_type=entry["checksum_type"],
            checksum_parts=entry["checksum_parts"],
        )
        key.checksum_algorithm = entry["checksum_algorithm"]
        key.last_modified = datetime.fromisoformat(entry["last_modified"])
        key.set_metadata(entry["metadata"])
        key.contentsize = entry["size"]
        key._value_buffer = _FileContent(path.with_name(entry["content"]))
        return key

    def save(self) -> None:
        """Bring the folder up to what the last request changed in moto."""
        for name in sorted(self._backend.buckets.keys() | {p.name for p in self._folder.iterdir()}):
            bucket = self._backend.buckets.get(name)
            record = self._folder / name / "bucket.json"
            if bucket is not None and not record.exists():
                record.parent.mkdir(exist_ok=True, mode=0o700)
                facts = {
                    "name": name,
                    "region": bucket.region_name,
                    "created": bucket.creation_date.isoformat(),
                }
                write_file(record, json.dumps(facts), mode=0o600)
                self._track(bucket)
            elif bucket is None and record.exists():
                record.unlink()
        while self._changed:
            bucket_name, key_name = next(iter(self._changed))
            self._save_object(bucket_name, key_name)
            # Only now: a full disk leaves it to the next request.
            self._changed.discard((bucket_name, key_name))

    def _save_object(self, bucket_name: str, key_name: str) -> None:
        bucket = self._backend.buckets.get(bucket_name)
        key = bucket.keys.get(key_name) if bucket is not None else None
        digest = hashlib.sha256(key_name.encode()).hexdigest()
        path = self._folder / bucket_name / digest[:2] / f"{digest}.json"
        old = json.loads(path.read_text())["content"] if path.exists() else None
        if key is None:
            path.unlink(missing_ok=True)
        elif not isinstance(key._value_buffer, _FileContent):
            if key.multipart is not None:
                # moto gives the checksum of the parts to a copy too, where it is wrong: clients
                # would refuse the content. Without one they rely on the transport.
                key.checksum_algorithm = key.checksum_value = key.checksum_type = None
                key.checksum_parts = None
            path.parent.mkdir(exist_ok=True, mode=0o700)
            content = path.with_name(f"{digest}.{uuid.uuid4().hex[:8]}")
            descriptor = os.open(content, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(key.value)
            entry = {
                "key": key_name,
                "content": content.name,
                "size": key.contentsize,
                "etag": key.etag.strip('"'),
                "last_modified": key.last_modified.isoformat(),
                "metadata": dict(key.metadata),
                "storage_class": key.storage_class,
                "checksum_algorithm": key.checksum_algorithm,
                "checksum_value": key.checksum_value,
                "checksum_type": key.checksum_type,
                "checksum_parts": key.checksum_parts,
            }
            write_file(path, json.dumps(entry, ensure_ascii=False), mode=0o600)
            key._value_buffer.close()
            key._value_buffer = _FileContent(content)
        else:
            return
        if old is not None:
            path.with_name(old).unlink(missing_ok=True)


class Application:
    """The WSGI application: checks the signature, asks moto, saves, and only then answers."""

    def __init__(self, folder: Path, access_key: str, secret_key: str) -> None:
        from moto.moto_server.werkzeug_app import create_backend_app

        self._access_key = access_key
        self._secret_key = secret_key
        self._moto = create_backend_app("s3")
        self._store = Store(folder)
        self._store.load()
        # One at a time: moto checks conditional writes and then writes, which is safe only so.
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        # The body is read before the lock is taken: a slow client must not hold up the others.
        stream = environ["wsgi.input"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        if environ.get("wsgi.input_terminated"):
            body = stream.read()
        else:
            body = stream.read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        environ["CONTENT_LENGTH"] = str(len(body))
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)

        if not self._is_signed(environ, body):
            return _error(start_response, "403 Forbidden", "SignatureDoesNotMatch", "wrong key")
        method, query = (
            environ["REQUEST_METHOD"],
            dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)),
        )
        operation = next((name for name in _SUBRESOURCES if name in query), "")
        level = "object" if "/" in environ["PATH_INFO"].strip("/") else "bucket"
        changes = method in ("PUT", "POST", "DELETE")
        if changes and (method, level, operation) not in _KEPT:
            return _error(
                start_response,
                "501 Not Implemented",
                "NotImplemented",
                f"the embedded server does not keep {operation or 'this'}",
            )
        answer: list[Any] = []
        with self._lock:
            parts = self._moto(environ, cast(Any, lambda *given: answer.append(given)))
            content = b"".join(parts)
            if changes:
                self._store.save()
        start_response(*answer[-1])
        return [content]

    def _is_signed(self, environ: Environ, body: bytes) -> bool:
        """AWS Signature Version 4, in the header or in the query (a presigned address)."""
        query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
        given = dict(query)
        if "X-Amz-Signature" in given:
            scope, names = given.get("X-Amz-Credential", ""), given.get("X-Amz-SignedHeaders", "")
            signature, moment = given["X-Amz-Signature"], given.get("X-Amz-Date", "")
            query = [pair for pair in query if pair[0] != "X-Amz-Signature"]
            digest = "UNSIGNED-PAYLOAD"
            if not _is_current(moment, given.get("X-Amz-Expires", "")):
                return False
        else:
            kind, _, rest = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
            if kind != "AWS4-HMAC-SHA256":
                return False
            fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
            scope, names = fields.get("Credential", ""), fields.get("SignedHeaders", "")
            signature, moment = fields.get("Signature", ""), environ.get("HTTP_X_AMZ_DATE", "")
            digest = environ.get("HTTP_X_AMZ_CONTENT_SHA256", "")
            if len(digest) == 64 and digest != hashlib.sha256(body).hexdigest():
                return False
        access_key, _, scope = scope.partition("/")
        if not hmac.compare_digest(access_key.encode(), self._access_key.encode()):
            return False
        canonical_query = "&".join(
            sorted(
                f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in query
            )
        )
        headers = "".join(f"{name}:{_header(environ, name)}\n" for name in names.split(";"))
        path = str(environ["RAW_URI"]).partition("?")[0]
        request = "\n".join(
            [environ["REQUEST_METHOD"], path, canonical_query, headers, names, digest]
        )
        key = f"AWS4{self._secret_key}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        text = "\n".join(
            ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(request.encode()).hexdigest()]
        )
        expected = hmac.new(key, text.encode(), "sha256").hexdigest()
        return hmac.compare_digest(expected.encode(), signature.encode())


def _is_current(moment: str, seconds: str) -> bool:
    """Whether a presigned address made at `moment` (20261122T151900Z) still counts."""
    try:
        made = datetime.strptime(moment, "%Y%m%dT%H%M%S%z")
        return datetime.now(UTC) < made + timedelta(seconds=int(seconds))
    except ValueError:
        return False


def _header(environ: Environ, name: str) -> str:
    variable = name.upper().replace("-", "_")
    if variable not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        variable = f"HTTP_{variable}"
    return " ".join(str(environ.get(variable, "")).split())


def _error(start_response: StartResponse, status: str, code: str, text: str) -> list[bytes]:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code>'
        f"<Message>{escape(text)}</Message></Error>"
    ).encode()
    start_response(
        status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))]
    )
    return [body]


@click.command()
@click.option("--folder", type=click.Path(path_type=Path, file_okay=False), required=True)
@click.option("--port", type=int, required=True)
def main(folder: Path, port: int) -> None:
    """Serve FOLDER as S3 buckets on 127.0.0.1:PORT."""
    from moto.moto_server.werkzeug_app import MotoRequestHandler
    from werkzeug.serving import make_server

    class QuietHandler(MotoRequestHandler):
        """Without a line for every request: the log is for what goes wrong."""

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            if str(code).startswith("5"):
                super().log_request(code, size)

    keys = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    application = Application(folder, *keys)
    server = make_server(
        "127.0.0.1", port, application, threaded=True, request_handler=QuietHandler
    )
    # Requests under way are daemon threads; what they have answered is on disk already.
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    server.serve_forever()


if __name__ == "__main__":
    main()
