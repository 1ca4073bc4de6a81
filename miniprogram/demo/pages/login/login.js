const attempt = require("../../attempt");
const auth = require("../../auth");

// Opened by the kit when somebody has to act, by a shared link, and by scanning an invite's mini-program code.
Page({
  data: { user: auth.getUser(), invite: "" },

  onLoad(query) {
    const code = auth.keepInvite(query);
    auth.preparePhone();
    return attempt(async () => {
      const user = await auth.ready();
      this.setData({ user, invite: auth.inviteStatus() || (code && "kept") });
    });
  },
  onUnload() {
    auth.closeLoginPage();
  },

  logIn() {
    return this.leaveAfter(() => auth.login());
  },
  logInWithPhone(/** @type {{detail: import("../../authsvc/index").PhoneDetail}} */ e) {
    return this.leaveAfter(() => auth.loginWithPhone(e.detail));
  },
  /** @param {() => Promise<unknown>} work */
  leaveAfter(work) {
    return attempt(async () => {
      await work();
      if (getCurrentPages().length > 1) await wx.navigateBack();
      else await wx.reLaunch({ url: "/pages/index/index" });
    });
  },
});
