// The code in docs/mini-program.md, run as it is printed there, but for the address.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, test } from "node:test";
import { open } from "./miniprogram.js";
import { openStage } from "./stage.js";

const REPOSITORY = new URL("../../", import.meta.url).pathname;
const stage = await openStage("guide");
const root = mkdtempSync(path.join(tmpdir(), "guide-"));
const guide = readFileSync(`${REPOSITORY}docs/mini-program.md`, "utf8");
const blocks = Object.fromEntries([...guide.matchAll(/```js\n\/\/ (\S+)\n(.*?)```/gs)].map(([, file, code]) => [file, code]));
const pages = Object.keys(blocks).filter((file) => file.startsWith("pages/"));
cpSync(`${REPOSITORY}miniprogram/demo/authsvc`, path.join(root, "authsvc"), { recursive: true });
for (const file of ["app.js", ...pages]) {
  mkdirSync(path.dirname(path.join(root, file)), { recursive: true });
  writeFileSync(path.join(root, file), blocks[file].replace("https://login.example.com", stage.service));
}
writeFileSync(path.join(root, "app.json"), JSON.stringify({ pages: pages.map((file) => file.slice(0, -3)) }));

after(async () => {
  rmSync(root, { recursive: true });
  console.log(JSON.stringify(await stage.close()));
});

test("ten lines sign in and show who it is", async () => {
  const lines = [...(blocks["app.js"] + blocks["pages/index/index.js"]).matchAll(/^.*\S.*$/gm)].length;
  assert.ok(lines <= 10, `${lines} lines`);
  const program = await open(root, stage.phone("lan"));
  await program.shown().loaded;
  assert.match(program.shown().data.user.id, /^\d+$/);
});

test("the page with the phone button binds the number, and goes back", async () => {
  const phone = stage.phone("tapper");
  const program = await open(root, phone);
  await program.shown().loaded;
  const page = program.open("/pages/login/login");
  await phone.refusePhoneButton((e) => page.getPhoneNumber(e));
  assert.deepEqual([program.shown(), phone.journal.shown], [page, []]);
  await phone.tapPhoneButton((e) => page.getPhoneNumber(e));
  assert.equal(program.pages.length, 1);
  const answer = await program.shown().onLoad().then(() => program.shown().data.user);
  assert.match(answer.phone, /^\+86170\d{8}$/);
});

test("the cloud function hands on status and headers", async () => {
  const exported = {};
  const sdk = { init() {} };
  const environment = { env: { AUTHSVC_URL: stage.service } };
  const code = blocks["cloudfunctions/api-proxy/index.js"];
  new Function("require", "exports", "process", code)(() => sdk, exported, environment);
  const good = await exported.main({ method: "GET", path: "/healthz", headers: {} });
  assert.deepEqual([good.statusCode, good.data.status], [200, "ok"]);
  const body = { code: "x y" };
  const bad = await exported.main({ method: "POST", path: "/api/v1/auth/login", body, headers: {} });
  assert.deepEqual([bad.statusCode, bad.data.error, bad.header["content-type"]], [400, "invalid_request", "application/json"]);
});
