"""The blueprints of the console, for the app."""

from authsvc.web.routes.console.health import health
from authsvc.web.routes.console.home import home
from authsvc.web.routes.console.invites import invites
from authsvc.web.routes.console.operators import operators
from authsvc.web.routes.console.people import people
from authsvc.web.routes.console.programs import programs
from authsvc.web.routes.console.signin import signin
from authsvc.web.routes.console.webhooks import webhooks

BLUEPRINTS = (signin, home, people, invites, programs, webhooks, health, operators)
