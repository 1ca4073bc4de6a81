"""FastAPI as one would tune it: nothing blocks, no ORM.

aiohttp's client, SQLAlchemy core on aiosqlite or asyncmy, orjson, uvloop and httptools.
"""

import time
from contextlib import asynccontextmanager

import aiohttp
import orjson
from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import BaseModel
from sqlalchemy import event, text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import create_async_engine

from bench.peers import steps

IS_SQLITE = steps.DATABASE_URL.startswith("sqlite")
# SQLite has one writer: a second connection of this process would only wait for the first one, in a busy loop.
engine = create_async_engine(
    steps.DATABASE_URL.replace("sqlite://", "sqlite+aiosqlite://").replace("mysql://", "mysql+asyncmy://"),
    pool_size=1 if IS_SQLITE else 16,
    max_overflow=0,
    pool_timeout=30,
)

_FIND = text(
    "SELECT i.id, i.user_id, u.nickname, u.avatar_url, u.gender, u.created_at"
    " FROM identities i JOIN users u ON u.id = i.user_id WHERE i.appid = :appid AND i.openid = :openid"
)
_FIND_BY_UNIONID = text(
    "SELECT u.id, u.nickname, u.avatar_url, u.gender, u.created_at"
    " FROM identities i JOIN users u ON u.id = i.user_id WHERE i.unionid = :unionid LIMIT 1"
)
_NEW_USER = text(
    "INSERT INTO users (nickname, avatar_url, gender, created_at, last_login_at)"
    " VALUES (:nickname, :avatar_url, :gender, :now, :now)"
)
_NEW_IDENTITY = text(
    "INSERT INTO identities (appid, openid, unionid, user_id, session_key)"
    " VALUES (:appid, :openid, :unionid, :user_id, :session_key)"
)
_SEEN = text(
    "UPDATE users SET nickname = :nickname, avatar_url = :avatar_url, gender = :gender, last_login_at = :now"
    " WHERE id = :id"
)
_NEW_KEY = text("UPDATE identities SET session_key = :session_key, unionid = :unionid WHERE id = :id")
_NEW_SESSION = text(
    "INSERT INTO sessions (id, user_id, device, created_at, expires_at) VALUES (:id, :user_id, :device, :now, :until)"
)


@asynccontextmanager
async def lifespan(app: FastAPI):
    timeout = aiohttp.ClientTimeout(total=5)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as client:
        app.state.client = client
        yield
    await engine.dispose()


app = FastAPI(lifespan=lifespan)


class LoginBody(BaseModel):
    code: str
    encryptedData: str | None = None
    iv: str | None = None


def _json(body: dict, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, media_type="application/json")


@app.post("/api/v1/auth/login")
async def login(body: LoginBody, request: Request) -> Response:
    async with request.app.state.client.get(steps.EXCHANGE, params=steps.query(body.code)) as response:
        answer = orjson.loads(await response.read())
    if "openid" not in answer:
        return _json(steps.refusal(answer.get("errmsg")), 400)
    profile = {}
    if body.encryptedData:
        try:
            profile = steps.open_profile(answer["session_key"], body.encryptedData, body.iv)
        except ValueError:
            return _json(steps.refusal("encryptedData"), 400)
    sealed, device = steps.seal(answer["session_key"]), request.headers.get("user-agent", "")
    try:
        user, session_id, is_new = await _store(answer, profile, sealed, device)
    except IntegrityError:  # another login of the same person was faster
        user, session_id, is_new = await _store(answer, profile, sealed, device)
    return _json(steps.answer(user, session_id, is_new))


async def _store(answer: dict, profile: dict, sealed: str, device: str) -> tuple[dict, str, bool]:
    now, unionid = int(time.time()), answer.get("unionid")
    async with engine.begin() as connection:
        known = {"appid": steps.APPID, "openid": answer["openid"]}
        row = (await connection.execute(_FIND, known)).one_or_none()
        if row is not None:
            user = {**row._mapping, **profile, "id": row.user_id}
            del user["user_id"]
            await connection.execute(_NEW_KEY, {"session_key": sealed, "unionid": unionid, "id": row.id})
            await connection.execute(_SEEN, {**user, "now": now})
            is_new = False
        else:
            user, is_new = await _admit(connection, unionid, profile, now)
            identity = {**known, "unionid": unionid, "user_id": user["id"], "session_key": sealed}
            await connection.execute(_NEW_IDENTITY, identity)
        session_id = steps.new_session_id()
        session = {"id": session_id, "user_id": user["id"], "device": device}
        await connection.execute(_NEW_SESSION, {**session, "now": now, "until": now + steps.SESSION_SECONDS})
    return user, session_id, is_new


async def _admit(connection, unionid, profile: dict, now: int) -> tuple[dict, bool]:
    """Return the owner of the unionid, or somebody new."""
    if unionid is not None:
        row = (await connection.execute(_FIND_BY_UNIONID, {"unionid": unionid})).one_or_none()
        if row is not None:
            user = {**row._mapping, **profile}
            await connection.execute(_SEEN, {**user, "now": now})
            return user, False
    made = {"nickname": None, "avatar_url": None, "gender": None, **profile}
    done = await connection.execute(_NEW_USER, {**made, "now": now})
    return {"id": done.lastrowid, **made, "created_at": now}, True


@app.get("/healthz")
async def healthz() -> dict:
    return {"status": "ok"}


if IS_SQLITE:

    @event.listens_for(engine.sync_engine, "connect")
    def _gentler(connection, _record):
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
