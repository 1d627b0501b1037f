"""Starts aiosmtpd for a test, until standard input ends: STARTTLS and a login are required.

Prints `port N` once it listens. PORT (0: any), CERTIFICATE, KEY, LOGIN (`user:password`) and MAILS come from the
environment; each mail that arrives is a line of JSON at the end of the file MAILS, read by Python's own parser.
"""

import asyncio
import email
import email.policy
import json
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP, AuthResult

USER, PASSWORD = os.environ["LOGIN"].split(":", 1)


class Shelf:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        entry = {
            "to": envelope.rcpt_tos,
            "subject": mail["Subject"],
            "id": mail["Message-ID"],
            "text": mail.get_body(("plain",)).get_content(),
            "html": mail.get_body(("html",)).get_content(),
            "defects": [str(defect) for defect in mail.defects],
        }
        with open(os.environ["MAILS"], "a", encoding="utf-8") as shelf:
            shelf.write(json.dumps(entry) + "\n")
        return "250 taken"


def check(server, session, envelope, mechanism, data):
    given = (data.login, data.password)
    # The server itself is to answer.
    return AuthResult(success=given == (USER.encode(), PASSWORD.encode()), handled=False)


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(os.environ["CERTIFICATE"], os.environ["KEY"])


def connection():
    return SMTP(
        Shelf(),
        tls_context=context,
        require_starttls=True,
        auth_required=True,
        authenticator=check,
    )


async def serve():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", int(os.environ["PORT"]))
    print(f"port {server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.buffer.read)
    os._exit(0)


asyncio.run(serve())
