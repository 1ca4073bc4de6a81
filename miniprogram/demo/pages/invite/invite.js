const attempt = require("../../attempt");
const auth = require("../../auth");

const INVITE = "/api/v1/me/invite";

Page({
  data: { code: "", arrivals: 0, picture: "" },

  onLoad() {
    return attempt(async () => {
      const { data: own } = await auth.request({ url: INVITE });
      const { data: friends } = await auth.request({ url: `${INVITE}/arrivals` });
      this.setData({ code: own.data.invite_code, arrivals: friends.data.count });
      const { data: drawn } = await auth.request({ url: `${INVITE}/qrcode` });
      this.setData({ picture: drawn.data.url });
    });
  },
  onShareAppMessage() {
    return { title: "邀请你加入", path: `/pages/login/login?invite_code=${this.data.code}` };
  },

  copy() {
    wx.setClipboardData({ data: this.data.code });
  },
  preview() {
    wx.previewImage({ urls: [this.data.picture] });
  },
});
