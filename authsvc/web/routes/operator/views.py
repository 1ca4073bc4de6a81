"""How operators see people: phone numbers and openids in full only for those who may act."""

from typing import Any

from authsvc.values.operator import (
    AuditEvent,
    MergePreview,
    SignedInOperator,
    SignIn,
    UserFile,
    UserIdentity,
    UserSummary,
    masked_openid,
    masked_phone,
)


def summary_view(user: UserSummary, operator: SignedInOperator) -> dict[str, Any]:
    """Return a user in short."""
    return {
        "id": str(user.id),
        "status": user.status,
        "nickname": user.nickname,
        "phone": phone_view(user.phone, operator),
        "claimed_phone": phone_view(user.claimed_phone, operator),
        "created_at": user.created_at,
        "last_login_at": user.last_login_at,
        "closed_at": user.closed_at,
        "merged_into": None if user.merged_into_id is None else str(user.merged_into_id),
    }


def file_view(found: UserFile, operator: SignedInOperator) -> dict[str, Any]:
    """Return all that is shown of one user."""
    return {
        **summary_view(found.summary, operator),
        "identities": [identity_view(identity, operator) for identity in found.identities],
        "consents": [{"version": version, "given_at": given_at} for version, given_at in found.consents],
        "merged_ids": [str(user_id) for user_id in found.merged_ids],
        "live_sessions": found.live_sessions,
        "audit_events": found.audit_events,
    }


def identity_view(identity: UserIdentity, operator: SignedInOperator) -> dict[str, Any]:
    """Return an identity."""
    return {
        "id": identity.id,
        "appid": identity.appid,
        "openid": identity.openid if operator.may("support") else masked_openid(identity.openid),
        "created_at": identity.created_at,
        "added": identity.is_added,
    }


def preview_view(found: MergePreview) -> dict[str, Any]:
    """Return what a merge would do."""
    return {
        "id": str(found.loser_id),
        "into": str(found.winner_id),
        "identities": [{"id": link.id, "appid": link.appid} for link in found.identities],
        "phone": found.phone,
        "invite": found.invite,
        "invite_codes": found.invite_codes,
        "invited_people": found.guests,
        "code_pictures": found.code_pictures,
        "merged_ids": [str(user_id) for user_id in found.merged_ids],
        "live_sessions": found.live_sessions,
    }


def sign_in_view(sign_in: SignIn) -> dict[str, Any]:
    """Return a sign-in with the session that began with it."""
    return {
        "session_id": sign_in.session_id,
        "appid": sign_in.appid,
        "contract": sign_in.contract,
        "device": sign_in.device,
        "created_at": sign_in.created_at,
        "last_used_at": sign_in.last_used_at,
        "ended_at": sign_in.ended_at,
        "reason": sign_in.reason,
        "live": sign_in.is_live,
    }


def event_view(event: AuditEvent) -> dict[str, Any]:
    """Return an audit event."""
    return {
        "at": event.at,
        "event": event.event,
        "detail": event.detail,
        "operator": event.operator,
        "request_id": event.request_id,
    }


def phone_view(phone: str | None, operator: SignedInOperator) -> str | None:
    """Return a number, or its last four digits for somebody who only looks."""
    return phone if phone is None or operator.may("support") else masked_phone(phone)
