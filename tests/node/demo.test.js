// The demo mini program on a shim of `wx`: its pages do what a person would see, against the real service and simulator.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { after, test } from "node:test";
import { launch, open, plain } from "./miniprogram.js";
import { openStage } from "./stage.js";

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

const turn = () => new Promise((resolve) => setTimeout(resolve, 30));

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
  await turn();
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
  await turn();
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

test("without a network it says so, and goes on when there is one", async () => {
  const phone = stage.phone("tunnel");
  phone.offline = true;
  const program = await demo(phone);
  assert.deepEqual(phone.journal.shown, [["showToast", "网络不可用，请稍后再试"]]);
  phone.offline = false;
  await program.shown().logIn();
  assert.match(program.shown().data.user.id, /^\d+$/);
});
