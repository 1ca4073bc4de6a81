"""Whether a server does the work that is timed: asked before anything is."""

import secrets
import time
from typing import Any

import jwt
import requests

from bench.sealing import KEYS, sealed_profile
from bench.servers import Server
from bench.upstream import APPID, session_key

NICKNAME = "小明同学"
# Nobody whom the load names.
_SOMEBODY = 700_000_000


class WrongAnswer(Exception):
    """A server that does not do what is measured must not be timed."""


def check(server: Server) -> None:
    """Sign somebody in, again under a new session_key, and by their unionid; try what has to be refused.

    Raises WrongAnswer.
    """
    user = _SOMEBODY + secrets.randbelow(10**8)
    first = _signed_in(server, f"u{user}k1n1", 1)
    stored = _stored_key(server)
    again = _signed_in(server, f"u{user}k2n2", 2)
    _must(server, first["is_new_user"] and not again["is_new_user"], "new at first, known afterwards")
    _must(server, first["user"]["id"] == again["user"]["id"], "the same person")
    _must(server, _stored_key(server) != stored, "the session_key is stored anew")
    _must(server, _sessions(server, first["user"]["id"]) == 2, "a session for each login")
    if server.program.signs == "ES256":  # what the plain way does without
        known = {session_key(number) for number in range(KEYS)}
        _must(server, stored not in known, "the session_key is sealed")
        other = _signed_in(server, f"x{user}k3n3", 3)
        _must(server, other["user"]["id"] == first["user"]["id"], "known by the unionid")
    _must(server, _ask(server, {"code": "nonsense"}).status_code >= 400, "a bad code is refused")
    sealed_otherwise = {"code": f"u{user}k4n4", **sealed_profile(5)}
    _must(server, _ask(server, sealed_otherwise).status_code >= 400, "a profile under another key is refused")


def _ask(server: Server, body: dict[str, Any]) -> requests.Response:
    return requests.post(f"{server.url}/api/v1/auth/login", json=body, timeout=30)


def _signed_in(server: Server, code: str, key: int) -> dict[str, Any]:
    answer = _ask(server, {"code": code, **sealed_profile(key)})
    _must(server, answer.status_code == 200, f"200 and not {answer.status_code} {answer.text[:300]}")
    data: dict[str, Any] = answer.json()["data"]
    _must(server, str(data["user"]["nickname"]) == NICKNAME, "the nickname that came sealed")
    _must(server, str(_claims(server, data["access_token"])["sub"]) == str(data["user"]["id"]), "a token of the user")
    return data


def _claims(server: Server, token: str) -> dict[str, Any]:
    if server.program.signs == "HS256":
        return jwt.decode(token, "a-secret-of-the-benchmark-that-protects-nothing", ["HS256"])
    if server.program.is_ours:
        keys = jwt.PyJWKSet.from_dict(requests.get(f"{server.url}/.well-known/jwks.json", timeout=10).json())
        key = keys[jwt.get_unverified_header(token)["kid"]].key
    else:
        key = server.public_key
    claims: dict[str, Any] = jwt.decode(token, key, ["ES256"], audience=APPID)
    _must(server, claims["exp"] > time.time() and bool(claims["sid"]), "a token in time, of a session")
    return claims


def _stored_key(server: Server) -> str:
    table = "identities" if server.program.signs == "ES256" else "user"
    return str(server.place.run(f"SELECT session_key FROM {table} ORDER BY id DESC LIMIT 1")[0][0])


def _sessions(server: Server, user: str | int) -> int:
    table = "sessions" if server.program.signs == "ES256" else "login_session"
    return int(server.place.run(f"SELECT COUNT(*) FROM {table} WHERE user_id = {int(user)}")[0][0])


def _must(server: Server, is_so: bool, what: str) -> None:
    if not is_so:
        log = (server.folder / "log").read_text()[-1500:]
        raise WrongAnswer(f"{server.name} on {server.database}: expected {what}\n{log}")
