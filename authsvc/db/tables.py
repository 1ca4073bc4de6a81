"""Names of tables and columns. Workers use these instead of the models (``db/models.py``), whose import would cost each
of them 0.3 s of CPU and 9 MB. A test compares the two.
"""

# Not Alembic's default name, because another program's migrations may use the same schema.
VERSION_TABLE = "authsvc_migrations"

# Every column of every table of ours.
COLUMNS = {
    "audit_events": "id at event user_id subject detail request_id operator",
    "ban_marks": "id mark user_id ban expires_at",
    "change_sequence": "id last_given deleted_until",
    "code_failures": "claim error errcode failed_at",
    "code_pictures": "stem ending user_id claimed_until asked_at claim service",
    "consents": "user_id version given_at",
    "decrypt_failures": "key_hash failures failed_at",
    "identities": "id appid openid unionid user_id session_key previous_session_key session_key_replaced_at is_added"
    " created_at",
    "invite_codes": "id code owner_id is_own max_uses uses expires_at disabled_at created_at batch batch_number",
    "invite_marks": "mark expires_at",
    "invite_uses": "id invite_code_id user_id used_at",
    "login_attempts": "login_hash started_at identity_id session_id invite",
    "merge_parts": "user_id kind item",
    "merges": "user_id into_id merged_at country_code phone claimed_phone gave_phone inviter_id into_inviter_id"
    " new_inviter_id",
    "not_before_marks": "user_id not_before",
    "operator_sessions": "id operator begun_at seen_at",
    "operators": "name role secret_hash created_at rotated_at last_used_at removed_at",
    "person_changes": "id position kind user_id into_id at",
    "person_roles": "user_id appid roles set_at",
    "phone_calls": "subject day calls",
    "push_receipts": "receipt received_at",
    "scan_sign_ins": "id browser_hash appid state device address created_at expires_at session_id handed_over_at",
    "service_credentials": "name secret_hash scopes created_at",
    "sessions": "id user_id appid identity_id contract number counter token_version created_at last_used_at rotated_at"
    " idle_seconds idle_expires_at absolute_expires_at revoked_at revoke_reason device",
    "spent_phone_codes": "code_hash spent_at",
    "spent_tickets": "ticket_id expires_at uses",
    "unionids": "unionid user_id",
    "users": "id nickname avatar_url gender country_code phone claimed_phone status token_version created_at updated_at"
    " last_login_at closed_at merged_into_id invited_by_id",
    "webhook_deliveries": "id webhook position kind user_id into_id at attempts due_at claimed_until dead_at"
    " last_error",
    "webhooks": "name url kinds scopes secret previous_secret rotated_at position paused_at created_at",
    "wechat_errors": "hour appid endpoint error errcode calls",
}

# By default MySQL ignores case, but openids, session ids and hashes are case-sensitive.
EXACT_COLUMNS = {
    "users": ("country_code", "phone", "claimed_phone"),
    "identities": ("appid", "openid", "unionid"),
    "person_roles": ("appid", "roles"),
    "unionids": ("unionid",),
    "sessions": ("id", "appid"),
    "spent_tickets": ("ticket_id",),
    "login_attempts": ("login_hash", "session_id"),
    "decrypt_failures": ("key_hash",),
    "phone_calls": ("subject",),
    "spent_phone_codes": ("code_hash",),
    "push_receipts": ("receipt",),
    "code_pictures": ("stem", "ending", "service"),
    "service_credentials": ("name", "secret_hash"),
    "invite_codes": ("code", "batch"),
    "scan_sign_ins": ("id", "browser_hash", "appid", "session_id"),
    "operators": ("name", "role", "secret_hash"),
    "operator_sessions": ("id", "operator"),
    "audit_events": ("subject", "request_id", "operator"),
    "consents": ("version",),
    "ban_marks": ("mark", "ban"),
    "invite_marks": ("mark",),
    "merges": ("country_code", "phone", "claimed_phone"),
    "merge_parts": ("kind", "item"),
    "webhooks": ("name",),
    "webhook_deliveries": ("webhook",),
    "wechat_errors": ("appid", "endpoint", "error"),
}
