"""What each role may do at all: the permission lists, and how tokens and settings narrow them.

Source: api.md 1.15 and 3.6, dump.md (``permissions``, account ``settings``). Which *records* a bearer reaches is not
decided here but by the scope, in :mod:`keygenreg.database.visibility`.
"""

from __future__ import annotations

from collections.abc import Iterable


def _words(text: str) -> frozenset[str]:
    """``"release.{read,yank}"`` and plain words, spread out."""
    found: set[str] = set()
    for word in text.split():
        stem, _, rest = word.partition(".{")
        if rest:
            found.update(f"{stem}.{part}" for part in rest.rstrip("}").split(","))
        else:
            found.add(word)
    return frozenset(found)


_READS = _words(
    "account.read admin.read arch.read artifact.read channel.read constraint.read engine.read entitlement.read "
    "environment.read license.read package.read platform.read policy.read product.read release.read token.read "
    "user.read"
)
_DISTRIBUTION = _words(
    "artifact.{create,delete,update} package.{create,delete,update} "
    "release.{create,delete,update,publish,yank,upload,download,upgrade} release.package.update "
    "release.constraints.{attach,detach}"
)
_LICENSING = _words(
    "policy.{create,delete,update} policy.entitlements.{attach,detach} "
    "license.{create,delete,update,renew,revoke,suspend,reinstate} license.policy.update license.owner.update "
    "license.users.{attach,detach} license.entitlements.{attach,detach} license.tokens.generate "
    "user.{create,delete,update,ban,unban} user.tokens.generate user.password.{update,reset}"
)
_TOKENS = _words("token.{generate,regenerate,revoke}")

ALL = (
    _READS
    | _DISTRIBUTION
    | _LICENSING
    | _TOKENS
    | _words(
        "account.update admin.{create,delete,update} entitlement.{create,delete,update} "
        "environment.{create,delete,update} environment.tokens.generate product.{create,delete,update} "
        "product.tokens.generate"
    )
)

_READ_ONLY = _READS | _words("release.download release.upgrade token.generate user.password.update user.password.reset")
_ENVIRONMENT = ALL - _words(
    "account.update admin.{create,delete,update,read} environment.{create,delete,update} environment.tokens.generate"
)
_PRODUCT = (_READS - _words("admin.read")) | _DISTRIBUTION | _LICENSING | _TOKENS | _words("product.update")

_USER_DEFAULT = _words(
    "release.{read,download,upgrade} artifact.read package.read engine.read platform.read arch.read channel.read "
    "constraint.read entitlement.read license.{read,create,delete,update,renew,revoke} license.policy.update user.read "
    "user.update user.password.{update,reset} token.{read,generate,regenerate,revoke}"
)
_USER_ALLOWED = _USER_DEFAULT | _words("account.read policy.read product.read license.users.{attach,detach}")
_LICENSE_DEFAULT = _words(
    "release.{read,download,upgrade} artifact.read package.read engine.read platform.read arch.read channel.read "
    "constraint.read entitlement.read license.read token.{read,regenerate,revoke}"
)
_LICENSE_ALLOWED = _LICENSE_DEFAULT | _words("account.read policy.read product.read user.read token.generate")

#: The most a role can ever have.
ALLOWED: dict[str, frozenset[str]] = {
    "admin": ALL,
    "developer": ALL,
    "sales-agent": ALL,
    "support-agent": ALL,
    "read-only": _READ_ONLY,
    "environment": _ENVIRONMENT,
    "product": _PRODUCT,
    "user": _USER_ALLOWED,
    "license": _LICENSE_ALLOWED,
}
#: What a role has when nothing is said.
DEFAULT: dict[str, frozenset[str]] = ALLOWED | {"user": _USER_DEFAULT, "license": _LICENSE_DEFAULT}

#: People who work for the vendor.
STAFF_ROLES = frozenset({"admin", "developer", "sales-agent", "support-agent", "read-only"})

#: Rank for "may not act on somebody above you" (api.md 1.15).
RANK = {
    "admin": 7,
    "environment": 6,
    "developer": 5,
    "product": 4,
    "sales-agent": 3,
    "support-agent": 2,
    "read-only": 1,
    "user": 0,
    "license": 0,
}

_SETTINGS = {"user": "defaultUserPermissions", "license": "defaultLicensePermissions"}


def bearer_permissions(role: str, explicit: Iterable[str] | None, settings: dict | None = None) -> frozenset[str]:
    """
    The permissions of a bearer.

    :param explicit: the record's own list, ``None`` for the default of its role; ``*`` is all that the role can have.
    :param settings: the account's settings, which may replace the defaults of users and licenses.
    """
    allowed = ALLOWED[role]
    if explicit is None:
        replaced = (settings or {}).get(_SETTINGS.get(role, ""))
        if replaced is None:
            return DEFAULT[role]
        explicit = replaced
    return narrowed(allowed, explicit)


def narrowed(permissions: frozenset[str], explicit: Iterable[str] | None) -> frozenset[str]:
    """Those of ``permissions`` that a list leaves: all for ``None`` or a list with ``*``."""
    if explicit is None:
        return permissions
    words = frozenset(explicit)
    return permissions if "*" in words else permissions & words
