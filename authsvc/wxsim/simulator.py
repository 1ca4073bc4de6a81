"""The one object behind all three interfaces, and how a view finds it."""

import copy
from collections.abc import Sequence

from flask import Flask, current_app

from authsvc.wxsim.faults import FaultQueue
from authsvc.wxsim.journal import Journal
from authsvc.wxsim.world import App, Settings, World

_EXTENSION = "wxsim"


class Simulator:
    """World, faults and journal. ``reset`` brings back the moment after start."""

    def __init__(self, apps: Sequence[App], settings: Settings) -> None:
        """Keep ``apps`` and ``settings`` as what a reset restores. Raises RefusedAppId."""
        self._first_apps = tuple(apps)
        self._first_settings = copy.deepcopy(settings)
        self.world = World(apps, settings)
        self.faults = FaultQueue()
        self.journal = Journal()

    def reset(self) -> None:
        """Forget users, codes, faults, journal and clock; restore the apps and settings of the start."""
        self.world = World(self._first_apps, copy.deepcopy(self._first_settings))
        self.faults = FaultQueue()
        self.journal = Journal()


def install(app: Flask, simulator: Simulator) -> None:
    """Hand the simulator to the app's views."""
    app.extensions[_EXTENSION] = simulator


def simulator() -> Simulator:
    """Return the simulator of the current request."""
    found: Simulator = current_app.extensions[_EXTENSION]
    return found
