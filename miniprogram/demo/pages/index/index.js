const attempt = require("../../attempt");
const auth = require("../../auth");
const burst = require("./burst");

Page({
  data: {
    isReady: false,
    user: auth.getUser(),
    counts: /** @type {{requests: number, refreshes: number, logins: number} | null} */ (null),
  },

  onLoad() {
    this.forget = auth.onChange((user) => this.setData({ user }));
    return attempt(async () => {
      this.setData({ user: await auth.ready() });
    }).then(() => this.setData({ isReady: true }));
  },
  onUnload() {
    this.forget();
  },
  /** @type {() => void} */
  forget: () => {},

  logIn() {
    return attempt(() => auth.login());
  },
  logOut() {
    return attempt(() => auth.logout());
  },
  scan() {
    return attempt(async () => {
      const { path } = await wx.scanCode({ scanType: ["wxCode"] });
      await wx.navigateTo({ url: `/${path}` });
    });
  },
  burst() {
    return attempt(async () => this.setData({ counts: await burst() }));
  },
});
