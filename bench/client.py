"""What the benchmarks that talk to a running server share."""
import json
import os
import socket
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TIDINGS = os.environ.get("TIDINGS", ROOT + "/target/release/tidings")
PATIENCE_S = 60


def ask(data: str, path: str) -> bytes:
    """The body that the server answers; empty while nobody listens."""
    with socket.socket(socket.AF_UNIX) as stream:
        try:
            stream.connect(data + "/tidings.sock")
        except (FileNotFoundError, ConnectionRefusedError):
            return b""
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        # The end of the answer, not that of the connection, which lingers.
        while not answer.endswith(b"\r\n0\r\n\r\n") and (piece := stream.recv(65536)):
            answer += piece
        return answer.partition(b"\r\n\r\n")[2]


def until(what: str, is_so) -> float:
    """Waits for it; gives the milliseconds it took."""
    begun = time.monotonic()
    while not is_so():
        if time.monotonic() - begun > PATIENCE_S:
            sys.exit(f"{os.path.basename(sys.argv[0])}: {what}: not within {PATIENCE_S} s")
        time.sleep(0.0005)
    return (time.monotonic() - begun) * 1000


def is_following(state: dict) -> bool:
    """Whether all sources of a server, if it has any, stand at the ends of their logs."""
    return bool(state.get("isReady")) and all("following" in json.dumps(source) for source in state["sources"].values())


def start(data: str, settings: str) -> tuple[subprocess.Popen, float, float]:
    """A server, and how many milliseconds it took to listen and to follow its log."""
    server = subprocess.Popen([TIDINGS, "--data", data, "serve", "--config", settings], stderr=subprocess.DEVNULL)
    listens = until("listening", lambda: b"ok" in ask(data, "/healthz"))
    follows = until("following", lambda: is_following(json.loads(ask(data, "/readyz") or b"{}")))
    return server, listens, listens + follows
