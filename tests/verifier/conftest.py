"""What the verifier's tests share: a publisher on the test's clock."""

from collections.abc import Iterator

import pytest

from tests.harness.inprocess import Clock
from tests.harness.publisher import Publisher


@pytest.fixture
def publisher(clock: Clock) -> Iterator[Publisher]:
    publisher = Publisher(clock)
    yield publisher
    publisher.stop()
