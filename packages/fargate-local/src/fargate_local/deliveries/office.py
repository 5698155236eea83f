"""What is delivered where: takes SNS's notices and SES's mails, and answers the links in them."""

import hashlib
import hmac
import json
import logging
from collections.abc import Collection
from email.message import EmailMessage
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

from botocore.exceptions import ClientError

from fargate_local.cloud.clients import CloudClients
from fargate_local.cloud.notifications import Notice
from fargate_local.cloud.requests import CloudRequest, CloudResponse
from fargate_local.deliveries.courier import Courier, Parcel
from fargate_local.deliveries.envelopes import SENDER, Links, document, headers, mail
from fargate_local.deliveries.outlets import MailFolder, SmtpServer, check_reachable, post
from fargate_local.deliveries.retries import MAIL, content_type, http_pauses
from fargate_local.deliveries.ses import Mail, bare, is_mail, mail_of
from fargate_local.deliveries.signing import SigningKey

log = logging.getLogger(__name__)

PATH: Final = "/_fargate/sns"
CERTIFICATE: Final = f"{PATH}/SimpleNotificationService.pem"


class Deliveries:
    """Takes what leaves, without waiting for it. Mails go to `smtp`, or else to a folder."""

    def __init__(
        self,
        clients: CloudClients,
        address: str,
        secret: str,
        smtp: SmtpServer | None,
        folder: Path,
        hosts: Collection[str] = (),
    ) -> None:
        """Deliver to this machine and to `hosts`; links lead to `address`, and `secret` says that they are ours."""
        self._clients = clients
        self._secret = secret.encode()
        self._smtp = smtp
        self._folder = MailFolder(folder)
        self._hosts = frozenset(hosts)
        self._key = SigningKey()
        self._courier = Courier()
        self._links = Links(
            f"{address}{CERTIFICATE}",
            lambda notice: self._link(address, "ConfirmSubscription", notice.topic, notice.token),
            lambda notice: self._link(address, "Unsubscribe", notice.subscription, ""),
        )

    def close(self) -> None:
        """Deliver what has not been tried, and stop."""
        self._courier.close()

    def notice(self, notice: Notice) -> None:
        """Deliver what SNS has for an endpoint."""
        what = f"SNS {notice.topic} to {notice.endpoint}"
        if notice.protocol.startswith("email"):
            self._courier.take(Parcel(what, lambda: self._mail_notice(notice), MAIL))
        else:
            self._courier.take(Parcel(what, lambda: self._post_notice(notice), http_pauses(notice.policies)))

    def sent(self, request: CloudRequest, response: CloudResponse) -> None:
        """Deliver the mail of a request, if it is one of SES that was taken."""
        if response.code >= 400 or not is_mail(request):
            return
        try:
            mail = mail_of(request, message_id_of(response))
        except Exception:
            # moto has taken it: that it cannot be written as a mail is no answer to the caller.
            log.exception("SES %s: not delivered", request.action)
            return
        if mail is None:
            log.warning("SES %s: not delivered: mails of templates are not filled in here", request.action)
            return
        what = f"mail from {mail.sender} to {', '.join(mail.recipients)}"
        self._courier.take(Parcel(what, lambda: self._send(what, mail), MAIL))

    def owns(self, path: str) -> bool:
        """Return whether a path is one of the links in messages."""
        return path in (PATH, CERTIFICATE)

    def answer(self, request: CloudRequest) -> CloudResponse:
        """Answer a visit to a link: that it is one of ours is what lets the visitor in, as on AWS."""
        if request.method != "GET":
            return say(405, "This is a link: open it.")
        if request.path == CERTIFICATE:
            return say(200, self._key.certificate.decode(), "application/x-pem-file")
        given = {name: values[0] for name, values in request.query.items()}
        action, arn, token, mark = (given.get(name, "") for name in ("Action", "Arn", "Token", "Mark"))
        if not hmac.compare_digest(mark.encode(), self._mark(action, arn, token).encode()):
            return say(403, "This link is not valid.")
        sns = self._clients.get("sns", arn.split(":")[3])
        try:
            if action == "Unsubscribe":
                sns.unsubscribe(SubscriptionArn=arn)
                return say(200, f"Unsubscribed: {arn}")
            made = sns.confirm_subscription(TopicArn=arn, Token=token)["SubscriptionArn"]
        except ClientError as error:
            return say(400, f"This link is of no use any more: {error}")
        return say(200, f"Subscription confirmed: {made}")

    def _link(self, address: str, action: str, arn: str, token: str) -> str:
        named = {"Action": action, "Arn": arn, "Token": token, "Mark": self._mark(action, arn, token)}
        return f"{address}{PATH}?{urlencode(named)}"

    def _mark(self, action: str, arn: str, token: str) -> str:
        """Return what only this server can write into a link."""
        return hmac.new(self._secret, f"{action} {arn} {token}".encode(), hashlib.sha256).hexdigest()

    def _post_notice(self, notice: Notice) -> None:
        check_reachable(notice.endpoint, self._hosts)
        text = notice.message if notice.raw else json.dumps(document(notice, self._links, self._key), indent=2)
        named = {"Content-Type": content_type(notice.policies), **headers(notice)}
        post(notice.endpoint, text.encode(), named)

    def _mail_notice(self, notice: Notice) -> None:
        made: EmailMessage = mail(notice, self._links, self._key)
        self._send(f"mail of {notice.topic} to {notice.endpoint}", Mail(bare(SENDER), [notice.endpoint], made))

    def _send(self, what: str, mail: Mail) -> None:
        if self._smtp:
            self._smtp.send(mail)
        else:
            log.warning("%s: kept in %s", what, self._folder.keep(mail))


def message_id_of(response: CloudResponse) -> str:
    """Return the id that SES gave a mail, in XML or JSON."""
    text = response.content.decode()
    if text.startswith("{"):
        return str(json.loads(text)["MessageId"])
    return text.partition("<MessageId>")[2].partition("</MessageId>")[0]


def say(status: int, text: str, kind: str = "text/plain; charset=utf-8") -> CloudResponse:
    """Return an answer in words."""
    words = {200: "OK", 400: "Bad Request", 403: "Forbidden", 405: "Method Not Allowed"}[status]
    body = text.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("X-Content-Type-Options", "nosniff")]
    return CloudResponse(f"{status} {words}", headers, [body])
