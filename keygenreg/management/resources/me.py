"""Who the credentials stand for (api.md 2.9)."""

from __future__ import annotations

from keygenreg.database.query import Query
from keygenreg.domain.failures import NotFound
from keygenreg.management.call import Call
from keygenreg.management.resources import environments, license_records, products, token_records, user_records
from keygenreg.management.router import Route
from keygenreg.web.reply import Reply

_PRODUCT = Query("product by id", "SELECT t.* FROM visible_products t WHERE t.id = %(id)s")
_ENVIRONMENT = Query(
    "environment by id", "SELECT t.* FROM environments t WHERE t.id = %(id)s", "it is the caller itself"
)
_BEARERS = {
    "users": (user_records.USER_BY_ID, user_records.document),
    "licenses": (license_records.LICENSE_BY_ID, license_records.document),
    "products": (_PRODUCT, products.document),
    "environments": (_ENVIRONMENT, environments.document),
}


async def _bearer(call: Call) -> dict:
    bearer = call.grant.authenticated()
    query, document = _BEARERS[bearer.type]
    row = await call.database.maybe(query, scope=call.own_scope, id=bearer.id)
    if row is None:
        raise NotFound("The bearer was deleted just now.")
    return document(call, row)


async def me(call: Call) -> Reply:
    """The bearer, with the token in use ``included``."""
    bearer = await _bearer(call)
    included = []
    if call.grant.token_id is not None:
        row = await call.database.maybe(token_records.TOKEN, scope=call.account_scope, id=call.grant.token_id)
        included = [token_records.document(call, row)] if row else []
    return call.reply(200, {"data": bearer, "included": included})


async def profile(call: Call) -> Reply:
    """The bearer, with the id of the token in use."""
    bearer = await _bearer(call)
    token = call.grant.token_id
    return call.reply(200, {"data": bearer, "meta": {"tokenId": token and str(token)}})


ROUTES = (
    Route("GET", "/me", me),
    Route("GET", "/profile", profile),
)
