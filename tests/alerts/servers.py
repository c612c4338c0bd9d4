"""SMTP servers (aiosmtpd) and an HTTP server that behave as a test tells them to.

Prints {"smtp": PORT, "http": PORT}, with a certificate and its key as arguments also {"starttls": PORT, "smtps": PORT}, and
ends with its standard input. Over HTTP:

  PUT /behave               {"smtp": …, "refuse": […], "http": …, "location": …}: how to behave from now on
  GET /received             {"messages": […], "calls": […]}: all that came so far
  GET /received?messages=N  the same, once so many messages have come
  POST /hook…               a webhook

smtp: "accept"; "busy" answers 451; "hang" never answers a recipient; "drop" takes the message and breaks the connection
before it says so; "hold" takes it and never says so. http: a status to answer with, or 0 to never answer. On the port of
STARTTLS nothing is taken before it; on that of smtps the first byte is TLS.
"""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP

behave = {"smtp": "accept", "refuse": [], "http": 200, "location": ""}
messages, calls = [], []
came = threading.Condition()


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if behave["smtp"] == "hang":
            await asyncio.Event().wait()
        if address in behave["refuse"]:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if behave["smtp"] == "busy":
            return "451 4.3.2 come back later"
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with came:
            messages.append({
                "to": envelope.rcpt_tos,
                "id": message["Message-ID"],
                "subject": message["Subject"],
                "automatic": message["Auto-Submitted"],
                "text": message.get_content(),
                "tls": server.transport.get_extra_info("ssl_object") is not None,
            })
            came.notify_all()
        if behave["smtp"] == "drop":
            server.transport.abort()
        if behave["smtp"] == "hold":
            await asyncio.Event().wait()
        return "250 OK"


class Hook(BaseHTTPRequestHandler):
    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()

    def answer(self, status, body=b""):
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", behave["location"])
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        behave.update(json.loads(self.body()))
        self.answer(200)

    def do_GET(self):
        wanted = int(parse_qs(urlsplit(self.path).query).get("messages", ["0"])[0])
        with came:
            came.wait_for(lambda: len(messages) >= wanted)
        self.answer(200, json.dumps({"messages": messages, "calls": calls}).encode())

    def do_POST(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        calls.append({"path": self.path, "headers": headers, "body": self.body()})
        if behave["http"] == 0:
            threading.Event().wait()
        self.answer(behave["http"])

    def log_message(self, *args):
        pass


async def smtp(ready, context):
    loop = asyncio.get_running_loop()
    ways = {"smtp": (lambda: SMTP(Handler(), hostname="test"), None)}
    if context:
        starttls = lambda: SMTP(Handler(), hostname="test", tls_context=context, require_starttls=True)
        ways |= {"starttls": (starttls, None), "smtps": (ways["smtp"][0], context)}
    servers = {way: await loop.create_server(make, "127.0.0.1", 0, ssl=tls) for way, (make, tls) in ways.items()}
    ready({way: server.sockets[0].getsockname()[1] for way, server in servers.items()})
    await asyncio.gather(*(server.serve_forever() for server in servers.values()))


def main():
    context = None
    if len(sys.argv) > 1:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*sys.argv[1:])
    http = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=http.serve_forever, daemon=True).start()

    def ready(ports):
        print(json.dumps(ports | {"http": http.server_port}), flush=True)

    threading.Thread(target=lambda: asyncio.run(smtp(ready, context)), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


main()
