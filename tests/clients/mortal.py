"""A receiver that dies of SIGKILL at a chosen stage of a chosen request. It never tidies up.

`python -m tests.clients.mortal <descriptor of a listening socket> [<stage> <number of the request>]`, with DATABASE_URL
and TRUNKLINE_SECRET. Its work is a row in `effects`, which has no constraint against a second one.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
from trunkline_consumer import Verifier
from trunkline_consumer.psycopg import once

WORK = "insert into effects (event) select %s from pg_sleep(0.01)"
HANDLED = "insert into handlings (id, first) values (%s, %s)"

verifier = Verifier(os.environ["TRUNKLINE_SECRET"])
requests = itertools.count(1)
doom = (sys.argv[2], int(sys.argv[3])) if len(sys.argv) > 2 else ("never", 0)


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        number = next(requests)

        def at(stage: str) -> None:
            if (stage, number) == doom:
                os.kill(os.getpid(), signal.SIGKILL)

        delivery = verifier.verify(self.rfile.read(int(self.headers["content-length"])), self.headers)
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
            at("before the work")
            with once(connection, delivery) as first:
                if first:
                    connection.execute(WORK, (delivery.event,))
                connection.execute(HANDLED, (delivery.id, first))
                at("in the transaction")
            at("after the commit")
        self.wfile.write(b"HTTP/1.0 2")
        at("in the answer")
        self.wfile.write(b"04 No Content\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver, bind_and_activate=False)
    server.socket.close()
    server.socket = socket.socket(fileno=int(sys.argv[1]))
    print("ready", flush=True)
    server.serve_forever()
