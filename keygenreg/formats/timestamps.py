"""Points in time as text: API input and output, dumps, RFC 3339 and HTTP dates.

All datetimes are aware. A naive one is a programming error and raises ``ValueError`` on output.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 64

# ``fromisoformat`` lets some non-ISO separators through; this keeps date, optional time, optional zone.
_SHAPE = re.compile(
    r"[0-9W-]{4,10}"
    r"(?:[T ][0-9:]{2,8}(?:[.,][0-9]{1,12})?(?:Z|[+-][0-9:]{2,8})?)?",
    re.ASCII,
)


def parse_time(value: object) -> datetime:
    """
    Read a time that a client sent.

    :param value: an ISO 8601 string (without a zone: UTC; a bare date: midnight UTC) or whole Unix seconds.
    :return: an aware datetime in UTC; fractions beyond microseconds are cut off.
    :raises ValueError: it is neither, or lies outside the years 1 to 9999.

    Source: api.md 1.1 (timestamps), dump.md "Times".
    """
    if isinstance(value, bool):
        raise ValueError("a boolean is not a time")
    if isinstance(value, int):
        return _from_unix(value)
    if not isinstance(value, str):
        raise ValueError("not a time: expected an ISO 8601 string or Unix seconds")
    text = value.strip()
    if len(text) > _LONGEST:
        raise ValueError("too long for a time")
    text = text.upper()
    if _SHAPE.fullmatch(text) is None:
        raise ValueError("not an ISO 8601 time")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("time out of range") from error


def _from_unix(seconds: int) -> datetime:
    try:
        return _EPOCH + timedelta(seconds=seconds)
    except OverflowError as error:
        raise ValueError("time out of range") from error


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("a naive datetime has no place on the time line")
    return moment if moment.tzinfo is UTC else moment.astimezone(UTC)


def _date_and_time(moment: datetime) -> str:
    # strftime("%Y") does not pad years below 1000 everywhere, isoformat does.
    return moment.replace(microsecond=0, tzinfo=None).isoformat()


def api_time(moment: datetime) -> str:
    """``2031-05-06T07:08:09.123Z``: what the JSON:API shows; microseconds are cut, not rounded (api.md 1.1)."""
    moment = _in_utc(moment)
    return f"{_date_and_time(moment)}.{moment.microsecond // 1000:03d}Z"


def dump_time(moment: datetime) -> str:
    """``2031-05-06T07:08:09.123456Z``: always six digits of fraction (dump.md)."""
    moment = _in_utc(moment)
    return f"{_date_and_time(moment)}.{moment.microsecond:06d}Z"


def rfc3339(moment: datetime) -> str:
    """RFC 3339 in UTC, fraction only when there is one; for protocols that ask for no certain precision."""
    moment = _in_utc(moment)
    fraction = f".{moment.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{_date_and_time(moment)}{fraction}Z"


def http_date(moment: datetime) -> str:
    """``Tue, 06 May 2031 07:08:09 GMT``: an IMF-fixdate, locale independent (RFC 9110, 5.6.7)."""
    moment = _in_utc(moment)
    return (
        f"{_WEEKDAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d} "
        f"{moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} GMT"
    )
