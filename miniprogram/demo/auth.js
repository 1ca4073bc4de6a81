// The one login manager of this mini program.
const { createAuth } = require("./authsvc/index");
const { baseUrl } = require("./config");

module.exports = createAuth({
  baseUrl,
  onLoginRequired: () => wx.navigateTo({ url: "/pages/login/login" }),
});
