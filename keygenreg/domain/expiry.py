"""When licenses end, and the states that licenses and users show (api.md 1.10 to 1.12, 4.7).

Durations are whole seconds. Times are aware; one beyond the calendar becomes the calendar's last second.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

from keygenreg.domain.failures import Unprocessable

LicenseStatus = Literal["BANNED", "SUSPENDED", "EXPIRED", "EXPIRING", "INACTIVE", "ACTIVE"]
UserStatus = Literal["BANNED", "ACTIVE", "INACTIVE"]

#: Shortest duration a policy may have, in seconds.
MIN_DURATION = 86_400
SOON = timedelta(days=3)
LONG_UNUSED = timedelta(days=90)

_END_OF_TIME = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def _after(moment: datetime, duration: int) -> datetime:
    try:
        return min(moment + timedelta(seconds=duration), _END_OF_TIME)
    except OverflowError:
        return _END_OF_TIME


def at_creation(*, basis: str | None, duration: int | None, now: datetime) -> datetime | None:
    """The expiry of a new license for which none was given: its policy's duration, if that counts from creation."""
    if duration is None or basis not in (None, "FROM_CREATION"):
        return None
    return _after(now, duration)


def at_first_download(
    expiry: datetime | None, *, basis: str | None, duration: int | None, now: datetime
) -> datetime | None:
    """A license's expiry after a download: where its policy counts ``FROM_FIRST_DOWNLOAD``, the first one starts it."""
    if expiry is not None or duration is None or basis != "FROM_FIRST_DOWNLOAD":
        return expiry
    return _after(now, duration)


def at_renewal(expiry: datetime | None, *, basis: str | None, duration: int | None, now: datetime) -> datetime:
    """
    A license's expiry after it is renewed: the duration is added to the expiry, to now, or to whichever is later.

    :raises Unprocessable: the policy has no duration, or the license never ends.
    """
    if duration is None:
        raise Unprocessable("The license's policy has no duration, so there is nothing to renew.")
    if expiry is None:
        raise Unprocessable("The license never expires, so there is nothing to renew.")
    if basis == "FROM_NOW" or (basis == "FROM_NOW_IF_EXPIRED" and expiry < now):
        return _after(now, duration)
    return _after(expiry, duration)


def at_transfer(
    expiry: datetime | None, *, strategy: str | None, duration: int | None, now: datetime
) -> datetime | None:
    """
    A license's expiry under another policy: kept, or started anew.

    :param strategy: the new policy's transfer strategy.
    :param duration: the new policy's duration.
    """
    if strategy != "RESET_EXPIRY":
        return expiry
    return None if duration is None else _after(now, duration)


def is_expired(expiry: datetime | None, now: datetime) -> bool:
    """Whether a license or token has ended; one without expiry never does."""
    return expiry is not None and expiry < now


def license_status(
    *,
    owner_banned: bool,
    suspended: bool,
    expiry: datetime | None,
    created: datetime,
    last_used: datetime | None,
    now: datetime,
) -> LicenseStatus:
    """The status a license shows; the gravest counts. ``last_used`` is its last validation, check-in or check-out."""
    if owner_banned:
        return "BANNED"
    if suspended:
        return "SUSPENDED"
    if is_expired(expiry, now):
        return "EXPIRED"
    if expiry is not None and expiry < now + SOON:
        return "EXPIRING"
    return "ACTIVE" if max(created, last_used or created) >= now - LONG_UNUSED else "INACTIVE"


def user_status(*, banned: bool, last_activity: datetime | None, now: datetime) -> UserStatus:
    """
    The status a user shows.

    :param last_activity: when one of the user's licenses was last made or used, None without licenses.
    """
    if banned:
        return "BANNED"
    return "ACTIVE" if last_activity is not None and last_activity >= now - LONG_UNUSED else "INACTIVE"
