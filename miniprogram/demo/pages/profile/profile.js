const attempt = require("../../attempt");
const auth = require("../../auth");

const ME = "/api/v1/me";

Page({
  data: { user: auth.getUser() },

  onLoad() {
    this.forget = auth.onChange((user) => this.setData({ user }));
    auth.preparePhone();
    return attempt(async () => auth.setUser((await auth.request({ url: ME })).data.data));
  },
  onUnload() {
    this.forget();
    auth.closeLoginPage();
  },
  /** @type {() => void} */
  forget: () => {},

  /** A chosen picture is a temporary file: it has to be uploaded. */
  chooseAvatar(/** @type {{detail: {avatarUrl: string}}} */ e) {
    return attempt(async () => {
      const answer = await auth.uploadFile({ url: `${ME}/avatar`, filePath: e.detail.avatarUrl, name: "file" });
      auth.setUser(answer.data.data);
    });
  },
  /** Read on submit: WeChat checks a nickname when the field is left, and may empty it. */
  save(/** @type {{detail: {value: {nickname: string}}}} */ e) {
    return attempt(async () => {
      const { nickname } = e.detail.value;
      auth.setUser((await auth.request({ url: ME, method: "PUT", data: { nickname } })).data.data);
      wx.showToast({ title: "已保存" });
    });
  },
  bindPhone(/** @type {{detail: import("../../authsvc/index").PhoneDetail}} */ e) {
    return attempt(() => auth.loginWithPhone(e.detail));
  },
  removePhone() {
    return attempt(async () => {
      auth.setUser((await auth.request({ url: `${ME}/phone`, method: "DELETE" })).data.data);
    });
  },
});
