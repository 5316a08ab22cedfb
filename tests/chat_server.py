"""A scripted chat server on loopback: every answer, and every fault, is played as a test says."""

import json
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server does with one request.

    text: the message's content. status, headers, raw: of the response; raw replaces the whole body. delay: seconds
    before it. drip: seconds between two bytes. reset: the connection is reset after half of the body.
    """

    text: str | None = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    delay: float = 0.0
    drip: float = 0.0
    reset: bool = False

    def body(self, model: str) -> bytes:
        if self.raw is not None:
            return self.raw
        if self.status != 200:
            return json.dumps({"error": {"message": self.text, "code": self.status}}).encode()
        message = {"role": "assistant", "content": self.text}
        return json.dumps(
            {
                "id": "x", "object": "chat.completion", "created": 0, "model": model,
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }
        ).encode()  # fmt: skip


Script = Callable[[dict[str, Any]], "Reply | str"]


class ChatServer:
    """Serves ``script`` on a port of its own; a context manager.

    Attributes:
        requests: bodies of all requests, in order of arrival. headers: their headers.
    """

    def __init__(self, script: "Script | list[Reply | str]"):
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        if isinstance(script, list):
            queue = list(script)
            self.script: Script = lambda _: queue.pop(0) if len(queue) > 1 else queue[0]
        else:
            self.script = script
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with outer._lock:
                    outer.requests.append(body)
                    outer.headers.append({k.lower(): v for k, v in self.headers.items()})
                    reply = outer.script(body)
                outer.play(self, Reply(reply) if isinstance(reply, str) else reply, body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: Any) -> None:
                pass  # a client that went away is part of the game

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        self._closing = threading.Event()

    def play(self, handler: BaseHTTPRequestHandler, reply: Reply, body: dict[str, Any]) -> None:
        self._closing.wait(reply.delay)
        whole = reply.body(body["model"])
        handler.send_response(reply.status)
        for name, value in {"content-type": "application/json", **reply.headers}.items():
            handler.send_header(name, value)
        handler.send_header("content-length", str(len(whole)))
        handler.end_headers()
        if reply.reset:
            handler.wfile.write(whole[: len(whole) // 2])
            handler.wfile.flush()
            time.sleep(0.05)
            # Linger 0: closing sends RST instead of FIN.
            handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            handler.connection.close()
            handler.close_connection = True
        elif reply.drip:
            for i in range(len(whole)):
                handler.wfile.write(whole[i : i + 1])
                handler.wfile.flush()
                if self._closing.wait(reply.drip):
                    return
        else:
            handler.wfile.write(whole)

    def __enter__(self) -> "ChatServer":
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
