"use strict";
// Every rejection of the kit is an AuthError; index.d.ts says what its members mean.

/**
 * @constructor
 * @this {any}
 * @param {import("./index").ErrorKind} kind
 * @param {string} message
 * @param {Partial<import("./index").AuthError>} [more]
 */
function AuthError(kind, message, more) {
  this.stack = new Error(message).stack;
  this.name = "AuthError";
  this.kind = kind;
  this.message = message;
  for (var key in more) this[key] = /** @type {any} */ (more)[key];
}
AuthError.prototype = Object.create(Error.prototype);
AuthError.prototype.constructor = AuthError;

/**
 * @param {import("./index").ErrorKind} kind
 * @param {string} message
 * @param {Partial<import("./index").AuthError>} [more]
 * @returns {import("./index").AuthError}
 */
function error(kind, message, more) {
  return new /** @type {any} */ (AuthError)(kind, message, more);
}

/**
 * What the `fail` of one of WeChat's APIs says.
 * @param {{errMsg?: string, errno?: number, errCode?: number}} reason
 */
function fromFailure(reason) {
  var text = (reason && reason.errMsg) || String(reason);
  if (reason && (reason.errno === 104 || /privacy/.test(text))) return error("privacy", text);
  if (reason && reason.errno === 1400001) return error("refused", text, { error: "phone_quota", action: "contact" });
  if (/abort|cancel|deny/.test(text)) return error("cancelled", text);
  return error(/time ?out/.test(text) ? "timeout" : "network", text, { action: "retry" });
}

/**
 * What an answer with a status of 400 or more says, in whichever contract.
 * @param {import("./index").Answer} answer
 */
function fromAnswer(answer) {
  var status = answer.statusCode;
  var body = answer.data || {};
  // Only the native contract says what to do; `error` of the others is another thing.
  var isNative = typeof body.action === "string";
  var seconds = Number(headerOf(answer, "retry-after"));
  return error(status === 401 ? "unauthorized" : status < 500 ? "refused" : "server", sentence(body) || "HTTP " + status, {
    status: status,
    error: isNative ? body.error : undefined,
    action: isNative ? body.action : actionOf(status),
    retryAfter: seconds > 0 ? seconds : undefined,
    requestId: body.request_id,
    fields: isNative ? body.fields : undefined,
  });
}

/** @param {number} status @returns {import("./index").Action} */
function actionOf(status) {
  if (status === 401) return "relogin";
  if (status === 429 || status >= 500) return "retry";
  return status === 403 || status === 409 ? "contact" : "fix_request";
}

/** @param {any} body */
function sentence(body) {
  var text = body.msg || body.message || body.detail;
  if (typeof text === "string") return text;
  for (var field in body) if (Array.isArray(body[field])) return String(body[field][0]);
  return "";
}

/**
 * A header, whose name is spelt as the server pleases.
 * @param {import("./index").Answer} answer
 * @param {string} name in lower case
 * @returns {string | undefined}
 */
function headerOf(answer, name) {
  var header = answer.header || {};
  for (var key in header) if (key.toLowerCase() === name) return header[key];
  return undefined;
}

module.exports = {
  AuthError: AuthError,
  error: error,
  fromAnswer: fromAnswer,
  fromFailure: fromFailure,
  headerOf: headerOf,
};
