// A front end of the contract `code_msg_data`: wx.login, then wx.getUserInfo or wx.getUserProfile, then one login with
// both; the decrypted profile comes back and is shown.
import assert from "node:assert/strict";
import { assertToken, perform } from "../stage.js";

const WEEK = 604_800;

/** The login of such a mini program; `ask` is wx.getUserInfo or wx.getUserProfile with its options. */
function signIn(phone, { url }, ask, fields = ["encryptedData", "iv"]) {
  const { wx } = phone;
  return new Promise((resolve) =>
    wx.login({
      success: ({ code: platCode }) =>
        ask({
          success: (res) =>
            wx.request({
              url: url("/user/wxlogin"),
              method: "POST",
              header: { "content-type": "application/json" },
              data: { platCode, platUserInfoMap: Object.fromEntries(fields.map((name) => [name, res[name]])) },
              success: ({ data: answer, statusCode }) => {
                if (answer.code === 200) {
                  wx.setStorageSync("userInfo", answer.data);
                  wx.setStorageSync("token", answer.data.token);
                } else {
                  wx.showToast({ title: answer.msg, icon: "none" });
                }
                resolve({ statusCode, answer, info: res });
              },
            }),
        }),
    }),
  );
}

/** Assert a success; return the profile part of data, and who signed in. */
function good({ statusCode, answer }) {
  assert.equal(statusCode, 200);
  assert.deepEqual(Object.keys(answer).sort(), ["code", "data", "msg"]);
  assert.deepEqual([answer.code, answer.msg], [200, "登录成功"]);
  const { token, token_type, expires_in, user_id, ...profile } = answer.data;
  assert.deepEqual([token_type, expires_in], ["Bearer", WEEK]);
  assert.equal(assertToken(token, WEEK).sub, user_id);
  return { profile, userId: user_id, token };
}

const bad = ({ statusCode, answer }, code, msg) =>
  assert.deepEqual([statusCode, answer], [code, { code, msg, data: null }]);

await perform("code_msg_data", async (stage) => {
  const { shows, send, appid } = stage;
  const lan = stage.phone("lan");
  const { wx } = lan;
  const post = async (phone, data) => {
    const { statusCode, data: answer } = await send(phone, { url: "/user/wxlogin", method: "POST", data });
    return { statusCode, answer };
  };
  const refusal = "微信数据校验失败，请重新登录后再试";
  let userId;

  await shows("wx.getUserInfo signs in, and the decrypted profile comes back field for field", async () => {
    const reply = await signIn(lan, stage, wx.getUserInfo);
    const found = good(reply);
    const { watermark, openId, ...fields } = found.profile;
    assert.deepEqual(fields, reply.info.userInfo);
    assert.deepEqual(
      Object.keys(fields).sort(),
      ["avatarUrl", "city", "country", "gender", "language", "nickName", "province"],
    );
    assert.equal(openId, (await stage.known(lan)).openid);
    assert.deepEqual(Object.keys(watermark).sort(), ["appid", "timestamp"]);
    assert.equal(watermark.appid, appid);
    assert.ok(Math.abs(watermark.timestamp - Date.now() / 1000) < 60);
    assert.deepEqual(wx.getStorageSync("userInfo"), reply.answer.data);
    userId = found.userId;
  });

  await shows("the token is good for the profile, which holds the name", async () => {
    const header = { Authorization: `Bearer ${wx.getStorageSync("token")}` };
    const { statusCode, data } = await send(lan, { url: "/api/v1/user/profile", header });
    assert.deepEqual([statusCode, data.data.id], [200, userId]);
    assert.equal(data.data.nickname, wx.getStorageSync("userInfo").nickName);
  });

  await shows("rawData and signature may come along, and are checked", async () => {
    const all = ["encryptedData", "iv", "rawData", "signature"];
    assert.equal(good(await signIn(lan, stage, wx.getUserInfo, all)).userId, userId);
    const liar = stage.phone("liar");
    const { code } = await liar.wx.login();
    const { encryptedData, iv, rawData, signature } = await liar.wx.getUserInfo();
    const platUserInfoMap = { encryptedData, iv, rawData: rawData.replace("zh_CN", "en_US"), signature };
    bad(await post(liar, { platCode: code, platUserInfoMap }), 400, refusal);
  });

  await shows("getUserProfile, which names no openId, signs the same user in, but only inside a tap", async () => {
    await assert.rejects(wx.getUserProfile({ desc: "用于完善资料" }), { errMsg: /^getUserProfile:fail .*user TAP gesture/ });
    await assert.rejects(lan.tap(() => wx.getUserProfile()), { errMsg: /parameter.desc/ });
    const reply = await new Promise((resolve) =>
      lan.tap(() =>
        wx.getUserProfile({
          desc: "用于完善资料",
          success: ({ encryptedData, iv, userInfo }) =>
            wx.login({
              success: async ({ code }) => {
                const platUserInfoMap = { encryptedData, iv };
                resolve({ ...(await post(lan, { platCode: code, platUserInfoMap })), userInfo });
              },
            }),
        }),
      ),
    );
    const found = good(reply);
    const { watermark, ...fields } = found.profile;
    assert.deepEqual(fields, reply.userInfo);
    assert.equal(watermark.appid, appid);
    assert.equal(found.userId, userId);
  });

  await shows("an anonymous profile signs in, and its placeholders do not overwrite the name", async () => {
    const before = await wx.getUserInfo();
    lan.person = { placeholder: true };
    const reply = await signIn(lan, stage, (options) => lan.tap(() => wx.getUserProfile({ desc: "登录", ...options })));
    lan.person = {};
    const found = good(reply);
    assert.deepEqual([found.userId, found.profile.nickName], [userId, "微信用户"]);
    const header = { Authorization: `Bearer ${found.token}` };
    const { data } = await send(lan, { url: "/api/v1/user/profile", header });
    assert.deepEqual([data.data.nickname, data.data.avatar], [before.userInfo.nickName, before.userInfo.avatarUrl]);
  });

  await shows("fields that nobody foresaw come back as well", async () => {
    const { code } = await wx.login();
    const sealed = await lan.seal({ nickName: "小兰", is_demote: true, ext: { level: [1, 2] } });
    const { profile } = good(await post(lan, { platCode: code, platUserInfoMap: sealed }));
    assert.deepEqual([profile.nickName, profile.is_demote, profile.ext], ["小兰", true, { level: [1, 2] }]);
  });

  await shows("without platUserInfoMap the code alone signs in", async () => {
    for (const more of [{}, { platUserInfoMap: {} }]) {
      const { code } = await wx.login();
      const found = good(await post(lan, { platCode: code, ...more }));
      assert.deepEqual([found.userId, found.profile], [userId, {}]);
    }
  });

  await shows("a profile of somebody else is refused: the openid comes from the code", async () => {
    const mallory = stage.phone("mallory");
    const { code } = await mallory.wx.login();
    const sealed = await mallory.seal({ openId: (await stage.known(lan)).openid, nickName: "小兰" });
    bad(await post(mallory, { platCode: code, platUserInfoMap: sealed }), 400, refusal);
  });

  await shows("a bad code, a bad field and WeChat's outage are said in this shape", async () => {
    bad(await post(lan, { platCode: "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P" }), 400, "登录凭证无效，请重新登录");
    const { code } = await wx.login();
    good(await post(lan, { platCode: code }));
    bad(await post(lan, { platCode: code }), 400, "登录凭证已使用，请重新登录");
    bad(await post(lan, {}), 400, "请求参数有误: platCode 缺少必填字段");
    bad(await post(lan, { platCode: "x", platUserInfoMap: { iv: `${"A".repeat(22)}==` } }), 400,
      "请求参数有误: platUserInfoMap.encryptedData 必须成对提供");
    const late = (await wx.login()).code;
    await stage.fault(late, { kind: "raw", body: "<html>" });
    bad(await post(lan, { platCode: late }), 503, "微信服务响应异常，请重新登录");
  });

  await shows("addresses, methods and sizes that do not fit are answered in the same shape", async () => {
    const cases = [
      [{ url: "/user/nothing" }, 404, "地址不存在"],
      [{ url: "/user/wxlogin" }, 405, "不支持该请求方法"],
      [{ url: "/user/wxlogin", method: "POST", data: { platCode: "x".repeat(20_000) } }, 413, "请求体过大"],
    ];
    for (const [options, status, msg] of cases) {
      const { statusCode, data: answer } = await send(lan, options);
      bad({ statusCode, answer }, status, msg);
    }
  });
});
