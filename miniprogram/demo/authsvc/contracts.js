"use strict";
// How each contract of authsvc asks for a login and what it answers. docs/mini-program.md has the table.
//
// silent      the code of wx.login alone signs in
// phoneLogin  one tap on the phone button signs in, in one call
// login       the call for {code, phoneCode?, encryptedData?, iv?, invite_code?, …}
// read        what that call, or `refresh`, answered: {token, refreshToken?, lifetime, user?} or {ticket}
// refresh     the call that renews a session; absent where the contract has none
var merged = require("./transport").merged;

var DAY = 86400;

/** @param {any} data native tokens */
function tokens(data) {
  return {
    token: data.access_token,
    refreshToken: data.refresh_token,
    lifetime: data.expires_in,
    user: data.user,
  };
}

/** @param {any} object @param {string[]} names */
function without(object, names) {
  var rest = merged(object);
  names.forEach(function (name) {
    delete rest[name];
  });
  return rest;
}

/** @param {string} url */
function posting(url) {
  return function (/** @type {any} */ input) {
    return { url: url, method: /** @type {const} */ ("POST"), data: input };
  };
}

/** @type {Record<import("./index").ContractName, import("./index").Contract>} */
var contracts = {
  native: {
    silent: true,
    phoneLogin: true,
    login: function (input) {
      return posting("/api/v1/auth/login")(merged(input, { expectsPhone: input.encryptedData && true }));
    },
    read: function (body) {
      return tokens(body.data);
    },
    refresh: function (session) {
      return posting("/api/v1/sessions/refresh")({ refresh_token: session.refreshToken });
    },
  },

  bearer: {
    phoneLogin: true,
    login: posting("/auth/mp_login"),
    read: function (body) {
      return { token: body.access_token, lifetime: 7 * DAY, user: { openid: body.openid } };
    },
  },

  detail: {
    silent: true,
    login: function (input) {
      return { url: "/wx/login", data: input };
    },
    read: function (body) {
      if (!body.token) return { ticket: body.openid };
      var user = without(body, ["token", "user_id", "invite"]);
      return { token: body.token, lifetime: 7 * DAY, user: merged(user, { id: body.id || body.user_id }) };
    },
  },

  code_message_data: {
    silent: true,
    login: posting("/api/v1/auth/wx-login"),
    read: function (body) {
      return tokens(body.data);
    },
    refresh: function () {
      return { url: "/api/v1/auth/refresh", method: "POST" };
    },
  },

  code_msg_data: {
    silent: true,
    login: function (input) {
      return posting("/user/wxlogin")(merged(without(input, ["code"]), { platCode: input.code }));
    },
    read: function (body) {
      var user = without(body.data, ["token", "token_type", "expires_in", "user_id", "invite"]);
      return {
        token: body.data.token,
        lifetime: body.data.expires_in,
        user: merged(user, { id: body.data.user_id }),
      };
    },
  },

  success_data: {
    phoneLogin: true,
    login: posting("/login/wechatLogin"),
    // The token lives 30 days; it is checked, and kept, each 10,800 minutes.
    read: function (body) {
      return { token: body.data.token, lifetime: 10800 * 60, user: without(body.data, ["token", "invite"]) };
    },
    refresh: function () {
      return { url: "/member/refreshToken" };
    },
  },
};

module.exports = contracts;
