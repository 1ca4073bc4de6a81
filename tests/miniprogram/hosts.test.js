// Where tokens go: to authsvc and the hosts that the mini program lists, and nowhere else.
import assert from "node:assert/strict";
import http from "node:http";
import { after, test } from "node:test";
import { me, openKit } from "./kit.js";
import { rejection } from "./miniprogram.js";

const { stage, start } = await openKit("hosts");
const BASE = new URL(stage.service);
const LISTED = "https://api.example.com";

/** A server of somebody's: it notes what it hears and sends whoever comes on to `target`. */
async function server(target) {
  const heard = [];
  const made = http.createServer((request, response) => {
    heard.push(request.headers);
    request.resume();
    response.writeHead(target ? 307 : 200, target ? { Location: target() } : {}).end("{}");
  });
  await new Promise((resolve) => made.listen(0, "127.0.0.1", resolve));
  return { heard, made, origin: `http://127.0.0.1:${made.address().port}` };
}

/** Note whatever the kit wants to send, and send nothing. */
function listen(phone) {
  const sent = [];
  for (const name of ["request", "uploadFile"]) {
    phone.wx[name] = (options) => {
      sent.push(options);
      setImmediate(options.success, { statusCode: 200, data: name === "request" ? {} : "{}", header: {} });
    };
  }
  return sent;
}

const ELSEWHERE = [
  "https://elsewhere.example/orders",
  "https://elsewhere.example",
  // Look-alikes.
  "https://api.example.com.evil.example/",
  "https://evil-api.example.com/",
  "https://xapi.example.com/",
  "https://api-example.com/",
  "https://api.example.co/",
  "https://api.example.com./",
  "https://ａpi.example.com/",
  "https://аpi.example.com/",
  "https://api%2eexample.com/",
  "https://api.example.com%2f@evil.example/",
  // Another scheme or port of a good host.
  "http://api.example.com/",
  "https://api.example.com:8443/",
  "https://api.example.com:444/",
  "https://api.example.com:/",
  "https://api.example.com:443@evil.example/",
  "wss://api.example.com/",
  // A good host that is somebody's name, or only text of another address.
  "https://api.example.com@evil.example/",
  "https://user:pw@api.example.com/",
  "https://evil.example/https://api.example.com/",
  "https://evil.example?https://api.example.com/",
  "https://evil.example#@api.example.com/",
  `${BASE.origin}@evil.example/`,
  `${BASE.origin}.evil.example/`,
  `http://${BASE.hostname}/`,
  `http://${BASE.hostname}:${BASE.port}0/`,
  // Backslashes, blanks and control characters, which some readers drop or take for slashes.
  "https://api.example.com\\@evil.example/",
  "https://api.example.com\\.evil.example/",
  "https:\\\\evil.example/",
  "https:/\\evil.example/",
  "https:evil.example/",
  "https:///evil.example/",
  "https://api.example.com\t.evil.example/",
  "https://api.example.com\n@evil.example/",
  " https://evil.example/",
  "\thttps://evil.example/",
  "HTTPS://evil.example/",
  "hTTp://api.example.com/",
  // What would be glued to authsvc's own address.
  "//evil.example/",
  "/\\evil.example/",
  "\\\\evil.example/",
  "@evil.example/",
  ".evil.example/",
  ":1@evil.example/",
  "",
  undefined,
];

test("no other address gets the token, nor is anybody signed in for it", async () => {
  for (const isSignedIn of [false, true]) {
    const { auth, phone } = start({ hosts: [LISTED] });
    if (isSignedIn) await auth.ready();
    const taken = phone.journal.codes.length;
    const sent = listen(phone);
    const filePath = phone.addFile("a.txt", Buffer.from("a"));
    for (const url of ELSEWHERE) {
      for (const promise of [auth.request({ url }), auth.uploadFile({ url, filePath, name: "file" })]) {
        const error = await rejection(promise);
        assert.deepEqual([error.kind, error.error, error.action], ["refused", "host_not_listed", "fix_request"], String(url));
      }
    }
    assert.deepEqual([sent, phone.journal.codes.length], [[], taken]);
  }
});

test("authsvc and listed origins get it, however they are written", async () => {
  const good = [
    ...["https://api.example.com", "https://api.example.com/", "https://api.example.com/a//b?c=https://d", "https://api.example.com?x"],
    ...["https://api.example.com#x", "HTTPS://API.Example.COM/orders", "https://api.example.com:443/", "https://api.example.com:0443/"],
    ...["http://10.0.0.1:8080/x", "http://[::1]:3000/x", "https://plain.example/"],
    ...["/api/v1/me", "/", `${stage.service}/api/v1/me`, `HTTP://${BASE.host}/x`],
  ];
  const hosts = [LISTED, "http://10.0.0.1:8080", "http://[::1]:3000/", "HTTPS://Plain.Example:443"];
  const { auth, phone } = start({ hosts });
  const token = await auth.token();
  const sent = listen(phone);
  for (const url of good) {
    await auth.request({ url });
    const { header, redirect, ...options } = sent.pop();
    assert.deepEqual([header.Authorization, redirect], [`Bearer ${token}`, "manual"], url);
    assert.equal(options.url, url.startsWith("/") ? stage.service + url : url);
  }
  await auth.uploadFile({ url: "https://api.example.com/files", filePath: "x", name: "file" });
  assert.equal(sent.pop().header.Authorization, `Bearer ${token}`);
});

test("without a token any address may be called", async () => {
  const { auth, phone } = start();
  await auth.ready();
  const sent = listen(phone);
  await auth.request({ url: "https://elsewhere.example/", auth: false });
  assert.deepEqual([sent[0].header.Authorization, sent[0].redirect], [undefined, "follow"]);
});

test("a redirect is not followed with the token, not even when a page asks for that", async () => {
  const evil = await server();
  const listed = await server(() => `${evil.origin}/steal`);
  after(() => [evil, listed].forEach(({ made }) => (made.closeAllConnections(), made.close())));
  const { auth, phone } = start({ hosts: [listed.origin] });
  await auth.ready();
  for (const more of [{}, { redirect: "follow" }, { method: "POST", data: { a: 1 } }]) {
    const error = await rejection(auth.request({ url: `${listed.origin}/orders`, ...more }));
    assert.deepEqual([error.kind, error.status], ["refused", 307]);
  }
  assert.match(listed.heard[0].authorization, /^Bearer eyJ/);
  assert.deepEqual(evil.heard, []);
  // A phone follows by itself, with every header: it is the kit that keeps it from that.
  const token = await auth.token();
  await new Promise((resolve) =>
    phone.wx.request({ url: `${listed.origin}/orders`, header: { Authorization: `Bearer ${token}` }, complete: resolve }),
  );
  assert.equal(evil.heard[0].authorization, `Bearer ${token}`);
});

test("a list that names no origins is refused when the kit is made, and so is such a baseUrl", () => {
  const { create } = start();
  const wrong = [
    ...["api.example.com", "https://api.example.com/path", "https://*.example.com", "https://user@api.example.com", "*", ""],
    ...["https://api.example.com?x", "//api.example.com", "https://api.example.com\\", "https://api.example.com https://b.example"],
  ];
  for (const entry of wrong) assert.throws(() => create({ hosts: [entry] }), /^Error: hosts: /, entry);
  for (const baseUrl of ["login.example.com", "//login.example.com", "https://user@login.example.com", "https://"]) {
    assert.throws(() => create({ baseUrl }), /^Error: baseUrl: /, baseUrl);
  }
  assert.equal(typeof create({ baseUrl: "https://login.example.com/auth", hosts: [] }).request, "function");
});

test("an address that is not listed costs nothing of what a page asked for before", async () => {
  const { auth } = start();
  await auth.ready();
  await rejection(auth.request({ url: "https://elsewhere.example/" }));
  assert.equal((await auth.request(me)).statusCode, 200);
});
