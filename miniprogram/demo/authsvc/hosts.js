"use strict";
// Which addresses may hear a token: authsvc's own, and those that the mini program lists. A phone has no URL to take an
// address apart, and programs that do disagree about odd ones: what is not plainly on the list is not on it.
var errors = require("./errors");

// Scheme, host, port; then a path, query or fragment, or nothing. No user, backslash, blank, escape or full-width letter.
var ORIGIN = /^(https?):\/\/([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(?=[\/?#]|$)/i;
// A path, and nothing that could be read as a host.
var PATH = /^\/(?![\/\\])/;
var DOT_SEGMENT = /(?:[\/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[\/\\]|%2f|%5c|$)/i;

/**
 * The origin of an address in the one way it is written here, or nothing.
 * @param {string} address
 */
function originOf(address) {
  var found = ORIGIN.exec(address);
  if (!found) return undefined;
  var scheme = found[1].toLowerCase();
  var port = found[3] === undefined ? "" : ":" + Number(found[3]);
  if (port === (scheme === "https" ? ":443" : ":80")) port = "";
  return scheme + "://" + found[2].toLowerCase() + port;
}

/**
 * @param {string} entry of `hosts`
 * @returns {string}
 */
function listedOrigin(entry) {
  var origin = originOf(entry);
  var rest = String(entry).replace(ORIGIN, "");
  if (!origin || (rest && rest !== "/")) throw new Error("hosts: not an origin such as https://api.example.com: " + entry);
  return origin;
}

/**
 * @param {import("./index").Options} options
 * @returns {{refusal(url: string): import("./index").AuthError | undefined, isOwn(url: string): boolean}}
 */
function createHosts(options) {
  var base = options.baseUrl;
  var listed = (options.hosts || []).map(listedOrigin);
  if (base) {
    var own = originOf(base);
    if (!own) throw new Error("baseUrl: not an address such as https://login.example.com: " + base);
    listed.push(own);
  }
  return {
    /** Why no token goes to this address, if that is so. */
    refusal: function (url) {
      var origin = originOf(url);
      if (PATH.test(url) || (origin && listed.indexOf(origin) >= 0)) return undefined;
      return errors.error("refused", "令牌不会发往该地址，请将其加入 createAuth 的 hosts：" + url, {
        error: "host_not_listed",
        action: "fix_request",
      });
    },
    /** Whether it is authsvc that hears of this address: a code of wx.login is for nobody else, also on the same host. */
    isOwn: function (url) {
      if (DOT_SEGMENT.test(url.split(/[?#]/)[0])) return false;
      return PATH.test(url) || Boolean(base && url.indexOf(base + "/") === 0);
    },
  };
}

module.exports = { createHosts: createHosts };
