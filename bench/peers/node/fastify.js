// Fastify as one would tune it: undici's pool, prepared statements (better-sqlite3, mysql2), answers by a JSON schema,
// node's own crypto with a key object made at start.
import crypto from "node:crypto";
import Database from "better-sqlite3";
import Fastify from "fastify";
import mysql from "mysql2/promise";
import { Pool } from "undici";
import * as steps from "./steps.js";

const FIND =
  "SELECT i.id AS identity_id, u.id, u.nickname, u.avatar_url, u.gender, u.created_at" +
  " FROM identities i JOIN users u ON u.id = i.user_id WHERE i.appid = ? AND i.openid = ?";
const FIND_BY_UNIONID =
  "SELECT u.id, u.nickname, u.avatar_url, u.gender, u.created_at" +
  " FROM identities i JOIN users u ON u.id = i.user_id WHERE i.unionid = ? LIMIT 1";
const NEW_USER = "INSERT INTO users (nickname, avatar_url, gender, created_at, last_login_at) VALUES (?, ?, ?, ?, ?)";
const NEW_IDENTITY = "INSERT INTO identities (appid, openid, unionid, user_id, session_key) VALUES (?, ?, ?, ?, ?)";
const SEEN = "UPDATE users SET nickname = ?, avatar_url = ?, gender = ?, last_login_at = ? WHERE id = ?";
const NEW_KEY = "UPDATE identities SET session_key = ?, unionid = ? WHERE id = ?";
const NEW_SESSION = "INSERT INTO sessions (id, user_id, device, created_at, expires_at) VALUES (?, ?, ?, ?, ?)";

// One way through for both databases: a generator yields [statement, values] and gets the rows, or the id of a new one.
function* storing({ openid, unionid = null }, profile, sealed, device) {
  const now = steps.seconds();
  const sessionId = steps.newSessionId();
  let [user] = yield [FIND, [steps.appid, openid]];
  let isNew = false;
  if (user) {
    Object.assign(user, profile);
    yield [NEW_KEY, [sealed, unionid, user.identity_id]];
    yield [SEEN, [user.nickname, user.avatar_url, user.gender, now, user.id]];
  } else {
    if (unionid) [user] = yield [FIND_BY_UNIONID, [unionid]];
    isNew = !user;
    user = { nickname: null, avatar_url: null, gender: null, created_at: now, ...user, ...profile };
    if (isNew) user.id = yield [NEW_USER, [user.nickname, user.avatar_url, user.gender, now, now]];
    else yield [SEEN, [user.nickname, user.avatar_url, user.gender, now, user.id]];
    yield [NEW_IDENTITY, [steps.appid, openid, unionid, user.id, sealed]];
  }
  yield [NEW_SESSION, [sessionId, user.id, device, now, now + steps.sessionSeconds]];
  return { user, sessionId, isNew };
}

function onSqlite(file) {
  const database = new Database(file, { timeout: 10000 });
  database.pragma("journal_mode = WAL");
  database.pragma("synchronous = NORMAL");
  const prepared = new Map();
  const run = ([sql, values]) => {
    if (!prepared.has(sql)) prepared.set(sql, database.prepare(sql));
    const statement = prepared.get(sql);
    return statement.reader ? statement.all(...values) : statement.run(...values).lastInsertRowid;
  };
  const work = database.transaction((way) => {
    let step = way.next();
    while (!step.done) step = way.next(run(step.value));
    return step.value;
  });
  return async (way) => work.immediate(way());
}

function onMysql(url) {
  const pool = mysql.createPool({ uri: url, connectionLimit: 16, supportBigNumbers: true });
  const work = async (connection, way) => {
    await connection.beginTransaction();
    let step = way.next();
    while (!step.done) {
      const [found] = await connection.execute(...step.value);
      step = way.next(Array.isArray(found) ? found : found.insertId);
    }
    await connection.commit();
    return step.value;
  };
  const once = async (way) => {
    const connection = await pool.getConnection();
    try {
      return await work(connection, way);
    } catch (error) {
      await connection.rollback();
      throw error;
    } finally {
      connection.release();
    }
  };
  // Another login of the same person was faster, or a deadlock: once more.
  const again = new Set(["ER_DUP_ENTRY", "ER_LOCK_DEADLOCK"]);
  return (way) =>
    once(way()).catch((error) => {
      if (!again.has(error.code)) throw error;
      return once(way());
    });
}

const key = crypto.createPrivateKey(steps.signingPem);
const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
const head = part({ alg: "ES256", typ: "JWT" });

function token(userId, sessionId) {
  const iat = steps.seconds();
  const jti = crypto.randomBytes(12).toString("base64url");
  const claims = { iss: steps.issuer, aud: steps.appid, sub: String(userId), sid: sessionId, iat, exp: iat + 900, jti };
  const text = `${head}.${part(claims)}`;
  const signature = crypto.sign("sha256", Buffer.from(text), { key, dsaEncoding: "ieee-p1363" });
  return `${text}.${signature.toString("base64url")}`;
}

const text = { type: ["string", "null"] };
const number = { type: ["integer", "null"] };
const user = { id: { type: "string" }, nickname: text, avatar_url: text, gender: number, created_at: number };
const data = {
  access_token: { type: "string" },
  token_type: { type: "string" },
  expires_in: number,
  is_new_user: { type: "boolean" },
  user: { type: "object", properties: user },
};
const schema = {
  body: {
    type: "object",
    required: ["code"],
    properties: { code: { type: "string" }, encryptedData: { type: "string" }, iv: { type: "string" } },
  },
  response: {
    200: { type: "object", properties: { code: number, msg: text, data: { type: "object", properties: data } } },
  },
};

export async function start(port) {
  const store = steps.sqliteFile ? onSqlite(steps.sqliteFile) : onMysql(steps.databaseUrl);
  const wechat = new Pool(steps.wechat, { connections: 1024, headersTimeout: 5000, bodyTimeout: 5000 });
  const app = Fastify();

  app.post("/api/v1/auth/login", { schema }, async (request, reply) => {
    const { code, encryptedData, iv } = request.body;
    const query = `appid=${steps.appid}&secret=${steps.secret}&js_code=${encodeURIComponent(code)}`;
    const path = `/sns/jscode2session?${query}&grant_type=authorization_code`;
    const { body } = await wechat.request({ method: "GET", path });
    const answer = JSON.parse(await body.text());
    const refuse = (msg) => reply.code(400).send({ code: 400, msg, data: null });
    if (!answer.openid) return refuse(answer.errmsg);
    let profile = {};
    try {
      if (encryptedData) profile = steps.openProfile(answer.session_key, encryptedData, iv);
    } catch {
      return refuse("encryptedData");
    }
    const sealed = steps.seal(answer.session_key);
    const device = request.headers["user-agent"] ?? "";
    const { user, sessionId, isNew } = await store(() => storing(answer, profile, sealed, device));
    const data = {
      access_token: token(user.id, sessionId),
      token_type: "Bearer",
      expires_in: 900,
      is_new_user: isNew,
      user: { ...user, id: String(user.id) },
    };
    return { code: 0, msg: "ok", data };
  });

  app.get("/healthz", async () => ({ status: "ok" }));
  await app.listen({ port, host: "127.0.0.1" });
}
