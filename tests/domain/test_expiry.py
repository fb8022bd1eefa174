"""When licenses end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keygenreg.domain import expiry as ends
from keygenreg.domain.failures import Unprocessable

NOW = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
DAY = 86_400
TOMORROW = NOW + timedelta(days=1)
YESTERDAY = NOW - timedelta(days=1)
MOMENTS = st.datetimes(timezones=st.just(UTC))
DURATIONS = st.integers(ends.MIN_DURATION, 2**63)


@pytest.mark.parametrize(
    ("basis", "duration", "expiry"),
    [
        ("FROM_CREATION", DAY, TOMORROW),
        (None, DAY, TOMORROW),
        ("FROM_CREATION", None, None),
        ("FROM_FIRST_DOWNLOAD", DAY, None),
        ("FROM_FIRST_USE", DAY, None),
    ],
)
def test_new_licenses(basis, duration, expiry):
    assert ends.at_creation(basis=basis, duration=duration, now=NOW) == expiry


def test_the_first_download_starts_the_clock_once():
    first = ends.at_first_download(None, basis="FROM_FIRST_DOWNLOAD", duration=DAY, now=NOW)
    assert first == TOMORROW
    later = NOW + timedelta(hours=5)
    assert ends.at_first_download(first, basis="FROM_FIRST_DOWNLOAD", duration=DAY, now=later) == TOMORROW
    assert ends.at_first_download(None, basis="FROM_CREATION", duration=DAY, now=NOW) is None
    assert ends.at_first_download(None, basis="FROM_FIRST_DOWNLOAD", duration=None, now=NOW) is None


@pytest.mark.parametrize(
    ("basis", "expiry", "renewed"),
    [
        ("FROM_EXPIRY", YESTERDAY, NOW),
        (None, YESTERDAY, NOW),
        ("FROM_NOW", YESTERDAY, TOMORROW),
        ("FROM_NOW", TOMORROW, TOMORROW),
        ("FROM_NOW_IF_EXPIRED", YESTERDAY, TOMORROW),
        ("FROM_NOW_IF_EXPIRED", TOMORROW, TOMORROW + timedelta(days=1)),
    ],
)
def test_renewal(basis, expiry, renewed):
    assert ends.at_renewal(expiry, basis=basis, duration=DAY, now=NOW) == renewed


@pytest.mark.parametrize(("expiry", "duration"), [(TOMORROW, None), (None, DAY), (None, None)])
def test_what_cannot_be_renewed(expiry, duration):
    with pytest.raises(Unprocessable):
        ends.at_renewal(expiry, basis="FROM_EXPIRY", duration=duration, now=NOW)


def test_transfer_keeps_or_resets():
    assert ends.at_transfer(YESTERDAY, strategy="KEEP_EXPIRY", duration=DAY, now=NOW) == YESTERDAY
    assert ends.at_transfer(YESTERDAY, strategy=None, duration=DAY, now=NOW) == YESTERDAY
    assert ends.at_transfer(YESTERDAY, strategy="RESET_EXPIRY", duration=DAY, now=NOW) == TOMORROW
    assert ends.at_transfer(YESTERDAY, strategy="RESET_EXPIRY", duration=None, now=NOW) is None


@given(MOMENTS, DURATIONS)
def test_no_duration_leaves_the_calendar(moment, duration):
    for made in (
        ends.at_creation(basis="FROM_CREATION", duration=duration, now=moment),
        ends.at_renewal(moment, basis="FROM_EXPIRY", duration=duration, now=NOW),
        ends.at_transfer(None, strategy="RESET_EXPIRY", duration=duration, now=moment),
    ):
        assert made.year <= 9999


def status(**changes):
    facts = {"owner_banned": False, "suspended": False, "expiry": None, "created": NOW, "last_used": None, "now": NOW}
    return ends.license_status(**(facts | changes))


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, "ACTIVE"),
        ({"owner_banned": True, "suspended": True, "expiry": YESTERDAY}, "BANNED"),
        ({"suspended": True, "expiry": YESTERDAY}, "SUSPENDED"),
        ({"expiry": YESTERDAY}, "EXPIRED"),
        ({"expiry": NOW}, "EXPIRING"),
        ({"expiry": TOMORROW, "created": NOW - timedelta(days=91)}, "EXPIRING"),
        ({"expiry": NOW + timedelta(days=3)}, "ACTIVE"),
        ({"created": NOW - timedelta(days=91)}, "INACTIVE"),
        ({"created": NOW - timedelta(days=91), "last_used": NOW - timedelta(days=100)}, "INACTIVE"),
        ({"created": NOW - timedelta(days=91), "last_used": YESTERDAY}, "ACTIVE"),
        ({"created": NOW - timedelta(days=90)}, "ACTIVE"),
    ],
)
def test_the_status_of_a_license(changes, shown):
    assert status(**changes) == shown


def test_the_status_of_a_user():
    assert ends.user_status(banned=True, last_activity=NOW, now=NOW) == "BANNED"
    assert ends.user_status(banned=False, last_activity=YESTERDAY, now=NOW) == "ACTIVE"
    assert ends.user_status(banned=False, last_activity=NOW - timedelta(days=91), now=NOW) == "INACTIVE"
    assert ends.user_status(banned=False, last_activity=None, now=NOW) == "INACTIVE"


def test_nothing_without_an_expiry_expires():
    assert not ends.is_expired(None, NOW)
    assert not ends.is_expired(NOW, NOW)
    assert ends.is_expired(YESTERDAY, NOW)
