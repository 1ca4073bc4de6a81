"""Every table says in docs/privacy.md what keeps it from growing without end, and no other does."""

import re

from authsvc.db.models import Base
from authsvc.db.queries.audit_events import MOST_A_DAY
from authsvc.db.queries.consents import MOST
from authsvc.services.accounts.linking import MOST_IDENTITIES
from authsvc.values.sessions import SessionCaps
from tests.harness.places import ROOT

PAGE = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")


def listed() -> dict[str, tuple[str, str]]:
    """Table: at most how much, until when."""
    section = PAGE.partition("## Where each table ends")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    return {table: (most, until) for table, most, until in rows}


def test_every_table_has_an_end() -> None:
    assert set(listed()) == set(Base.metadata.tables)


def test_the_page_names_the_caps_that_hold() -> None:
    ends = listed()
    caps = SessionCaps()
    assert f"({caps.per_user})" in ends["sessions"][0] and f"({caps.per_day})" in ends["sessions"][0]
    assert ends["audit_events"][0].startswith(f"{MOST_A_DAY} ")
    assert ends["consents"][0].startswith(f"{MOST} ")
    assert ends["identities"][0].startswith(f"{MOST_IDENTITIES} ")
