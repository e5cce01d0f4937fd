"""A visit to the mail server: connect, secure, log in, leave. No mail is sent."""

from collections.abc import Awaitable, Callable

from itop_bridge.mail.correspondence import describe_server
from itop_bridge.mail.server import MailError, MailServer, log_in
from itop_bridge.settings.mail import Mail
from itop_bridge.trial.finding import Finding, Verdict


async def examine_mail(
    mail: Mail, locate: Callable[[str], str], *, visit: Callable[[MailServer], Awaitable[None]] = log_in
) -> Finding:
    """Whether the mail server lets the bridge in."""
    server = describe_server(mail)
    try:
        await visit(server)
    except MailError as error:
        is_login = error.reason == "login_refused"
        path = "mail.user" if is_login else "mail.server"
        verdict = Verdict.WRONG if is_login else Verdict.UNREACHED
        told = f"login refused: {error.detail}" if is_login else error.detail
        return Finding(verdict, locate(path), f"{path}: {told}")
    done = "logged in" if mail.user else "connected"
    return Finding(Verdict.OK, locate("mail.server"), f"mail: {done} at {server}; test-mail sends one")
