const attempt = require("../../attempt");
const auth = require("../../auth");

/** @param {string} step @param {string} ticket */
function answer(step, ticket) {
  return auth.request({ url: `/api/v1/scan-sign-ins/${step}`, method: "POST", data: { ticket } });
}

// Opened by scanning the code of a web page that wants to be signed in: its scene is t=<ticket>.
Page({
  data: {
    asked: /** @type {{device: string, address: string | null, same_network: boolean | null} | null} */ (null),
    askedAt: "",
    outcome: "",
  },
  ticket: "",

  async onLoad(query) {
    await attempt(async () => {
      this.ticket = decodeURIComponent(query.scene || "").replace(/^t=/, "");
      const { data } = await answer("scan", this.ticket);
      this.setData({ asked: data.data, askedAt: new Date(data.data.asked_at * 1000).toLocaleString() });
    });
    if (!this.data.asked) this.setData({ outcome: "未能登录，请重新扫码" });
  },

  approve() {
    return this.decide("approve", "已登录，请回到电脑");
  },
  refuse() {
    return this.decide("refuse", "已拒绝");
  },
  /** @param {string} step @param {string} outcome */
  decide(step, outcome) {
    return attempt(async () => {
      await answer(step, this.ticket);
      this.setData({ asked: null, outcome });
    });
  },
});
