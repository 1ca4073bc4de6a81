// A front end of the contract `code_message_data`: everything through the cloud function `api-proxy`; the nickname and
// picture that the person filled in go along with the code; a 401 is answered by one refresh, then by the login page.
import assert from "node:assert/strict";
import { DAY, assertTime, assertToken, perform } from "../stage.js";

const WEEK = 604_800;
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==",
  "base64",
);
const GREY =
  "https://thirdwx.qlogo.cn/mmopen/vi_32/" +
  "POgEwh4mIHO4nibH0KlMECNjjGxQUq24ZEaGT4poC6icRiccVGKSyXwibcPq4BWmiaIGuG1icwxaQX6grC9VemZoJ8rg/132";

/** utils/api.js of such a mini program. */
function api(phone) {
  const { wx } = phone;

  const call = async (method, path, body, token = wx.getStorageSync("access_token")) => {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const { result } = await wx.cloud.callFunction({ name: "api-proxy", data: { method, path, body, headers } });
    return result;
  };

  const self = {
    call,
    async login(nickName, avatarUrl) {
      const { code } = await wx.login();
      const answer = await call("POST", "/api/v1/auth/wx-login", { code, nickName, avatarUrl }, "");
      if (answer.code === 200) {
        wx.setStorageSync("access_token", answer.data.access_token);
        wx.setStorageSync("user_info", answer.data.user);
      } else {
        wx.showToast({ title: answer.message });
      }
      return answer;
    },
    async refresh() {
      const answer = await call("POST", "/api/v1/auth/refresh");
      if (answer.code === 200) wx.setStorageSync("access_token", answer.data.access_token);
      return answer;
    },
    /** A guarded call as the pages make it: 401, then refresh, then once more; else back to the login page. */
    async profile() {
      let answer = await call("GET", "/api/v1/user/profile");
      if (answer.code === 401 && (await self.refresh()).code === 200) {
        answer = await call("GET", "/api/v1/user/profile");
      }
      if (answer.code === 401) {
        wx.clearStorageSync();
        wx.reLaunch({ url: "/pages/login/login" });
      }
      return answer;
    },
    async logout() {
      const answer = await call("POST", "/api/v1/auth/logout");
      wx.clearStorageSync();
      return answer;
    },
  };
  return self;
}

/** Assert a success: exactly these members, the code, the message, the time; return data. */
function good(answer, message = "success") {
  assert.deepEqual(Object.keys(answer).sort(), ["code", "data", "message", "timestamp"]);
  assert.deepEqual([answer.code, answer.message], [200, message]);
  assertTime(answer.timestamp, Date.now());
  return answer.data;
}

/** Assert a failure: exactly these members. */
function bad(answer, code, error, message) {
  assert.deepEqual(Object.keys(answer).sort(), ["code", "error", "message", "timestamp"]);
  assert.deepEqual([answer.code, answer.error, answer.message], [code, error, message]);
  assertTime(answer.timestamp, Date.now());
}

await perform("code_message_data", async (stage) => {
  const { shows, send } = stage;
  const lan = stage.phone("lan");
  const lansApi = api(lan);
  const { wx } = lan;
  let user;

  await shows("a code with nickname and picture signs in, through the cloud function", async () => {
    const data = good(await lansApi.login("小兰", "https://thirdwx.qlogo.cn/mmopen/lan/132"));
    assert.deepEqual(Object.keys(data).sort(), ["access_token", "expires_in", "token_type", "user"]);
    assert.deepEqual([data.token_type, data.expires_in], ["Bearer", WEEK]);
    user = data.user;
    const { id, created_at, ...rest } = user;
    const { openid } = await stage.known(lan);
    assert.deepEqual(rest, { openid, nickname: "小兰", avatar: "https://thirdwx.qlogo.cn/mmopen/lan/132" });
    assertTime(created_at, Date.now());
    const claims = assertToken(data.access_token, WEEK);
    assert.deepEqual([claims.sub, claims.openid, claims.nickname], [id, openid, "小兰"]);
  });

  await shows("the profile is the same user, with the scheme in any case", async () => {
    assert.deepEqual(good(await lansApi.profile()), user);
    for (const scheme of ["bearer", "Bearer", "BEARER"]) {
      const header = { Authorization: `${scheme} ${wx.getStorageSync("access_token")}` };
      const answer = await send(lan, { url: "/api/v1/user/profile", header });
      assert.equal(answer.statusCode, 200);
      assert.deepEqual(good(answer.data), user);
    }
  });

  await shows("signing in again is the same user, and what is filled in is stored each time", async () => {
    const data = good(await lansApi.login("小兰兰", "https://example.com/lan.jpg"));
    user = { ...user, nickname: "小兰兰", avatar: "https://example.com/lan.jpg" };
    assert.deepEqual(data.user, user);
  });

  await shows("WeChat's placeholders and what is not https never overwrite", async () => {
    const nothing = [
      ["微信用户", GREY],
      [" 微信用户 ", GREY.replace("/132", "/0")],
      ["", ""],
      [undefined, undefined],
      [null, null],
      [" ", "http://example.com/lan.jpg"],
      ["\u200b\n", "wxfile://tmp_1234.jpg"],
      [" ", "http://tmp/1234.jpg"],
      [" ", "javascript:alert(1)"],
      [" ", "https://"],
      [" ", `https://example.com/${"x".repeat(600)}`],
    ];
    for (const [nickName, avatarUrl] of nothing) {
      assert.deepEqual(good(await lansApi.login(nickName, avatarUrl)).user, user, `${nickName} ${avatarUrl}`);
    }
  });

  await shows("who brings nothing but placeholders has no name and no picture", async () => {
    const plain = stage.phone("plain");
    const data = good(await api(plain).login("微信用户", GREY));
    assert.deepEqual([data.user.nickname, data.user.avatar], [null, null]);
  });

  await shows("a picture chosen on the phone is uploaded from its temporary path, and shown", async () => {
    const filePath = lan.addFile("avatar.png", PIXEL);
    const answer = await new Promise((success, fail) =>
      wx.uploadFile({
        url: stage.url("/api/v1/me/avatar"),
        filePath,
        name: "file",
        header: { Authorization: `Bearer ${wx.getStorageSync("access_token")}` },
        success,
        fail,
      }),
    );
    assert.equal(answer.statusCode, 200, answer.data);
    const address = JSON.parse(answer.data).data.avatar_url;
    assert.match(address, /^https:\/\/.*\/avatars\/[0-9a-f]{32}\.jpg$/);
    user = { ...user, avatar: address };
    assert.deepEqual(good(await lansApi.profile()), user);
    assert.deepEqual(good(await lansApi.login("小兰兰", address)).user, user, "its own address comes back at a login");
  });

  await shows("a long nickname is cut to 64 characters, however long, and a long address refused", async () => {
    const long = stage.phone("long");
    for (const length of [65, 257, 1000]) {
      assert.equal(good(await api(long).login("兰".repeat(length))).user.nickname, "兰".repeat(64));
    }
    bad(await api(long).login("兰", `https://a.cn/${"x".repeat(1100)}`), 400, "Bad Request", "请求参数有误: avatarUrl 过长");
  });

  await shows("a refresh gives a new token for the latest one", async () => {
    const before = wx.getStorageSync("access_token");
    const data = good(await lansApi.refresh());
    assert.deepEqual(Object.keys(data).sort(), ["access_token", "expires_in"]);
    assert.equal(data.expires_in, WEEK);
    assert.notEqual(data.access_token, before);
    const claims = assertToken(data.access_token, WEEK);
    assert.deepEqual([claims.sub, claims.openid, claims.nickname], [user.id, user.openid, user.nickname]);
    assert.deepEqual(good(await lansApi.profile()), user);
  });

  await shows("an expired token is refused, renewed while its session lives, and the front end goes on", async () => {
    const expired = wx.getStorageSync("access_token");
    await stage.later(WEEK + 10);
    bad(await lansApi.call("GET", "/api/v1/user/profile"), 401, "Unauthorized", "请先登录");
    const shown = lan.journal.shown.length;
    assert.deepEqual((await lansApi.profile()).data, user);
    assert.notEqual(wx.getStorageSync("access_token"), expired);
    assert.equal(lan.journal.shown.length, shown, "nobody was sent to the login page");
    await stage.now();
  });

  await shows("after 30 days without use the session is over, and the front end goes to its login page", async () => {
    const idle = stage.phone("idle");
    good(await api(idle).login("Idle"));
    await stage.later(30 * DAY + 10);
    bad(await api(idle).profile(), 401, "Unauthorized", "请先登录");
    assert.deepEqual(idle.journal.shown.at(-1), ["reLaunch", "/pages/login/login"]);
    await stage.now();
  });

  await shows("logging out ends it: no profile, no refresh, not even of an expired token", async () => {
    const leaver = stage.phone("leaver");
    const leaversApi = api(leaver);
    good(await leaversApi.login("Leaver"));
    const token = leaver.wx.getStorageSync("access_token");
    assert.deepEqual(good(await leaversApi.logout(), "退出成功"), { message: "退出成功" });
    for (const [method, path] of [
      ["GET", "/api/v1/user/profile"],
      ["POST", "/api/v1/auth/refresh"],
      ["POST", "/api/v1/auth/logout"],
    ]) {
      bad(await leaversApi.call(method, path, undefined, token), 401, "Unauthorized", "请先登录");
    }
    await stage.later(WEEK + 10);
    bad(await leaversApi.call("POST", "/api/v1/auth/refresh", undefined, token), 401, "Unauthorized", "请先登录");
    await stage.now();
    bad(await leaversApi.profile(), 401, "Unauthorized", "请先登录");
    assert.deepEqual(leaver.journal.shown.at(-1), ["reLaunch", "/pages/login/login"]);
  });

  await shows("without a token, or with another text, everything guarded is 401", async () => {
    for (const token of ["", "x", "a.b.c"]) {
      bad(await lansApi.call("GET", "/api/v1/user/profile", undefined, token), 401, "Unauthorized", "请先登录");
      bad(await lansApi.call("POST", "/api/v1/auth/refresh", undefined, token), 401, "Unauthorized", "请先登录");
      bad(await lansApi.call("POST", "/api/v1/auth/logout", undefined, token), 401, "Unauthorized", "请先登录");
    }
  });

  await shows("a bad code is 401 in WeChat's words and number, without their tail", async () => {
    const login = (code) => lansApi.call("POST", "/api/v1/auth/wx-login", { code, nickName: "x" }, "");
    const unknown = await login("0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P");
    bad(unknown, 401, "Unauthorized", "微信登录失败: invalid code (错误码: 40029)");
    const { code } = await wx.login();
    good(await login(code));
    bad(await login(code), 401, "Unauthorized", "微信登录失败: code been used (错误码: 40163)");
    const rid = "rid: 6312f81f-1e88b388-3f323ff0";
    const tails = [`, ${rid}`, ` ${rid}`, ` hint: [IfdF0a0335b1] ${rid}`];
    for (const tail of tails) {
      const fresh = (await wx.login()).code;
      const body = JSON.stringify({ errcode: 40029, errmsg: `invalid code${tail}` });
      await stage.fault(fresh, { kind: "raw", body });
      bad(await login(fresh), 401, "Unauthorized", "微信登录失败: invalid code (错误码: 40029)");
    }
    await lansApi.call("POST", "/api/v1/auth/wx-login", {}, "").then((answer) =>
      bad(answer, 400, "Bad Request", "请求参数有误: code 缺少必填字段"),
    );
  });

  await shows("WeChat's outage is 503", async () => {
    const { code } = await wx.login();
    await stage.fault(code, { kind: "http_status", status: 502 });
    const answer = await lansApi.call("POST", "/api/v1/auth/wx-login", { code }, "");
    bad(answer, 503, "Service Unavailable", "微信登录失败: 微信服务无响应，请重新登录");
  });

  await shows("addresses, methods and sizes that do not fit are answered in the same shape", async () => {
    const cases = [
      [{ url: "/api/v1/user/nothing" }, 404, "Not Found", "地址不存在"],
      [{ url: "/api/v1/auth/wx-login/more", method: "POST" }, 404, "Not Found", "地址不存在"],
      [{ url: "/api/v1/auth/wx-login" }, 405, "Method Not Allowed", "不支持该请求方法"],
      [{ url: "/api/v1/user/profile", method: "DELETE" }, 405, "Method Not Allowed", "不支持该请求方法"],
      [{ url: "/api/v1/auth/logout" }, 405, "Method Not Allowed", "不支持该请求方法"],
    ];
    for (const [options, status, error, message] of cases) {
      const answer = await send(lan, options);
      assert.equal(answer.statusCode, status);
      bad(answer.data, status, error, message);
    }
    const data = { code: "x".repeat(20_000) };
    const large = await send(lan, { url: "/api/v1/auth/wx-login", method: "POST", data });
    assert.deepEqual([large.statusCode, large.data.code, large.data.message], [413, 413, "请求体过大"]);
  });
});
