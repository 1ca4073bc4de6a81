"""The activity of an account, for its person: sign-ins, changes, ended sessions.

It is made from audit events, which are written in the transaction of each change. Their detail begins with the mini
program, and some continue with the device: "app wx…, Mozilla/5.0 …".
"""

from authsvc.clock import DAY, SystemClock
from authsvc.db.database import Database
from authsvc.db.queries import audit_events
from authsvc.values.operator import AuditEvent
from authsvc.values.people import Activity, ActivityEntry
from authsvc.values.sessions import Caller

DAYS = 90
PAGE_ENTRIES = 50
_APP = "app "


class ActivityLog:
    """Reads a person's activity."""

    def __init__(self, database: Database, clock: SystemClock, audit_seconds: int) -> None:
        """``audit_seconds`` is how long audit events are kept; if that is less than DAYS, the activity ends there."""
        self._database = database
        self._clock = clock
        self._seconds = min(DAYS * DAY, audit_seconds)

    def of(self, caller: Caller, before: int | None) -> Activity:
        """Return up to PAGE_ENTRIES that the caller's session may see; with ``before``, only those with a lower id."""
        since = self._clock.seconds() - self._seconds
        user_id, appid = caller.user.id, caller.session.appid
        found = self._database.read(
            audit_events.of_person, user_id, appid, since=since, before=before, limit=PAGE_ENTRIES + 1
        )
        return Activity(tuple(map(_entry, found[:PAGE_ENTRIES])), since, has_more=len(found) > PAGE_ENTRIES)


def _entry(event: AuditEvent) -> ActivityEntry:
    app, _, rest = event.detail.partition(", ")
    appid = app.removeprefix(_APP) if app.startswith(_APP) else None
    device = rest if rest and event.event in audit_events.WITH_DEVICE else None
    return ActivityEntry(event.id, event.at, event.event, appid, device)
