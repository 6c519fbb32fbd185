"""The command ``handful serve``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from handful.cli.output import say


@dataclass
class Serve:
    """Answer questions over HTTP with a bundle's policies, and keep an audit log.

    There is no authentication: keep to the loopback, or put a server that has it in front.
    """

    bundle: tyro.conf.Positional[Path]
    """The bundle's folder, or its zip file."""

    audit: Path = Path("audit.jsonl")
    """The audit log, to which a line is added for each answer."""

    host: str = "127.0.0.1"
    """The address to listen on."""

    port: int = 8000
    """The port to listen on; 0 takes a free one."""

    second: Path | None = None
    """A second bundle, which is rolled out beside the first."""

    stage: Literal["shadow", "share", "full"] = "shadow"
    """The stage of the second bundle: its actions are compared only, or it serves a share of the
    users until outcomes decide, or all of them."""

    share: float = 0.1
    """The share of the users whom the second bundle serves."""

    low: float = 0.0
    """The lowest possible outcome of a user."""

    high: float = 1.0
    """The highest possible outcome of a user."""

    margin: float = 0.05
    """The loss of mean outcome that counts as none."""

    alpha: float = 0.05
    """The probability of each wrong decision about the second bundle."""

    def run(self) -> None:
        """Serve until the program is asked to stop."""
        from handful.deploy import load
        from handful.serving.audit import AuditLog
        from handful.serving.rollout import Plan
        from handful.serving.server import Serving, make_server

        first = load(self.bundle)
        second = None if self.second is None else load(self.second)
        plan = Plan(self.stage, self.share, self.low, self.high, self.margin, self.alpha)
        log = AuditLog(self.audit)
        with make_server(Serving(first, log, second, plan), self.host, self.port) as server:
            address = f"http://{self.host}:{server.server_address[1]}/v1/"
            say(f"handful: serving {first.digest[:12]} at {address}, log '{self.audit}'.")
            server.serve_forever()
