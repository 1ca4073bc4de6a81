"use strict";
// How a call reaches the server. `wx` is looked up when called, so that it can be replaced and wrapped.
var errors = require("./errors");

/**
 * A copy of `a` with the members of `b` over it, without those that are undefined.
 * @param {any} a
 * @param {any} [b]
 * @returns {any}
 */
function merged(a, b) {
  /** @type {any} */
  var both = {};
  for (var key in a) if (a[key] !== undefined) both[key] = a[key];
  for (var other in b) if (b[other] !== undefined) both[other] = b[other];
  return both;
}

/**
 * One of WeChat's APIs as a promise; rejects with an AuthError.
 * @param {any} owner `wx` or `wx.cloud`
 * @param {string} name
 * @param {any} options
 * @returns {Promise<any>}
 */
function ask(owner, name, options) {
  return new Promise(function (resolve, reject) {
    var fail = function (/** @type {any} */ reason) {
      reject(errors.fromFailure(reason));
    };
    // A redirect that is not followed ends a request; whether that is its success is written nowhere.
    var complete = function (/** @type {any} */ outcome) {
      if (outcome && outcome.statusCode) resolve(outcome);
      else fail(outcome);
    };
    owner[name](merged({ complete: complete }, merged(options, { success: resolve, fail: fail })));
  });
}

/**
 * The data of a GET belongs into the query; only wx.request puts it there by itself.
 * @param {import("./index").RequestOptions} call
 */
function withQuery(call) {
  if ((call.method || "GET") !== "GET" || !call.data) return call;
  /** @type {string[]} */
  var pairs = [];
  for (var key in call.data) pairs.push(encodeURIComponent(key) + "=" + encodeURIComponent(call.data[key]));
  return merged(merged(call, { url: call.url + (call.url.indexOf("?") < 0 ? "?" : "&") + pairs.join("&") }), { data: null });
}

/** @param {any} result what a cloud function returned: {statusCode, data, header}, or the server's JSON alone */
function answerOf(result) {
  if (result && typeof result.statusCode === "number") return result;
  var code = result && result.code;
  return { statusCode: code >= 400 && code < 600 ? code : 200, data: result, header: {} };
}

/**
 * The function that sends a call and resolves with {statusCode, data, header}, whatever the status. Absolute addresses
 * always go by wx.request.
 * @param {any} wx
 * @param {import("./index").Options} options
 * @returns {(call: import("./index").RequestOptions) => Promise<import("./index").Answer>}
 */
function createTransport(wx, options) {
  var container = options.cloudContainer;
  var cloudFunction = options.cloudFunction;
  return function (call) {
    var timed = merged({ timeout: options.timeout || 10000 }, call);
    if (/^https?:/i.test(call.url)) return ask(wx, "request", timed);
    if (container) {
      var header = merged({ "X-WX-SERVICE": container.service, "content-type": "application/json" }, call.header);
      var config = container.env ? { env: container.env } : undefined;
      var sent = withQuery(timed);
      delete sent.redirect; // wx.request knows it alone
      return ask(wx.cloud, "callContainer", merged(sent, { path: sent.url, header: header, config: config }));
    }
    if (cloudFunction) {
      var asked = withQuery(call);
      var data = merged({ method: call.method || "GET", path: asked.url, body: asked.data || undefined, headers: call.header });
      return ask(wx.cloud, "callFunction", { name: cloudFunction, data: data }).then(function (answer) {
        return answerOf(answer.result);
      });
    }
    return ask(wx, "request", merged(timed, { url: options.baseUrl + call.url }));
  };
}

module.exports = { ask: ask, createTransport: createTransport, merged: merged };
