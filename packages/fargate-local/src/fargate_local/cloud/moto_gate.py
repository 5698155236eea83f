"""The gate to moto: every request to it passes here, in an order that a replay can repeat."""

import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from moto.moto_api._internal import mock_random
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.compaction import compact
from fargate_local.cloud.event_rules import deliver_to_each
from fargate_local.cloud.journal import Journal, Record
from fargate_local.cloud.locks import ReadWriteLock
from fargate_local.cloud.long_poll import PAUSE_SECONDS, REDRIVE, LongPoll, long_poll, queue_question, queue_seconds
from fargate_local.cloud.managed_policies import load_aws_policies, names_aws_policy
from fargate_local.cloud.requests import CloudRequest, CloudResponse
from fargate_local.cloud.service_models import share_service_models

log = logging.getLogger(__name__)

UPLOAD_ID = re.compile(rb"<UploadId>([^<]+)</UploadId>")
DATA_ACTIONS = frozenset({"PutLogEvents", "CreateLogStream", "DeleteLogStream", "PutEvents"})
# A CloudFormation call may fail and still leave resources behind, so its failures are repeated too.
RECORDED_EVEN_IF_REFUSED = frozenset({"cloudformation"})
# Those that may make a rule of EventBridge.
EVENT_SERVICES = frozenset({"events", "cloudformation"})
# Events of a log stream that was forgotten have nowhere to go.
MAY_FAIL_AGAIN = RECORDED_EVEN_IF_REFUSED | {"logs"}
CONDITIONS = frozenset({"if-match", "if-none-match", "if-modified-since", "if-unmodified-since"})


Extension = Callable[[str, Callable[[str, str], Any]], None]
"""Called with a service that is loaded, and with what returns boto3 clients, by service and region, for calls that are
part of the change that moto is at: they take no lock, and are repeated with the request that made them."""


class _Dispatcher(DomainDispatcherApplication):
    """moto's, which lists its folder of services anew for every request."""

    def __init__(self) -> None:
        super().__init__(create_backend_app)
        self._backends: dict[str | None, Any] = {}

    def get_backend_for_host(self, host: str | None) -> Any:
        if host not in self._backends:
            self._backends[host] = super().get_backend_for_host(host)
        return self._backends[host]


class MotoGate:
    """moto, with one writer at a time and, given a folder, state that outlives the process.

    `generation` grows with every change except data (S3 objects, log events, events): callers may cache what moto says
    about task definitions, images or secrets for as long as the generation stays the same.
    """

    def __init__(
        self,
        folder: Path | None = None,
        extensions: Iterable[Extension] = (),
        why_not_published: Callable[[str], str | None] = lambda _: None,
    ) -> None:
        """Keep the state in `folder`; `extensions` are called when a service is loaded, before its first request.

        `why_not_published` says why EventBridge may not publish to a topic, None where it may.
        """
        share_service_models()
        self.generation = 0
        self.why_not_published = why_not_published
        self._extensions = tuple(extensions)
        self._inside = CloudClients(self._call)
        self.has_event_rules = False
        self._lock = ReadWriteLock()
        self._ending = threading.Event()
        # The first request to a service makes what every account has, a default network for instance: it is a change.
        self._touched: set[tuple[str, str]] = set()
        self._on_events: Callable[[], None] = self._run_no_targets
        self._app = _Dispatcher()
        self._journal = Journal(folder) if folder else None
        if self._journal:
            self._replay(self._journal)

    def handle(self, request: CloudRequest) -> CloudResponse:
        """Return moto's answer. Waiting for messages holds no lock."""
        poll = long_poll(request)
        return self._receive(request, poll) if poll else self._at_once(request)

    def _receive(self, request: CloudRequest, poll: LongPoll) -> CloudResponse:
        attributes = self._at_once(queue_question(request)).content
        # Only a queue with a dead-letter queue may change when a poll finds nothing.
        may_change = REDRIVE.encode() in attributes
        deadline = time.monotonic() + (queue_seconds(attributes) if poll.seconds is None else poll.seconds)
        while True:
            with self._lock.writing():
                response = self._change(poll.once, empty_poll_matters=may_change)
            if response.code >= 400 or delivered(response) or time.monotonic() >= deadline:
                return response
            if self._ending.wait(PAUSE_SECONDS):
                return response

    def _at_once(self, request: CloudRequest) -> CloudResponse:
        if not request.changes_state and (request.service, request.region) in self._touched:
            if names_aws_policy(request):
                with self.alone():
                    load_aws_policies()
            with self._lock.reading():
                return self._call(request)
        with self._lock.writing():
            return self._change(request)

    def on_events(self, prepare: Callable[[], None]) -> None:
        """Have `prepare` say what becomes of events for targets that moto cannot reach, from now on.

        It is called once EventBridge is there; until then, and so while the journal is repeated, nothing runs.
        """
        with self._lock.writing():
            self._on_events = prepare
            if any(service in EVENT_SERVICES for service, _ in self._touched):
                prepare()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep moto unchanged for the time of the block."""
        with self._lock.reading():
            yield

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep everybody else from moto in the block: for changes that live no longer than this process."""
        with self._lock.writing():
            yield

    def wait_no_more(self) -> None:
        """Answer those who wait for messages: the server is about to close."""
        self._ending.set()

    def close(self) -> None:
        """Wait for the last change and close the journal."""
        with self._lock.writing():
            if self._journal:
                self._journal.close()

    def _change(self, request: CloudRequest, *, empty_poll_matters: bool = True) -> CloudResponse:
        seed = secrets.randbits(48)
        self._load(request, seed)
        # Taken after loading the service, which would make the time of its first change seconds too early.
        began = time.time()
        mock_random.seed(seed)
        response = self._call(request)
        accepted = response.code < 400
        if accepted:
            self._note(request)
        worth_repeating = accepted and (empty_poll_matters or delivered(response))
        if self._journal and (worth_repeating or request.service in RECORDED_EVEN_IF_REFUSED):
            self._journal.append(began, seed, request, self._yielded(request, response))
        return response

    def _note(self, request: CloudRequest) -> None:
        self._touched.add((request.service, request.region))
        if not request.changes_state:
            return
        if request.service != "s3" and request.action not in DATA_ACTIONS:
            self.generation += 1
        if request.service == "cloudformation" or request.action in ("PutRule", "CreateArchive"):
            self.has_event_rules = True

    def _load(self, request: CloudRequest, seed: int) -> None:
        """Import the service and let it create what every account has, with the same seed at every replay."""
        if (request.service, request.region) not in self._touched:
            mock_random.seed(seed)
            self._app.get_application(request.environ())
            for extend in self._extensions:
                extend(request.service, self._inside.get)
            if request.service in EVENT_SERVICES:
                self._on_events()
        if names_aws_policy(request):
            mock_random.seed(seed)
            load_aws_policies()

    def _run_no_targets(self) -> None:
        """Run no targets: while the journal is repeated, what an event caused has already happened."""
        deliver_to_each(lambda _: None, self.why_not_published)

    def _call(self, request: CloudRequest) -> CloudResponse:
        head: list[Any] = []

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
            head[:] = [status, headers]
            return lambda _: None

        body = self._app(request.environ(), start_response)
        content = b"".join(body)
        close = getattr(body, "close", None)
        if close:
            close()
        return CloudResponse(head[0], head[1], [content])

    @staticmethod
    def _yielded(request: CloudRequest, response: CloudResponse) -> str | None:
        """Return the upload id of a new multipart upload: the only identifier that moto's seed does not determine."""
        if request.service == "s3" and request.method == "POST" and "uploads" in request.query:
            found = UPLOAD_ID.search(response.content)
            return found[1].decode() if found else None
        return None

    def _replay(self, journal: Journal) -> None:
        records = compact(journal.read())
        journal.replace(records)
        renamed: dict[str, str] = {}
        if records:
            # It imports pytest, which a server with nothing to replay need not wait for.
            import time_machine

            with time_machine.travel(records[0].time, tick=False) as clock:
                for record in records:
                    clock.move_to(record.time)
                    self._repeat(journal, record, renamed)
        journal.open()

    def _repeat(self, journal: Journal, record: Record, renamed: dict[str, str]) -> None:
        request = rewrite(journal.with_body(record), renamed)
        poll = long_poll(request)
        request = poll.once if poll else request
        self._load(request, record.seed)
        mock_random.seed(record.seed)
        response = self._call(request)
        if response.code < 400:
            self._note(request)
            fresh = self._yielded(request, response)
            if record.yields and fresh:
                renamed[record.yields] = fresh
        elif request.service not in MAY_FAIL_AGAIN:
            log.warning("could not repeat change %d: %s %s", record.number, request.service, request.action)


def delivered(response: CloudResponse) -> bool:
    """Return whether the answer to a ReceiveMessage holds a message."""
    return b"ReceiptHandle" in response.content


def rewrite(request: CloudRequest, renamed: dict[str, str]) -> CloudRequest:
    """Return the request as a replay must send it: with the new upload ids, and unconditional, because it succeeded."""
    target = request.target
    upload = request.query.get("uploadId", [""])[0]
    if upload in renamed:
        target = target.replace(quote(upload, safe=""), quote(renamed[upload], safe="")).replace(
            upload, quote(renamed[upload], safe="")
        )
    headers = {name: value for name, value in request.headers.items() if name not in CONDITIONS}
    return CloudRequest(request.method, target, headers, request.body)
