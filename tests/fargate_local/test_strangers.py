"""Web pages, and names that are not this server's, may not call it; programs may."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import urllib.parse
import uuid
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult

import pytest
from tests.support.cloud import Ecs, MakeCloud

JSON = "application/x-amz-json-1.1"
TARGET = "AmazonEC2ContainerServiceV20141113."
BROWSER = shutil.which("chromium")
ATTACK = """<!doctype html><title>a page of somebody else's</title><script>
const body = JSON.stringify({clusterName: "@NAME"});
const create = {method: "POST", body, headers: {"X-Amz-Target": "@TARGETCreateCluster", "Content-Type": "@KIND"}};
const tries = {
  "read": () => fetch("@URL/_fargate/health").then(answer => answer.text()),
  "call with a preflight": () => fetch("@URL/", create).then(answer => answer.text()),
  "make a bucket": () => fetch("@URL/@NAME", {method: "PUT"}).then(answer => answer.text()),
  "post without a preflight": () => fetch("@URL/_fargate/faults", {method: "POST", mode: "no-cors",
    body: JSON.stringify([{fault: "capacity"}]), headers: {"Content-Type": "text/plain"}}).then(answer => answer.type),
  "reset": () => fetch("@URL/moto-api/reset", {method: "POST", mode: "no-cors"}).then(answer => answer.type),
};
(async () => {
  const found = {};
  for (const [name, attempt] of Object.entries(tries))
    found[name] = await attempt().catch(error => "refused: " + error.name);
  await fetch("/report", {method: "POST", body: JSON.stringify(found)});
})();
</script>"""


@pytest.fixture(scope="module")
def address(ecs: Ecs) -> SplitResult:
    return urllib.parse.urlsplit(ecs.cloud.url)


def call(
    address: SplitResult, *, method: str = "GET", path: str = "/_fargate/health", body: Any = None, **headers: str
) -> Any:
    """Status, body and headers of one request with these headers (underscores stand for hyphens)."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with closing(http.client.HTTPConnection(address.netloc, timeout=10)) as connection:
        connection.request(method, path, body=body, headers=named)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())


ROUTES = [
    ("GET", "/_fargate/health"),
    ("POST", "/_fargate/faults"),
    ("GET", "/_fargate/anything"),
    ("POST", "/moto-api/reset"),
    ("GET", "/moto-api/"),
    ("GET", "/moto-api/data.json"),
    ("POST", "/"),
    ("PUT", "/some-bucket/key"),
    ("GET", "/v4/some-container"),
    ("OPTIONS", "/"),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
@pytest.mark.parametrize(
    "stranger",
    [
        {"Host": "evil.example"},
        {"Host": "evil.example:5555"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "["},
        {"Origin": "http://localhost:8099"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
    ],
    ids=lambda stranger: "; ".join(f"{name} {value}" for name, value in stranger.items()),
)
def test_a_stranger_is_refused_on_every_route(address: SplitResult, method: str, path: str, stranger: Any) -> None:
    status, body, headers = call(address, method=method, path=path, **stranger)
    assert status == 403
    assert json.loads(body)["__type"] == "AccessDeniedException"
    assert not [name for name in headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:1", "localhost", "LOCALHOST:5555", "bucket.localhost", "[::1]"]
)
def test_programs_may_use_any_of_the_servers_own_names(address: SplitResult, host: Any) -> None:
    assert call(address, Host=host)[0] == 200


def test_the_servers_own_pages_may_call_it(address: SplitResult) -> None:
    assert call(address, Origin=f"http://{address.netloc}", Sec_Fetch_Site="same-origin")[0] == 200


def test_no_answer_opens_the_server_to_other_origins(address: SplitResult) -> None:
    for method, path in (("GET", "/moto-api/data.json"), ("OPTIONS", "/bucket"), ("GET", "/")):
        _, _, headers = call(address, method=method, path=path)
        assert not [name for name in headers if name.lower().startswith("access-control-")]


def test_a_link_to_an_object_opens_in_a_tab_of_its_own_and_nothing_else_does(ecs: Ecs, address: SplitResult) -> None:
    s3 = ecs.client("s3")
    bucket = f"reports-{uuid.uuid4().hex}"
    s3.create_bucket(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="r.html", Body=b"<h1>report</h1>")
    link = urllib.parse.urlsplit(s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "r.html"}))
    clicked = {"Sec_Fetch_Site": "same-site", "Sec_Fetch_Mode": "navigate", "Sec_Fetch_Dest": "document"}
    assert call(address, path=f"{link.path}?{link.query}", **clicked)[:2] == (200, "<h1>report</h1>")
    assert call(address, path="/_fargate/health", **clicked)[0] == 403
    assert call(address, path="/moto-api/", **clicked)[0] == 403
    assert call(address, path="/?Action=CreateQueue&QueueName=x", **clicked)[0] == 403
    forged = "X-Amz-Credential=a%2F20261124%2Fus-east-1%2Fec2%2Faws4_request"
    assert call(address, path=f"/?{forged}", **clicked)[0] == 403


def test_a_further_host_name_is_allowed_by_name(make_cloud: MakeCloud) -> None:
    cloud = make_cloud(options=("--allow-host", "cloud.test")).cloud
    address = urllib.parse.urlsplit(cloud.url)
    assert call(address, Host="cloud.test:5555")[0] == 200
    assert call(address, Host="other.test:5555")[0] == 403


class Attacker:
    """A web server with a hostile page, and what the page reports."""

    def __init__(self, page: str) -> None:
        self.found: dict[str, str] = {}
        self.reported = threading.Event()
        attacker = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._reply(page.encode(), "text/html")

            def do_POST(self) -> None:
                attacker.found = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._reply(b"", "text/plain")
                attacker.reported.set()

            def _reply(self, body: bytes, kind: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def visit(tmp_path: Path) -> Iterator[object]:
    """Opens a page in a real browser."""
    browsers = []

    def open_page(url: str) -> None:
        assert BROWSER
        browsers.append(
            subprocess.Popen(
                [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync",
                 "--host-resolver-rules=MAP evil.test 127.0.0.1", f"--user-data-dir={tmp_path}",
                 "--remote-debugging-port=0", url],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
            )
        )  # fmt: skip

    yield open_page
    for browser in browsers:
        os.killpg(browser.pid, signal.SIGKILL)
        browser.wait()


@pytest.mark.containers
@pytest.mark.skipif(BROWSER is None, reason="needs: apt-get install chromium")
@pytest.mark.parametrize(("page_host", "server_host"), [("localhost", "127.0.0.1"), ("evil.test", "evil.test")])
def test_a_hostile_page_in_a_real_browser_reads_and_changes_nothing(
    make_cloud: MakeCloud, visit: Any, page_host: Any, server_host: Any
) -> None:
    cloud = make_cloud()
    before = cloud.api.list_clusters()["clusterArns"]
    port = urllib.parse.urlsplit(cloud.cloud.url).port
    name = f"made-by-a-page-{uuid.uuid4().hex[:8]}"
    meant = {"@URL": f"http://{server_host}:{port}", "@NAME": name, "@TARGET": TARGET, "@KIND": JSON}
    page = ATTACK
    for placeholder, value in meant.items():
        page = page.replace(placeholder, value)
    attacker = Attacker(page)
    try:
        visit(f"http://{page_host}:{attacker.port}/")
        assert attacker.reported.wait(60)
    finally:
        attacker.close()
    # The body of a no-cors request cannot be read by the page either way: what counts is that it had no effect.
    silent = ("post without a preflight", "reset")
    assert {name for name in attacker.found if name not in silent} == {"read", "call with a preflight", "make a bucket"}
    for attempt in attacker.found.keys() - set(silent):
        assert attacker.found[attempt] == "refused: TypeError", attempt
    assert cloud.api.list_clusters()["clusterArns"] == before
    assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert cloud.cloud.faults() == []
