"use strict";
// Everybody who waits for a person waits for one page.
var errors = require("./errors");

/**
 * The session that the login page will bring; the page is opened unless it is open already.
 * @param {import("./index").Life} life
 * @param {any} options
 * @param {import("./index").LoginReason} reason
 * @returns {Promise<import("./index").Session>}
 */
function awaitLogin(life, options, reason) {
  if (life.page) return life.page.promise;
  /** @type {any} */
  var page = {};
  page.promise = new Promise(function (resolve, reject) {
    page.resolve = resolve;
    page.reject = reject;
  });
  var forget = function () {
    if (life.page === page) life.page = undefined;
  };
  page.promise.then(forget, forget);
  life.page = page;
  Promise.resolve()
    .then(function () {
      return options.onLoginRequired(reason);
    })
    .then(null, page.reject); // a page that did not open would keep everybody waiting
  return page.promise;
}

/** @param {import("./index").Life} life */
function cancelLogin(life) {
  if (life.page) life.page.reject(errors.error("cancelled", "登录页已关闭"));
}

module.exports = { awaitLogin: awaitLogin, cancelLogin: cancelLogin };
