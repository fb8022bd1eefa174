"""What a line leaves to the import: keys of accounts, digests of secrets, hashes of passwords, order of versions."""

from __future__ import annotations

from collections import OrderedDict, deque
from concurrent.futures import Executor, Future

import orjson
from attrs import define, field

from keygenreg.access import account_keys
from keygenreg.access.passwords import hash_password
from keygenreg.domain.channel import of_prerelease
from keygenreg.domain.token import digest_of
from keygenreg.domain.version import parse_version
from keygenreg.dump.licensing_kinds import ACCOUNTS
from keygenreg.dump.record import Record
from keygenreg.dump.staging import Staging
from keygenreg.formats.dump.values import KEY
from keygenreg.formats.image_facts import facts_of_document

_KNOWN_SECRETS = 10_000
_MOST_WAITING = 32

# Member of "private", column, test, generator.
_ACCOUNT_KEYS = (
    ("secretKey", "secret_key", bool, account_keys.generate_secret_key),
    ("ed25519PrivateKey", "ed25519_private_key", account_keys.is_ed25519_seed, account_keys.generate_ed25519_seed),
    ("rsaPrivateKey", "rsa_private_key", account_keys.is_rsa_key, account_keys.generate_rsa_key),
    ("ecdsaPrivateKey", "ecdsa_private_key", account_keys.is_ecdsa_key, account_keys.generate_ecdsa_key),
)
_KEY_COLUMNS = ", ".join(column for _, column, _, _ in _ACCOUNT_KEYS)


@define(eq=False)
class Completion:
    """
    Fills in the columns of records and stages them.

    :param executor: for what is slow; at most a few dozen calls wait there.
    :param replacing: what is stored does not count.
    """

    staging: Staging
    executor: Executor
    replacing: bool
    _secrets: OrderedDict[str, str] = field(factory=OrderedDict, init=False)
    _waiting: deque[tuple[Record, dict[str, Future[str]]]] = field(factory=deque, init=False)

    def take(self, record: Record) -> None:
        """:raises BrokenDump: a secret or a version is not as it must be."""
        try:
            slow = self._complete(record)
        except ValueError as error:
            raise record.fault(str(error)) from error
        if slow:
            self._waiting.append((record, slow))
            if len(self._waiting) > _MOST_WAITING:
                self._stage_first()
        else:
            self.staging.add(record.kind, record.line, record.values)

    def finish(self) -> None:
        """Stage what still waits for its slow columns."""
        while self._waiting:
            self._stage_first()

    def _complete(self, record: Record) -> dict[str, Future[str]]:
        """Fill in what is quick; gives columns that come later."""
        match record.kind.type:
            case "accounts":
                return self._complete_account(record)
            case "users":
                return self._complete_user(record)
            case "tokens":
                self._complete_token(record)
            case "releases":
                self._complete_release(record)
            case "manifests":
                facts = facts_of_document(record.values["content"], record.values["content_type"])
                record.values["facts"] = orjson.dumps(facts).decode()
        return {}

    def _stage_first(self) -> None:
        record, slow = self._waiting.popleft()
        for column, future in slow.items():
            record.values[column] = future.result()
        self.staging.add(record.kind, record.line, record.values)

    def _complete_account(self, record: Record) -> dict[str, Future[str]]:
        slow = {}
        stored = self._stored_keys(record) if len(record.private) < len(_ACCOUNT_KEYS) else {}
        for member, column, is_good, generate in _ACCOUNT_KEYS:
            given = record.private.get(member)
            if given is not None and not is_good(given):
                raise ValueError(f"private.{member} is not such a key")
            key = given or stored.get(column)
            if key is None and generate is account_keys.generate_rsa_key:
                slow[column] = self.executor.submit(generate)
            else:
                record.values[column] = key or generate()
        self._remember(record.id, record.values["secret_key"])
        return slow

    def _complete_user(self, record: Record) -> dict[str, Future[str]]:
        private = record.private
        if "password" in private and "passwordHash" in private:
            raise ValueError("private: password and passwordHash exclude each other")
        record.values["password_hash"] = private.get("passwordHash")
        if (reset := private.get("passwordResetToken")) is not None:
            record.values["password_reset_digest"] = digest_of(self._secret_of(record), reset)
        if (password := private.get("password")) is not None:
            return {"password_hash": self.executor.submit(hash_password, password)}
        return {}

    def _complete_token(self, record: Record) -> None:
        token, digest = record.private.get("token"), record.private.get("digest")
        if (token is None) == (digest is None):
            raise ValueError("private: one of token and digest is required")
        record.values["digest"] = digest_of(self._secret_of(record), token) if digest is None else KEY.read(digest)

    @staticmethod
    def _complete_release(record: Record) -> None:
        try:
            version = parse_version(record.values["version"])
        except ValueError as error:
            raise ValueError(f"version: {error}") from error
        record.values["version_key"] = version.sort_key
        if record.given.get("channel") is None:
            record.values["channel"] = of_prerelease(version.prerelease)

    def _stored_keys(self, record: Record) -> dict[str, str]:
        """An overwritten account keeps the keys that its line leaves out: clients trust them, tokens rest on them."""
        rows = [] if self.replacing else self.staging.query(
            f"SELECT {_KEY_COLUMNS} FROM accounts WHERE id = %s", (record.id,)
        )
        columns = (column for _, column, _, _ in _ACCOUNT_KEYS)
        return dict(zip(columns, rows[0], strict=True)) if rows else {}

    def _secret_of(self, record: Record) -> str:
        """The secret key of a record's account. :raises ValueError: there is no such account."""
        account = record.values["account_id"]
        if (secret := self._secrets.get(account)) is not None:
            return secret
        self.finish()
        tables = ["stage_accounts"] if ACCOUNTS in self.staging.kinds else []
        tables += [] if self.replacing else ["accounts"]
        queries = [f"SELECT secret_key FROM {table} WHERE id = %(id)s" for table in tables]
        rows = self.staging.query(f"{' UNION ALL '.join(queries)} LIMIT 1", {"id": account}) if queries else []
        if not rows:
            raise ValueError(f"no account with id {account}")
        self._remember(account, rows[0][0])
        return rows[0][0]

    def _remember(self, account: str, secret: str) -> None:
        self._secrets[account] = secret
        if len(self._secrets) > _KNOWN_SECRETS:
            self._secrets.popitem(last=False)
