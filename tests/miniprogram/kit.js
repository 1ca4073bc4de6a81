// What the tests of the client kit share: the kit started on phones, and what those phones have sent.
import assert from "node:assert/strict";
import { after } from "node:test";
import { launch } from "./miniprogram.js";
import { openStage } from "./stage.js";

const ROOT = new URL("../../miniprogram/demo/", import.meta.url).pathname;

export const me = { url: "/api/v1/me" };
export const change = { url: "/api/v1/me", method: "PUT", data: { nickname: "小兰" } };
export const LOGIN = "/api/v1/auth/login";
export const REFRESH = "/api/v1/sessions/refresh";
export const LOGOUT = "/api/v1/sessions/logout";

/** "METHOD /path" of every request that a phone has sent. */
export const paths = (phone) => phone.journal.requests.map(({ method, url }) => `${method} ${new URL(url).pathname}`);
export const count = (phone, path) => paths(phone).filter((one) => one.endsWith(path)).length;
export const many = (number, work) => Promise.all(Array.from({ length: number }, work));

/** Keep the next answer of an address back: `asked` resolves when it is asked for, `release` lets the answer through. */
export function hold(phone, path) {
  const { request } = phone.wx;
  const held = {};
  const released = new Promise((resolve) => (held.release = resolve));
  held.asked = new Promise((resolve) => {
    phone.wx.request = (options) => {
      if (!options.url.endsWith(path)) return request(options);
      phone.wx.request = request;
      resolve();
      return request({ ...options, success: (answer) => released.then(() => options.success(answer)) });
    };
  });
  return held;
}

/** The service that stdin describes, and the kit in front of it. Whatever was sent is looked at when the file is done. */
export async function openKit(name) {
  const stage = await openStage(name);
  const programs = [];
  const phones = new Set();
  let people = 0;

  after(async () => {
    for (const program of programs) assert.deepEqual(program.logged, [], "the kit writes nothing to the console");
    for (const phone of phones) assertCodesAreSentOnce(phone);
    console.log(JSON.stringify(await stage.close()));
  });

  /** A phone of somebody new. */
  const somebody = () => stage.phone(`p${(people += 1)}`);

  /** Start the mini program on a phone; one of somebody new unless told whose. */
  function start({ phone = somebody(), ahead, ...options } = {}) {
    const program = launch(ROOT, phone, { ahead, twin: stage.twin });
    programs.push(program);
    phones.add(phone);
    const { createAuth } = program.require("authsvc/index");
    const given = { baseUrl: stage.service, ...options };
    return { phone, program, create: (more) => createAuth({ ...given, ...more }), auth: createAuth(given) };
  }

  /** A native session that the server thinks expired while the phone does not. */
  async function expired(options) {
    const started = start(options);
    await started.auth.ready();
    await stage.later(16 * 60);
    started.phone.journal.requests.length = 0;
    return started;
  }

  async function during(work) {
    try {
      await work();
    } finally {
      await stage.now();
    }
  }

  return { stage, somebody, start, expired, during };
}

/** A code for step-up goes to the native API alone, once, in the header and nowhere else. */
function assertCodesAreSentOnce({ journal }) {
  const sent = [];
  for (const { url, headers, body } of journal.requests) {
    const code = headers["step-up-code"];
    if (code === undefined) continue;
    const { pathname } = new URL(url);
    assert.match(pathname, /^\/api\/v1\/(?!auth\/|user\/)/, "an address of the native API");
    assert.ok(!url.includes(code) && !String(body).includes(code));
    sent.push(code);
  }
  assert.equal(new Set(sent).size, sent.length, "no code for step-up is sent twice");
  const logins = journal.requests.map(({ url, body }) => url + String(body)).join("\n");
  assert.ok(sent.every((code) => !logins.includes(code)), "nor is one that signed somebody in");
}
