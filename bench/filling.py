"""Makes people known by the million, without their signing in: a user, an identity and a session each.

Rows are written in the order of the keys, which is quick. The peers' session ids are spread over all that random ones
may be, so that those which a login makes fall anywhere among them; authsvc's begin with the time.
"""

import time
from collections.abc import Callable

from bench.databases import Place
from bench.servers import Server
from bench.upstream import APPID

# Ids of rows that logins have made before are lower.
_BEGIN = 10_000
_AT_ONCE = 100_000
_ALPHABET = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) MicroMessenger/8.0.50 NetType/WIFI MiniProgram"
_AVATAR = "https://thirdwx.qlogo.cn/mmopen/vi_32/Q0j4TwGTfTJx8P3kYb9cVw2u5dRzKqLhM7sNaEoIyBgWlUeCtXvHpFiDjOrZmAnQk/132"

_OURS = (
    "INSERT INTO users (id, nickname, avatar_url, gender, created_at, updated_at, last_login_at)"
    " SELECT {id}, '小明同学', '{avatar}', 1, {then}, {then}, {then} FROM {numbers}",
    "INSERT INTO unionids (unionid, user_id) SELECT {unionid}, {id} FROM {numbers}",
    "INSERT INTO identities (id, appid, openid, unionid, user_id, session_key, created_at)"
    " SELECT {id}, '{appid}', {openid}, {unionid}, {id}, '{key}', {then} FROM {numbers}",
    "INSERT INTO sessions (id, user_id, appid, identity_id, contract, number, token_version, created_at, last_used_at,"
    " rotated_at, idle_seconds, idle_expires_at, absolute_expires_at, device)"
    " SELECT {ordered}, {id}, '{appid}', {id}, 'native', 1, 0, {then}, {then}, {then}, 2592000, {then} + 2592000,"
    " {then} + 7776000, '{agent}' FROM {numbers}",
)
_PEERS = (
    "INSERT INTO users (id, nickname, avatar_url, gender, created_at, last_login_at)"
    " SELECT {id}, '小明同学', '{avatar}', 1, {then}, {then} FROM {numbers}",
    "INSERT INTO identities (id, appid, openid, unionid, user_id, session_key)"
    " SELECT {id}, '{appid}', {openid}, {unionid}, {id}, '{key}' FROM {numbers}",
    "INSERT INTO sessions (id, user_id, device, created_at, expires_at)"
    " SELECT {session}, {id}, '{agent}', {then}, {then} + 2592000 FROM {numbers}",
)
_PLAIN = (
    "INSERT INTO user (id, openid, unionid, session_key, nickname, avatar_url, gender, created_at, last_login_at)"
    " SELECT {id}, {openid}, {unionid}, '{key}', '小明同学', '{avatar}', 1, '{date}', '{date}' FROM {numbers}",
    "INSERT INTO login_session (id, user_id, device, created_at, expires_at)"
    " SELECT {session}, {id}, '{agent}', '{date}', '2099-01-01 00:00:00.000000' FROM {numbers}",
)


def fill(server: Server, people: int, give_up: Callable[[], bool] = lambda: False) -> bool:
    """Make user numbers 1 to ``people`` known; False when it was given up before the end.

    Somebody has to have signed in before: the session_key of everybody is the one that is stored for them.
    """
    place, then = server.place, int(time.time()) - 2 * 86400
    statements = _OURS if server.program.is_ours else _PLAIN if server.program.signs == "HS256" else _PEERS
    table = "user" if statements is _PLAIN else "identities"
    known = {
        "appid": APPID,
        "key": place.run(f"SELECT session_key FROM {table} LIMIT 1")[0][0],
        "then": then,
        "date": time.strftime("%Y-%m-%d %H:%M:%S.000000", time.gmtime(then)),
        "agent": _AGENT,
        "avatar": _AVATAR,
        "id": f"{_BEGIN} + seq",
        **_expressions(place, people, then),
    }
    for first in range(1, people + 1, _AT_ONCE):
        if give_up():
            return False
        numbers = _numbers(place, first, min(first + _AT_ONCE - 1, people))
        filled = [statement.format(**known, numbers=numbers) for statement in statements]
        if place.kind == "sqlite":
            place.run("PRAGMA wal_autocheckpoint=20000", "BEGIN IMMEDIATE", *filled, "COMMIT")
        else:
            place.run("SET unique_checks=0, foreign_key_checks=0", "BEGIN", *filled, "COMMIT")
    if place.kind == "sqlite":  # else the first logins would have to
        place.run("PRAGMA wal_checkpoint(TRUNCATE)")
    return True


def _expressions(place: Place, people: int, then: int) -> dict[str, str]:
    """Openid, unionid and session id (spread, and in order) of the number seq, in the database's own words."""
    if place.kind == "sqlite":
        spot = f"(seq * 4096 / {people + 1})"
        characters = f"substr('{_ALPHABET}', 1 + {spot} / 64, 1) || substr('{_ALPHABET}', 1 + {spot} % 64, 1)"
        openid, unionid = "printf('o%027d', seq)", "printf('w%027d', seq)"
        ordered = f"'{then:08x}' || printf('%022d', seq)"
        session = f"{characters} || printf('%020d', seq)"
        return {"openid": openid, "unionid": unionid, "session": session, "ordered": ordered}
    spot = f"((seq * 4096) DIV {people + 1})"
    characters = f"SUBSTR('{_ALPHABET}', 1 + {spot} DIV 64, 1), SUBSTR('{_ALPHABET}', 1 + {spot} MOD 64, 1)"
    openid, unionid = (f"CONCAT('{letter}', LPAD(seq, 27, '0'))" for letter in "ow")
    ordered, session = f"CONCAT('{then:08x}', LPAD(seq, 22, '0'))", f"CONCAT({characters}, LPAD(seq, 20, '0'))"
    return {"openid": openid, "unionid": unionid, "session": session, "ordered": ordered}


def _numbers(place: Place, first: int, last: int) -> str:
    """A table of numbers, in a column seq."""
    if place.kind == "mariadb":
        return f"seq_{first}_to_{last}"
    up = f"SELECT {first} UNION ALL SELECT seq + 1 FROM n WHERE seq < {last}"
    return f"(WITH RECURSIVE n(seq) AS ({up}) SELECT seq FROM n)"
