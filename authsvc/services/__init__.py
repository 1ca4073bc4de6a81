"""The use cases of the product, independent of Flask, HTTP and Redis."""

from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import Any

from authsvc.services.accounts.linking import Linking
from authsvc.services.changes.journal import Changes
from authsvc.services.invites.campaigns import Campaigns
from authsvc.services.invites.invites import Invites
from authsvc.services.miniprograms.accesstokens import AccessTokens
from authsvc.services.miniprograms.apps import Apps
from authsvc.services.miniprograms.keychecks import WeChatSessions
from authsvc.services.operator.arrivals import Arrivals
from authsvc.services.operator.conflicts import Conflicts
from authsvc.services.operator.credentials import ServiceCredentials
from authsvc.services.operator.erasures import Erasures
from authsvc.services.operator.examination import Examination
from authsvc.services.operator.health import Health
from authsvc.services.operator.inventory import Inventory
from authsvc.services.operator.merges import Merges
from authsvc.services.operator.operators import Operators
from authsvc.services.operator.readings import Readings
from authsvc.services.operator.retention import Retention
from authsvc.services.operator.searches import Searches
from authsvc.services.operator.signingkeys import SigningKeys
from authsvc.services.operator.userfiles import UserFiles
from authsvc.services.operator.users import Users
from authsvc.services.operator.wechaterrors import WeChatErrors
from authsvc.services.people.activity import ActivityLog
from authsvc.services.people.closing import AccountClosing
from authsvc.services.people.consents import Consents
from authsvc.services.people.exports import Exports
from authsvc.services.people.profiles import Profiles
from authsvc.services.people.pushes import Pushes
from authsvc.services.phones.binding import Phones
from authsvc.services.phones.codes import PhoneCodes
from authsvc.services.phones.lookups import LookUps
from authsvc.services.qrcodes.batches import CodeBatches
from authsvc.services.qrcodes.codepictures import CodePictures
from authsvc.services.qrcodes.qrcodes import QrCodes
from authsvc.services.sessions.introspection import Introspection
from authsvc.services.sessions.revocations import RevocationFeed
from authsvc.services.sessions.sessions import Sessions
from authsvc.services.sessions.stepup import StepUp
from authsvc.services.siblings.deliveries import Deliveries
from authsvc.services.siblings.directory import Directory
from authsvc.services.siblings.userstate import UserState
from authsvc.services.siblings.webhooks import Webhooks
from authsvc.services.signin.login import Logins
from authsvc.services.signin.registration import Registrations
from authsvc.services.signin.scans import ScanSignIns

_EXTENSION = "authsvc"


@dataclass(frozen=True, slots=True)
class Services:
    """All use cases, built once by the composition root."""

    apps: Apps
    login: Logins
    registration: Registrations
    sessions: Sessions
    step_up: StepUp
    profiles: Profiles
    linking: Linking
    closing: AccountClosing
    changes: Changes
    webhooks: Webhooks
    deliveries: Deliveries
    conflicts: Conflicts
    consents: Consents
    exports: Exports
    activity: ActivityLog
    users: Users
    merges: Merges
    user_files: UserFiles
    erasures: Erasures
    searches: Searches
    operators: Operators
    inventory: Inventory
    readings: Readings
    examination: Examination
    wechat_errors: WeChatErrors
    retention: Retention
    health: Health
    arrivals: Arrivals
    invites: Invites
    campaigns: Campaigns
    access_tokens: AccessTokens
    phone_codes: PhoneCodes
    phones: Phones
    phone_look_ups: LookUps
    pushes: Pushes
    qrcodes: QrCodes
    code_pictures: CodePictures
    code_batches: CodeBatches
    service_credentials: ServiceCredentials
    wechat_sessions: WeChatSessions
    signing_keys: SigningKeys
    user_state: UserState
    directory: Directory
    revocations: RevocationFeed
    # None while it is off.
    scan_sign_ins: ScanSignIns | None
    introspection: Introspection

    def install(self, extensions: MutableMapping[str, Any]) -> None:
        """Store these in the extensions of an app, where ``of`` finds them."""
        extensions[_EXTENSION] = self

    @classmethod
    def of(cls, extensions: MutableMapping[str, Any]) -> "Services":
        """Return the use cases stored in the extensions of an app."""
        kept: Services = extensions[_EXTENSION]
        return kept
