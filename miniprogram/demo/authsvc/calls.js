"use strict";
// Calls to the server: with a token, with what their answers tell of time, and with manners.
var errors = require("./errors");
var transport = require("./transport");

var merged = transport.merged;

/**
 * @param {any} host
 * @param {import("./index").Options} options
 * @param {import("./index").Life} life
 */
function createCalls(host, options, life) {
  var send = transport.createTransport(host, options);
  var record = life.record;

  /** The server's time in milliseconds, as far as its answers have told. */
  function now() {
    return Date.now() + record.offset;
  }

  /** @param {import("./index").Answer} answer */
  function learnTime(answer) {
    var date = Date.parse(errors.headerOf(answer, "date") || "");
    // The header counts whole seconds: less than two of difference may be none.
    if (Math.abs(date - now()) > 2000) record.offset = date - Date.now();
  }

  /**
   * Send a call; resolves with an answer below 400, rejects with an AuthError. What carries a secret follows no
   * redirect: that could lead anywhere.
   * @param {import("./index").RequestOptions} call
   * @param {string} [token]
   * @param {string} [code] for step-up
   */
  function exchange(call, token, code) {
    var sent = merged(merged({ redirect: "manual" }, call), { header: merged(call.header, secrets(token, code)) });
    if (token) sent.redirect = "manual";
    return send(sent).then(function (answer) {
      if (call.url.charAt(0) === "/") learnTime(answer); // of other servers only they know what their clock says
      var status = answer.statusCode;
      var isRedirect = status >= 300 && status < 400 && status !== 304 && sent.redirect === "manual";
      if (status >= 400 || isRedirect) throw errors.fromAnswer(answer);
      return answer;
    });
  }

  /**
   * Work that the kit does unasked: not again before the Retry-After of the last time is over.
   * @template T
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  function paced(work) {
    if (life.pause && Date.now() < life.pause.until) return Promise.reject(life.pause.error);
    return work().then(null, function (error) {
      if (error.retryAfter) life.pause = { until: Date.now() + error.retryAfter * 1000, error: error };
      throw error;
    });
  }

  return { exchange: exchange, now: now, paced: paced };
}

/**
 * The headers of somebody who is signed in.
 * @param {string} [token]
 * @param {string} [code] for step-up
 */
function secrets(token, code) {
  return { Authorization: token && "Bearer " + token, "Step-Up-Code": code };
}

module.exports = { createCalls: createCalls, secrets: secrets };
