"use strict";
// What all createAuth of one namespace share: the session, and what is in flight. Two instances with flights of their
// own would spend one refresh token twice, and the server would end the session as stolen.

var contracts = require("./contracts");

/** @type {{wx: any, namespace: string, life: import("./index").Life}[]} */
var lives = [];

/**
 * The life of a namespace; made, from storage, when it is first asked for.
 * @param {any} wx
 * @param {string} namespace also the storage key
 */
function lifeOf(wx, namespace) {
  for (var i = 0; i < lives.length; i += 1) {
    if (lives[i].wx === wx && lives[i].namespace === namespace) return lives[i].life;
  }
  /** @type {import("./index").Life} */
  var life = {
    record: stored(wx, namespace),
    generation: 0,
    logins: 0,
    flights: {},
    listeners: [],
    save: function () {
      try {
        wx.setStorageSync(namespace, life.record);
      } catch (full) {
        // The session then lasts until the mini program is closed.
      }
    },
  };
  lives.push({ wx: wx, namespace: namespace, life: life });
  return life;
}

/**
 * What storage holds; broken storage counts as empty.
 * @param {any} wx
 * @param {string} namespace
 * @returns {import("./index").StoredRecord}
 */
function stored(wx, namespace) {
  var found;
  try {
    found = wx.getStorageSync(namespace);
  } catch (broken) {
    found = null;
  }
  if (!found || typeof found !== "object") found = {};
  var session = found.session;
  var isWhole =
    session &&
    typeof session.token === "string" &&
    typeof session.renewAt === "number" &&
    contracts.hasOwnProperty(session.contract);
  return {
    session: isWhole ? session : null,
    isOut: found.isOut === true,
    hasConsented: found.hasConsented === true,
    invite: typeof found.invite === "string" ? found.invite : "",
    offset: typeof found.offset === "number" ? found.offset : 0,
  };
}

/**
 * Run `work` unless it is under way already: whoever asks meanwhile gets the same promise.
 * @param {import("./index").Life} life
 * @param {string} name
 * @param {() => any} work
 * @returns {Promise<any>}
 */
function single(life, name, work) {
  var flights = life.flights;
  if (!flights[name]) {
    var flight = Promise.resolve().then(work);
    var land = function () {
      delete flights[name];
    };
    flights[name] = flight;
    flight.then(land, land);
  }
  return /** @type {Promise<any>} */ (flights[name]);
}

module.exports = { lifeOf: lifeOf, single: single };
