// docs/virtual-payment.md as it is printed there, and what the kit does where WeChat has replaced a session_key.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { LOGIN, count, hold, many, me, openKit } from "./kit.js";
import { open, rejection } from "./miniprogram.js";

const REPOSITORY = new URL("../../", import.meta.url).pathname;
const { stage, somebody, start } = await openKit("payment");
const recipe = readFileSync(`${REPOSITORY}docs/virtual-payment.md`, "utf8");
const roots = [];

after(() => roots.forEach((root) => rmSync(root, { recursive: true })));

/** The mini program of the recipe, in front of an order service. */
async function shop(orders, phone) {
  const root = mkdtempSync(path.join(tmpdir(), "shop-"));
  roots.push(root);
  cpSync(`${REPOSITORY}miniprogram/demo/authsvc`, path.join(root, "authsvc"), { recursive: true });
  for (const [, file, code] of recipe.matchAll(/```js\n\/\/ (\S+\.js)\n(.*?)```/gs)) {
    const place = path.join(root, file);
    mkdirSync(path.dirname(place), { recursive: true });
    const text = code.replaceAll("https://login.example.com", stage.service);
    writeFileSync(place, text.replaceAll("https://orders.example.com", orders));
  }
  writeFileSync(path.join(root, "app.js"), "App({});");
  writeFileSync(path.join(root, "app.json"), JSON.stringify({ pages: ["pages/shop/shop"] }));
  return (await open(root, phone, { twin: stage.twin })).shown();
}

/** As wx.login in the person's WeChat on another machine: its code never reaches authsvc. */
async function replaceKey(phone) {
  phone.rotateNext(true);
  await new Promise((success, fail) => phone.wx.login({ success, fail }));
}

for (const [language, orders] of Object.entries(stage.orders)) {
  test(`an order service in ${language}: paid, and paid again after WeChat has replaced the key`, async () => {
    const phone = somebody();
    const page = await shop(orders, phone);
    assert.equal((await page.buy()).errMsg, "requestVirtualPayment:ok");
    assert.deepEqual([count(phone, LOGIN), count(phone, "/orders")], [1, 1]);
    await replaceKey(phone);
    assert.equal((await page.buy()).errMsg, "requestVirtualPayment:ok");
    assert.deepEqual([count(phone, LOGIN), count(phone, "/orders")], [2, 3]);
    // The simulator does refuse a signature by a key that was replaced since.
    const { requestVirtualPayment } = phone.wx;
    phone.wx.requestVirtualPayment = (options) => replaceKey(phone).then(() => requestVirtualPayment(options));
    assert.match((await rejection(page.buy())).errMsg, /fail.*signature/);
  });
}

// --- whatever server says it --------------------------------------------------------------------------------------

const REPLACED = { code: 409, msg: "…", data: null, error: "session_key_replaced", action: "relogin", request_id: "0" };

/** Answer requests for a profile so, as long as `says` returns an answer; returns their tokens. */
function answering(phone, says) {
  const { request } = phone.wx;
  const tokens = [];
  phone.wx.request = (options) => {
    if (!options.url.endsWith(me.url)) return request(options);
    tokens.push(options.header.Authorization);
    const answer = says(options.header.Authorization, tokens.length);
    if (!answer) return request(options);
    return setImmediate(options.success, { statusCode: answer.code, data: answer, header: {} });
  };
  return tokens;
}

async function signedIn(options) {
  const started = start(options);
  await started.auth.login();
  started.phone.journal.requests.length = started.phone.journal.codes.length = 0;
  return started;
}

test("one login, one repeat, whatever is answered then", async () => {
  const { auth, phone } = await signedIn();
  const tokens = answering(phone, () => REPLACED);
  const error = await rejection(auth.request(me));
  assert.deepEqual([error.status, error.error, error.action], [409, "session_key_replaced", "relogin"]);
  assert.deepEqual([tokens.length, new Set(tokens).size, count(phone, LOGIN)], [2, 2, 1]);
  assert.equal(phone.journal.codes.length, 1);
  assert.equal(auth.isLoggedIn(), true);
});

test("thirty at once share the login, and so does one whose answer comes after it", async () => {
  const { auth, phone } = await signedIn();
  const old = `Bearer ${await auth.token()}`;
  const tokens = answering(phone, (token) => token === old && REPLACED);
  const late = hold(phone, me.url);
  const last = auth.request(me);
  await late.asked;
  const answers = await many(30, () => auth.request(me));
  late.release();
  assert.ok([...answers, await last].every((answer) => answer.statusCode === 200));
  assert.deepEqual([tokens.length, count(phone, LOGIN), phone.journal.codes.length], [62, 1, 1]);
});

test("also in manual mode, without the person; a new replacement gets a login of its own", async () => {
  const asked = [];
  const { auth, phone } = await signedIn({ loginMode: "manual", onLoginRequired: () => asked.push(true) });
  const tokens = answering(phone, (token, number) => number % 2 === 1 && REPLACED);
  await auth.request(me);
  await auth.request(me);
  assert.deepEqual([new Set(tokens).size, count(phone, LOGIN), asked], [3, 2, []]);
});

test("a login that fails is what the page hears of, and the session stays", async () => {
  const { auth, phone } = await signedIn();
  const tokens = answering(phone, () => REPLACED);
  const { login } = phone.wx;
  phone.wx.login = ({ fail }) => setImmediate(fail, { errMsg: "login:fail time out" });
  assert.equal((await rejection(auth.request(me))).kind, "timeout");
  assert.deepEqual([tokens.length, auth.isLoggedIn()], [1, true]);
  phone.wx.login = login;
});

test("a logout during it wins", async () => {
  const { auth, phone } = await signedIn();
  const tokens = answering(phone, () => REPLACED);
  const login = hold(phone, LOGIN);
  const request = rejection(auth.request(me));
  await login.asked;
  await auth.logout();
  login.release();
  assert.equal((await request).kind, "cancelled");
  assert.deepEqual([tokens.length, auth.isLoggedIn()], [1, false]);
});

test("what is about a code or data in the request is not sent again", async () => {
  for (const [code, error, action] of [
    [400, "data_rejected", "relogin"],
    [403, "step_up_mismatch", "relogin"],
    [503, "wechat_busy", "relogin"],
    [409, "phone_taken", "contact"],
  ]) {
    const { auth, phone } = await signedIn();
    const tokens = answering(phone, () => ({ ...REPLACED, code, error, action }));
    assert.equal((await rejection(auth.request(me))).error, error);
    assert.deepEqual([tokens.length, phone.journal.codes.length], [1, 0], error);
  }
});
