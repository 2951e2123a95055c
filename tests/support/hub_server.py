"""A stand-in for the Hugging Face hub, on loopback.

It serves repositories from memory over the part of the hub's HTTP API that
huggingface_hub uses (model info, tree, HEAD and GET of files with ranges), and
misbehaves on request.
"""

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit


@dataclass
class Repository:
    commit: str
    files: dict[str, bytes]
    refs: set[str] = field(default_factory=lambda: {"main"})
    licence: str = "mit"

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        files = {file.name: file.read_bytes() for file in folder.iterdir()}
        return cls(commit=hashlib.sha1(repr(sorted(files)).encode()).hexdigest(), files=files)


@dataclass
class Faults:
    """What goes wrong; file faults are used up, one for each GET."""

    status: int | None = None  # every answer of the API
    hangs: bool = False  # the API accepts and never answers
    is_portal: bool = False  # the API answers with some page
    cut_after: list[int] = field(default_factory=list)  # bytes of a weight file, then the end
    stall_after: int | None = None  # bytes of a weight file, then silence
    file_status: int | None = None  # every GET of a weight file
    ignores_ranges: bool = False
    replaced: dict[str, bytes] = field(default_factory=dict)  # served instead, listed as before


class HubServer:
    """Serves on a free port of 127.0.0.1 while the context is open."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.faults = Faults()
        self.requests: list[tuple[str, str, str | None]] = []  # method, path, Range
        self.stalled = threading.Event()
        self.closing = threading.Event()
        hub = self

        class Handler(_Handler):
            server_hub = hub

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def gets(self, file: str) -> list[str | None]:
        """Return the Range of each GET of a file."""
        return [
            range_
            for method, path, range_ in self.requests
            if method == "GET" and path.endswith("/" + file)
        ]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_hub: HubServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
        return

    def handle(self) -> None:
        try:
            super().handle()
        except ConnectionError:  # the client was killed or gave up: that is tested
            self.close_connection = True

    def do_HEAD(self) -> None:
        self._serve()

    def do_GET(self) -> None:
        self._serve()

    def _serve(self) -> None:
        hub = self.server_hub
        hub.requests.append((self.command, urlsplit(self.path).path, self.headers.get("Range")))
        parts = [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]
        if parts[:2] == ["api", "models"]:
            self._serve_api(parts[2:])
        elif "resolve" in parts:
            at = parts.index("resolve")
            self._serve_file("/".join(parts[:at]), parts[at + 1], "/".join(parts[at + 2 :]))
        else:
            self._answer(404)

    def _find(self, name: str, revision: str) -> Repository | None:
        found = self.server_hub.repositories.get(name)
        if found is None:
            self._answer(401, {"X-Error-Code": "RepoNotFound"})
            return None
        if revision != found.commit and revision not in found.refs:
            self._answer(404, {"X-Error-Code": "RevisionNotFound"})
            return None
        return found

    def _serve_api(self, parts: list[str]) -> None:
        faults = self.server_hub.faults
        if faults.hangs:
            self.server_hub.closing.wait()
            self.close_connection = True
            return
        if faults.status is not None:
            self._answer(faults.status)
            return
        if faults.is_portal:
            self._answer(200, {"Content-Type": "text/html"}, b"<html>Please log in</html>")
            return
        kind = next((part for part in parts if part in ("revision", "tree")), None)
        at = parts.index(kind) if kind else len(parts)
        repository = self._find("/".join(parts[:at]), parts[at + 1] if kind else "main")
        if repository is None:
            return
        files = [_listed(name, content) for name, content in sorted(repository.files.items())]
        if kind == "tree":
            self._json([{"type": "file", "path": file.pop("rfilename"), **file} for file in files])
            return
        if "blobs" not in parse_qs(urlsplit(self.path).query):
            files = [{"rfilename": file["rfilename"]} for file in files]
        self._json(
            {
                "id": "/".join(parts[:at]),
                "sha": repository.commit,
                "siblings": files,
                "tags": ["transformers", f"license:{repository.licence}"],
            }
        )

    def _serve_file(self, name: str, revision: str, file: str) -> None:
        repository = self._find(name, revision)
        if repository is None:
            return
        if file not in repository.files:
            self._answer(404, {"X-Error-Code": "EntryNotFound"})
            return
        faults = self.server_hub.faults
        is_weights = file.endswith(".safetensors") and self.command == "GET"
        if is_weights and faults.file_status is not None:
            self._answer(faults.file_status)
            return
        etag = hashlib.sha256(repository.files[file]).hexdigest()
        content = faults.replaced.get(file, repository.files[file])
        headers = {
            "ETag": f'"{etag}"',
            "X-Repo-Commit": repository.commit,
            "Accept-Ranges": "bytes",
        }
        status = 200
        range_ = self.headers.get("Range")
        if range_ and not faults.ignores_ranges:
            start = int(range_.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            content = content[start:]
            status = 206
        if not is_weights:
            self._answer(status, headers, content)
        elif faults.stall_after is not None:
            self._answer(status, headers, content, sent=faults.stall_after)
            self.server_hub.stalled.set()
            self.server_hub.closing.wait()
            self.close_connection = True
        elif faults.cut_after:
            self._answer(status, headers, content, sent=faults.cut_after.pop(0))
            self.close_connection = True
        else:
            self._answer(status, headers, content)

    def _json(self, value: Any) -> None:
        self._answer(200, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def _answer(
        self,
        status: int,
        headers: dict[str, str] | None = None,
        content: bytes = b"",
        *,
        sent: int | None = None,
    ) -> None:
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content[:sent])
            self.wfile.flush()


def _listed(name: str, content: bytes) -> dict[str, Any]:
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    listed: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": blob, "oid": blob}
    if name.endswith((".safetensors", ".bin")):
        sha256 = hashlib.sha256(content).hexdigest()
        listed["lfs"] = {"sha256": sha256, "oid": sha256, "size": len(content), "pointerSize": 134}
    return listed
