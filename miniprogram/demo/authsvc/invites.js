"use strict";

/**
 * The invite code in what onLaunch or onLoad gets: `scene` of a scanned code, undecoded, or `invite_code` of a link.
 * @param {Record<string, string | undefined>} query
 */
function inviteIn(query) {
  if (query.invite_code) return query.invite_code;
  var pairs = decoded(query.scene || "").split("&");
  for (var i = 0; i < pairs.length; i += 1) {
    var pair = pairs[i].split("=");
    if (pair[0] === "invite_code" && pair[1]) return pair[1];
  }
  return "";
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch (malformed) {
    return "";
  }
}

module.exports = { inviteIn: inviteIn };
