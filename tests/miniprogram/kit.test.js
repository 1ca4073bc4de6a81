// The client kit on a shim of `wx`, against the real service and simulator. Each demand of its users is a test here.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LOGIN, LOGOUT, REFRESH, change, count, hold, many, me, openKit, paths } from "./kit.js";
import { plain, rejection, until } from "./miniprogram.js";

const MINUTE = 60_000;
const { stage, somebody, start, expired, during } = await openKit("kit");

// --- one flight ----------------------------------------------------------------------------------------------

test("fifty requests of an app that just opened: one wx.login, one login", async () => {
  const { auth, phone } = start();
  const answers = await many(50, () => auth.request(me));
  assert.equal(new Set(answers.map((answer) => answer.data.data.id)).size, 1);
  assert.equal(phone.journal.codes.length, 1);
  assert.deepEqual([count(phone, LOGIN), count(phone, "/api/v1/me"), paths(phone).length], [1, 50, 51]);
});

test("fifty requests meet an expired token at once: one refresh, each request sent twice, no wx.login", () =>
  during(async () => {
    const { auth, phone } = await expired();
    const answers = await many(50, () => auth.request(me));
    assert.ok(answers.every((answer) => answer.statusCode === 200));
    assert.equal(phone.journal.codes.length, 1, "only the one of the first login");
    assert.deepEqual([count(phone, REFRESH), count(phone, "/api/v1/me"), paths(phone).length], [1, 100, 101]);
  }));

test("a refresh that is refused leads to one wx.login", async () => {
  const { auth, phone } = start();
  await auth.ready();
  const token = await auth.token();
  await stage.send(phone, { url: LOGOUT, method: "POST", header: { Authorization: `Bearer ${token}` } });
  phone.journal.requests.length = 0;
  await many(50, () => auth.request(me));
  assert.equal(phone.journal.codes.length, 2);
  assert.deepEqual([count(phone, REFRESH), count(phone, LOGIN), count(phone, "/api/v1/me")], [1, 1, 100]);
});

test("instances of one namespace share the session and its renewal", () =>
  during(async () => {
    const { auth, create, phone } = await expired();
    const others = [auth, create(), create(), create(), create()];
    await Promise.all(others.map((one) => one.request(me)));
    assert.equal(count(phone, REFRESH), 1);
    await Promise.all(others.map((one) => one.refresh()));
    assert.equal(count(phone, REFRESH), 2);
    const stranger = create({ namespace: "another" });
    assert.equal(stranger.isLoggedIn(), false);
  }));

test("a 401 that comes after the renewal only repeats; wx.request may be wrapped at any time", () =>
  during(async () => {
    const { auth, phone } = await expired();
    const held = hold(phone, me.url);
    const late = auth.request(me);
    await auth.request(me);
    assert.equal(count(phone, REFRESH), 1);
    held.release();
    assert.equal((await late).statusCode, 200);
    assert.equal(count(phone, REFRESH), 1);
  }));

test("repeated once after a 401, POSTs and PUTs as well, never twice", () =>
  during(async () => {
    const { auth, phone } = await expired();
    assert.equal((await auth.request(change)).data.data.nickname, "小兰");
    assert.equal(count(phone, "PUT /api/v1/me"), 2);
    const error = await rejection(auth.request({ url: "/api/v1/auth/refresh", method: "POST" }));
    assert.equal(error.kind, "unauthorized");
    assert.equal(count(phone, "/api/v1/auth/refresh"), 2);
    assert.equal(auth.isLoggedIn(), true, "another service's refusal ends no session");
  }));

test("a request whose answer was lost is not repeated", async () => {
  const { auth, phone } = start();
  await auth.ready();
  phone.losing = 1;
  assert.equal((await rejection(auth.request(change))).kind, "network");
  assert.equal(count(phone, "PUT /api/v1/me"), 1);
});

test("a token is renewed some minutes before it ends", async () => {
  const { auth, phone, program } = start();
  await auth.ready();
  await auth.request(me);
  program.ahead = 13.5 * MINUTE; // as if time had gone by: 15 minutes is what it lives
  await many(20, () => auth.request(me));
  assert.deepEqual([count(phone, REFRESH), count(phone, "/api/v1/me")], [1, 21]);
});

// --- starting ------------------------------------------------------------------------------------------------

test("onLaunch and onLoad wait for one promise; after a restart nothing is asked", async () => {
  const { auth, phone } = start();
  const [launched, loaded] = await Promise.all([auth.ready(), auth.ready()]);
  assert.deepEqual(plain(launched), plain(loaded));
  assert.deepEqual(paths(phone), [`POST ${LOGIN}`]);
  const again = start({ phone });
  assert.deepEqual(plain(await again.auth.ready()), plain(launched));
  assert.deepEqual(plain(again.auth.getUser()), plain(launched));
  assert.deepEqual(paths(phone), [`POST ${LOGIN}`]);
});

test("wx.checkSession is never asked: it knows nothing of this session", async () => {
  const { auth, phone } = start();
  let asked = 0;
  phone.wx.checkSession = () => (asked += 1);
  await auth.request(me);
  assert.equal(asked, 0);
});

test("in manual mode nobody is signed in unasked", async () => {
  const { auth, phone } = start({ loginMode: "manual" });
  assert.equal(await auth.ready(), null);
  const error = await rejection(auth.request(me));
  assert.deepEqual([error.kind, error.error, error.action], ["unauthorized", "login_required", "relogin"]);
  assert.deepEqual(paths(phone), []);
  await auth.login();
  assert.equal((await auth.request(me)).statusCode, 200);
});

test("broken storage counts as empty, and storage that throws does not stop a login", async () => {
  const odd = { session: { token: "x", renewAt: 1e15, contract: "of another version" } };
  for (const broken of ["text", 5, odd, { session: "x" }, { session: { token: 5 } }, { session: {}, isOut: "yes" }, []]) {
    const phone = somebody();
    phone.wx.setStorageSync("authsvc", broken);
    assert.equal((await start({ phone }).auth.request(me)).statusCode, 200);
  }
  const phone = stage.phone("full");
  phone.wx.setStorageSync = phone.wx.getStorageSync = () => {
    throw new Error("exceed max size");
  };
  assert.equal((await start({ phone }).auth.request(me)).statusCode, 200);
});

test("a refresh token that the server cannot even read leads to a new login", async () => {
  const { auth, phone } = start();
  await auth.ready();
  const record = phone.wx.getStorageSync("authsvc");
  Object.assign(record.session, { token: "x", refreshToken: "x".repeat(500) });
  phone.wx.setStorageSync("authsvc", record);
  assert.equal((await start({ phone }).auth.request(me)).statusCode, 200);
});

test("the consent step is asked once before anything leaves the phone, and its refusal is of kind privacy", async () => {
  let asked = 0;
  const answers = [false, true];
  const consent = async () => answers[asked++];
  const { auth, phone } = start({ consent });
  assert.equal((await rejection(auth.ready())).kind, "privacy");
  assert.deepEqual([phone.journal.codes.length, paths(phone).length], [0, 0]);
  await many(5, () => auth.request(me));
  await auth.logout();
  await start({ phone, consent }).auth.login();
  assert.equal(asked, 2);
});

// --- going wrong ---------------------------------------------------------------------------------------------

test("offline: rejected, never pending; the session stays; with a network it goes on", () =>
  during(async () => {
    const { auth, phone } = start();
    phone.offline = true;
    for (const promise of [auth.ready(), auth.login(), auth.request(me)]) {
      const error = await rejection(promise);
      assert.deepEqual([error.kind, error.action, error.name], ["network", "retry", "AuthError"]);
    }
    phone.offline = false;
    await auth.ready();
    phone.offline = true;
    assert.equal((await rejection(auth.refresh())).kind, "network");
    assert.equal(auth.isLoggedIn(), true, "no network is no logout");
    phone.offline = false;
    assert.equal((await auth.request(me)).statusCode, 200);
    assert.equal(phone.journal.codes.length, 1);
  }));

test("a server that is silent ends in a timeout, and the next try is a new one", async () => {
  const { auth, phone } = start({ timeout: 700 });
  await stage.fault(null, { kind: "delay", seconds: 4 });
  const began = Date.now();
  assert.equal((await rejection(auth.ready())).kind, "timeout");
  assert.ok(Date.now() - began < 4000);
  assert.equal((await auth.ready()).id, auth.getUser().id);
  assert.equal(new Set(phone.journal.codes).size, 2);
});

test("a login whose answer was lost is repeated with the same code and key: one session, WeChat asked once", async () => {
  const { auth, phone } = start();
  const before = await stage.asked("/sns/jscode2session");
  phone.losing = 1;
  await auth.ready();
  assert.equal(await stage.asked("/sns/jscode2session"), before + 1);
  const sent = phone.journal.requests.map(({ headers, body }) => [headers["idempotency-key"], JSON.parse(body).code]);
  assert.equal(sent.length, 2);
  assert.deepEqual(sent[0], sent[1]);
  assert.match(sent[0][0], /^[A-Za-z0-9_-]{8,64}$/);
  const sessions = await auth.request({ url: "/api/v1/sessions" });
  assert.equal(sessions.data.data.length, 1);
});

test("a code that the server refuses is never sent again: one new one, then the error", async () => {
  const { auth, phone } = start();
  await stage.fault(null, { kind: "errcode", errcode: 40163 });
  await auth.ready();
  await stage.fault(null, { kind: "errcode", errcode: 40163 }, 2);
  const error = await rejection(auth.login({ reopen: true }));
  assert.deepEqual([error.kind, error.status, error.error, error.action], ["unauthorized", 401, "wx_code_used", "relogin"]);
  assert.equal(error.message, "登录凭证已使用，请重新登录");
  assert.match(error.requestId, /^[0-9a-f]{32}$/);
  const codes = phone.journal.requests.map(({ body }) => JSON.parse(body).code);
  assert.deepEqual(codes, phone.journal.codes);
  assert.equal(new Set(codes).size, 4);
});

test("429 with Retry-After: said once, not asked again before that time is over", async () => {
  const { auth, phone, program } = start();
  await stage.fault(null, { kind: "errcode", errcode: 45011 });
  const errors = await many(20, () => rejection(auth.request(me)));
  for (const error of errors) {
    assert.deepEqual([error.kind, error.status, error.action, error.retryAfter], ["refused", 429, "retry", 60]);
  }
  assert.equal((await rejection(auth.login())).retryAfter, 60);
  assert.equal(paths(phone).length, 1);
  program.ahead = 61_000;
  assert.equal((await auth.request(me)).statusCode, 200);
});

test("errors say their kind, the server's sentence and what helps; a 404 is no expired session", async () => {
  const { auth, phone } = start();
  await auth.ready();
  const missing = await rejection(auth.request({ url: "/api/v1/nothing" }));
  assert.deepEqual([missing.kind, missing.error, missing.action], ["refused", "not_found", "fix_request"]);
  assert.equal(missing.message, "地址不存在");
  const wrong = await rejection(auth.request({ ...change, data: { nickname: 5 } }));
  assert.deepEqual([wrong.kind, wrong.status], ["refused", 400]);
  await stage.fault(null, { kind: "http_status", status: 502 }, 2);
  const outage = await rejection(auth.login({ reopen: true }));
  assert.deepEqual([outage.kind, outage.status], ["server", 503]);
  phone.wx.request = ({ fail }) => fail({ errMsg: "request:fail privacy permission is not authorized", errno: 104 });
  assert.equal((await rejection(auth.request(me))).kind, "privacy");
  phone.wx.request = ({ fail }) => fail({ errMsg: "request:fail abort" });
  assert.equal((await rejection(auth.request(me))).kind, "cancelled");
  phone.wx.request = ({ success }) => success({ statusCode: 502, data: "<html>", header: {} });
  const bare = await rejection(auth.request(me));
  assert.deepEqual([bare.kind, bare.message, bare.action], ["server", "HTTP 502", "retry"]);
});

for (const minutes of [10, -10]) {
  test(`a clock that is ${minutes} minutes off changes nothing`, async () => {
    const { auth, phone, program } = start({ ahead: minutes * MINUTE });
    await many(20, () => auth.request(me));
    assert.deepEqual([count(phone, LOGIN), count(phone, REFRESH), count(phone, "/api/v1/me")], [1, 0, 20]);
    assert.ok(Math.abs(auth.now() - Date.now()) < 3000, "auth.now() is the server's time");
    const restarted = start({ phone, ahead: minutes * MINUTE });
    await restarted.auth.request(me);
    program.ahead = 0; // the person sets it right while the mini program runs
    await many(20, () => auth.request(me));
    assert.deepEqual([count(phone, LOGIN), paths(phone).filter((path) => path.includes("refresh")).length <= 1], [1, true]);
    assert.ok(Math.abs(auth.now() - Date.now()) < 3000);
  });
}

// --- the login page ------------------------------------------------------------------------------------------

test("two callers of login share one promise and one page, also when the page is closed", async () => {
  const opened = [];
  const { auth, phone } = start({ contract: "bearer", onLoginRequired: (reason) => void opened.push(reason) });
  const waiting = [auth.login(), auth.login(), auth.request({ url: "/api/v1/user/profile" })].map(rejection);
  await new Promise(setImmediate);
  auth.closeLoginPage();
  const kinds = (await Promise.all(waiting)).map((error) => error.kind);
  assert.deepEqual([kinds, opened], [["cancelled", "cancelled", "cancelled"], ["login"]]);
  const again = [auth.login(), auth.login(), auth.request({ url: "/api/v1/user/profile" })];
  await new Promise(setImmediate);
  assert.deepEqual(opened, ["login", "login"]);
  await phone.wx.login();
  await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail));
  const [first, second, profile] = await Promise.all(again);
  assert.deepEqual([plain(first), profile.statusCode], [plain(second), 200]);
  auth.closeLoginPage(); // its onUnload, after the fact
  assert.equal(auth.isLoggedIn(), true);
});

test("a login page that does not open keeps nobody waiting", async () => {
  const onLoginRequired = () => Promise.reject(new Error("navigateTo:fail webview count limit exceed"));
  const { auth } = start({ contract: "bearer", onLoginRequired });
  const errors = await Promise.all([auth.login(), auth.request(me)].map(rejection));
  assert.deepEqual(errors.map((error) => error.message), Array(2).fill("navigateTo:fail webview count limit exceed"));
});

test("requests of somebody signed out wait for the page, and go on when manual login is done", async () => {
  let opened = 0;
  const { auth } = start({ loginMode: "manual", onLoginRequired: () => (opened += 1) });
  const waiting = many(10, () => auth.request(me));
  await new Promise(setImmediate);
  await Promise.all([auth.login(), auth.login()]);
  assert.ok((await waiting).every((answer) => answer.statusCode === 200));
  assert.equal(opened, 1);
});

// --- the phone button ----------------------------------------------------------------------------------------

test("one tap signs in with the phone code, one call; the login code is from before the tap", async () => {
  const { auth, phone } = start({ loginMode: "manual" });
  auth.preparePhone();
  await until(() => phone.journal.codes.length === 1);
  const user = await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail));
  assert.match(user.phone, /^\+86170\d{8}$/);
  assert.deepEqual(paths(phone), [`POST ${LOGIN}`]);
  assert.deepEqual(Object.keys(JSON.parse(phone.journal.requests[0].body)).sort(), ["code", "phoneCode"]);
  assert.equal(phone.journal.codes.length, 1);
  auth.closeLoginPage();
});

test("without a phone code the encrypted data goes, wx.login not called between tap and login", async () => {
  const { auth, phone, program } = start({ loginMode: "manual" });
  auth.preparePhone();
  await until(() => phone.journal.codes.length === 1);
  program.ring(); // four minutes later: codes live five
  await until(() => phone.journal.codes.length === 2);
  phone.rotateNext(true); // a wx.login now would put another key in place
  const user = await phone.tapPhoneButton(({ detail: { code, ...old } }) => auth.loginWithPhone(old));
  assert.match(user.phone, /^\+86170\d{8}$/);
  assert.deepEqual([phone.journal.codes.length, JSON.parse(phone.journal.requests[0].body).code], [2, phone.journal.codes[1]]);
  auth.closeLoginPage();
  assert.equal(program.timers.size, 0, "a closed page renews nothing");
});

test("who is signed in binds the number; a refused tap is of kind cancelled; a used-up quota is named", async () => {
  const { auth, phone } = start();
  await auth.ready();
  const tap = (e) => auth.loginWithPhone(e.detail);
  assert.equal((await rejection(phone.refusePhoneButton(tap))).kind, "cancelled");
  const secretive = await rejection(auth.loginWithPhone({ errMsg: "getPhoneNumber:fail", errno: 104 }));
  assert.equal(secretive.kind, "privacy");
  const quota = await rejection(auth.loginWithPhone({ errMsg: "getPhoneNumber:fail", errno: 1400001 }));
  assert.deepEqual([quota.kind, quota.error, quota.action], ["refused", "phone_quota", "contact"]);
  assert.match((await phone.tapPhoneButton(tap)).phone, /^\+86170\d{8}$/);
  assert.match(start({ phone }).auth.getUser().phone, /^\+86170\d{8}$/);
  assert.equal(count(phone, LOGIN), 1);
});

test("a spent phone code says tap_again, and the next tap works with a code that is ready", async () => {
  const { auth, phone, program } = start({ loginMode: "manual" });
  auth.preparePhone();
  const used = await phone.tapPhoneButton((e) => e.detail.code);
  await start({ phone, namespace: "quicker" }).auth.login({ phoneCode: used });
  const error = await rejection(auth.loginWithPhone({ code: used }));
  assert.equal(error.action, "tap_again");
  await until(() => phone.journal.codes.length === 3);
  await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail));
  assert.equal(phone.journal.codes.length, 3);
  const late = rejection(auth.loginWithPhone({ code: used }));
  auth.closeLoginPage();
  assert.equal((await late).action, "tap_again");
  assert.equal(program.timers.size, 0, "a page that was closed meanwhile prepares for no next tap");
});

test("a number that is somebody's already makes the caller that user, with tokens that renew", async () => {
  const first = start();
  const owner = await first.phone.tapPhoneButton((e) => first.auth.loginWithPhone(e.detail));
  const second = start({ contract: "code_message_data" });
  await second.auth.ready();
  const number = owner.phone.slice(3);
  await second.phone.tapPhoneButton((e) => second.auth.loginWithPhone(e.detail), { phone: number });
  assert.equal(second.auth.getUser().id, owner.id);
  assert.equal((await second.auth.refresh()).id, owner.id);
});

// --- leaving -------------------------------------------------------------------------------------------------

test("logout tells the server, empties storage, and stays out until asked, also after a restart", async () => {
  const { auth, phone } = start();
  await auth.ready();
  const token = await auth.token();
  await auth.logout();
  assert.equal(auth.getUser(), null);
  assert.doesNotMatch(JSON.stringify([...phone.storage]), /eyJ/);
  const old = await stage.send(phone, { ...me, header: { Authorization: `Bearer ${token}` } });
  assert.equal(old.statusCode, 401);
  const { auth: restarted } = start({ phone });
  assert.equal(await restarted.ready(), null);
  assert.equal((await rejection(restarted.request(me))).error, "login_required");
  assert.equal(phone.journal.codes.length, 1);
  await restarted.login();
  assert.equal((await start({ phone }).auth.request(me)).statusCode, 200);
});

test("logout everywhere ends the other phone's session too", async () => {
  const one = start();
  const tablet = start({ phone: one.phone, namespace: "tablet", loginMode: "manual" });
  await Promise.all([one.auth.ready(), tablet.auth.login()]);
  await one.auth.logout({ everywhere: true });
  assert.equal((await rejection(tablet.auth.refresh())).error, "login_required");
  assert.equal(tablet.auth.isLoggedIn(), false);
});

test("a logout during a refresh or a login wins", () =>
  during(async () => {
    const { auth, phone } = await expired();
    const renewal = hold(phone, REFRESH);
    const waiting = many(5, () => rejection(auth.request(me)));
    await renewal.asked;
    await auth.logout();
    renewal.release();
    assert.deepEqual((await waiting).map((error) => error.kind), Array(5).fill("cancelled"));
    const entry = hold(phone, LOGIN);
    const signing = rejection(auth.login());
    await entry.asked;
    await auth.logout();
    entry.release();
    assert.equal((await signing).kind, "cancelled");
    assert.deepEqual([auth.isLoggedIn(), await auth.ready()], [false, null]);
    await auth.login();
    const sessions = await auth.request({ url: "/api/v1/sessions" });
    assert.equal(sessions.data.data.length, 1, "no session was left behind");
    const owner = start();
    const { phone: number } = await owner.phone.tapPhoneButton((e) => owner.auth.loginWithPhone(e.detail));
    const merge = hold(phone, "/api/v1/me/phone");
    const tap = (e) => rejection(auth.loginWithPhone(e.detail));
    const binding = phone.tapPhoneButton(tap, { phone: number.slice(3) });
    await merge.asked;
    await auth.logout();
    merge.release();
    assert.deepEqual([(await binding).kind, auth.isLoggedIn()], ["cancelled", false]);
  }));

test("a logout with an expired token still ends the session", () =>
  during(async () => {
    const { auth, phone } = await expired();
    const { refreshToken } = phone.wx.getStorageSync("authsvc").session;
    await auth.logout({ everywhere: true });
    const again = await stage.send(phone, { url: REFRESH, method: "POST", data: { refresh_token: refreshToken } });
    assert.equal(again.statusCode, 401);
  }));

test("a logout that the server could not be told holds here all the same", async () => {
  const { auth, phone } = start();
  await auth.ready();
  phone.offline = true;
  assert.equal((await rejection(auth.logout())).kind, "network");
  assert.deepEqual([auth.isLoggedIn(), start({ phone }).auth.isLoggedIn()], [false, false]);
});

// --- invitations ---------------------------------------------------------------------------------------------

const inviteOf = async (owner) => (await owner.auth.request({ url: "/api/v1/me/invite" })).data.data.invite_code;

test("an invite is kept from the scene until a login has taken it along", async () => {
  const owner = start();
  const code = await inviteOf(owner);
  const { auth, phone } = start({ loginMode: "manual" });
  for (const query of [undefined, {}, { scene: "%E0%A4%A" }, { scene: "t%3Dticket" }]) assert.equal(auth.keepInvite(query), "");
  assert.equal(auth.keepInvite({ scene: encodeURIComponent(`from=flyer&invite_code=${code}`) }), code);
  phone.offline = true;
  await rejection(auth.login());
  phone.offline = false;
  const restarted = start({ phone, loginMode: "manual" });
  assert.equal(restarted.auth.keepInvite({}), code);
  await restarted.auth.login();
  assert.deepEqual([restarted.auth.inviteStatus(), restarted.auth.keepInvite({})], ["accepted", ""]);
  const { data } = await owner.auth.request({ url: "/api/v1/me/invite/arrivals" });
  assert.equal(data.data.count, 1);
});

for (const contract of ["bearer", "detail", "code_message_data", "code_msg_data", "success_data"]) {
  test(`${contract} takes an invite along, which is no part of the user`, async () => {
    const code = await inviteOf(start());
    const { auth, phone } = start({ contract, loginMode: "manual" });
    auth.keepInvite({ invite_code: code });
    await phone.wx.login();
    await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail));
    assert.deepEqual([auth.inviteStatus(), auth.getUser().invite, auth.keepInvite({})], ["accepted", undefined, ""]);
  });
}

// --- the rest ------------------------------------------------------------------------------------------------

test("tokens go into the Authorization header and the refresh call, and nowhere else", () =>
  during(async () => {
    const { auth, phone } = await expired();
    await auth.request(change);
    const { token, refreshToken } = phone.wx.getStorageSync("authsvc").session;
    for (const { url, body, headers } of phone.journal.requests) {
      assert.doesNotMatch(url, /eyJ/);
      assert.doesNotMatch(String(body), /eyJ/);
      for (const [name, value] of Object.entries(headers)) if (name !== "authorization") assert.doesNotMatch(value, /eyJ/);
    }
    const visible = JSON.stringify([auth, Object.entries(auth), (await rejection(auth.request({ url: "/x" }))).stack]);
    assert.ok(![token, refreshToken].some((secret) => visible.includes(secret)));
  }));

test("callbacks work as with wx.request: one outcome, complete last", async () => {
  const { auth } = start();
  const heard = [];
  const call = (options) =>
    new Promise((resolve) => {
      const returned = auth.request({
        ...options,
        success: () => heard.push("success"),
        fail: (error) => heard.push(error.kind),
        complete: () => resolve(heard.push("complete")),
      });
      assert.equal(returned, undefined);
    });
  await call(me);
  await call({ url: "/api/v1/nothing" });
  assert.deepEqual(heard, ["success", "complete", "refused", "complete"]);
});

test("a picture is uploaded with a token that had expired, and its answer parsed", () =>
  during(async () => {
    const { auth, phone } = await expired();
    const pixel = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";
    const filePath = phone.addFile("me.png", Buffer.from(pixel, "base64"));
    const answer = await auth.uploadFile({ url: "/api/v1/me/avatar", filePath, name: "file" });
    assert.match(answer.data.data.avatar_url, /\/avatars\/[0-9a-f]{32}\.jpg$/);
    assert.equal(count(phone, "/api/v1/me/avatar"), 2);
    const text = phone.addFile("me.txt", Buffer.from("no picture"));
    const refused = await rejection(auth.uploadFile({ url: "/api/v1/me/avatar", filePath: text, name: "file" }));
    assert.deepEqual([refused.kind, refused.error], ["refused", "picture_rejected"]);
  }));

test("what a login was asked to carry is carried, also when a silent one is under way", async () => {
  const { auth } = start({ contract: "code_message_data" });
  const silent = auth.ready();
  const [asked, again] = await Promise.all([auth.login({ nickName: "小兰" }), auth.login({ nickName: "小兰" })]);
  assert.equal((await silent).nickname, null);
  assert.deepEqual([asked.nickname, again.nickname], ["小兰", "小兰"]);
});

test("the clock of another server is not believed", async () => {
  const { auth, phone } = start({ hosts: ["https://api.example.com"] });
  await auth.ready();
  phone.wx.request = ({ success }) => success({ statusCode: 200, data: {}, header: { Date: "Thu, 01 Jan 1970 00:00:00 GMT" } });
  await auth.request({ url: "https://api.example.com/orders" });
  assert.ok(Math.abs(auth.now() - Date.now()) < 3000);
});

test("listeners hear of login, change and logout, and no more when they leave", async () => {
  const { auth } = start();
  const heard = [];
  const leave = auth.onChange((user) => heard.push(user && user.nickname));
  await auth.ready();
  auth.setUser({ nickname: "小兰" });
  await auth.logout();
  leave();
  await auth.login();
  assert.deepEqual(heard, [null, "小兰", null]);
});

test("an address without auth is called without a token, and signs nobody in", async () => {
  const { auth, phone } = start();
  assert.equal((await auth.request({ url: "/.well-known/jwks.json", auth: false })).data.keys.length, 1);
  assert.deepEqual([phone.journal.codes.length, phone.journal.requests[0].headers.authorization], [0, undefined]);
});

for (const transport of [
  { cloudContainer: { env: "prod-1", service: "authsvc" }, baseUrl: undefined },
  { cloudFunction: "api-proxy", baseUrl: undefined },
]) {
  const [name] = Object.keys(transport);
  test(`${name} carries login, requests, renewal and logout`, () =>
    during(async () => {
      const { auth, phone } = start(transport);
      await auth.ready();
      await stage.later(16 * 60);
      const answers = await many(5, () => auth.request(me));
      assert.equal(new Set(answers.map((answer) => answer.data.data.id)).size, 1);
      assert.deepEqual([count(phone, LOGIN), count(phone, REFRESH), count(phone, "/api/v1/me")], [1, 1, 10]);
      assert.ok(phone.journal.requests.every(({ headers }) => headers.referer === undefined));
      const error = await rejection(auth.request({ url: "/api/v1/nothing" }));
      assert.deepEqual([error.kind, error.status, error.error], ["refused", 404, "not_found"]);
      await auth.logout();
      phone.offline = true;
      assert.equal((await rejection(auth.login())).kind, "network");
    }));
}

// --- every contract ------------------------------------------------------------------------------------------

const PROFILE = { url: "/api/v1/user/profile" };
const DAY = 86_400;

/** Sign in by a tap, as the contracts do that have no silent login. */
async function tapped(options) {
  const started = start({ onLoginRequired: () => {}, ...options });
  started.auth.preparePhone();
  await started.phone.tapPhoneButton((e) => started.auth.loginWithPhone(e.detail));
  started.auth.closeLoginPage();
  return started;
}

test("bearer: the phone button signs in; after seven days the login page opens again", () =>
  during(async () => {
    let opened = 0;
    const { auth, phone } = await tapped({ contract: "bearer", onLoginRequired: () => (opened += 1) });
    assert.deepEqual(paths(phone), ["POST /auth/mp_login"]);
    assert.equal(auth.getUser().openid, (await stage.known(phone)).openid);
    assert.equal((await auth.request(PROFILE)).statusCode, 200);
    await stage.later(7 * DAY + 60);
    const waiting = rejection(auth.request(PROFILE));
    await until(() => opened === 1);
    auth.closeLoginPage();
    assert.equal((await waiting).kind, "cancelled");
    await auth.logout();
  }));

test("detail: a stranger registers with the number of one tap or a typed one, and is known from then on", async () => {
  const reasons = [];
  const onLoginRequired = (reason) => void reasons.push(reason);
  const { auth, phone } = start({ contract: "detail", onLoginRequired });
  assert.equal(await auth.ready(), null);
  const waiting = auth.request(PROFILE);
  await until(() => reasons.length > 0);
  assert.deepEqual(reasons, ["register"]);
  const user = await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail, { sex: 2 }));
  assert.deepEqual([/^170\d{8}$/.test(user.phone), user.sex, typeof user.id], [true, 2, "string"]);
  assert.equal((await waiting).data.data.id, user.id);
  await auth.logout();
  assert.equal((await auth.login()).id, user.id);
  const typist = start({ contract: "detail" });
  await typist.auth.ready();
  assert.equal((await typist.auth.register({ phone: "13800138111", sex: 0 })).phone, "13800138111");
  const owner = start();
  const { phone: verified } = await owner.phone.tapPhoneButton((e) => owner.auth.loginWithPhone(e.detail));
  const taken = start({ contract: "detail" });
  await taken.auth.ready();
  const error = await rejection(taken.auth.register({ phone: verified.slice(3), sex: 0 }));
  assert.deepEqual([error.kind, error.message], ["refused", "手机号已存在"]);
});

test("code_message_data: through the cloud function; fifty requests with an expired token renew it once", () =>
  during(async () => {
    const { auth, phone } = start({ contract: "code_message_data", cloudFunction: "api-proxy" });
    const user = await auth.login({ nickName: "小兰", avatarUrl: "https://example.com/lan.jpg" });
    assert.deepEqual([user.nickname, user.avatar], ["小兰", "https://example.com/lan.jpg"]);
    await stage.later(7 * DAY + 60);
    const answers = await many(50, () => auth.request(PROFILE));
    assert.ok(answers.every((answer) => answer.data.data.id === user.id));
    assert.deepEqual([count(phone, "/api/v1/auth/refresh"), count(phone, "/api/v1/user/profile")], [1, 100]);
    await auth.logout();
    assert.equal((await rejection(auth.request(PROFILE))).error, "login_required");
  }));

test("code_msg_data: signs in by the code, or with the profile; an expired token leads to one wx.login", () =>
  during(async () => {
    const { auth, phone } = start({ contract: "code_msg_data" });
    await phone.wx.login();
    const { encryptedData, iv } = await phone.wx.getUserInfo();
    const user = await auth.login({ platUserInfoMap: { encryptedData, iv } });
    assert.equal(user.openId, (await stage.known(phone)).openid);
    await stage.later(7 * DAY + 60);
    const taken = phone.journal.codes.length;
    await many(20, () => auth.request(PROFILE));
    assert.equal(phone.journal.codes.length, taken + 1);
    const bound = await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail));
    assert.match(bound.phone, /^\+86170\d{8}$/);
  }));

test("success_data: the phone button signs in, the token is checked and kept, then the login page", () =>
  during(async () => {
    const { auth, phone, program } = await tapped({ contract: "success_data" });
    const { token } = phone.wx.getStorageSync("authsvc").session;
    assert.match(auth.getUser().phone, /^170\d{8}$/);
    program.ahead = 0;
    await auth.refresh();
    assert.equal(phone.wx.getStorageSync("authsvc").session.token, token);
    assert.deepEqual(paths(phone), ["POST /login/wechatLogin", "GET /member/refreshToken"]);
    await stage.later(9 * DAY);
    assert.equal((await rejection(start({ phone, contract: "success_data" }).auth.request(PROFILE))).error, "login_required");
  }));

test("an update of the mini program may change the contract: the session goes on", async () => {
  const { phone, auth } = start({ contract: "code_message_data" });
  const { id } = await auth.ready();
  const updated = start({ phone });
  assert.equal((await updated.auth.ready()).id, id);
  assert.equal((await updated.auth.refresh()).id, id);
  assert.equal(phone.journal.codes.length, 1);
});
