"""One call of the JSON:API: the admitted request, the daemon's parts, and the making of documents."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from uuid import UUID

from attrs import evolve

from keygenreg.database.pool import Database
from keygenreg.domain.failures import NotFound
from keygenreg.domain.grant import Grant
from keygenreg.domain.scope import EnvironmentScope, Scope
from keygenreg.formats.jsonapi_document import account_relationship, environment_relationship, linkage, related, render
from keygenreg.formats.jsonapi_query import QueryParameters
from keygenreg.formats.metadata_keys import to_shown
from keygenreg.management.dialect import Dialect
from keygenreg.management.json_text import parse_json
from keygenreg.web.exchange import Exchange
from keygenreg.web.parts import Parts
from keygenreg.web.reply import Reply


class Call:
    """What a handler gets; it answers with one of ``reply``, ``created``, ``no_content``."""

    def __init__(self, exchange: Exchange, parts: Parts, grant: Grant, media_type: str, dialect: Dialect) -> None:
        self.exchange = exchange
        self.parts = parts
        self.grant = grant
        self.media_type = media_type
        self.dialect = dialect

    @property
    def database(self) -> Database:
        return self.parts.database

    @property
    def scope(self) -> Scope:
        return self.grant.scope

    @property
    def account_scope(self) -> Scope:
        """All of the account in the selected environment: for records that a body names, whoever the caller is."""
        return evolve(self.scope, kind="staff", bearer_id=None)

    @property
    def own_scope(self) -> Scope:
        """As :attr:`account_scope`, in the bearer's own environment: an administrator may have entered another."""
        own = self.grant.authenticated().environment_id
        return evolve(self.account_scope, environment=EnvironmentScope(own, shared=False) if own else None)

    @property
    def query(self) -> QueryParameters:
        return self.exchange.query

    @property
    def account_id(self) -> UUID:
        return self.grant.account.id

    @cached_property
    def body(self) -> Any:
        """The parsed body. :raises BadRequest: it is not JSON."""
        content = self.exchange.request.content
        content.seek(0)
        return self.dialect.request(parse_json(content.read()))

    @property
    def has_body(self) -> bool:
        content = self.exchange.request.content
        content.seek(0, 2)
        return content.tell() > 0

    def path(self, path: str) -> str:
        """A path below the account, in the long form that all links have."""
        return f"/v1/accounts/{self.account_id}{path}"

    # Documents

    def resource(
        self,
        type: str,
        row: dict,
        attributes: dict,
        relationships: dict,
        *,
        path: str | None = None,
        link: str | None = "self",
    ) -> dict:
        """
        A resource object: ``attributes`` get ``created`` and ``updated``, ``relationships`` account and environment.

        :param path: the record's path below the account, ``/<type>/<id>`` by default.
        :param link: what its link is called: ``self`` or ``related``; ``None`` for a record without an address.
        """
        shown = {
            "account": account_relationship(self.account_id),
            "environment": environment_relationship(self.account_id, row.get("environment_id")),
        }
        made = {
            "id": str(row["id"]),
            "type": type,
            "attributes": attributes | {"created": row["created"], "updated": row["updated"]},
            "relationships": shown | relationships,
        }
        if link is not None:
            made["links"] = {link: self.path(path or f"/{type}/{row['id']}")}
        return self.dialect.resource(made)

    def one(self, path: str, type: str, identifier: UUID | None) -> dict:
        """A relationship to one record, with linkage; ``None`` shows null."""
        if identifier is None:
            return related(None, data=None)
        return related(self.path(path), data=linkage(type, identifier))

    def related(self, path: str) -> dict:
        """A relationship that is only a link."""
        return related(self.path(path))

    @staticmethod
    def metadata(stored: dict) -> dict:
        return to_shown(stored)

    # Answers

    def reply(self, status: int, document: Any, *headers: tuple[str, str]) -> Reply:
        return Reply(status, render(document), (("Content-Type", f"{self.media_type}; charset=utf-8"), *headers))

    def ok(self, resource: dict | None, *, status: int = 200) -> Reply:
        return self.reply(status, {"data": resource})

    def created(self, resource: dict, status: int = 201) -> Reply:
        """201 with an absolute Location."""
        link = resource["links"].get("self") or resource["links"]["related"]
        return self.reply(status, {"data": resource}, ("Location", self.exchange.base_url + link))

    @staticmethod
    def no_content() -> Reply:
        return Reply(204)

    @staticmethod
    def not_found(kind: str, identifier: object) -> NotFound:
        return NotFound(f"The requested {kind} '{identifier}' was not found.")
