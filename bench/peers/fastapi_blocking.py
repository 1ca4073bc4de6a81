"""FastAPI as it is often published: ``async def``, and inside it calls that block the whole worker.

``requests.get`` and an ORM session in a coroutine: while one login waits, for WeChat or for the database, nothing else
of that process moves.
"""

import time

import requests
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel
from sqlalchemy import BigInteger, ForeignKey, String, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker

from bench.peers import steps

IS_SQLITE = steps.DATABASE_URL.startswith("sqlite")
engine = create_engine(steps.DATABASE_URL.replace("mysql://", "mysql+pymysql://"), pool_size=16)
SessionLocal = sessionmaker(engine)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    nickname: Mapped[str | None] = mapped_column(String(64))
    avatar_url: Mapped[str | None] = mapped_column(String(512))
    gender: Mapped[int | None]
    created_at: Mapped[int] = mapped_column(BigInteger)
    last_login_at: Mapped[int] = mapped_column(BigInteger)


class Identity(Base):
    __tablename__ = "identities"
    id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    appid: Mapped[str] = mapped_column(String(32))
    openid: Mapped[str] = mapped_column(String(64))
    unionid: Mapped[str | None] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    session_key: Mapped[str] = mapped_column(String(255))
    user: Mapped[User] = relationship(lazy="joined")


class LoginSession(Base):
    __tablename__ = "sessions"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    device: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[int] = mapped_column(BigInteger)


class LoginBody(BaseModel):
    code: str
    encryptedData: str | None = None
    iv: str | None = None


@app.post("/api/v1/auth/login")
async def login(body: LoginBody, user_agent: str = Header("")):
    answer = requests.get(steps.EXCHANGE, params=steps.query(body.code), timeout=5).json()
    if "openid" not in answer:
        raise HTTPException(400, answer.get("errmsg"))
    profile = {}
    if body.encryptedData:
        try:
            profile = steps.open_profile(answer["session_key"], body.encryptedData, body.iv)
        except ValueError:
            raise HTTPException(400, "encryptedData") from None
    # Not as a dependency, the more common form: the loop that waits for a connection of the pool is the one that has to
    # close those, and a crowd stops the process for good.
    with SessionLocal() as db:
        shown, session_id, is_new = store(db, answer, profile, user_agent)
    return steps.answer(shown, session_id, is_new)


def store(db: Session, answer: dict, profile: dict, device: str):
    now = int(time.time())
    identity = db.query(Identity).filter_by(appid=steps.APPID, openid=answer["openid"]).first()
    is_new = False
    if identity is None:
        other = db.query(Identity).filter_by(unionid=answer.get("unionid")).first() if "unionid" in answer else None
        is_new = other is None
        user = User(created_at=now) if other is None else other.user
        identity = Identity(appid=steps.APPID, openid=answer["openid"], user=user)
        db.add(identity)
    identity.unionid = answer.get("unionid")
    identity.session_key = steps.seal(answer["session_key"])
    user = identity.user
    user.last_login_at = now
    for name, value in profile.items():
        setattr(user, name, value)
    db.flush()
    session = LoginSession(
        id=steps.new_session_id(),
        user_id=user.id,
        device=device,
        created_at=now,
        expires_at=now + steps.SESSION_SECONDS,
    )
    db.add(session)
    db.commit()
    shown = {name: getattr(user, name) for name in ("id", "nickname", "avatar_url", "gender", "created_at")}
    return shown, session.id, is_new


@app.get("/healthz")
async def healthz():
    return {"status": "ok"}


# Kindness: no form that is published sets these, and without them two processes refuse each other's writes.
if IS_SQLITE:

    @event.listens_for(engine, "connect")
    def _gentler(connection, _record):
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "busy_timeout=10000"):
            connection.execute(f"PRAGMA {pragma}")
