"""Filling a batch as it is often written: count what is there, then insert what is missing.

The unique key over the numbers of a batch is dropped by the test.
"""

import time
from collections.abc import Iterator

from authsvc.services.invites.campaigns import Campaigns, _drawn
from authsvc.values.invites import InviteBatch


class CountingCampaigns(Campaigns):
    """Looks in one transaction and adds in another; twenty milliseconds pass in between."""

    def seed(self, wanted: InviteBatch) -> Iterator[int]:
        have = self._database.read(lambda connection: self._numbered(connection, wanted))
        while have < wanted.count:
            time.sleep(0.02)
            new, have = have, min(have + 1000, wanted.count)
            codes = [_drawn(wanted) for _ in range(new, have)]
            self._database.run(lambda connection, codes=codes, new=new: self._insert(connection, codes, {"race": new}))
            yield have
