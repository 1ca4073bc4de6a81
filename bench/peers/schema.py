"""The tables of every peer but the plain one, so that none of them makes its own and all store the same rows."""

TABLES = (
    """CREATE TABLE users (
        id {key},
        nickname VARCHAR(64),
        avatar_url VARCHAR(512),
        gender SMALLINT,
        created_at BIGINT NOT NULL,
        last_login_at BIGINT NOT NULL
    )""",
    """CREATE TABLE identities (
        id {key},
        appid VARCHAR(32) {exact} NOT NULL,
        openid VARCHAR(64) {exact} NOT NULL,
        unionid VARCHAR(64) {exact},
        user_id BIGINT NOT NULL REFERENCES users (id),
        session_key VARCHAR(255) NOT NULL,
        UNIQUE (appid, openid)
    )""",
    "CREATE INDEX ix_identities_unionid ON identities (unionid)",
    "CREATE INDEX ix_identities_user_id ON identities (user_id)",
    """CREATE TABLE sessions (
        id VARCHAR(32) {exact} PRIMARY KEY,
        user_id BIGINT NOT NULL REFERENCES users (id),
        device VARCHAR(255) NOT NULL,
        created_at BIGINT NOT NULL,
        expires_at BIGINT NOT NULL
    )""",
    "CREATE INDEX ix_sessions_user_id ON sessions (user_id)",
)
_SQLITE = {"key": "INTEGER PRIMARY KEY AUTOINCREMENT", "exact": ""}
_MARIADB = {"key": "BIGINT PRIMARY KEY AUTO_INCREMENT", "exact": "CHARACTER SET ascii COLLATE ascii_bin"}


def statements(kind: str) -> list[str]:
    """Return the DDL for ``sqlite`` or ``mariadb``."""
    return [table.format(**(_SQLITE if kind == "sqlite" else _MARIADB)) for table in TABLES]
