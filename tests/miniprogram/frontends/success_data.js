// A front end of the contract `success_data`: storage first, then the token, then the login page. It believes in its
// token for 10,800 minutes, then asks /member/refreshToken whether it still holds, and keeps it if so.
import assert from "node:assert/strict";
import { DAY, assertToken, perform } from "../stage.js";

const CHECK = 10_800 * 60;
const MONTH = 30 * DAY;

/** app.js of such a mini program; `now` is the phone's time in seconds. */
function app(phone, { url }, now = () => Date.now() / 1000) {
  const { wx } = phone;
  const toLogin = () => {
    wx.removeStorageSync("token");
    wx.reLaunch({ url: "/pages/login/login" });
  };
  const keep = (user) => {
    wx.setStorageSync("user", user);
    wx.setStorageSync("expireTime", now() + CHECK);
  };
  const self = {
    /** Resolves with what happened: "storage", "login", or the answer to the refresh. */
    onLaunch: () =>
      new Promise((resolve) => {
        const token = wx.getStorageSync("token");
        if (token === "") {
          toLogin();
          return resolve("login");
        }
        if (now() < wx.getStorageSync("expireTime")) return resolve("storage");
        wx.request({
          url: url("/member/refreshToken"),
          header: { Authorization: `Bearer ${token}` },
          success: (res) => {
            if (res.data.success) keep(res.data.data);
            else toLogin();
            resolve(res);
          },
        });
      }),
    getPhoneNumber: (e, method = "GET") =>
      new Promise((resolve) =>
        wx.login({
          success: ({ code }) =>
            wx.request({
              url: url("/login/wechatLogin"),
              method,
              data: { code, encryptedData: e.detail.encryptedData, iv: e.detail.iv },
              success: (res) => {
                if (res.data.success) {
                  const { token, ...user } = res.data.data;
                  wx.setStorageSync("token", token);
                  keep(user);
                } else {
                  wx.showToast({ title: "登录失败，请重试", icon: "none" });
                }
                resolve(res);
              },
            }),
        }),
      ),
  };
  return self;
}

/** Assert a success; return data. */
function good({ statusCode, data }) {
  assert.equal(statusCode, 200);
  assert.deepEqual(Object.keys(data).sort(), ["data", "msg", "success"]);
  assert.deepEqual([data.success, data.msg], [true, ""]);
  return data.data;
}

const bad = ({ statusCode, data }, status, msg) =>
  assert.deepEqual([statusCode, data], [status, { success: false, data: null, msg }]);

await perform("success_data", async (stage) => {
  const { shows, send } = stage;
  const lan = stage.phone("lan");
  const { wx } = lan;
  const refusal = "微信数据校验失败，请重新登录后再试";
  let ahead = 0;
  const time = () => Date.now() / 1000 + ahead;
  const later = async (seconds) => {
    ahead += seconds;
    await stage.later(seconds);
  };
  const now = async () => {
    ahead = 0;
    await stage.now();
  };
  let user;

  /** Tap the button, having signed in to WeChat first, so that there is a session_key. */
  async function signIn(phone, method = "GET", options = {}) {
    await phone.wx.login();
    return phone.tapPhoneButton((e) => app(phone, stage, time).getPhoneNumber(e, method), options);
  }

  await shows("nothing in storage: the login page", async () => {
    assert.equal(await app(lan, stage).onLaunch(), "login");
    assert.deepEqual(lan.journal.shown, [["reLaunch", "/pages/login/login"]]);
  });

  await shows("one tap signs in, by GET: the user and a token for 30 days", async () => {
    const answer = await signIn(lan);
    const { token, id, ...rest } = good(answer);
    const { phone, country_code } = await stage.known(lan);
    assert.deepEqual(rest, { nickname: "", avatar: "", gender: 0, phone, countryCode: country_code });
    assert.equal(assertToken(token, MONTH).sub, id);
    assert.equal(answer.header["Cache-Control"], "no-store");
    user = wx.getStorageSync("user");
  });

  await shows("by POST it is the same", async () => {
    const { token, ...same } = good(await signIn(lan, "POST"));
    assert.deepEqual(same, user);
    assertToken(token, MONTH);
  });

  await shows("a + of base64 that came as a blank is restored", async () => {
    let restored = 0;
    for (let round = 0; restored < 3; round += 1) {
      assert.ok(round < 200, "no + in 200 ciphertexts");
      const { code } = await wx.login();
      const answer = await lan.tapPhoneButton(({ detail: { encryptedData, iv } }) => {
        if (!encryptedData.includes("+") || !(iv.includes("+") || restored < 2)) return null;
        // Escaped as some old clients do: everything but the plus sign.
        const [data, vector] = [encryptedData, iv].map((text) => text.replace(/\//g, "%2F").replace(/=/g, "%3D"));
        return send(lan, { url: `/login/wechatLogin?code=${code}&encryptedData=${data}&iv=${vector}` });
      });
      if (answer !== null) {
        assert.equal(good(answer).id, user.id);
        restored += 1;
      }
    }
  });

  await shows("a phoneCode that comes along is accepted and preferred", async () => {
    const { code } = await wx.login();
    const data = await lan.tapPhoneButton(({ detail }) => ({ code, phoneCode: detail.code }));
    assert.equal(good(await send(lan, { url: "/login/wechatLogin", data })).id, user.id);
  });

  await shows("within 10,800 minutes the front end asks nobody", async () => {
    assert.equal(await app(lan, stage, time).onLaunch(), "storage");
  });

  await shows("a refresh answers the same user without a token, again and again with the same token", async () => {
    const header = { Authorization: `Bearer ${wx.getStorageSync("token")}` };
    for (let time = 0; time < 3; time += 1) {
      assert.deepEqual(good(await send(lan, { url: "/member/refreshToken", header })), user);
    }
    const lower = { authorization: `bearer ${wx.getStorageSync("token")}` };
    assert.deepEqual(good(await send(lan, { url: "/member/refreshToken", header: lower })), user);
  });

  await shows("checked each 10,800 minutes, the token lives until less than that is left of it", async () => {
    await signIn(lan);
    const token = wx.getStorageSync("token");
    for (let check = 1; check <= 2; check += 1) {
      await later(CHECK);
      assert.deepEqual(good(await app(lan, stage, time).onLaunch()), user);
    }
    // 30 days less three checks is exactly one check; some seconds of it have gone by.
    await later(CHECK - 60);
    const header = { Authorization: `Bearer ${token}` };
    assert.deepEqual(good(await send(lan, { url: "/member/refreshToken", header })), user);
    await later(60 + 1);
    bad(await app(lan, stage, time).onLaunch(), 401, "请先登录");
    assert.equal(wx.getStorageSync("token"), "");
    assert.deepEqual(lan.journal.shown.at(-1), ["reLaunch", "/pages/login/login"]);
    await now();
  });

  await shows("whatever a refresh accepted lives until the next check", async () => {
    await signIn(lan);
    const header = { Authorization: `Bearer ${wx.getStorageSync("token")}` };
    for (const wait of [CHECK, CHECK, CHECK - 60]) {
      await later(wait);
      good(await send(lan, { url: "/member/refreshToken", header }));
    }
    await later(CHECK);
    assert.equal((await send(lan, { url: "/api/v1/user/profile", header })).statusCode, 200);
    await now();
  });

  await shows("after eight days without a check the session is over", async () => {
    await signIn(lan);
    await later(8 * DAY + 10);
    bad(await app(lan, stage, time).onLaunch(), 401, "请先登录");
    await now();
  });

  await shows("no token, a wrong one, one of a session that was ended: the login page", async () => {
    bad(await send(lan, { url: "/member/refreshToken" }), 401, "请先登录");
    bad(await send(lan, { url: "/member/refreshToken", header: { Authorization: "Bearer x" } }), 401, "请先登录");
    await signIn(lan);
    const header = { Authorization: `Bearer ${wx.getStorageSync("token")}` };
    const ended = await send(lan, { url: "/api/v1/auth/logout", method: "POST", header });
    assert.equal(ended.statusCode, 200);
    bad(await send(lan, { url: "/member/refreshToken", header }), 401, "请先登录");
  });

  await shows("failures are said in this shape, and the front end shows its own text", async () => {
    const get = (data) => send(lan, { url: "/login/wechatLogin", data });
    const sealed = () => lan.tapPhoneButton(({ detail: { encryptedData, iv } }) => ({ encryptedData, iv }));
    bad(await get({ code: "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P", ...(await sealed()) }), 400, "登录凭证无效，请重新登录");
    const { code } = await wx.login();
    good(await get({ code, ...(await sealed()) }));
    bad(await get({ code, ...(await sealed()) }), 400, "登录凭证已使用，请重新登录");
    bad(await get({ ...(await sealed()) }), 400, "请求参数有误: code 缺少必填字段");
    bad(await get({ code: "x" }), 400, "请求参数有误: encryptedData 缺少必填字段; iv 缺少必填字段");
    const fresh = (await wx.login()).code;
    bad(await get({ code: fresh, ...(await lan.seal({ nickName: "no phone" })) }), 400, refusal);
    const unlucky = (await wx.login()).code;
    await stage.fault(unlucky, { kind: "http_status", status: 500 });
    bad(await get({ code: unlucky, ...(await sealed()) }), 503, "微信服务无响应，请重新登录");
    const shown = await signIn(lan, "GET").then(async () => {
      const { code: next } = await wx.login();
      await stage.fault(next, { kind: "errcode", errcode: 40226 });
      return get({ code: next, ...(await sealed()) });
    });
    bad(shown, 403, "微信拒绝了此次登录");
  });

  await shows("addresses, methods and sizes that do not fit are answered in the same shape", async () => {
    const cases = [
      [{ url: "/login/nothing" }, 404, "地址不存在"],
      [{ url: "/member/nothing" }, 404, "地址不存在"],
      [{ url: "/login/wechatLogin", method: "PUT" }, 405, "不支持该请求方法"],
      [{ url: "/member/refreshToken", method: "POST" }, 405, "不支持该请求方法"],
      [{ url: "/login/wechatLogin", method: "POST", data: { code: "x".repeat(20_000) } }, 413, "请求体过大"],
      [{ url: "/login/wechatLogin", method: "POST", data: "[]" }, 400, "请求体必须是 JSON 对象"],
    ];
    for (const [options, status, msg] of cases) bad(await send(lan, options), status, msg);
  });
});
