// A front end of the contract `detail`: wx.login when the app starts; a stranger gets a ticket, registers with it and
// a phone number, and is signed in; from then on the code alone signs in.
import assert from "node:assert/strict";
import { DAY, assertToken, perform } from "../stage.js";

const MINUTE = 60;

/** app.js of such a mini program. The back end calls the ticket `openid`, and so does the front end. */
function app(phone, { url }) {
  const { wx } = phone;
  const self = {
    onLaunch: () =>
      new Promise((resolve) =>
        wx.login({
          success: ({ code }) =>
            wx.request({
              url: url("/wx/login"),
              data: { code },
              success: (res) => {
                if (res.statusCode === 200 && res.data.token) {
                  wx.setStorageSync("token", res.data.token);
                  wx.setStorageSync("user_id", res.data.user_id);
                } else if (res.statusCode === 200) {
                  wx.setStorageSync("openid", res.data.openid);
                  wx.navigateTo({ url: "/pages/register/register" });
                } else {
                  wx.showToast({ title: res.data.detail, icon: "none" });
                }
                resolve(res);
              },
            }),
        }),
      ),
    register: (phoneNumber, sex) =>
      new Promise((resolve) =>
        wx.request({
          url: url("/wx/login"),
          method: "POST",
          data: { openid: wx.getStorageSync("openid"), phone: phoneNumber, sex },
          success: (res) => {
            if (res.statusCode === 201) {
              wx.setStorageSync("token", res.data.token);
              wx.setStorageSync("user_id", res.data.id);
              wx.removeStorageSync("openid");
            } else {
              const [reasons] = Object.values(res.data);
              wx.showToast({ title: [].concat(reasons)[0], icon: "none" });
            }
            resolve(res);
          },
        }),
      ),
  };
  return self;
}

let number = 0;
const nextNumber = () => `138${String(10_000_000 + (number += 1)).slice(-8)}`;

await perform("detail", async (stage) => {
  const { shows, send } = stage;
  const register = (phone, data) => send(phone, { url: "/wx/login", method: "POST", data });
  const ask = (phone, data) => send(phone, { url: "/wx/login", data });

  /** A ticket of somebody whom the service does not know. */
  async function ticketOf(phone) {
    const answer = await app(phone, stage).onLaunch();
    assert.deepEqual([answer.statusCode, Object.keys(answer.data)], [200, ["openid"]]);
    return answer.data.openid;
  }

  const refused = (answer, sentence) =>
    assert.deepEqual([answer.statusCode, answer.data], [400, { non_field_errors: [sentence] }]);

  const lan = stage.phone("lan");
  const lansNumber = nextNumber();
  let lansId;

  await shows("a stranger gets a ticket and nothing else, and it does not tell the openid", async () => {
    const ticket = await ticketOf(lan);
    const { openid, session_key } = await stage.known(lan);
    assert.ok(openid.length > 20 && session_key.length === 24);
    const spellings = [ticket];
    for (const coding of ["base64", "base64url"]) {
      const bytes = Buffer.from(ticket, coding);
      spellings.push(bytes.toString("latin1"), bytes.toString("hex"));
      spellings.push(Buffer.from(bytes.toString("latin1"), coding).toString("latin1"));
    }
    for (const secret of [openid, session_key]) {
      for (const form of [secret, Buffer.from(secret).toString("hex"), Buffer.from(secret).toString("base64")]) {
        assert.ok(spellings.every((text) => !text.includes(form)));
      }
    }
    assert.deepEqual(lan.journal.shown, [["navigateTo", "/pages/register/register"]]);
  });

  await shows("ticket and phone number register: 201, the user, a token, never the openid", async () => {
    const answer = await app(lan, stage).register(lansNumber, 1);
    assert.equal(answer.statusCode, 201);
    const { id, token, ...rest } = answer.data;
    assert.deepEqual(rest, { phone: lansNumber, sex: 1 });
    assert.equal(assertToken(token, 7 * DAY).sub, id);
    assert.equal(answer.header["Cache-Control"], "no-store");
    assert.ok(!JSON.stringify(answer.data).includes((await stage.known(lan)).openid));
    lansId = id;
  });

  await shows("from then on the code alone signs in", async () => {
    const answer = await app(lan, stage).onLaunch();
    assert.equal(answer.statusCode, 200);
    assert.deepEqual(Object.keys(answer.data).sort(), ["token", "user_id"]);
    assert.equal(answer.data.user_id, lansId);
    assert.equal(assertToken(answer.data.token, 7 * DAY).sub, lansId);
    const header = { Authorization: `Bearer ${lan.wx.getStorageSync("token")}` };
    assert.equal((await send(lan, { url: "/api/v1/user/profile", header })).statusCode, 200);
  });

  await shows("sex 0, 1 and 2 come back; nothing else is one", async () => {
    for (const sex of [0, 1, 2]) {
      const phone = stage.phone(`sex-${sex}`);
      await ticketOf(phone);
      const answer = await app(phone, stage).register(nextNumber(), sex);
      assert.deepEqual([answer.statusCode, answer.data.sex], [201, sex]);
    }
    const openid = await ticketOf(stage.phone("sex-3"));
    for (const sex of [3, -1, 1.5, true, null, undefined, "x"]) {
      const answer = await register(lan, { openid, phone: nextNumber(), sex });
      assert.deepEqual([answer.statusCode, Object.keys(answer.data)], [400, ["sex"]]);
    }
  });

  await shows("a phone number is exactly 1, 3 to 9, and nine ASCII digits", async () => {
    const phone = stage.phone("typist");
    const openid = await ticketOf(phone);
    const wrong = {
      格式错误: [
        ...["", "1380013800", "12345678901", "10800138000", "03800138000", "23800138000", "1380013800x"],
        ...["１３８００１３８０００", "138００138000", "138 0013800", "-3800138000", "13800١٣٨٠٠٠", "1380013800\n"],
      ],
      过长: ["138001380001", "+8613800138000", "13800138000\n", " 13800138000"],
      类型错误: [13800138000, true, ["13800138000"]],
      不能为空: [null],
      缺少必填字段: [undefined],
    };
    for (const [reason, numbers] of Object.entries(wrong)) {
      for (const one of numbers) {
        const answer = await register(phone, { openid, phone: one, sex: 1 });
        assert.deepEqual([answer.statusCode, answer.data], [400, { phone: [reason] }], String(one));
      }
    }
    for (const start of ["13", "14", "15", "16", "17", "18", "19"]) {
      const guest = stage.phone(`number-${start}`);
      await ticketOf(guest);
      const answer = await app(guest, stage).register(`${start}000138000`, 0);
      assert.deepEqual([answer.statusCode, answer.data.phone], [201, `${start}000138000`]);
    }
  });

  await shows("no ticket, no registration", async () => {
    const answer = await register(lan, { phone: nextNumber(), sex: 1 });
    assert.deepEqual([answer.statusCode, answer.data], [400, { openid: ["缺少必填字段"] }]);
  });

  await shows("a ticket that is edited, made up, or another thing of ours is refused", async () => {
    const phone = stage.phone("forger");
    const openid = await ticketOf(phone);
    const middle = openid.length >> 1;
    const edited = [0, middle, openid.length - 4].map(
      (at) => openid.slice(0, at) + (openid[at] === "A" ? "B" : "A") + openid.slice(at + 1),
    );
    const others = [
      ...edited,
      openid.slice(0, -4),
      `${openid}AAAA`,
      (await stage.known(phone)).openid,
      lan.wx.getStorageSync("token"),
      "x",
      "票",
    ];
    for (const one of others) refused(await register(phone, { openid: one, phone: nextNumber(), sex: 1 }), "openid无效");
    refused(await register(phone, { openid: "", phone: nextNumber(), sex: 1 }), "openid无效");
    const answer = await register(phone, { openid, phone: nextNumber(), sex: 1 });
    assert.equal(answer.statusCode, 201, "none of that spent the real one");
  });

  await shows("a ticket works once", async () => {
    const phone = stage.phone("twice");
    const openid = await ticketOf(phone);
    assert.equal((await register(phone, { openid, phone: nextNumber(), sex: 1 })).statusCode, 201);
    // The front end goes and signs in at these words, whatever number came along.
    refused(await register(phone, { openid, phone: nextNumber(), sex: 1 }), "该微信已绑定用户");
    refused(await register(phone, { openid, phone: lansNumber, sex: 1 }), "该微信已绑定用户");
    const answer = await app(phone, stage).onLaunch();
    assert.deepEqual(Object.keys(answer.data).sort(), ["token", "user_id"]);
  });

  await shows("a ticket holds for ten minutes", async () => {
    const [inTime, late] = [stage.phone("in-time"), stage.phone("late")];
    const tickets = [await ticketOf(inTime), await ticketOf(late)];
    await stage.later(10 * MINUTE - 20);
    const good = await register(inTime, { openid: tickets[0], phone: nextNumber(), sex: 1 });
    assert.equal(good.statusCode, 201);
    await stage.later(21);
    refused(await register(late, { openid: tickets[1], phone: nextNumber(), sex: 1 }), "openid无效");
    await stage.now();
  });

  const verified = nextNumber();

  await shows("a phone number that somebody has verified is refused, and a ticket holds for another try", async () => {
    const owner = stage.phone("verified-owner");
    const { code } = await owner.wx.login();
    const answer = await owner.tapPhoneButton(
      ({ detail: { encryptedData, iv } }) =>
        send(owner, { url: "/auth/mp_login", method: "POST", data: { code, encryptedData, iv } }),
      { phone: verified },
    );
    assert.equal(answer.statusCode, 200);
    const phone = stage.phone("number-of-the-owner");
    const openid = await ticketOf(phone);
    for (let turn = 0; turn < 2; turn += 1) {
      refused(await register(phone, { openid, phone: verified, sex: 1 }), "手机号已存在");
    }
    assert.equal((await register(phone, { openid, phone: nextNumber(), sex: 1 })).statusCode, 201);
  });

  await shows("three refusals spend a ticket", async () => {
    const phone = stage.phone("number-of-nobody");
    const openid = await ticketOf(phone);
    for (let turn = 0; turn < 3; turn += 1) {
      refused(await register(phone, { openid, phone: verified, sex: 1 }), "手机号已存在");
    }
    for (const number of [verified, nextNumber()]) {
      refused(await register(phone, { openid, phone: number, sex: 1 }), "openid无效");
    }
    assert.equal((await register(phone, { openid: await ticketOf(phone), phone: nextNumber(), sex: 1 })).statusCode, 201);
  });

  await shows("a number that others have merely typed in keeps nobody out", async () => {
    const phone = stage.phone("same-number");
    const answer = await register(phone, { openid: await ticketOf(phone), phone: lansNumber, sex: 1 });
    assert.deepEqual([answer.statusCode, answer.data.phone], [201, lansNumber]);
  });

  await shows("a WeChat that has registered meanwhile is refused, after the check of the phone number", async () => {
    const phone = stage.phone("two-tickets");
    const tickets = [await ticketOf(phone), await ticketOf(phone)];
    assert.equal((await register(phone, { openid: tickets[0], phone: nextNumber(), sex: 1 })).statusCode, 201);
    refused(await register(phone, { openid: tickets[1], phone: verified, sex: 1 }), "手机号已存在");
    refused(await register(phone, { openid: tickets[1], phone: nextNumber(), sex: 1 }), "该微信已绑定用户");
  });

  await shows("eight registrations at once with one ticket: one 201, the rest 400", async () => {
    for (let round = 0; round < 3; round += 1) {
      const phone = stage.phone(`crowd-${round}`);
      const openid = await ticketOf(phone);
      const all = Array.from({ length: 8 }, () => register(phone, { openid, phone: nextNumber(), sex: 1 }));
      const answers = await Promise.all(all);
      const statuses = answers.map((answer) => answer.statusCode).sort();
      assert.deepEqual(statuses, [201, 400, 400, 400, 400, 400, 400, 400]);
      for (const answer of answers.filter((one) => one.statusCode === 400)) refused(answer, "该微信已绑定用户");
    }
  });

  await shows("eight strangers at once with one phone number that is nobody's: each registers", async () => {
    const phone = nextNumber();
    const tickets = [];
    for (let one = 0; one < 8; one += 1) tickets.push(await ticketOf(stage.phone(`same-${one}`)));
    const answers = await Promise.all(tickets.map((openid) => register(lan, { openid, phone, sex: 1 })));
    assert.deepEqual(answers.map((answer) => answer.statusCode), Array(8).fill(201));
  });

  await shows("the phone button's code gives the number, three times with one access_token", async () => {
    const typed = nextNumber();
    for (let turn = 0; turn < 3; turn += 1) {
      const phone = stage.phone(`button-${turn}`);
      const look = ({ detail }) => send(phone, { url: "/wx/phone", data: { code: detail.code } });
      const answer = await phone.tapPhoneButton(look, { phone: typed });
      assert.deepEqual([answer.statusCode, answer.data], [200, { phone: typed }]);
    }
    assert.ok((await stage.asked("/cgi-bin/stable_token")) <= 1);
    const guest = stage.phone("button-guest");
    await ticketOf(guest);
    const answer = await app(guest, stage).register(typed, 2);
    assert.deepEqual([answer.statusCode, answer.data.phone], [201, typed]);
  });

  await shows("a bad or used code of the phone button, and one of wx.login in its place, are 503", async () => {
    const look = (data) => send(lan, { url: "/wx/phone", data });
    for (const data of [undefined, {}, { code: "" }]) {
      const answer = await look(data);
      assert.deepEqual([answer.statusCode, answer.data], [400, { detail: "缺少code" }]);
    }
    const used = await lan.tapPhoneButton(({ detail }) => detail.code);
    assert.equal((await look({ code: used })).statusCode, 200);
    for (const code of [used, "0".repeat(64), (await lan.wx.login()).code]) {
      const answer = await look({ code });
      assert.deepEqual([answer.statusCode, Object.keys(answer.data)], [503, ["detail"]]);
      assert.equal(typeof answer.data.detail, "string");
    }
  });

  await shows("a missing code is 400", async () => {
    for (const data of [undefined, {}, { code: "" }, { other: "x" }]) {
      const answer = await ask(lan, data);
      assert.deepEqual([answer.statusCode, answer.data], [400, { detail: "缺少code" }]);
    }
  });

  await shows("a code that WeChat refuses is 503 with WeChat's words, without their tail", async () => {
    const unknown = await ask(lan, { code: "0a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P" });
    assert.deepEqual([unknown.statusCode, unknown.data], [503, { detail: "invalid code" }]);
    const { code } = await lan.wx.login();
    assert.equal((await ask(lan, { code })).statusCode, 200);
    const used = await ask(lan, { code });
    assert.deepEqual([used.statusCode, used.data], [503, { detail: "code been used" }]);
    const tails = [
      ", rid: 6312f81f-1e88b388-3f323ff0",
      " rid: 6312f81f-1e88b388-3f323ff0",
      " hint: [IfdF0a0335b1] rid: 6312f81f-1e88b388-3f323ff0",
      ", hints: [ req_id: IfdF0a0335b1 ]",
    ];
    for (const [words, shown] of [["invalid code", "invalid code"], ["", "WX登录失败"]]) {
      for (const tail of tails) {
        const fresh = (await lan.wx.login()).code;
        const body = JSON.stringify({ errcode: 40029, errmsg: words + tail });
        await stage.fault(fresh, { kind: "raw", body });
        const answer = await ask(lan, { code: fresh });
        assert.deepEqual([answer.statusCode, answer.data], [503, { detail: shown }], tail);
      }
    }
  });

  await shows("WeChat unreachable, silent, or not speaking JSON is 503 WX服务器异常", async () => {
    const faults = [
      { kind: "reset" },
      { kind: "http_status", status: 502, body: "<html>Bad Gateway</html>" },
      { kind: "raw", body: "<html>ok</html>" },
      { kind: "raw", body: "" },
      { kind: "raw", body: '{"openid": 5}' },
    ];
    for (const fault of faults) {
      const { code } = await lan.wx.login();
      await stage.fault(code, fault);
      const answer = await ask(lan, { code });
      assert.deepEqual([answer.statusCode, answer.data], [503, { detail: "WX服务器异常" }], JSON.stringify(fault));
    }
  });

  await shows("addresses, methods and sizes that do not fit are answered in the same shape", async () => {
    const cases = [
      [{ url: "/wx/nothing" }, 404, "地址不存在"],
      [{ url: "/wx/login/more", method: "POST" }, 404, "地址不存在"],
      [{ url: "/wx/login", method: "PUT" }, 405, "不支持该请求方法"],
      [{ url: "/wx/login", method: "POST", data: { openid: "x".repeat(20_000) } }, 413, "请求体过大"],
      [{ url: "/wx/login", method: "POST", data: "[" }, 400, "请求体必须是 JSON 对象"],
    ];
    for (const [options, status, detail] of cases) {
      const answer = await send(lan, options);
      assert.deepEqual([answer.statusCode, answer.data], [status, { detail }]);
    }
  });
});
