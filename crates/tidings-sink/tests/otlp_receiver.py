"""An OTLP receiver from the packages of OpenTelemetry and gRPC, for tests.

Listens for OTLP over HTTP and gRPC on free ports of the loopback and prints JSON lines: first
{"http": port, "grpc": port}, then one for every request with what arrived and how it was answered.

Arguments: --http PORT, --grpc PORT (default: any free port), --authorization VALUE (others are answered
with 401 or UNAUTHENTICATED), and how the first requests are answered, one word each; later ones are taken:

  503:SECONDS  429:SECONDS  HTTP status with Retry-After
  CODE         HTTP status (400, 413, ...)
  redirect     307 to /elsewhere
  grpc:NAME    gRPC status
  exhausted:S  RESOURCE_EXHAUSTED with RetryInfo of S seconds
  partial:N    taken, but N items refused
  hang         no answer for a while

With --count it tells nothing but, at the end, how many log records came how.
"""

import argparse
import gzip
import json
import ssl
import sys
import threading
import time
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.json_format import MessageToDict
from google.rpc import error_details_pb2, status_pb2
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2, logs_service_pb2_grpc
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2, metrics_service_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

LOCK = threading.Lock()
COUNT = None

SIGNALS = {
    "logs": (
        logs_service_pb2.ExportLogsServiceRequest,
        logs_service_pb2.ExportLogsServiceResponse,
        "rejected_log_records",
    ),
    "traces": (
        trace_service_pb2.ExportTraceServiceRequest,
        trace_service_pb2.ExportTraceServiceResponse,
        "rejected_spans",
    ),
    "metrics": (
        metrics_service_pb2.ExportMetricsServiceRequest,
        metrics_service_pb2.ExportMetricsServiceResponse,
        "rejected_data_points",
    ),
}


def say(what):
    with LOCK:
        print(json.dumps(what), flush=True)


class Script:
    """How the first requests are answered."""

    def __init__(self, words):
        self.words = list(words)

    def next(self):
        with LOCK:
            return self.words.pop(0) if self.words else "ok"


def response(signal, answer):
    _, kind, field = SIGNALS[signal]
    reply = kind()
    if answer.startswith("partial:"):
        setattr(reply.partial_success, field, int(answer.split(":")[1]))
        reply.partial_success.error_message = "some are too old"
    return reply


def http_handler(script, authorization):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            encoding = self.headers.get("Content-Encoding", "")
            plain = gzip.decompress(body) if encoding == "gzip" else body
            signal = self.path.rsplit("/", 1)[-1]
            if signal not in SIGNALS:
                signal = "logs"
            answer = script.next()
            if authorization and self.headers.get("Authorization") != authorization:
                answer = "401"
            request = SIGNALS[signal][0].FromString(plain)
            headers = {name.lower(): value for name, value in self.headers.items()}
            say(
                {
                    "via": "http",
                    "path": self.path,
                    "signal": signal,
                    "headers": headers,
                    "bytes": len(plain),
                    "answer": answer,
                    "request": MessageToDict(request),
                }
            )
            self.answer(signal, answer)

        def answer(self, signal, answer):
            if answer == "hang":
                time.sleep(3)
            if answer == "redirect":
                self.reply(307, b"", {"Location": "/elsewhere"})
            elif answer[0].isdigit():
                code, _, after = answer.partition(":")
                status = status_pb2.Status(code=14, message="not now, said the receiver")
                headers = {"Retry-After": after} if after else {}
                self.reply(int(code), status.SerializeToString(), headers)
            else:
                self.reply(200, response(signal, answer).SerializeToString(), {})

        def reply(self, code, body, headers):
            self.send_response(code)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    return Handler


class Service:
    def __init__(self, signal, script, authorization):
        self.signal, self.script, self.authorization = signal, script, authorization

    def Export(self, request, context):
        if COUNT is not None:
            COUNT["requests"] += 1
            COUNT["items"] += sum(
                len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs
            )
            return response(self.signal, "ok")
        answer = self.script.next()
        headers = {name: str(value) for name, value in context.invocation_metadata()}
        if self.authorization and headers.get("authorization") != self.authorization:
            answer = "grpc:UNAUTHENTICATED"
        say(
            {
                "via": "grpc",
                "path": "",
                "signal": self.signal,
                "headers": headers,
                "bytes": request.ByteSize(),
                "answer": answer,
                "request": MessageToDict(request),
            }
        )
        if answer.startswith("grpc:"):
            context.abort(grpc.StatusCode[answer[5:]], "not now, said the receiver")
        if answer.startswith("exhausted:"):
            nanos = int(float(answer.split(":")[1]) * 1e9)
            delay = duration_pb2.Duration(seconds=nanos // 10**9, nanos=nanos % 10**9)
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.RetryInfo(retry_delay=delay))
            status = status_pb2.Status(code=8, message="full", details=[detail])
            context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")
        return response(self.signal, answer)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", type=int, default=0)
    parser.add_argument("--grpc", type=int, default=0)
    parser.add_argument("--authorization", default="")
    parser.add_argument("--certificate", help="file of a certificate: TLS for both, with --key")
    parser.add_argument("--key")
    parser.add_argument("--count", action="store_true")
    parser.add_argument("script", nargs="*")
    arguments = parser.parse_args()
    global COUNT
    COUNT = {"requests": 0, "items": 0} if arguments.count else None
    script = Script(arguments.script)

    web = ThreadingHTTPServer(("127.0.0.1", arguments.http), http_handler(script, arguments.authorization))
    credentials = None
    if arguments.certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(arguments.certificate, arguments.key)
        web.socket = context.wrap_socket(web.socket, server_side=True)
        with open(arguments.key, "rb") as key, open(arguments.certificate, "rb") as certificate:
            credentials = grpc.ssl_server_credentials([(key.read(), certificate.read())])
    threading.Thread(target=web.serve_forever, daemon=True).start()

    server = grpc.server(futures.ThreadPoolExecutor(4), compression=grpc.Compression.Gzip)
    service = lambda signal: Service(signal, script, arguments.authorization)
    logs_service_pb2_grpc.add_LogsServiceServicer_to_server(service("logs"), server)
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(service("traces"), server)
    metrics_service_pb2_grpc.add_MetricsServiceServicer_to_server(service("metrics"), server)
    place = f"127.0.0.1:{arguments.grpc}"
    port = server.add_secure_port(place, credentials) if credentials else server.add_insecure_port(place)
    server.start()
    say({"http": web.server_address[1], "grpc": port})
    # Whoever started this says goodbye by closing our input.
    sys.stdin.read()
    if COUNT is not None:
        print(f"{COUNT['items']} items in {COUNT['requests']} requests", flush=True)


main()
