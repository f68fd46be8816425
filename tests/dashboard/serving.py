"""A dashboard that really listens, asked over a plain socket so that nothing tidies up what is sent."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from urllib.parse import urlencode

import uvicorn

from farebox.dashboard.serving import Server

DAY = 86_400_000_000_000
NOW = 1_795_000_000_000_000_000 // DAY * DAY + DAY // 2
"""Noon of a day, UTC."""

TOKEN = "the-right-token-of-this-test"


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def rows(self):
        """The rows of a table as dicts."""
        names = [column["name"] for column in self.json["columns"]]
        return [dict(zip(names, row, strict=True)) for row in self.json["rows"]]


class Dashboard:
    """One that listens on loopback; `ask` sends what it is given, and the cookie once `enter` was called."""

    def __init__(self, application):
        # One that is mounted in another has that one's server.
        own = hasattr(application.state, "end_streams")
        self._server = Server(application) if own else uvicorn.Server(uvicorn.Config(application, log_level="warning"))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._listening]})
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.005)
        self.host = f"127.0.0.1:{self.port}"
        self.url = f"http://{self.host}"
        self.cookie = None

    def ask(self, path, method="GET", **headers):
        given = {"Host": self.host} | ({"Cookie": self.cookie} if self.cookie else {})
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in given.items():
                connection.putheader(name, value)
            connection.endheaders()
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def panel(self, panel, /, **parameters):
        return self.ask(f"/api/{panel}?{urlencode(parameters)}")

    def enter(self, token=TOKEN):
        answer = self.ask(f"/?token={token}")
        self.cookie = answer.headers["set-cookie"].partition(";")[0]
        return answer

    def close(self):
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()
