"""How far back a person's activity goes."""

import pytest

from authsvc.db.database import Database
from authsvc.db.queries import audit_events, users
from authsvc.services.people.activity import ActivityLog
from authsvc.values.people import Profile
from authsvc.values.sessions import Caller, Session, VerifiedClaims
from tests.harness.inprocess import Clock

DAY = 86400
APPID = "wx51a051a000000001"


@pytest.mark.parametrize(("kept_days", "shown_days"), [(365, 90), (30, 30)])
def test_it_goes_back_90_days_or_as_long_as_audit_events_are_kept(
    kept_days: int, shown_days: int, each_database: Database, clock: Clock
) -> None:
    now = int(clock.now())
    user = each_database.run(lambda connection: users.insert(connection, Profile(), now))
    for age in (91, 89, 31, 29, 1):
        each_database.run(
            lambda connection, at=now - age * DAY: audit_events.insert(
                connection,
                "phone_bound",
                user.id,
                subject="",
                detail=f"app {APPID}",
                request_id="",
                operator="",
                now=at,
            )
        )
    claims = VerifiedClaims(user.id, "s", APPID, "j", now, now, APPID)
    caller = Caller(user, Session("s", user.id, APPID, "native"), claims)
    found = ActivityLog(each_database, clock, kept_days * DAY).of(caller, None)
    ages = [(now - entry.at) // DAY for entry in found.entries]
    assert (ages, found.since) == ([age for age in (1, 29, 31, 89) if age < shown_days], now - shown_days * DAY)
