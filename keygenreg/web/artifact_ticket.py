"""Tickets: short-lived signed parameters that let one artifact be read by somebody admitted before (decision 3).

A redirect or link of an engine cannot carry credentials onward, and some clients send none to where it leads. A ticket
names the token or license, not its secret: it is judged anew when the link is used, so revocation counts at once.
"""

from __future__ import annotations

from uuid import UUID

from keygenreg.access.authentication import RecognisedCredential, proof_of
from keygenreg.domain.failures import Denied
from keygenreg.domain.grant import Grant
from keygenreg.domain.token import digest_of
from keygenreg.formats.authorization import TokenCredential, read_credentials, scheme_of
from keygenreg.formats.jsonapi_query import QueryParameters
from keygenreg.formats.signed_token import Expired, sign, verify
from keygenreg.web.delivery import Delivery
from keygenreg.web.exchange import Exchange

#: The query parameter; the access log hides its value.
TICKET = "ticket"

_PURPOSE = "artifact ticket"


def ticketed_url(
    exchange: Exchange,
    delivery: Delivery,
    grant: Grant,
    artifact_id: UUID,
    filename: str,
    *,
    query: QueryParameters,
    forgetful: frozenset[str] = frozenset(),
    seconds: int,
) -> str:
    """
    The vanity URL of an artifact with the parameters of ``query`` that are no credentials; and with a ticket where the
    client will not send its credentials there: they were in the query, or the URL is on another host.

    :param forgetful: further schemes (in lower case) that this kind of client does not send twice.
    :param seconds: life of the ticket.
    """
    onward = query.public().without(TICKET)
    scheme = scheme_of(exchange.authorization)
    moves = exchange.base_url != str(exchange.origin)
    if grant.bearer is not None and (scheme is None or scheme in forgetful or moves):
        payload = {"a": str(artifact_id)} | _named(exchange, grant)
        onward = onward.plus((TICKET, sign(delivery.key, _PURPOSE, payload, int(delivery.now()) + seconds)))
    url = exchange.artifact_url(artifact_id, filename)
    return f"{url}?{onward.encode()}" if onward.pairs else url


def _named(exchange: Exchange, grant: Grant) -> dict[str, str]:
    """The token (and that it was this secret of it) or the license that the caller was admitted by."""
    credential = read_credentials(exchange.authorization, exchange.query)
    if isinstance(credential, TokenCredential):
        proof = proof_of(digest_of(grant.account.secret_key, credential.token))
        return {"t": str(grant.token_id), "p": proof}
    return {"l": str(grant.bearer.id)}


def read_ticket(delivery: Delivery, text: str, artifact_id: UUID) -> RecognisedCredential:
    """
    Whom a ticket for this artifact stands for.

    :raises Denied: it is forged, expired or of another artifact.
    """
    try:
        named = verify(delivery.key, _PURPOSE, text, delivery.now())
    except Expired:
        raise Denied("This link has expired; ask for a new one.") from None
    except ValueError:
        raise Denied("This link is not valid.") from None
    if named["a"] != str(artifact_id):
        raise Denied("This link is not valid.")
    if "t" in named:
        return RecognisedCredential(token_id=UUID(named["t"]), proof=named["p"])
    return RecognisedCredential(license_id=UUID(named["l"]))
