const { createAuth } = require("../../authsvc/index");
const { baseUrl } = require("../../config");

/**
 * What twenty requests at once cost when the token they hold is dead: one refresh, which is refused too, and one login.
 * Plays with a session of its own.
 */
module.exports = async function burst() {
  const counts = { requests: 0, refreshes: 0, logins: 0 };
  const counting = {
    getStorageSync: wx.getStorageSync,
    setStorageSync: wx.setStorageSync,
    login(/** @type {WechatMiniprogram.LoginOption} */ options) {
      counts.logins += 1;
      wx.login(options);
    },
    request(/** @type {WechatMiniprogram.RequestOption} */ options) {
      if (/sessions\/refresh$/.test(options.url)) counts.refreshes += 1;
      if (/\/me$/.test(options.url)) counts.requests += 1;
      return wx.request(options);
    },
  };
  const session = { contract: "native", token: "spoilt", refreshToken: "spoilt", renewAt: Date.now() + 600000 };
  wx.setStorageSync("burst", { session });
  const auth = createAuth({ baseUrl, namespace: "burst", wx: counting });
  const pages = [];
  while (pages.length < 20) pages.push(auth.request({ url: "/api/v1/me" }));
  await Promise.all(pages);
  await auth.logout();
  return counts;
};
