"""A browser of few words: what it sends to fargate-local's page is what a test says."""

import http.client
import json
import urllib.parse
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self

from fargate_local import FargateLocal
from fargate_local.admin_client import ask

PAGE = "/_fargate/ui"


@dataclass
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return json.loads(self.body)


@dataclass
class Visitor:
    """Somebody at a cloud's address, with or without a session."""

    cloud: FargateLocal
    session: dict[str, str] = field(default_factory=dict)

    @classmethod
    def let_in(cls, cloud: FargateLocal) -> Self:
        """A visitor with the session that a fresh code opened."""
        visitor = cls(cloud)
        answer = visitor.bring(new_code(cloud))
        assert answer.status == 200
        cookie = answer.headers["set-cookie"].partition(";")[0]
        visitor.session = {"Cookie": cookie, "X-Fargate-Local-Session": answer.content["token"]}
        return visitor

    @property
    def origin(self) -> dict[str, str]:
        return {"Origin": self.cloud.url}

    def bring(self, code: str, **headers: str) -> Answer:
        """Exchange a code as the page does."""
        return self.send("POST", f"{PAGE}/session", {"code": code}, {**self.origin, **headers})

    def get(self, route: str, **query: Any) -> Any:
        """What the page's data route answers, which has to be a success."""
        answer = self.send("GET", f"{PAGE}/api/{route}?{urllib.parse.urlencode(query)}", headers=self.session)
        assert answer.status == 200, answer.body
        return answer.content

    def change(self, method: str, route: str, content: Any = None) -> Answer:
        return self.send(method, f"{PAGE}/api/{route}", content, {**self.origin, **self.session})

    def send(self, method: str, path: str, content: Any = None, headers: dict[str, str] | None = None) -> Answer:
        body = json.dumps(content) if content is not None else None
        host = urllib.parse.urlsplit(self.cloud.url).netloc
        with closing(http.client.HTTPConnection(host, timeout=10)) as connection:
            connection.request(method, path, body=body, headers=headers or {})
            answer = connection.getresponse()
            told = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, told, answer.read())


def new_code(cloud: FargateLocal) -> str:
    return str(ask(cloud.key, "POST", "codes")["code"])
