"""The server of `farebox dashboard`: uvicorn, which ends the streams of news before it waits for answers to end. Imports uvicorn and starlette."""

from __future__ import annotations

import socket
from typing import Any

import uvicorn
from starlette.applications import Starlette


class Server(uvicorn.Server):
    """Serves one dashboard.

    Args:
        application: of `farebox.dashboard.app`.
    """

    def __init__(self, application: Starlette) -> None:
        self._application = application
        super().__init__(
            uvicorn.Config(
                application,
                log_level="warning",
                access_log=False,  # it would write the token
                server_header=False,
                timeout_graceful_shutdown=2,
            )
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> Any:
        """End the streams, then everything else."""
        self._application.state.end_streams()
        await super().shutdown(sockets)
