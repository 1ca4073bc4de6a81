"""The object behind all three interfaces, and access to it for views."""

import copy
from collections.abc import Sequence

from flask import Flask, current_app

from authsvc.wxsim.faults import FaultQueue
from authsvc.wxsim.journal import Journal
from authsvc.wxsim.world import App, Settings, World

_EXTENSION = "wxsim"


class Simulator:
    """World, faults and journal. ``reset`` restores the state after start."""

    def __init__(self, apps: Sequence[App], settings: Settings) -> None:
        """Store the ``apps`` and ``settings`` that a reset restores. Raises RefusedAppId."""
        self._first_apps = tuple(apps)
        self._first_settings = copy.deepcopy(settings)
        self.world = World(apps, settings)
        self.faults = FaultQueue()
        self.journal = Journal()

    def reset(self) -> None:
        """Drop users, codes, faults, journal and clock; restore the initial apps and settings."""
        self.world = World(self._first_apps, copy.deepcopy(self._first_settings))
        self.faults = FaultQueue()
        self.journal = Journal()


def install(app: Flask, simulator: Simulator) -> None:
    """Make the simulator available to the app's views."""
    app.extensions[_EXTENSION] = simulator


def simulator() -> Simulator:
    """Return the simulator of the current request."""
    found: Simulator = current_app.extensions[_EXTENSION]
    return found
