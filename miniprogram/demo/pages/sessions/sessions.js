const attempt = require("../../attempt");
const auth = require("../../auth");

const SESSIONS = "/api/v1/sessions";

Page({
  data: { sessions: /** @type {any[]} */ ([]) },

  onLoad() {
    return attempt(() => this.show());
  },
  async show() {
    const answer = await auth.request({ url: SESSIONS });
    const sessions = answer.data.data.map((/** @type {any} */ session) => ({
      ...session,
      lastUsed: new Date(session.last_used_at * 1000).toLocaleString(),
    }));
    this.setData({ sessions });
  },

  end(/** @type {{currentTarget: {dataset: {id: string}}}} */ e) {
    return attempt(async () => {
      await auth.request({ url: `${SESSIONS}/${e.currentTarget.dataset.id}`, method: "DELETE" });
      await this.show();
    });
  },
  endOthers() {
    return attempt(async () => {
      await auth.request({ url: `${SESSIONS}/logout?scope=others`, method: "POST" });
      await this.show();
    });
  },
  endAll() {
    return attempt(async () => {
      await auth.logout({ everywhere: true });
      await wx.reLaunch({ url: "/pages/index/index" });
    });
  },
});
