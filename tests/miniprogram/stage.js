// Where the scripts of frontends/ play: real service, real simulator, a clock that both of them follow.
// stdin is one JSON object {service, simulator, appid, clock: "path of the offset file"}; stdout is one JSON object
// {shown: […], users: […], codes: […], answers: […]}. A check that fails ends the script with status 1.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { createPhone, exchange } from "./wx.js";

export const DAY = 86_400;
const ISO_WITH_ZONE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)$/;

/** The claims of a token, unverified: the verifier's side is tested elsewhere. */
export function claimsOf(token) {
  return JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
}

/** Assert that a token is a JWT about somebody, living so many seconds; return its claims. */
export function assertToken(token, lifetime) {
  const claims = claimsOf(token);
  assert.equal(typeof claims.sub, "string");
  assert.match(claims.sub, /^[1-9]\d*$/);
  assert.equal(claims.exp - claims.iat, lifetime);
  return claims;
}

/** Assert that a text is an ISO 8601 time with zone, `near` this moment (ms) if given. */
export function assertTime(text, near) {
  assert.match(text, ISO_WITH_ZONE);
  if (near !== undefined) assert.ok(Math.abs(Date.parse(text) - near) < 30_000, `${text} is far from ${near}`);
}

/** The stage that stdin describes. `close` puts the clocks right and resolves with {users, codes, answers}. */
export async function openStage(name) {
  let input = "";
  for await (const piece of process.stdin) input += piece;
  const given = JSON.parse(input);
  const phones = [];
  const answers = [];
  let offset = 0;

  const control = async (method, path, body) => {
    const answer = await exchange(method, given.simulator + path, {
      headers: { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    assert.ok(answer.status < 300, `${path}: ${answer.status} ${answer.body}`);
    return answer.body.length > 0 ? JSON.parse(answer.body) : null;
  };

  const stage = {
    ...given,
    url: (path) => given.service + path,

    /** A phone of somebody new to this script's service; `more` as createPhone takes it. */
    phone(who, more) {
      const user = `${name}-${who}`;
      const phone = createPhone({ ...given, user, onAnswer: (answer) => answers.push(answer), ...more });
      phone.user = user;
      phone.wx.onError((_, error) => crash(error));
      phones.push(phone);
      return phone;
    },

    /** wx.request as a promise of what `success` gets; rejects on `fail`. */
    send: (phone, options) =>
      new Promise((resolve, reject) =>
        phone.wx.request({ ...options, url: given.service + options.url, success: resolve, fail: reject }),
      ),

    /** What WeChat knows of a phone's owner in this app. */
    async known(phone) {
      const user = await control("GET", `/control/users/${phone.user}`);
      return { ...user, ...user.accounts.find((account) => account.appid === given.appid) };
    },

    /** Let the next exchange of this code go wrong; without a code, of any. */
    fault: (code, fault, times = 1, path = "/sns/jscode2session") =>
      control("POST", "/control/faults", { path, code, times, fault }),

    /** Point a phone's camera at the picture at an address of the service: where WeChat takes it, as an URL. */
    async scan(address) {
      const { pathname } = new URL(address);
      const { status, body } = await exchange("GET", given.service + pathname);
      assert.equal(status, 200);
      const { path } = await control("POST", "/phone/scan", { picture: body.toString("base64") });
      return new URL(path, "https://mini.program/");
    },

    /** How often WeChat was asked there in this script. */
    asked: async (path) => (await control("GET", `/control/journal?path=${path}`)).count,

    /** Move service and simulator on together. */
    async later(seconds) {
      offset += seconds;
      writeFileSync(given.clock, String(offset));
      await control("POST", "/control/clock", { offset });
    },

    /** Back to the present. */
    async now() {
      await stage.later(-offset);
    },

    async close() {
      if (offset !== 0) await stage.now();
      for (const phone of phones) phone.turnOff();
      const users = phones.map((phone) => phone.user);
      const codes = phones.flatMap((phone) => phone.journal.codes);
      return { users, codes, answers };
    },
  };
  return stage;
}

function crash(error) {
  console.error(error);
  process.exit(1);
}

/** Run a script. `play` gets the stage and calls `shows(sentence, work)` for everything it proves. */
export async function perform(name, play) {
  const stage = await openStage(name);
  const shown = [];
  stage.shows = async (sentence, work) => {
    try {
      await work();
    } catch (error) {
      error.message = `${name}: ${sentence}\n${error.message}`;
      throw error;
    }
    shown.push(sentence);
  };
  let played;
  try {
    await play(stage);
  } catch (error) {
    crash(error);
  } finally {
    played = await stage.close();
  }
  console.log(JSON.stringify({ shown, ...played }));
}
