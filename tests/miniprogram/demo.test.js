// The demo mini program on a shim of `wx`: its pages do what a person would see, against the real service and simulator.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { launch, open, plain, until } from "./miniprogram.js";
import { openStage } from "./stage.js";
import { exchange } from "./wx.js";

const ROOT = new URL("../../miniprogram/demo/", import.meta.url).pathname;
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==",
  "base64",
);
const stage = await openStage("demo");
const programs = [];

after(async () => {
  for (const program of programs) assert.deepEqual(program.logged, [], "nothing is written to the console");
  console.log(JSON.stringify(await stage.close()));
});

/** Open the demo on a phone, set to this test's service. */
async function demo(phone, options) {
  const program = await open(ROOT, phone, { ...options, replaced: { "config.js": { baseUrl: stage.service } } });
  programs.push(program);
  await program.shown().loaded;
  return program;
}

test("it is what the developer tools open: every page and component with its files, every handler defined", () => {
  const read = (file) => readFileSync(ROOT + file, "utf8");
  const manifest = JSON.parse(read("app.json"));
  const project = JSON.parse(read("../project.config.json"));
  assert.deepEqual([project.miniprogramRoot, manifest.__usePrivacyCheck__], ["demo/", true]);
  const components = Object.values(manifest.usingComponents).map((file) => file.slice(1));
  for (const file of [...manifest.pages, ...components]) {
    let definition;
    const Page = (given) => (definition = given);
    const Component = (given) => (definition = given.methods);
    launch(ROOT, stage.phone("reader"), { globals: { Page, Component } }).require(file);
    assert.ok(existsSync(`${ROOT}${file}.json`), file);
    for (const [, handler] of read(`${file}.wxml`).matchAll(/\bbind\w+="(\w+)"/g)) {
      assert.equal(typeof definition[handler], "function", `${file}: ${handler}`);
    }
  }
});

test("silent login; logout stays out after a restart; logging in again", async () => {
  const phone = stage.phone("lan");
  const program = await demo(phone);
  const { id } = program.shown().data.user;
  assert.match(id, /^\d+$/);
  await program.shown().logOut();
  assert.equal(program.shown().data.user, null);
  const again = await demo(phone);
  assert.deepEqual(plain(again.shown().data), { isReady: true, user: null, counts: null });
  await again.shown().logIn();
  assert.equal(again.shown().data.user.id, id);
});

test("opened in the developer tools as it is, without an AppID, it signs in: tourists are the setting's business", async () => {
  const { appid } = JSON.parse(readFileSync(`${ROOT}../project.config.json`, "utf8"));
  const tools = stage.phone("tools", { appid });
  // What the tools give in that case, without asking anybody.
  tools.wx.login = ({ success }) => setImmediate(success, { code: "the code is a mock one", errMsg: "login:ok" });
  const program = await demo(tools);
  const { id } = program.shown().data.user;
  assert.match(id, /^\d+$/);
  await program.shown().logOut();
  await program.shown().logIn();
  assert.equal(program.shown().data.user.id, id, "one person, as often as the code comes");
  assert.ok(tools.journal.requests.every(({ headers }) => headers.referer.includes("/touristappid/")));
});

test("the burst: twenty requests with a dead token, one refresh, one wx.login; who is signed in stays so", async () => {
  const phone = stage.phone("burst");
  const program = await demo(phone);
  const before = phone.wx.getStorageSync("authsvc").session.token;
  await program.shown().burst();
  await program.shown().burst();
  assert.deepEqual(plain(program.shown().data.counts), { requests: 40, refreshes: 1, logins: 1 });
  assert.equal(phone.wx.getStorageSync("authsvc").session.token, before);
  assert.deepEqual(phone.journal.shown, []);
});

test("signed out, a page that needs a session opens the login page once; one tap, and it goes on", async () => {
  const phone = stage.phone("tapper");
  const program = await demo(phone);
  await program.shown().logOut();
  const sessions = program.open("/pages/sessions/sessions");
  await until(() => program.pages.length === 3);
  assert.deepEqual(program.pages.map((page) => page.route), ["pages/index/index", "pages/sessions/sessions", "pages/login/login"]);
  await phone.refusePhoneButton((e) => program.shown().logInWithPhone(e));
  assert.equal(program.pages.length, 3, "who refuses may try again");
  await phone.tapPhoneButton((e) => program.shown().logInWithPhone(e));
  await sessions.loaded;
  assert.equal(program.shown(), sessions);
  assert.deepEqual(sessions.data.sessions.map((session) => session.current), [true]);
  assert.match(program.pages[0].data.user.phone, /^\+86170\d{8}$/);
  assert.equal(program.timers.size, 0);
});

test("a login page that is closed leaves nobody waiting and says nothing", async () => {
  const phone = stage.phone("shy");
  const program = await demo(phone);
  await program.shown().logOut();
  const profile = program.open("/pages/profile/profile");
  await until(() => program.pages.length === 3);
  await phone.wx.navigateBack();
  await profile.loaded;
  assert.deepEqual(phone.journal.shown, []);
});

test("nickname and picture are filled in, the phone bound and removed", async () => {
  const phone = stage.phone("profile");
  const program = await demo(phone);
  const profile = program.open("/pages/profile/profile");
  await profile.loaded;
  await profile.save({ detail: { value: { nickname: "小兰" } } });
  await profile.chooseAvatar({ detail: { avatarUrl: phone.addFile("avatar.png", PIXEL) } });
  await phone.tapPhoneButton((e) => profile.bindPhone(e));
  const { nickname, avatar_url, phone: number } = profile.data.user;
  assert.deepEqual([nickname, /\/avatars\/[0-9a-f]{32}\.jpg$/.test(avatar_url)], ["小兰", true]);
  assert.match(number, /^\+86170\d{8}$/);
  assert.deepEqual(plain(program.pages[0].data.user), plain(profile.data.user), "every page knows");
  await profile.removePhone();
  assert.equal(profile.data.user.phone, null);
  await profile.save({ detail: { value: { nickname: "" } } });
  assert.deepEqual(phone.journal.shown.at(-1), ["showToast", "请求参数有误"]);
});

test("sessions are listed and ended, one, the others, all", async () => {
  const phone = stage.phone("devices");
  const program = await demo(phone);
  const elsewhere = [];
  for (let one = 0; one < 3; one += 1) {
    const { code } = await phone.wx.login();
    const { data } = await stage.send(phone, { url: "/api/v1/auth/login", method: "POST", data: { code } });
    elsewhere.push(data.data.access_token);
  }
  const alive = async (token) =>
    (await stage.send(phone, { url: "/api/v1/me", header: { Authorization: `Bearer ${token}` } })).statusCode === 200;
  const page = program.open("/pages/sessions/sessions");
  await page.loaded;
  assert.equal(page.data.sessions.length, 4);
  const other = page.data.sessions.find((session) => !session.current);
  await page.end({ currentTarget: { dataset: { id: other.id } } });
  assert.equal(page.data.sessions.length, 3);
  await page.endOthers();
  assert.deepEqual([page.data.sessions.length, await Promise.all(elsewhere.map(alive))], [1, [false, false, false]]);
  await page.endAll();
  assert.deepEqual([program.pages.length, program.shown().route], [1, "pages/index/index"]);
  await program.shown().loaded;
  assert.equal(program.shown().data.user, null);
});

test("the picture of an invite, scanned by a friend, opens the login page and counts", async () => {
  const host = stage.phone("host");
  const program = await demo(host);
  const invite = program.open("/pages/invite/invite");
  await invite.loaded;
  const { code, picture } = invite.data;
  assert.equal(invite.onShareAppMessage().path, `/pages/login/login?invite_code=${code}`);
  const friend = stage.phone("friend");
  friend.sees = (await exchange("GET", stage.url(new URL(picture).pathname))).body;
  const [path, query] = (await friend.wx.scanCode()).path.split("?");
  assert.equal(path, "pages/login/login");
  const opened = await demo(friend, { path, query: Object.fromEntries([query.split("=")]) });
  assert.deepEqual([opened.shown().route, opened.shown().data.invite], ["pages/login/login", "accepted"]);
  const again = program.open("/pages/invite/invite");
  await again.loaded;
  assert.equal(again.data.arrivals, 1);
});

test("a computer is signed in by a scan: what it is, is shown; then approved, or refused", async () => {
  const phone = stage.phone("scanner");
  const program = await demo(phone);
  for (const [decide, state] of [["approve", "approved"], ["refuse", "refused"]]) {
    const headers = { "Content-Type": "application/json", "User-Agent": "Mozilla/5.0 (Windows NT 10.0) Chrome/130.0 Safari/537.36" };
    const ask = async (step, body, more) => {
      const url = stage.url(`/api/v1/scan-sign-ins/${step}`);
      const answer = await exchange("POST", url, { headers: { ...headers, ...more }, body: JSON.stringify(body) });
      const cookie = answer.rawHeaders[answer.rawHeaders.indexOf("Set-Cookie") + 1];
      return { cookie, data: JSON.parse(answer.body).data };
    };
    const { cookie, data } = await ask("start", {});
    phone.sees = Buffer.from(data.picture.split(",")[1], "base64");
    await program.pages[0].scan();
    const page = program.shown();
    await page.loaded;
    assert.match(page.data.asked.device, /Chrome/);
    await page[decide]();
    assert.deepEqual([page.data.asked, page.data.outcome !== ""], [null, true]);
    const progress = (await ask("poll", { id: data.id }, { Cookie: cookie.split(";")[0] })).data;
    assert.deepEqual([progress.state, progress.tokens === null], [state, state === "refused"]);
  }
  assert.deepEqual(phone.journal.shown, []);
  const old = program.open("/pages/scan/scan?scene=t%3D0123456789abcdefghijkl");
  await old.loaded;
  assert.deepEqual([old.data.asked, old.data.outcome], [null, "未能登录，请重新扫码"]);
});

test("the privacy popup opens for WeChat, and tells all who asked what the person chose", () => {
  let popup;
  let ask;
  const phone = stage.phone("careful");
  phone.wx.onNeedPrivacyAuthorization = (listener) => (ask = listener);
  const Component = (definition) => (popup = definition);
  launch(ROOT, phone, { globals: { Component } }).require("components/privacy-popup/index");
  const shown = { ...popup.methods, data: {}, setData: (changes) => Object.assign(shown.data, changes) };
  popup.pageLifetimes.show.call(shown);
  for (const [choose, answer] of [
    [() => shown.agree(), { event: "agree", buttonId: "agree-btn" }],
    [() => shown.disagree(), { event: "disagree" }],
    [() => popup.lifetimes.detached.call(shown), { event: "disagree" }],
  ]) {
    const heard = [[], []];
    for (const one of heard) ask((said) => one.push(plain(said)));
    assert.equal(shown.data.isShown, true);
    choose();
    assert.deepEqual(heard, Array(2).fill([{ event: "exposureAuthorization" }, answer]));
    assert.equal(shown.data.isShown, false);
  }
});

test("without a network it says so, and goes on when there is one", async () => {
  const phone = stage.phone("tunnel");
  phone.offline = true;
  const program = await demo(phone);
  assert.deepEqual(phone.journal.shown, [["showToast", "网络不可用，请稍后再试"]]);
  phone.offline = false;
  await program.shown().logIn();
  assert.match(program.shown().data.user.id, /^\d+$/);
});
