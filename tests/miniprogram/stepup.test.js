// Step-up as the kit does it by itself: what a token alone may not do is asked once more, with a code of wx.login.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LOGIN, REFRESH, count, hold, many, me, openKit, paths } from "./kit.js";
import { rejection, until } from "./miniprogram.js";

const EXPORT = { url: "/api/v1/me/export" };
// Takes many at once; of exports each person has one at a time.
const OTHERS = { url: "/api/v1/sessions/logout?scope=others", method: "POST" };
const PHONE = "/api/v1/me/phone";
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==",
  "base64",
);
const { stage, somebody, start, expired, during } = await openKit("step-up");

/** Somebody who is signed in, and whose phone's journals are empty. */
async function signedIn(options) {
  const started = start(options);
  await started.auth.ready();
  forget(started.phone);
  return started;
}

const forget = ({ journal }) => (journal.requests.length = journal.codes.length = 0);
/** The code beside each request, or nothing. */
const codes = (phone) => phone.journal.requests.map(({ headers }) => headers["step-up-code"]);

/** Let wx.login wait: `asked` resolves when it is called, `release` lets it go on. */
function holdLogin(phone) {
  const { login } = phone.wx;
  const held = {};
  const released = new Promise((resolve) => (held.release = resolve));
  held.asked = new Promise((resolve) => {
    phone.wx.login = (options) => {
      phone.wx.login = login;
      resolve();
      released.then(() => login(options));
    };
  });
  return held;
}

/** What the server says where a token is not enough, said to every request of this address. */
function insistent(phone, path, how = "request") {
  const { [how]: send } = phone.wx;
  const sent = [];
  const data = { code: 403, msg: "…", data: null, error: "step_up_required", action: "relogin", request_id: "0" };
  phone.wx[how] = (options) => {
    if (!options.url.endsWith(path)) return send(options);
    sent.push(options.header);
    return setImmediate(options.success, { statusCode: 403, data: how === "request" ? data : JSON.stringify(data), header: {} });
  };
  return sent;
}

test("every call that takes more than a token is made once more with a code, and its answer is all that a page sees", async () => {
  const { auth, phone } = await signedIn();
  const tablet = start({ phone, namespace: "tablet", loginMode: "manual" });
  const other = somebody();
  await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail));
  await tablet.auth.login();
  const sessions = (await auth.request({ url: "/api/v1/sessions" })).data.data;
  const ended = sessions.find((session) => !session.current).id;
  const { code } = await other.wx.login();
  const calls = [
    EXPORT,
    { url: PHONE, method: "DELETE" },
    { url: `/api/v1/sessions/${ended}`, method: "DELETE" },
    { url: "/api/v1/sessions/logout?scope=others", method: "POST" },
    { url: "/api/v1/me/identities", method: "POST", data: { code, appid: stage.appid } },
  ];
  for (const call of calls) {
    forget(phone);
    assert.equal((await auth.request(call)).statusCode, 200, call.url);
    assert.deepEqual(codes(phone), [undefined, ...phone.journal.codes], call.url);
    assert.equal(phone.journal.codes.length, 1, call.url);
  }
  const links = (await auth.request({ url: "/api/v1/me/identities" })).data.data;
  for (const call of [
    { url: `/api/v1/me/identities/${links.at(-1).id}`, method: "DELETE" },
    { url: "/api/v1/me/close", method: "POST" },
  ]) {
    forget(phone);
    assert.equal((await auth.request(call)).statusCode, 200, call.url);
    assert.equal(phone.journal.codes.length, 1, call.url);
  }
});

test("what takes a token alone is asked once, without a code; a session of one's own ends without", async () => {
  const { auth, phone } = await signedIn();
  const [{ id }] = (await auth.request({ url: "/api/v1/sessions" })).data.data;
  await auth.request(me);
  assert.equal((await auth.request({ url: `/api/v1/sessions/${id}`, method: "DELETE" })).statusCode, 200);
  assert.deepEqual(codes(phone), [undefined, undefined, undefined]);
});

test("the kit's own calls bring the code along: the phone's is from before the tap, which wx.login would spoil", async () => {
  const { auth, phone } = await signedIn();
  auth.preparePhone();
  await until(() => phone.journal.codes.length === 1);
  phone.rotateNext(true);
  await phone.tapPhoneButton((e) => auth.loginWithPhone({ encryptedData: e.detail.encryptedData, iv: e.detail.iv }));
  assert.deepEqual([paths(phone), codes(phone)], [[`POST ${PHONE}`], phone.journal.codes]);
  auth.closeLoginPage();
  forget(phone);
  await auth.logout({ everywhere: true });
  assert.deepEqual([paths(phone), codes(phone)], [["POST /api/v1/sessions/logout"], phone.journal.codes]);
  assert.equal(phone.journal.codes.length, 1);
});

test("data that the phone button encrypted opens although step-up has changed the key since", async () => {
  const { auth, phone } = await signedIn();
  auth.preparePhone();
  await until(() => phone.journal.codes.length === 1);
  const detail = await phone.tapPhoneButton((e) => ({ encryptedData: e.detail.encryptedData, iv: e.detail.iv }));
  phone.rotateNext(true);
  await auth.request(EXPORT);
  // The page with the button is open, so it got a code from after that change.
  await until(() => phone.journal.codes.length === 3);
  assert.match((await auth.loginWithPhone(detail)).phone, /^\+86170\d{8}$/);
  assert.equal(codes(phone).at(-1), phone.journal.codes[2]);
  auth.closeLoginPage();
});

test("one repeat, whatever is answered; one wx.login", async () => {
  const { auth, phone } = await signedIn();
  const sent = insistent(phone, EXPORT.url);
  const error = await rejection(auth.request(EXPORT));
  assert.deepEqual([error.kind, error.status, error.error], ["refused", 403, "step_up_required"]);
  assert.deepEqual(sent.map((header) => header["Step-Up-Code"]), [undefined, ...phone.journal.codes]);
  assert.equal(phone.journal.codes.length, 1);
  forget(phone);
  const own = insistent(phone, PHONE);
  assert.equal((await rejection(phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail)))).error, "step_up_required");
  assert.deepEqual([own.length, phone.journal.codes.length], [1, 1]);
});

test("an answer that was lost is not asked for again; nor is anything when wx.login fails", async () => {
  const { auth, phone } = await signedIn();
  const held = holdLogin(phone);
  const lost = rejection(auth.request(EXPORT));
  await held.asked;
  phone.losing = 1;
  held.release();
  assert.equal((await lost).kind, "network");
  assert.equal(paths(phone).length, 2);
  forget(phone);
  const { login } = phone.wx;
  phone.wx.login = ({ fail }) => setImmediate(fail, { errMsg: "login:fail time out" });
  assert.equal((await rejection(auth.request(EXPORT))).kind, "timeout");
  assert.equal(paths(phone).length, 1);
  phone.wx.login = login;
  assert.equal((await auth.request(EXPORT)).statusCode, 200);
});

test("ten at once, each with a code of its own; nobody is signed in anew", async () => {
  const { auth, phone } = await signedIn();
  const answers = await many(10, () => auth.request(OTHERS));
  assert.ok(answers.every((answer) => answer.statusCode === 200));
  const sent = codes(phone).filter(Boolean);
  assert.deepEqual([sent.length, new Set(sent).size, count(phone, "/sessions/logout")], [10, 10, 20]);
  assert.deepEqual([count(phone, LOGIN), count(phone, REFRESH)], [0, 0]);
});

test("an expired token is renewed first, once for all; the code comes after that", () =>
  during(async () => {
    const { auth, phone } = await expired();
    await many(5, () => auth.request(OTHERS));
    assert.deepEqual([count(phone, REFRESH), count(phone, "/sessions/logout"), codes(phone).filter(Boolean).length], [1, 15, 5]);
    await stage.later(16 * 60);
    forget(phone);
    // The kit's own call has sent its code along with the token that was over: another one goes with the next.
    await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail));
    assert.deepEqual(paths(phone), [`POST ${PHONE}`, `POST ${REFRESH}`, `POST ${PHONE}`]);
    assert.deepEqual(codes(phone), [phone.journal.codes[0], undefined, phone.journal.codes[1]]);
  }));

test("logged out everywhere with a token that was over", () =>
  during(async () => {
    const { auth, phone } = await expired();
    const tablet = start({ phone, namespace: "tablet", loginMode: "manual" });
    await tablet.auth.login();
    forget(phone);
    await auth.logout({ everywhere: true });
    assert.equal(count(phone, REFRESH), 1);
    assert.equal((await rejection(tablet.auth.refresh())).error, "login_required");
  }));

test("logged out everywhere without a code: this session ends all the same, and the promise says that not all did", async () => {
  const { auth, phone } = await signedIn();
  const token = await auth.token();
  phone.wx.login = ({ fail }) => setImmediate(fail, { errMsg: "login:fail time out" });
  assert.equal((await rejection(auth.logout({ everywhere: true }))).kind, "timeout");
  assert.equal(auth.isLoggedIn(), false);
  const old = await stage.send(phone, { ...me, header: { Authorization: `Bearer ${token}` } });
  assert.equal(old.statusCode, 401);
});

test("a logout during it wins: before the code, and before the server asked for one", async () => {
  const { auth, phone } = await signedIn();
  const held = holdLogin(phone);
  const waiting = rejection(auth.request(EXPORT));
  await held.asked;
  await auth.logout();
  held.release();
  assert.equal((await waiting).kind, "cancelled");
  assert.deepEqual([count(phone, EXPORT.url), codes(phone).filter(Boolean)], [1, []]);
  await auth.login();
  forget(phone);
  const refusal = hold(phone, EXPORT.url);
  const late = rejection(auth.request(EXPORT));
  await refusal.asked;
  await auth.logout();
  refusal.release();
  assert.deepEqual([(await late).kind, phone.journal.codes.length], ["cancelled", 0]);
});

test("another person's code, and one that was used, are told as what they are and end no session", async () => {
  const { auth, phone } = await signedIn();
  const { login } = phone.wx;
  const other = somebody();
  phone.wx.login = (options) => other.wx.login(options);
  const mismatch = await rejection(auth.request(EXPORT));
  assert.deepEqual([mismatch.kind, mismatch.error, mismatch.action], ["refused", "step_up_mismatch", "relogin"]);
  phone.wx.login = login;
  forget(phone);
  await stage.fault(null, { kind: "errcode", errcode: 40163 });
  const used = await rejection(auth.request(EXPORT));
  assert.equal(used.error, "wx_code_used");
  // 401 is of the code, not of the token: no renewal, no third request.
  assert.deepEqual(paths(phone), Array(2).fill(`GET ${EXPORT.url}`));
  assert.equal(auth.isLoggedIn(), true);
  assert.equal((await auth.request(EXPORT)).statusCode, 200);
});

test("uploads too: once more, with a code", async () => {
  const { auth, phone } = await signedIn();
  const filePath = phone.addFile("me.png", PIXEL);
  const { uploadFile } = phone.wx;
  const sent = insistent(phone, "/api/v1/me/avatar", "uploadFile");
  const refused = await rejection(auth.uploadFile({ url: "/api/v1/me/avatar", filePath, name: "file" }));
  assert.deepEqual([refused.error, sent.map((header) => header["Step-Up-Code"])], ["step_up_required", [undefined, ...phone.journal.codes]]);
  phone.wx.uploadFile = (options) => {
    phone.wx.uploadFile = uploadFile;
    setImmediate(options.success, { statusCode: 403, data: '{"error":"step_up_required","action":"relogin"}' });
  };
  forget(phone);
  const answer = await auth.uploadFile({ url: "/api/v1/me/avatar", filePath, name: "file" });
  assert.match(answer.data.data.avatar_url, /\/avatars\//);
  assert.deepEqual([codes(phone), phone.journal.codes.length], [phone.journal.codes, 1]);
});

test("nobody but authsvc gets a code: not a listed service, not another one on the same host", async () => {
  const elsewhere = `${stage.service.replace("127.0.0.1", "localhost")}`;
  const { create, phone } = await signedIn();
  const auth = create({ hosts: [elsewhere], baseUrl: `${stage.service}/auth` });
  for (const url of [`${elsewhere}/orders`, `${stage.service}/orders`, `${stage.service}/authority`, "/../orders", "/a/%2e%2E/../x"]) {
    const sent = insistent(phone, url.replace(/^\//, ""));
    assert.equal((await rejection(auth.request({ url }))).error, "step_up_required");
    assert.deepEqual([sent.length, phone.journal.codes.length], [1, 0], url);
  }
});

for (const contract of ["bearer", "detail", "code_message_data", "code_msg_data", "success_data"]) {
  test(`${contract}: its own addresses never get a code; the native ones do when they ask`, async () => {
    const { auth, phone } = start({ contract });
    await phone.wx.login();
    auth.preparePhone();
    await phone.tapPhoneButton((e) => auth.loginWithPhone(e.detail));
    auth.closeLoginPage();
    await auth.request({ url: "/api/v1/user/profile" });
    if (contract === "code_message_data" || contract === "success_data") await auth.refresh();
    assert.equal((await auth.request(EXPORT)).statusCode, 200);
    const asked = phone.journal.requests.filter(({ headers }) => headers["step-up-code"]).map(({ url }) => new URL(url).pathname);
    const binds = contract === "code_message_data" || contract === "code_msg_data"; // whose login takes no tap
    assert.deepEqual(asked, binds ? [PHONE, EXPORT.url] : [EXPORT.url]);
    await auth.logout({ everywhere: true });
    assert.equal(codes(phone).filter(Boolean).length, asked.length + 1);
  });
}
