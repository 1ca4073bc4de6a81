// A front end of the contract `bearer`: wx.login when the page opens, one tap on the phone button, a bare token.
import assert from "node:assert/strict";
import { DAY, assertToken, perform } from "../stage.js";

/** The login page of such a mini program. `path` is where its back end had the route. */
function loginPage(phone, { url }, path) {
  const { wx } = phone;
  const page = {
    code: "",
    onLoad: (options = {}) => {
      if (options.scene) {
        const pairs = decodeURIComponent(options.scene).split("&").map((pair) => pair.split("="));
        const { invite_code } = Object.fromEntries(pairs);
        if (invite_code) wx.setStorageSync("invite_code", invite_code);
      }
      return new Promise((resolve) => wx.login({ success: (res) => resolve((page.code = res.code)) }));
    },
    getPhoneNumber: (e) =>
      new Promise((resolve) => {
        if (e.detail.errMsg !== "getPhoneNumber:ok") {
          wx.showToast({ title: "需要手机号才能登录", icon: "none" });
          return resolve(null);
        }
        const invite_code = wx.getStorageSync("invite_code");
        const invited = invite_code ? { invite_code } : {};
        wx.request({
          url: url(path),
          method: "POST",
          data: { code: page.code, encryptedData: e.detail.encryptedData, iv: e.detail.iv, ...invited },
          success: (res) => {
            if (res.statusCode === 200) {
              wx.setStorageSync("access_token", res.data.access_token);
              wx.setStorageSync("token_type", res.data.token_type);
              wx.setStorageSync("openid", res.data.openid);
              wx.switchTab({ url: "/pages/index/index" });
            } else {
              wx.showToast({ title: String(res.data.detail), icon: "none" });
            }
            resolve(res);
          },
          fail: () => wx.showToast({ title: "网络错误", icon: "none" }),
        });
      }),
  };
  return page;
}

/** Open the page and tap the button. */
async function signIn(phone, stage, path = "/auth/mp_login", options = {}) {
  const page = loginPage(phone, stage, path);
  await page.onLoad();
  return phone.tapPhoneButton(page.getPhoneNumber, options);
}

/** What the share button does: the address of the picture with one's own code, or null and a toast. */
async function shareCode(phone, stage) {
  const { wx } = phone;
  const header = { Authorization: `Bearer ${wx.getStorageSync("access_token")}` };
  const res = await stage.send(phone, { url: "/generate_qrcode", header });
  if (res.data.code === 200) return res.data.data.qr_code_url;
  wx.showToast({ title: res.data.message, icon: "none" });
  return null;
}

const ANOTHER_APP = { appid: "wx51a051a00000000f", timestamp: Math.floor(Date.now() / 1000) };
const post = (stage, phone, data) => stage.send(phone, { url: "/auth/mp_login", method: "POST", data });

await perform("bearer", async (stage) => {
  const { shows, send } = stage;
  const lan = stage.phone("lan");
  let first;

  await shows("one tap signs in and gives a bare token, its type in lower case, and the openid", async () => {
    first = await signIn(lan, stage);
    const { access_token, ...rest } = first.data;
    assert.equal(first.statusCode, 200);
    assert.deepEqual(rest, { token_type: "bearer", openid: (await stage.known(lan)).openid });
    assertToken(access_token, 7 * DAY);
    assert.equal(first.header["Cache-Control"], "no-store");
    assert.deepEqual(lan.journal.shown, [["switchTab", "/pages/index/index"]]);
  });

  await shows("the token works with the scheme as this front end writes it", async () => {
    const { wx } = lan;
    const header = { Authorization: `${wx.getStorageSync("token_type")} ${wx.getStorageSync("access_token")}` };
    assert.match(header.Authorization, /^bearer ey/);
    const profile = await send(lan, { url: "/api/v1/user/profile", header });
    assert.equal(profile.statusCode, 200);
    assert.equal(profile.data.data.openid, wx.getStorageSync("openid"));
  });

  await shows("a friend who scans one's code signs in, and it is known who invited them", async () => {
    const address = await shareCode(lan, stage);
    assert.match(address, /^https?:\/\/.*\/qrcodes\/[0-9a-f]{32}\.(jpg|png)$/);
    assert.equal(await shareCode(lan, stage), address);

    const friend = stage.phone("friend");
    const opened = await stage.scan(address);
    assert.equal(opened.pathname, "/pages/login/login");
    const page = loginPage(friend, stage, "/auth/mp_login");
    await page.onLoad({ scene: opened.search.replace("?scene=", "") });
    assert.match(friend.wx.getStorageSync("invite_code"), /^[A-Za-z0-9_-]{8,20}$/);
    const answer = await friend.tapPhoneButton(page.getPhoneNumber);
    assert.equal(answer.statusCode, 200);

    const header = { Authorization: `Bearer ${lan.wx.getStorageSync("access_token")}` };
    const mine = await send(lan, { url: "/api/v1/me/invite", header });
    assert.equal(mine.data.data.invite_code, friend.wx.getStorageSync("invite_code"));
    assert.equal(mine.data.data.uses, 1);
    const came = await send(lan, { url: "/api/v1/me/invite/arrivals", header });
    assert.equal(came.data.data.count, 1);
    const theirs = { Authorization: `Bearer ${friend.wx.getStorageSync("access_token")}` };
    assert.ok((await send(friend, { url: "/api/v1/me/invite", header: theirs })).data.data.invited_at > 0);
  });

  await shows("a code that could not be made is said with HTTP 200, and shown by the front end", async () => {
    const shy = stage.phone("no-code");
    await signIn(shy, stage);
    await stage.fault(undefined, { kind: "errcode", errcode: 41030 }, 1, "/wxa/getwxacodeunlimit");
    assert.equal(await shareCode(shy, stage), null);
    assert.deepEqual(shy.journal.shown.at(-1), ["showToast", "二维码生成失败"]);
    const header = { Authorization: "Bearer x.y.z" };
    const stranger = await send(shy, { url: "/generate_qrcode", header });
    assert.deepEqual([stranger.statusCode, stranger.data], [401, { detail: "请先登录" }]);
  });

  await shows("the same number from another WeChat, at the other address, is the same user", async () => {
    const other = stage.phone("lan-at-work");
    const { phone } = await stage.known(lan);
    const answer = await signIn(other, stage, "/mp_login", { phone });
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(Object.keys(answer.data).sort(), ["access_token", "openid", "token_type"]);
    assert.notEqual(answer.data.openid, first.data.openid);
    const users = [first, answer].map((one) => assertToken(one.data.access_token, 7 * DAY).sub);
    assert.equal(users[0], users[1]);
  });

  await shows("a tap before wx.login, which then replaced the session_key, signs in all the same", async () => {
    const page = loginPage(lan, stage, "/auth/mp_login");
    const answer = await lan.tapPhoneButton(async (e) => {
      lan.rotateNext(true);
      await page.onLoad();
      return page.getPhoneNumber(e);
    });
    assert.equal(answer.statusCode, 200);
    assert.equal(answer.data.openid, first.data.openid);
  });

  await shows("a phoneCode that comes along is accepted and preferred", async () => {
    const newer = stage.phone("newer");
    const { code } = await newer.wx.login();
    const answer = await newer.tapPhoneButton(async ({ detail }) => {
      const { encryptedData, iv } = await newer.seal({ nickName: "no phone" });
      return post(stage, newer, { code, encryptedData, iv, phoneCode: detail.code });
    }, { phone: (await stage.known(lan)).phone });
    assert.equal(answer.statusCode, 200);
    const users = [first, answer].map((one) => assertToken(one.data.access_token, 7 * DAY).sub);
    assert.equal(users[0], users[1], "the number is the account");
  });

  await shows("who refuses the phone button sends nothing", async () => {
    const shy = stage.phone("shy");
    const page = loginPage(shy, stage, "/auth/mp_login");
    await page.onLoad();
    assert.equal(await shy.refusePhoneButton(page.getPhoneNumber), null);
    assert.deepEqual(shy.journal.shown, [["showToast", "需要手机号才能登录"]]);
  });

  await shows("a missing or malformed field is 422 and named", async () => {
    const good = { code: "0a1B2c3D4e5F6g7H", encryptedData: "A".repeat(64), iv: `${"A".repeat(22)}==` };
    const wrong = {
      code: [undefined, "", null, 5, "a b"],
      encryptedData: [undefined, "", "not base64!", "AAAA", 5],
      iv: [undefined, "", "AAAA", null],
    };
    for (const [name, values] of Object.entries(wrong)) {
      for (const value of values) {
        const { statusCode, data } = await post(stage, lan, { ...good, [name]: value });
        assert.equal(statusCode, 422, `${name} ${value}`);
        assert.deepEqual(Object.keys(data), ["detail"]);
        assert.match(data.detail, new RegExp(`^请求参数有误: ${name} `));
      }
    }
    for (const [text, detail] of [
      ["code=1", "请求体是表单，却声明为 application/json；请发送 JSON 对象"],
      ["code", "请求体必须是 JSON 对象"],
    ]) {
      const noJson = await post(stage, lan, text);
      assert.deepEqual([noJson.statusCode, noJson.data], [422, { detail }]);
    }
  });

  await shows("a used code is refused, and shown by the front end", async () => {
    const page = loginPage(lan, stage, "/auth/mp_login");
    await page.onLoad();
    await lan.tapPhoneButton(page.getPhoneNumber);
    const again = await lan.tapPhoneButton(page.getPhoneNumber);
    assert.deepEqual([again.statusCode, again.data], [400, { detail: "登录凭证已使用，请重新登录" }]);
    assert.deepEqual(lan.journal.shown.at(-1), ["showToast", "登录凭证已使用，请重新登录"]);
  });

  await shows("an unknown code is refused", async () => {
    const answer = await lan.tapPhoneButton((e) => {
      const { encryptedData, iv } = e.detail;
      return post(stage, lan, { code: "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P", encryptedData, iv });
    });
    assert.deepEqual([answer.statusCode, answer.data], [400, { detail: "登录凭证无效，请重新登录" }]);
  });

  await shows("encrypted data without a phone number, or for another app, is nobody's login", async () => {
    const mallory = stage.phone("mallory");
    const refused = { detail: "微信数据校验失败，请重新登录后再试" };
    for (const seal of [
      () => mallory.seal({ nickName: "Mallory" }),
      () => mallory.seal({ phoneNumber: null, purePhoneNumber: null, countryCode: null }),
      () => mallory.seal({ purePhoneNumber: "13800138000", countryCode: "86" }, { watermark: false }),
      () => mallory.seal({ purePhoneNumber: "13800138000", countryCode: "86" }, { watermark: ANOTHER_APP }),
    ]) {
      const { code } = await mallory.wx.login();
      const answer = await post(stage, mallory, { code, ...(await seal()) });
      assert.deepEqual([answer.statusCode, answer.data], [400, refused]);
    }
  });

  await shows("WeChat's outage is 503", async () => {
    const { code } = await lan.wx.login();
    await stage.fault(code, { kind: "http_status", status: 502 });
    const answer = await lan.tapPhoneButton(({ detail: { encryptedData, iv } }) =>
      post(stage, lan, { code, encryptedData, iv }),
    );
    assert.deepEqual([answer.statusCode, answer.data], [503, { detail: "微信服务无响应，请重新登录" }]);
  });

  await shows("addresses, methods and sizes that do not fit are answered in the same shape", async () => {
    const cases = [
      [{ url: "/auth/nothing", method: "POST" }, 404, "地址不存在"],
      [{ url: "/mp_login/more" }, 404, "地址不存在"],
      [{ url: "/auth/mp_login" }, 405, "不支持该请求方法"],
      [{ url: "/mp_login", method: "DELETE" }, 405, "不支持该请求方法"],
      [{ url: "/auth/mp_login", method: "POST", data: { code: "x".repeat(20_000) } }, 413, "请求体过大"],
    ];
    for (const [options, status, detail] of cases) {
      const answer = await send(lan, options);
      assert.deepEqual([answer.statusCode, answer.data], [status, { detail }]);
    }
  });
});
