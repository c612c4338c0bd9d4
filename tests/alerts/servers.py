"""An SMTP server (aiosmtpd) and an HTTP server that behave as a test tells them to.

Prints {"smtp": PORT, "http": PORT}, and ends with its standard input. Over HTTP:

  PUT /behave    {"smtp": …, "refuse": […], "http": …, "location": …}: how to behave from now on
  GET /received  {"messages": […], "calls": […]}: all that came so far
  POST /hook…    a webhook

smtp: "accept"; "busy" answers 451; "hang" never answers a recipient; "drop" takes the message and breaks the connection
before it says so. http: a status to answer with, or 0 to never answer.
"""

import asyncio
import email
import email.policy
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.smtp import SMTP

behave = {"smtp": "accept", "refuse": [], "http": 200, "location": ""}
messages, calls = [], []


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
        messages.append({
            "to": envelope.rcpt_tos,
            "id": message["Message-ID"],
            "subject": message["Subject"],
            "automatic": message["Auto-Submitted"],
            "text": message.get_content(),
        })
        if behave["smtp"] == "drop":
            server.transport.abort()
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
        self.answer(200, json.dumps({"messages": messages, "calls": calls}).encode())

    def do_POST(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        calls.append({"path": self.path, "headers": headers, "body": self.body()})
        if behave["http"] == 0:
            threading.Event().wait()
        self.answer(behave["http"])

    def log_message(self, *args):
        pass


async def smtp(ready):
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(Handler(), hostname="test"), "127.0.0.1", 0)
    ready(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main():
    http = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=http.serve_forever, daemon=True).start()

    def ready(port):
        print(json.dumps({"smtp": port, "http": http.server_port}), flush=True)

    threading.Thread(target=lambda: asyncio.run(smtp(ready)), daemon=True).start()
    sys.stdin.read()
    os._exit(0)


main()
