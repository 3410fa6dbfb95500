"""An OpenTelemetry collector of one's own that reads what it gets with the official message definitions."""

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


def parse_export(body):
    """The request that an OTLP/HTTP body in JSON stands for. Raises for a member that the protocol does not know.

    OTLP writes ids in hex, where the usual JSON form of such a message would have base64.
    """
    tree = json.loads(body)
    for resource in tree["resourceSpans"]:
        for scope in resource["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
    return json_format.ParseDict(tree, ExportTraceServiceRequest())


def attributes(of):
    """Attributes of a span or a resource as a plain dict."""
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in of.attributes}


class Collector:
    """with Collector() as c: c.url, c.spans, c.headers; c.answers holds statuses for the next requests, else 200."""

    def __init__(self, tls=None):
        self.exports, self.headers, self.answers = [], [], []
        self.changed = threading.Condition()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                status = collector._take(self.path, dict(self.headers), body)
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *what):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.server.server_port}"

    def _take(self, path, headers, body):
        with self.changed:
            self.headers.append({name.lower(): value for name, value in headers.items()})
            status = self.answers.pop(0) if self.answers else 200
            if path != "/v1/traces" or self.headers[-1]["content-type"] != "application/json":
                status = 404
            if status == 200:
                self.exports.append(parse_export(body))
            self.changed.notify_all()
            return status

    @property
    def spans(self):
        with self.changed:
            return [s for e in self.exports for r in e.resource_spans for c in r.scope_spans for s in c.spans]

    def wait_for(self, condition, timeout=10):
        """Waits until condition(spans) holds, and returns the spans."""
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self.spans), timeout), "the spans did not come"
            return self.spans

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *what):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
