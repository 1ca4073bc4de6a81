// The points at which the shim must be as WeChat is (the list at the top of wx.js), against a server of its own.
// Prints {"shown": […]}; a check that fails ends it with status 1.
import assert from "node:assert/strict";
import http from "node:http";
import { createPhone } from "./wx.js";

const seen = [];
let open = 0;
let most = 0;
const server = http.createServer((request, response) => {
  let body = "";
  open += 1;
  most = Math.max(most, open);
  request.on("data", (piece) => (body += piece));
  request.on("end", () => {
    seen.push({ method: request.method, url: request.url, headers: request.headers, body });
    const answers = {
      "/broken": [500, "text/html", '{"error": true}'],
      "/text": [200, "application/json", "not json"],
      "/plain": [200, "text/plain", '{"a": 1}'],
      "/cut": null,
    };
    const [status, type, text] = answers[request.url.split("?")[0]] ?? [200, "application/json", '{"ok": true}'];
    if (request.url === "/cut") return request.socket.destroy();
    setTimeout(() => {
      open -= 1;
      response.writeHead(status, { "Content-Type": type, "X-Odd-CASE": "kept" }).end(text);
    }, 20);
  });
});
await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
const base = `http://127.0.0.1:${server.address().port}`;
const phone = createPhone({ simulator: base, appid: "wx51a051a000000001", user: "lan", version: "42" });
const { wx } = phone;
const shown = [];
const shows = async (sentence, work) => {
  await work();
  shown.push(sentence);
};
const send = (path, options = {}) =>
  new Promise((success, fail) => wx.request({ url: base + path, ...options, success, fail }));

await shows("a GET by default: data in the query, a JSON content-type, no body, WeChat's Referer", async () => {
  await send("/a?x=1", { data: { "键 ": "a+b&c=/ ", n: 0 }, header: { Referer: "https://evil.example", "X-A": 1 } });
  const { method, url, headers, body } = seen.at(-1);
  assert.deepEqual([method, body], ["GET", ""]);
  assert.equal(url, `/a?x=1&${encodeURIComponent("键 ")}=a%2Bb%26c%3D%2F%20&n=0`);
  assert.equal(headers["content-type"], "application/json");
  assert.equal(headers["content-length"], undefined);
  assert.equal(headers.referer, "https://servicewechat.com/wx51a051a000000001/42/page-frame.html");
  assert.equal(headers["x-a"], "1");
});

await shows("a POST sends JSON by default, a form when told so, texts and bytes as they are", async () => {
  const form = { "Content-Type": "application/x-www-form-urlencoded" };
  const cases = [
    [{ data: { a: "ä", b: undefined } }, '{"a":"ä"}', "application/json"],
    [{ data: { a: "ä b" }, header: form }, "a=%C3%A4%20b", form["Content-Type"]],
    [{ data: "as it is" }, "as it is", "application/json"],
    [{ data: new TextEncoder().encode("bytes").buffer }, "bytes", "application/json"],
    [{}, "", "application/json"],
  ];
  for (const [options, body, type] of cases) {
    await send("/a", { method: "post", ...options });
    assert.deepEqual([seen.at(-1).method, seen.at(-1).body, seen.at(-1).headers["content-type"]], ["POST", body, type]);
  }
});

await shows("success for every HTTP status, fail only without an answer", async () => {
  assert.equal((await send("/broken")).statusCode, 500);
  await assert.rejects(send("/cut"), { errMsg: /^request:fail / });
  await assert.rejects(send("", { url: "http://127.0.0.1:1/" }), { errMsg: /^request:fail / });
  await assert.rejects(send("", { url: "wx.example/" }), { errMsg: /^request:fail / });
});

await shows("answers are parsed whatever their type, and stay text when they are no JSON", async () => {
  assert.deepEqual((await send("/broken")).data, { error: true });
  assert.deepEqual((await send("/plain")).data, { a: 1 });
  assert.equal((await send("/text")).data, "not json");
  assert.equal((await send("/plain", { dataType: "text" })).data, '{"a": 1}');
  assert.equal((await send("/plain", { responseType: "arraybuffer" })).data.byteLength, 8);
});

await shows("header names come as the server spelt them", async () => {
  assert.equal((await send("/a")).header["X-Odd-CASE"], "kept");
});

await shows("there is no PATCH", async () => {
  const before = seen.length;
  await assert.rejects(send("/a", { method: "PATCH" }), { errMsg: /^request:fail / });
  assert.equal(seen.length, before);
});

await shows("callbacks come later, complete last, and an error in one reaches wx.onError alone", async () => {
  const order = [];
  const heard = [];
  wx.onError((text) => heard.push(text));
  await new Promise((resolve) => {
    wx.request({
      url: `${base}/a`,
      success: () => {
        order.push("success");
        throw new Error("in the callback");
      },
      complete: () => resolve(order.push("complete")),
    });
    order.push("returned");
  });
  await new Promise((resolve) => {
    wx.getStorage({ key: "none", fail: () => resolve(order.push("fail")) });
    order.push("returned");
  });
  assert.deepEqual(order, ["returned", "success", "complete", "returned", "fail"]);
  assert.match(heard[0], /in the callback/);
});

await shows("ten requests at once; the others wait", async () => {
  most = open = 0;
  await Promise.all(Array.from({ length: 35 }, () => send("/a")));
  assert.equal(most, 10);
});

await shows("a request that waits or runs can be aborted", async () => {
  const outcome = new Promise((resolve) => {
    const task = wx.request({ url: `${base}/a`, success: resolve, fail: resolve });
    task.abort();
  });
  assert.match((await outcome).errMsg, /abort/);
});

await shows("storage holds copies, and nothing is ''", async () => {
  const value = { deep: [1] };
  wx.setStorageSync("key", value);
  value.deep.push(2);
  const read = wx.getStorageSync("key");
  read.deep.push(3);
  assert.deepEqual(wx.getStorageSync("key"), { deep: [1] });
  assert.equal(wx.getStorageSync("none"), "");
  await assert.rejects(wx.getStorage({ key: "none" }), { errMsg: "getStorage:fail data not found" });
  await wx.setStorage({ key: "other", data: 5 });
  assert.deepEqual(await wx.getStorage({ key: "other" }), { data: 5, errMsg: "getStorage:ok" });
  assert.deepEqual(wx.getStorageInfoSync().keys, ["key", "other"]);
  wx.removeStorageSync("key");
  assert.equal(wx.getStorageSync("key"), "");
});

await shows("an upload sends the file under its name, and gives the answer as text", async () => {
  const filePath = phone.addFile("me.png", Buffer.from("pixels"));
  const upload = (options) =>
    new Promise((success, fail) => wx.uploadFile({ url: `${base}/a`, name: "file", ...options, success, fail }));
  const answer = await upload({ filePath, formData: { a: "b" } });
  assert.equal(answer.data, '{"ok": true}');
  const { headers, body } = seen.at(-1);
  assert.match(headers["content-type"], /^multipart\/form-data; boundary=/);
  assert.match(body, /name="a"\r\n\r\nb\r\n/);
  assert.match(body, /name="file"; filename="me.png"\r\n.*\r\n\r\npixels\r\n/);
  await assert.rejects(upload({ filePath: "wxfile://gone" }), { errMsg: /^uploadFile:fail / });
});

await shows("getUserProfile wants a tap and a reason", async () => {
  await assert.rejects(wx.getUserProfile({ desc: "x" }), { errMsg: /TAP gesture/ });
  await assert.rejects(phone.tap(() => wx.getUserProfile({})), { errMsg: /parameter.desc/ });
});

phone.turnOff();
server.close();
console.log(JSON.stringify({ shown }));
