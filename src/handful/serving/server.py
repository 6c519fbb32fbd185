"""The HTTP server. Every answer names its bundle by digest and its policy by number."""

import json
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from handful._support.files import parse_json
from handful.deploy import Bundle
from handful.errors import HandfulError
from handful.serving.audit import AuditLog
from handful.serving.rollout import FULL, SHADOW, Plan, Rollout
from handful.serving.watching import Watching

VERSION = "v1"
"""The version of the addresses and the forms of questions and answers."""

MOST_BYTES = 2**22
"""The most bytes of a question."""


class Serving:
    """A bundle that answers, and perhaps a second one that is rolled out beside it.

    Args:
        first: the bundle that serves.
        log: the audit log. Outcomes in it of the same bundles count again, so that a rollout goes
            on where a killed process left it.
        second: the bundle that is rolled out, if there is one.
        plan: how it is.

    Raises:
        HandfulError: if the second bundle's policies see or do something else than the first's.
    """

    def __init__(
        self,
        first: Bundle,
        log: AuditLog,
        second: Bundle | None = None,
        plan: Plan | None = None,
    ) -> None:
        self.first, self.second, self._log = first, second, log
        self.counts: Counter[str] = Counter()
        self._lock, self._acting = threading.Lock(), threading.Lock()
        self._seconds = 0.0
        self._watching = {first: Watching(first, log)}
        self.rollout: Rollout | None = None
        if second is None:
            return
        if first.interface.observation_size != second.interface.observation_size or (
            first.interface.actions.shape != second.interface.actions.shape
        ):
            raise HandfulError(
                f"'{second.source}' cannot take the place of '{first.source}': its policies see or "
                f"do something else."
            )
        self._salt = f"{first.digest} {second.digest}"
        self.rollout = Rollout(plan or Plan(), self._salt)
        if self.rollout.stage != SHADOW:  # in the shadow, the first's policies make what is seen
            self._watching[second] = Watching(second, log)
        for record in log.records():
            if record.get("kind") == "outcome" and record.get("between") == self._salt:
                self.rollout.add(str(record["user"]), self.rollout.check_outcome(record["value"]))

    def act(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer which action to take.

        Args:
            question: ``observation``; ``user`` or ``policy``; perhaps ``flattened`` and ``id``.

        Raises:
            HandfulError: if the question does not fit.
        """
        began = time.perf_counter()
        unknown = set(question) - {"observation", "user", "policy", "flattened", "id"}
        if unknown or "observation" not in question:
            raise HandfulError(
                "A question has an observation, a user or a policy, and perhaps flattened and id"
                + (f", and not {min(unknown)!r}." if unknown else ".")
            )
        user, policy = question.get("user"), question.get("policy")
        if user is not None and not isinstance(user, str):
            raise HandfulError("user must be a name.")
        if policy is not None and not isinstance(policy, int):
            raise HandfulError("policy must be a whole number.")
        bundle = self._bundle_for(user)
        with self._acting:  # so that what is counted as outside is this observation
            before = bundle.out_of_range.outside
            action = self._action(bundle, question, user, policy)
            outside = bundle.out_of_range.outside > before
        answer: dict[str, Any] = {
            "action": np.asarray(action).tolist(),
            "bundle": bundle.digest,
            "policy": bundle.policy_of(user) if policy is None and user is not None else policy,
            "id": question.get("id"),
        }
        record = {**answer, "kind": "act", "time": time.time(), "user": user, "outside": outside}
        if self.rollout is not None and self.rollout.stage == SHADOW and self.second is not None:
            record["shadow"] = self._shadow(question, user, policy, answer["action"])
        self._log.write(record)
        with self._lock:
            self.counts["answers"] += 1
            self.counts["outside"] += outside
            self._seconds += time.perf_counter() - began
        self._watching[bundle].add(outside)
        return answer

    def outcome(self, question: dict[str, Any]) -> dict[str, Any]:
        """Take in the outcome of a user.

        Args:
            question: ``user`` and ``value``.

        Raises:
            HandfulError: if no bundle is rolled out, or the outcome is outside its limits.
        """
        rollout = self.rollout
        if rollout is None:
            raise HandfulError("No second bundle is rolled out here, so that outcomes count not.")
        if not isinstance(question.get("user"), str):
            raise HandfulError("An outcome needs the name of a user, and a value.")
        user, value = question["user"], rollout.check_outcome(question.get("value"))
        record = {"kind": "outcome", "time": time.time(), "between": self._salt}
        with self._lock:  # the log has outcomes in the order in which they counted
            self._log.write({**record, "user": user, "value": value})
            counted = rollout.add(user, value)
            self.counts["outcomes"] += 1
        return {"counted": counted, **rollout.record()}

    def state(self) -> dict[str, Any]:
        """Return which bundles serve and how far the rollout is."""
        return {
            "version": VERSION,
            "ready": True,
            "bundle": self.first.digest,
            "policies": self.first.num_policies,
            "second": None if self.second is None else self.second.digest,
            "rollout": None if self.rollout is None else self.rollout.record(),
            "drift": self._has_drifted,
            "drift_of": [watching.state() for watching in self._watching.values()],
        }

    def metrics(self) -> str:
        """Return the counts as Prometheus reads them."""
        with self._lock:
            counts, seconds = dict(self.counts), self._seconds
        lines = [
            f"handful_{name}_total {counts.get(name, 0)}"
            for name in ("answers", "errors", "outside", "outcomes", "shadow_same", "shadow_other")
        ]
        lines.append(f"handful_answer_seconds_total {seconds:.6f}")
        lines.append(f"handful_drift {int(self._has_drifted)}")
        found = [line for watching in self._watching.values() for line in watching.metrics()]
        lines += sorted(found, key=lambda line: line.split("{")[0])  # a metric's lines together
        if self.rollout is not None:
            lines.append(f'handful_rollout{{stage="{self.rollout.stage}"}} 1')
        return "\n".join(lines) + "\n"

    @property
    def _has_drifted(self) -> bool:
        return any(watching.has_drifted for watching in self._watching.values())

    def count_error(self) -> None:
        """Count a question that could not be answered."""
        with self._lock:
            self.counts["errors"] += 1

    def _bundle_for(self, user: str | None) -> Bundle:
        """Return the bundle that answers; only a full rollout concerns questions without a user."""
        if self.rollout is None or self.second is None:
            return self.first
        is_second = self.rollout.stage == FULL if user is None else self.rollout.is_second(user)
        return self.second if is_second else self.first

    def _action(self, bundle: Bundle, question: dict[str, Any], user: Any, policy: Any) -> Any:
        flattened = bool(question.get("flattened", False))
        return bundle.act(question["observation"], user=user, policy=policy, flattened=flattened)

    def _shadow(self, question: dict[str, Any], user: Any, policy: Any, action: Any) -> Any:
        """Return the second bundle's action; a failure of it does not disturb the first."""
        assert self.second is not None
        try:
            other = np.asarray(self._action(self.second, question, user, policy)).tolist()
        except HandfulError as error:
            other = f"error: {error}"
        with self._lock:
            self.counts["shadow_same" if other == action else "shadow_other"] += 1
        return other


class _Handler(BaseHTTPRequestHandler):
    """Questions in JSON, answers in JSON."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    # The head and the body of an answer go out together. As two writes, the second would wait until
    # the client has confirmed the first, which takes 40 ms.
    wbufsize = 2**16
    disable_nagle_algorithm = True
    serving: Serving

    def do_GET(self) -> None:
        if self.path == f"/{VERSION}/ready":
            self._answer(200, self.serving.state())
        elif self.path == f"/{VERSION}/metrics":
            self._send(200, self.serving.metrics().encode(), "text/plain; version=0.0.4")
        else:
            self._fail(
                404,
                f"GET answers /{VERSION}/ready and /{VERSION}/metrics only; questions go by POST "
                f"to /{VERSION}/act, and outcomes to /{VERSION}/outcome.",
            )

    def do_POST(self) -> None:
        asked = {f"/{VERSION}/act": self.serving.act, f"/{VERSION}/outcome": self.serving.outcome}
        size = self.headers.get("Content-Length", "")
        if not (size.isascii() and size.isdecimal() and int(size) <= MOST_BYTES):
            self.close_connection = True
            self._fail(413, f"A question needs a Content-Length of at most {MOST_BYTES}.")
            return
        body = self.rfile.read(int(size))
        if self.path not in asked:
            self._fail(404, f"POST takes questions at {' and outcomes at '.join(asked)} only.")
            return
        try:
            question = parse_json(body)
            if not isinstance(question, dict):
                raise HandfulError("A question is a JSON object.")
            self._answer(200, asked[self.path](question))
        except HandfulError as error:
            self._fail(400, str(error))
        except ValueError as error:
            self._fail(400, f"The question is no valid JSON ({error}).")
        except OSError:
            self._fail(503, "The audit log cannot be written, and nothing is answered without it.")

    def log_message(self, format: str, *args: Any) -> None:
        """Print nothing: the audit log has every answer."""

    def _fail(self, code: int, sentence: str) -> None:
        self.serving.count_error()
        self._answer(code, {"error": sentence, "bundle": self.serving.first.digest})

    def _answer(self, code: int, content: dict[str, Any]) -> None:
        self._send(code, json.dumps(content).encode(), "application/json")

    def _send(self, code: int, data: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def make_server(serving: Serving, host: str = "127.0.0.1", port: int = 8000) -> ThreadingHTTPServer:
    """Return a server that listens; its method ``serve_forever`` answers.

    Args:
        serving: what answers.
        host: the address to listen on; others than the loopback are open to the network, and there
            is no authentication.
        port: the port; 0 takes a free one.

    Raises:
        OSError: if the address cannot be used.
    """
    handler = type("Handler", (_Handler,), {"serving": serving})
    return _Server((host, port), handler)
