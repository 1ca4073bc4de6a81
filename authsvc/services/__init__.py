"""What the product does. Knows nothing of Flask, of HTTP or of Redis."""

from dataclasses import dataclass

from authsvc.services.accesstokens import AccessTokens
from authsvc.services.activity import ActivityLog
from authsvc.services.administration import Administration
from authsvc.services.apps import Apps
from authsvc.services.campaigns import Campaigns
from authsvc.services.closing import AccountClosing
from authsvc.services.codebatches import CodeBatches
from authsvc.services.conflicts import Conflicts
from authsvc.services.consents import Consents
from authsvc.services.exports import Exports
from authsvc.services.health import HealthService
from authsvc.services.introspection import Introspection
from authsvc.services.invites import InviteService
from authsvc.services.login import LoginService
from authsvc.services.people import PeopleService
from authsvc.services.phonecodes import PhoneCodes
from authsvc.services.phones import PhoneService
from authsvc.services.pushes import PushService
from authsvc.services.qrcodes import QrCodes
from authsvc.services.registration import RegistrationService
from authsvc.services.retention import RetentionService
from authsvc.services.revocations import RevocationFeed
from authsvc.services.scansignins import ScanSignIns
from authsvc.services.servicecredentials import ServiceCredentials
from authsvc.services.sessions import SessionService
from authsvc.services.signingkeys import SigningKeys
from authsvc.services.stepup import StepUp
from authsvc.services.wechatsessions import WeChatSessions


@dataclass(frozen=True, slots=True)
class Services:
    """Every use case, built once by the composition root."""

    apps: Apps
    login: LoginService
    registration: RegistrationService
    sessions: SessionService
    step_up: StepUp
    people: PeopleService
    closing: AccountClosing
    conflicts: Conflicts
    consents: Consents
    exports: Exports
    activity: ActivityLog
    administration: Administration
    retention: RetentionService
    health: HealthService
    invites: InviteService
    campaigns: Campaigns
    access_tokens: AccessTokens
    phone_codes: PhoneCodes
    phones: PhoneService
    pushes: PushService
    qrcodes: QrCodes
    code_batches: CodeBatches
    service_credentials: ServiceCredentials
    wechat_sessions: WeChatSessions
    signing_keys: SigningKeys
    revocations: RevocationFeed
    # None while it is off.
    scan_sign_ins: ScanSignIns | None
    introspection: Introspection
