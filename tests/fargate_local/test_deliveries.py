"""What SES and SNS send arrives: at an SMTP server, in a folder, at an endpoint of this machine, or it is said why."""

import base64
import http.server
import json
import re
import socket
import stat
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from email.message import EmailMessage, Message
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from tests.support.cloud import Ecs
from tests.support.ports import free_port

from fargate_local import FargateLocal
from fargate_local.cli.output import UserError
from fargate_local.cli.serve import parse_smtp
from fargate_local.deliveries.courier import UndeliverableError
from fargate_local.deliveries.outlets import SmtpServer, check_reachable
from fargate_local.deliveries.retries import MAIL, http_pauses

DEADLINE = 20.0
FAST = json.dumps({"healthyRetryPolicy": {"numRetries": 2, "numNoDelayRetries": 2}})


class Inbox:
    """An SMTP server that keeps what it is sent; addresses of `nobody.example` are refused."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], EmailMessage]] = []
        # The controller connects to the port that it was given, so 0 will not do.
        self._controller = Controller(self, hostname="127.0.0.1", port=free_port())
        self._controller.start()
        self.address = f"127.0.0.1:{self._controller.port}"

    async def handle_RCPT(self, _: Any, __: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        del options
        if address.endswith("nobody.example"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _: Any, __: Any, envelope: Any) -> str:  # noqa: N802 - as above
        message = BytesParser(policy=default).parsebytes(envelope.content)
        assert isinstance(message, EmailMessage)
        self.mails.append((envelope.rcpt_tos, message))
        return "250 OK"

    def wait_for(self, subject: str) -> tuple[list[str], EmailMessage]:
        def found() -> Any:
            return next((each for each in self.mails if each[1]["Subject"] == subject), None)

        mail: tuple[list[str], EmailMessage] = until(found)
        return mail

    def close(self) -> None:
        self._controller.stop()


class Endpoint:
    """An HTTP server that keeps what is posted to it, and answers with the statuses that it is given, then with 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[Message, str]] = []
        self.statuses: list[int] = []
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                endpoint.calls.append((self.headers, body))
                self.send_response(endpoint.statuses.pop(0) if endpoint.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hook?team=data"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def wait_for(self, count: int) -> list[tuple[Message, str]]:
        calls: list[tuple[Message, str]] = until(lambda: self.calls[:count] if len(self.calls) >= count else None)
        return calls

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + DEADLINE
    while not (what := found()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return what


def visit(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


@pytest.fixture(scope="module")
def inbox() -> Iterator[Inbox]:
    opened = Inbox()
    yield opened
    opened.close()


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    opened = Endpoint()
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def mailing(inbox: Inbox) -> Iterator[Ecs]:
    """A cloud with an SMTP server, and a verified sender."""
    with FargateLocal(options=("--smtp", inbox.address)) as cloud:
        ecs = Ecs(cloud)
        ecs.client("ses").verify_email_identity(EmailAddress="jobs@example.com")
        yield ecs


def topic_of(ecs: Ecs, name: str) -> str:
    return str(ecs.client("sns").create_topic(Name=name)["TopicArn"])


def subscribed(ecs: Ecs, topic: str, endpoint: Endpoint, **attributes: str) -> str:
    """Subscribe an endpoint, and confirm as it would."""
    sns = ecs.client("sns")
    made = sns.subscribe(
        TopicArn=topic, Protocol="http", Endpoint=endpoint.url, Attributes=attributes, ReturnSubscriptionArn=True
    )
    (_, body), *_ = endpoint.wait_for(1)
    assert visit(json.loads(body)["SubscribeURL"])[0] == 200
    endpoint.calls.clear()
    return str(made["SubscriptionArn"])


def test_a_mail_of_ses_arrives_with_both_bodies_and_without_its_blind_copies(mailing: Ecs, inbox: Inbox) -> None:
    sent = mailing.client("ses").send_email(
        Source="Jobs <jobs@example.com>",
        Destination={
            "ToAddresses": ["Ana <ana@example.com>"],
            "CcAddresses": ["c@example.com"],
            "BccAddresses": ["b@example.com"],
        },
        ReplyToAddresses=["team@example.com"],
        Message={
            "Subject": {"Data": "Informe: año"},
            "Body": {"Text": {"Data": "listo\n¡sí!"}, "Html": {"Data": "<p>listo</p>"}},
        },
    )
    recipients, mail = inbox.wait_for("Informe: año")
    assert sorted(recipients) == ["ana@example.com", "b@example.com", "c@example.com"]
    assert mail["Message-ID"] == f"<{sent['MessageId']}@email.amazonses.com>"
    assert (mail["From"], mail["Reply-To"], mail["Bcc"]) == ("Jobs <jobs@example.com>", "team@example.com", None)
    bodies = [part.get_content().splitlines() for part in mail.iter_parts()]
    assert bodies == [["listo", "¡sí!"], ["<p>listo</p>"]]
    assert mail["Date"]


def test_a_raw_mail_arrives_as_it_was_written(mailing: Ecs, inbox: Inbox) -> None:
    raw = EmailMessage()
    raw["From"], raw["To"], raw["Bcc"] = "jobs@example.com", "ana@example.com", "hidden@example.com"
    raw["Subject"] = "with a file"
    raw.set_content("see below")
    raw.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="r.csv")
    mailing.client("ses").send_raw_email(RawMessage={"Data": raw.as_bytes()})
    recipients, mail = inbox.wait_for("with a file")
    assert sorted(recipients) == ["ana@example.com", "hidden@example.com"]
    assert mail["Bcc"] is None
    (attachment,) = mail.iter_attachments()
    assert (attachment.get_filename(), attachment.get_content()) == ("r.csv", "a,b\n1,2\n")


@pytest.mark.parametrize("kind", ["Simple", "Raw"])
def test_a_mail_of_version_2_arrives(mailing: Ecs, inbox: Inbox, kind: str) -> None:
    subject = f"version 2 {kind}"
    raw = f"From: jobs@example.com\r\nTo: x@example.com\r\nSubject: {subject}\r\n\r\nhello\r\n".encode()
    simple = {"Subject": {"Data": subject}, "Body": {"Text": {"Data": "hello"}}}
    mailing.client("sesv2").send_email(
        FromEmailAddress="jobs@example.com",
        Destination={"ToAddresses": ["ana@example.com"]},
        Content={"Simple": simple} if kind == "Simple" else {"Raw": {"Data": raw}},
    )
    recipients, mail = inbox.wait_for(subject)
    assert recipients == ["ana@example.com"]
    assert mail.get_content().strip() == "hello"


def test_a_mail_that_ses_refuses_is_not_sent(mailing: Ecs, inbox: Inbox) -> None:
    with pytest.raises(mailing.client("ses").exceptions.MessageRejected):
        mailing.client("ses").send_email(
            Source="stranger@example.com",
            Destination={"ToAddresses": ["ana@example.com"]},
            Message={"Subject": {"Data": "refused"}, "Body": {"Text": {"Data": "x"}}},
        )
    time.sleep(0.2)
    assert "refused" not in [mail["Subject"] for _, mail in inbox.mails]


def test_a_notification_by_mail_comes_after_its_confirmation_and_ends_with_its_link(mailing: Ecs, inbox: Inbox) -> None:
    sns = mailing.client("sns")
    topic = topic_of(mailing, "mails")
    made = sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ana@example.com")
    assert made["SubscriptionArn"] == "pending confirmation"
    (listed,) = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert listed["SubscriptionArn"] == "PendingConfirmation"
    sns.publish(TopicArn=topic, Message="too early", Subject="too early")
    _, asked = inbox.wait_for("AWS Notification - Subscription Confirmation")
    (link,) = re.findall(r"http://\S+", asked.get_content())
    assert visit(link.replace("Token=", "Token=x"))[0] == 403
    assert visit(link)[0] == 200
    sns.publish(TopicArn=topic, Message="línea uno\nlínea dos", Subject="ready")
    recipients, mail = inbox.wait_for("ready")
    assert recipients == ["ana@example.com"]
    assert mail["From"] == "AWS Notifications <no-reply@sns.amazonaws.com>"
    assert mail.get_content().splitlines()[:2] == ["línea uno", "línea dos"]
    (link,) = re.findall(r"http://\S+", mail.get_content())
    assert visit(link.replace("Action=Unsubscribe", "Action=ConfirmSubscription"))[0] == 403
    assert visit(link)[0] == 200
    assert sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"] == []
    assert "too early" not in [mail["Subject"] for _, mail in inbox.mails]


def test_an_endpoint_confirms_and_gets_signed_notifications(ecs: Ecs, endpoint: Endpoint) -> None:
    sns = ecs.client("sns")
    topic = topic_of(ecs, "hooks")
    sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=endpoint.url)
    (headers, body), *_ = endpoint.wait_for(1)
    asked = json.loads(body)
    assert headers["x-amz-sns-message-type"] == asked["Type"] == "SubscriptionConfirmation"
    with pytest.raises(sns.exceptions.InvalidParameterException):
        sns.confirm_subscription(TopicArn=topic, Token="guessed")
    arn = sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])["SubscriptionArn"]
    attributes = {"kind": {"DataType": "String", "StringValue": "x"}}
    told = sns.publish(TopicArn=topic, Message="hello", Subject="s", MessageAttributes=attributes)
    headers, body = endpoint.wait_for(2)[1]
    content = json.loads(body)
    assert (content["Type"], content["Message"], content["Subject"]) == ("Notification", "hello", "s")
    assert content["MessageId"] == headers["x-amz-sns-message-id"] == told["MessageId"]
    assert content["MessageAttributes"]["kind"]["Value"] == "x"
    assert headers["x-amz-sns-subscription-arn"] == arn
    assert headers["Content-Type"] == "text/plain; charset=UTF-8"
    for each in (asked, content):
        check_signature(each)


def check_signature(content: dict[str, Any]) -> None:
    """Verify as the developer guide says."""
    names = ("Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
    text = "".join(f"{name}\n{content[name]}\n" for name in names if name in content)
    status, pem = visit(content["SigningCertURL"])
    assert status == 200
    key = x509.load_pem_x509_certificate(pem.encode()).public_key()
    assert isinstance(key, RSAPublicKey)
    algorithm = {"1": hashes.SHA1(), "2": hashes.SHA256()}[content["SignatureVersion"]]  # noqa: S303 - SNS's version 1
    key.verify(base64.b64decode(content["Signature"]), text.encode(), padding.PKCS1v15(), algorithm)


def test_raw_delivery_filters_and_versions_of_signatures_hold(ecs: Ecs, endpoint: Endpoint) -> None:
    sns = ecs.client("sns")
    topic = topic_of(ecs, "chosen")
    sns.set_topic_attributes(TopicArn=topic, AttributeName="SignatureVersion", AttributeValue="2")
    filters = {"FilterPolicy": json.dumps({"kind": ["wanted"]})}
    arn = subscribed(ecs, topic, endpoint, **filters)
    for kind in ("other", "wanted"):
        attributes = {"kind": {"DataType": "String", "StringValue": kind}}
        sns.publish(TopicArn=topic, Message=kind, MessageAttributes=attributes)
    ((_, body),) = endpoint.wait_for(1)
    assert json.loads(body)["Message"] == "wanted"
    check_signature(json.loads(body))
    sns.set_subscription_attributes(SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true")
    sns.publish(TopicArn=topic, Message="bare", MessageAttributes=attributes)
    headers, body = endpoint.wait_for(2)[1]
    assert (body, headers["x-amz-sns-rawdelivery"]) == ("bare", "true")


def test_an_endpoint_that_fails_is_asked_again_and_one_that_refuses_is_not(ecs: Ecs, endpoint: Endpoint) -> None:
    topic = topic_of(ecs, "retries")
    subscribed(ecs, topic, endpoint, DeliveryPolicy=FAST)
    endpoint.statuses = [503, 429]
    ecs.client("sns").publish(TopicArn=topic, Message="third time")
    calls = endpoint.wait_for(3)
    assert len({headers["x-amz-sns-message-id"] for headers, _ in calls}) == 1
    endpoint.calls.clear()
    endpoint.statuses = [404]
    ecs.client("sns").publish(TopicArn=topic, Message="refused")
    ecs.client("sns").publish(TopicArn=topic, Message="after it")
    bodies = [json.loads(body)["Message"] for _, body in endpoint.wait_for(2)]
    time.sleep(0.3)
    assert sorted(bodies) == ["after it", "refused"]
    assert len(endpoint.calls) == 2


def test_publish_does_not_wait_for_a_silent_endpoint(ecs: Ecs) -> None:
    topic = topic_of(ecs, "silent")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        began = time.monotonic()
        ecs.client("sns").subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
        ecs.client("sns").publish(TopicArn=topic, Message="x")
        assert time.monotonic() - began < 5
        silent.accept()[0].close()


def test_queues_hear_a_topic_as_before(ecs: Ecs) -> None:
    sqs, sns = ecs.client("sqs"), ecs.client("sns")
    queue = sqs.create_queue(QueueName="heard")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    topic = topic_of(ecs, "to-a-queue")
    assert sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"].startswith(topic)
    sns.publish(TopicArn=topic, Message="m")
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=5)["Messages"]
    assert json.loads(message["Body"])["Message"] == "m"


def test_an_alarm_tells_its_topic_when_its_state_changes(ecs: Ecs, endpoint: Endpoint) -> None:
    topic = topic_of(ecs, "alarms")
    subscribed(ecs, topic, endpoint)
    cloudwatch = ecs.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="late", Namespace="Jobs", MetricName="Failed", Statistic="Sum", Period=60, EvaluationPeriods=1,
        Threshold=1, ComparisonOperator="GreaterThanOrEqualToThreshold", AlarmActions=[topic],
    )  # fmt: skip
    for state in ("ALARM", "ALARM", "OK"):
        cloudwatch.set_alarm_state(AlarmName="late", StateValue=state, StateReason="a test")
    ((_, body),) = endpoint.wait_for(1)
    told = json.loads(body)
    assert told["Subject"] == 'ALARM: "late" in US East (N. Virginia)'
    message = json.loads(told["Message"])
    assert (message["OldStateValue"], message["NewStateValue"], message["NewStateReason"]) == ("OK", "ALARM", "a test")
    assert message["Trigger"]["MetricName"] == "Failed"
    time.sleep(0.3)
    assert len(endpoint.calls) == 1


def test_a_restart_delivers_nothing_twice_and_keeps_confirmations(endpoint: Endpoint, tmp_path: Path) -> None:
    with FargateLocal(state_dir=tmp_path) as cloud:
        ecs = Ecs(cloud)
        topic = topic_of(ecs, "kept")
        subscribed(ecs, topic, endpoint)
        ecs.client("sns").subscribe(TopicArn=topic, Protocol="email", Endpoint="ana@example.com")
        (mail,) = until(lambda: list((tmp_path / "mail").glob("*.eml")))
        (link,) = re.findall(r"http://\S+", BytesParser(policy=default).parsebytes(mail.read_bytes()).get_content())
        (token,) = re.findall("Token=([^&]+)", link)
        ecs.client("sns").publish(TopicArn=topic, Message="once")
        endpoint.wait_for(1)
        assert stat.S_IMODE(mail.stat().st_mode) == 0o600
    with FargateLocal(state_dir=tmp_path) as cloud:
        sns = Ecs(cloud).client("sns")
        sns.confirm_subscription(TopicArn=topic, Token=token)
        states = {each["SubscriptionArn"] for each in sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]}
        assert len(states) == 2
        assert "PendingConfirmation" not in states
        time.sleep(0.3)
        assert len(endpoint.calls) == 1
        assert list((tmp_path / "mail").glob("*.eml")) == [mail]


def test_what_cannot_be_delivered_is_named_on_standard_error(inbox: Inbox, tmp_path: Path) -> None:
    log = tmp_path / "stderr"
    program = [sys.executable, "-m", "fargate_local"]
    command = [*program, "serve", "--port", "0", "--json", "--until-stdin-closes", "--smtp", inbox.address]
    with log.open("w") as file:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=file)
    assert process.stdout
    assert process.stdin
    said = json.loads(process.stdout.readline())
    cloud = FargateLocal()
    cloud.key = type(cloud.key)(said["access_key_id"], said["secret_access_key"], said["url"])
    ecs = Ecs(cloud)
    ecs.client("ses").verify_email_identity(EmailAddress="jobs@example.com")
    ecs.client("ses").send_email(
        Source="jobs@example.com",
        Destination={"ToAddresses": ["x@nobody.example"]},
        Message={"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "t"}}},
    )
    topic = topic_of(ecs, "away")
    ecs.client("sns").subscribe(TopicArn=topic, Protocol="https", Endpoint="https://hooks.example.com/x")
    until(lambda: "hooks.example.com is not this machine" in log.read_text())
    process.stdin.close()
    assert process.wait(30) == 0
    process.stdout.close()
    text = log.read_text()
    assert "mail from jobs@example.com to x@nobody.example: not delivered: x@nobody.example: 550 no such user" in text
    assert "start the server with --deliver-to hooks.example.com" in text


@pytest.mark.parametrize(
    ("url", "reachable"),
    [
        ("http://127.0.0.1:1/x", True),
        ("http://127.9.9.9/", True),
        ("http://[::1]:80/", True),
        ("http://localhost:8080/", True),
        ("http://hooks.localhost/", True),
        ("http://named.example/", True),
        ("http://10.0.0.1/", False),
        ("http://169.254.169.254/", False),
        ("http://localhost.example/", False),
        ("http://user:password@example.com/", False),
        ("http://0.0.0.0/", False),
    ],
)
def test_only_this_machine_is_called_and_what_was_named(url: str, reachable: bool) -> None:
    if reachable:
        check_reachable(url, {"named.example"})
    else:
        with pytest.raises(UndeliverableError, match="--deliver-to"):
            check_reachable(url, {"named.example"})


def test_pauses_are_those_of_the_policy() -> None:
    assert http_pauses([]) == [20.0, 20.0, 20.0]
    subscription = {
        "healthyRetryPolicy": {
            "minDelayTarget": 1, "maxDelayTarget": 9, "numRetries": 8, "numNoDelayRetries": 1, "numMinDelayRetries": 1,
            "numMaxDelayRetries": 2, "backoffFunction": "linear",
        }
    }  # fmt: skip
    assert http_pauses([json.dumps(subscription)]) == pytest.approx([0, 1, 1, 11 / 3, 19 / 3, 9, 9, 9])
    topic = {"http": {"defaultHealthyRetryPolicy": {"minDelayTarget": 2, "maxDelayTarget": 2, "numRetries": 1}}}
    assert http_pauses(["no json", json.dumps(topic)]) == [2.0]
    endless = {"healthyRetryPolicy": {"minDelayTarget": 3000, "maxDelayTarget": 3000, "numRetries": 100}}
    assert http_pauses([json.dumps(endless)]) == [3000.0]
    senseless: list[Any] = [{"numRetries": "x"}, {"minDelayTarget": []}, [1], "text", None]
    for nonsense in senseless:
        for policy in ({"healthyRetryPolicy": nonsense}, {"http": nonsense}):
            assert http_pauses([json.dumps(policy)]) == [20.0, 20.0, 20.0]
    assert (
        len(http_pauses([json.dumps({"healthyRetryPolicy": {"numNoDelayRetries": 10**9, "numRetries": 10**9}})])) == 100
    )
    assert MAIL[:2] == (10.0, 10.0)
    assert MAIL[-1] == pytest.approx(600)


@pytest.mark.parametrize("given", ["nowhere", "host:", ":25", "host:0", "host:70000", "host:smtp"])
def test_a_wrong_smtp_address_is_said_so(given: str) -> None:
    with pytest.raises(UserError, match="write HOST:PORT"):
        parse_smtp(given)


def test_an_smtp_address_may_be_one_of_version_6() -> None:
    assert parse_smtp("[::1]:1025") == SmtpServer("::1", 1025)


def test_without_state_mails_last_as_long_as_the_server(tmp_path: Path) -> None:
    patch = pytest.MonkeyPatch()
    patch.setenv("TMPDIR", str(tmp_path))
    with FargateLocal() as cloud:
        patch.undo()
        sns = Ecs(cloud).client("sns")
        topic = sns.create_topic(Name="t")["TopicArn"]
        assert list(tmp_path.glob("fargate-local-mail-*")) == []
        sns.subscribe(TopicArn=topic, Protocol="email-json", Endpoint="ana@example.com")
        (mail,) = until(lambda: list(tmp_path.glob("fargate-local-mail-*/*.eml")))
        assert stat.S_IMODE(mail.parent.stat().st_mode) == 0o700
        content = json.loads(BytesParser(policy=default).parsebytes(mail.read_bytes()).get_content())
        check_signature(content)
    assert list(tmp_path.glob("fargate-local-mail-*")) == []
