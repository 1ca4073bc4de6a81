"""gunicorn's configuration in a checkout: that of the package, which runs again with every HUP, as this file does."""

import runpy

globals().update(runpy.run_module("authsvc.serving.configuration"))
