"use strict";
// The login manager. A request takes the session that there is; one that is due or refused is renewed; where that is
// refused too, wx.login makes a new one; where that is not enough, the person is asked. index.d.ts documents it.
var calling = require("./calls");
var contracts = require("./contracts");
var errors = require("./errors");
var createHosts = require("./hosts").createHosts;
var inviteIn = require("./invites").inviteIn;
var lives = require("./life");
var loginPage = require("./loginpage");
var transport = require("./transport");

var ask = transport.ask;
var merged = transport.merged;

var MINUTE = 60 * 1000;
// WeChat's codes live five minutes.
var CODE_LIFE = 4 * MINUTE;

/**
 * @param {import("./index").Options} options
 * @returns {import("./index").Auth}
 */
function createAuth(options) {
  /** @type {any} */
  var host = options.wx || wx;
  var contractName = options.contract || "native";
  var contract = contracts[contractName];
  if (!contract) throw new Error("unknown contract: " + contractName);
  var life = lives.lifeOf(host, options.namespace || "authsvc");
  var record = life.record;
  var hosts = createHosts(options);
  var calls = calling.createCalls(host, options, life);
  var exchange = calls.exchange;
  var paced = calls.paced;
  var now = calls.now;

  // --- the session --------------------------------------------------------------------------------------------

  /** @param {import("./index").Session | null} session */
  function keep(session) {
    record.session = session;
    if (session) record.isOut = false;
    life.save();
    if (session && life.page) life.page.resolve(session);
    var user = getUser();
    life.listeners.slice().forEach(function (listener) {
      listener(user);
    });
    return session;
  }

  function getUser() {
    return record.session ? record.session.user : null;
  }

  /**
   * The session that an answer gives.
   * @param {import("./index").Found} found
   * @param {import("./index").ContractName} name
   * @param {import("./index").Session} [before] what is not in the answer stays
   * @returns {import("./index").Session}
   */
  function sessionOf(found, name, before) {
    var lifetime = found.lifetime * 1000;
    // Some minutes early, so that no request has to be refused first; a contract that cannot renew waits for that.
    var early = contracts[name].refresh ? Math.min(2 * MINUTE, lifetime / 5) : 0;
    return merged(before, {
      contract: name,
      token: found.token,
      refreshToken: found.refreshToken || undefined,
      renewAt: now() + lifetime - early,
      user: found.user,
    });
  }

  /**
   * Refresh a session, wherever it is kept.
   * @param {import("./index").Session} session
   * @returns {Promise<import("./index").Session>}
   */
  function refreshed(session) {
    var own = contracts[session.contract];
    return exchange(/** @type {any} */ (own).refresh(session), session.token).then(function (answer) {
      return sessionOf(own.read(answer.data), session.contract, session);
    });
  }

  /**
   * Renew a session that is due or was refused; rejects with login_required when that takes the person.
   * @param {import("./index").Session} used
   * @returns {Promise<import("./index").Session>}
   */
  function renew(used) {
    var session = record.session;
    if (session && session.token !== used.token) return Promise.resolve(session); // somebody else did it already
    return lives.single(life, "renewing", function () {
      var generation = life.generation;
      if (!contracts[used.contract].refresh) {
        if (!contract.silent) keep(null);
        return enter();
      }
      var kept = function (/** @type {import("./index").Session} */ fresh) {
        if (generation !== life.generation) throw loggedOut();
        return keep(fresh);
      };
      var refused = function (/** @type {import("./index").AuthError} */ error) {
        if (generation !== life.generation) throw loggedOut();
        // No answer, an outage or too many requests are no logout.
        if ((error.kind !== "unauthorized" && error.kind !== "refused") || error.action === "retry") throw error;
        keep(null);
        if (error.status === 403) throw error; // the account itself is refused
        return enter();
      };
      return paced(function () {
        return refreshed(used);
      }).then(kept, refused);
    });
  }

  /**
   * A session without asking the person.
   * @returns {Promise<import("./index").Session>}
   */
  function enter() {
    if (life.flights.signing) return life.flights.signing;
    if (contract.silent && options.loginMode !== "manual" && !record.isOut) return signIn({});
    return Promise.reject(loginRequired("login"));
  }

  /** @returns {Promise<import("./index").Session>} */
  function current() {
    var session = record.session;
    if (!session) return enter();
    if (now() < session.renewAt) return Promise.resolve(session);
    return renew(session).then(null, function (error) {
      // The server could not be asked: until it refuses the token, that one may still do.
      if (session && record.session === session) return session;
      throw error;
    });
  }

  // --- signing in ---------------------------------------------------------------------------------------------

  /**
   * Sign in with a code of wx.login and what else the person gave. One at a time; who asks meanwhile waits along.
   * @param {import("./index").LoginInput} input
   * @returns {Promise<import("./index").Session>}
   */
  function signIn(input) {
    return lives.single(life, "signing", function () {
      var generation = life.generation;
      return consent()
        .then(function () {
          var work = function () {
            return loginCall(input, true);
          };
          return input.phoneCode || input.encryptedData ? work() : paced(work);
        })
        .then(function (found) {
          return arrive(found, generation);
        });
    });
  }

  /**
   * @param {import("./index").LoginInput} input
   * @param {boolean} mayRepeat
   * @returns {Promise<import("./index").Found>}
   */
  function loginCall(input, mayRepeat) {
    var invite = record.invite;
    var read = function (/** @type {import("./index").Answer} */ answer) {
      var found = contract.read(answer.data);
      if (found.token) inviteTaken(invite, answer);
      return found;
    };
    var failed = function (/** @type {import("./index").AuthError} */ error) {
      // A new code cannot help what was encrypted under the old one's key.
      if (mayRepeat && error.action === "relogin" && !input.encryptedData) return loginCall(input, false);
      throw error;
    };
    return takeCode(input)
      .then(function (code) {
        var call = contract.login(merged(input, { code: code, invite_code: invite || undefined }));
        call.header = { "Idempotency-Key": randomKey() };
        return exchange(call).then(null, function (error) {
          // Maybe only the answer was lost. The same code under the same key gives the same session.
          if (error.kind !== "network" && error.kind !== "timeout") throw error;
          return exchange(call);
        });
      })
      .then(read, failed);
  }

  /**
   * @param {import("./index").Found} found
   * @param {number} generation
   * @returns {any}
   */
  function arrive(found, generation) {
    if (found.token) return adopt(sessionOf(found, contractName), generation);
    life.ticket = found.ticket;
    throw loginRequired("register");
  }

  /**
   * Keep a session that began before a logout only if there was none.
   * @param {import("./index").Session} session
   * @param {number} generation
   */
  function adopt(session, generation) {
    if (generation === life.generation) {
      life.logins += 1;
      return keep(session);
    }
    farewell(session, "local").then(null, noop);
    throw loggedOut();
  }

  /** Ask once, before anything of the person leaves the phone. */
  function consent() {
    if (!options.consent || record.hasConsented) return Promise.resolve();
    return Promise.resolve(options.consent()).then(function (agreed) {
      if (!agreed) throw errors.error("privacy", "未同意隐私保护指引");
      record.hasConsented = true;
      life.save();
    });
  }

  /** @returns {Promise<string>} */
  function freshCode() {
    return ask(host, "login", { timeout: options.timeout || 10000 }).then(function (answer) {
      return answer.code;
    });
  }

  /**
   * A code that was never sent: for a tap the one from before it, as wx.login may change the key that sealed its data.
   * @param {import("./index").LoginInput} input
   */
  function takeCode(input) {
    var prepared = life.prepared;
    if (!prepared || !(input.phoneCode || input.encryptedData)) return freshCode();
    life.prepared = undefined;
    return prepared.then(null, freshCode);
  }

  function preparePhone() {
    leavePhone();
    life.prepared = freshCode();
    life.prepared.then(null, noop);
    life.timer = setTimeout(preparePhone, CODE_LIFE);
  }

  /**
   * A code for step-up. wx.login may change the key that a phone button encrypts under: an open page with one gets a
   * code from after that.
   */
  function stepUpCode() {
    return freshCode().then(function (code) {
      if (life.timer !== undefined) preparePhone();
      return code;
    });
  }

  function leavePhone() {
    if (life.timer !== undefined) clearTimeout(life.timer);
    life.timer = undefined;
    life.prepared = undefined;
  }

  /**
   * Sign in somebody who is signed in, unless that has happened since there were so many logins.
   * @param {number} logins
   * @returns {Promise<import("./index").Session>}
   */
  function signInAgain(logins) {
    if (record.session && life.logins !== logins) return Promise.resolve(record.session);
    return signIn({}).then(function (session) {
      if (life.timer !== undefined) preparePhone(); // wx.login may have changed the key that a phone button encrypts under
      return session;
    });
  }

  // --- the person ---------------------------------------------------------------------------------------------

  /**
   * Where a promise fails for want of the person, open the login page and wait for what becomes of it.
   * @param {Promise<import("./index").Session>} promise
   * @returns {Promise<import("./index").Session>}
   */
  function withPerson(promise) {
    return promise.then(null, function (error) {
      if (error.error !== "login_required" || !options.onLoginRequired) throw error;
      return loginPage.awaitLogin(life, options, error.reason);
    });
  }

  function closeLoginPage() {
    leavePhone();
    loginPage.cancelLogin(life);
  }

  /** @param {any} [extra] */
  function login(extra) {
    if (record.session && !extra) return userOf(withPerson(current()));
    if (!contract.silent) return userOf(withPerson(Promise.reject(loginRequired("login"))));
    if (!extra) return userOf(withPerson(signIn({})));
    // A silent login that is under way does not carry what was asked for.
    var asked = lives.single(life, "asked", function () {
      return signingOver().then(function () {
        return signIn(extra);
      });
    });
    return userOf(withPerson(asked));
  }

  /** Resolves when no login is under way. */
  function signingOver() {
    return (life.flights.signing || Promise.resolve()).then(noop, noop);
  }

  /**
   * @param {import("./index").PhoneDetail} detail
   * @param {any} [extra]
   */
  function loginWithPhone(detail, extra) {
    if (!detail || !(detail.code || detail.encryptedData)) return Promise.reject(errors.fromFailure(detail));
    var tapped = detail.code ? { phoneCode: detail.code } : { encryptedData: detail.encryptedData, iv: detail.iv };
    return signingOver()
      .then(function () {
        if (record.session) return bindPhone(tapped);
        if (contract.phoneLogin) return signIn(merged(extra, tapped));
        var bind = function () {
          return bindPhone(tapped);
        };
        return signIn({}).then(bind, function (error) {
          if (error.reason !== "register" || !detail.code) throw error;
          return exchange({ url: "/wx/phone", data: { code: detail.code } }).then(function (answer) {
            return registerWithTicket(merged({ sex: 0 }, merged(extra, { phone: answer.data.phone })));
          });
        });
      })
      .then(getUser, function (error) {
        if (life.timer !== undefined) preparePhone(); // the page is still open: for the next tap
        throw error;
      });
  }

  /** @param {import("./index").LoginInput} tapped */
  function bindPhone(tapped) {
    var generation = life.generation;
    var data = tapped.phoneCode ? { code: tapped.phoneCode } : tapped;
    /** @type {import("./index").RequestOptions} */
    var call = { url: "/api/v1/me/phone", method: "POST", data: data };
    var codeOfTheTap = function () {
      return takeCode(tapped);
    };
    return requested(call, codeOfTheTap).then(function (/** @type {any} */ answer) {
      var bound = answer.data.data;
      // The number showed that this is somebody known before: authsvc signed them in as that user.
      var tokens = bound.tokens;
      if (tokens) return adopt(sessionOf(contracts.native.read({ data: tokens }), "native"), generation);
      return setUser({ phone: bound.phone });
    });
  }

  /** @param {any} fields */
  function register(fields) {
    // Tickets live ten minutes: one of this moment.
    var registered = signIn({}).then(null, function (error) {
      if (error.reason !== "register") throw error;
      return registerWithTicket(fields);
    });
    return userOf(registered);
  }

  /**
   * @param {any} fields
   * @returns {Promise<import("./index").Session>}
   */
  function registerWithTicket(fields) {
    var generation = life.generation;
    var invite = record.invite;
    var data = merged(fields, { openid: life.ticket, invite_code: invite || undefined });
    return exchange({ url: "/wx/login", method: "POST", data: data }).then(function (answer) {
      inviteTaken(invite, answer);
      return arrive(contract.read(answer.data), generation);
    });
  }

  /**
   * A login took the invite along. What became of it stands beside the token, in every contract.
   * @param {string} invite
   * @param {import("./index").Answer} answer
   */
  function inviteTaken(invite, answer) {
    if (record.invite === invite) record.invite = "";
    var outcome = (answer.data.data || answer.data).invite;
    life.inviteStatus = outcome && outcome.status;
  }

  /** @param {any} changes */
  function setUser(changes) {
    return record.session && keep(merged(record.session, { user: merged(record.session.user, changes) }));
  }

  // --- requests -----------------------------------------------------------------------------------------------

  /**
   * Do work that needs a token; once more, with another token, if the server refuses the first; once more, with a code
   * of wx.login, if authsvc wants to know that it is the person (step-up); once more, after a new login, if WeChat has
   * replaced the session_key that a server wanted to use. Each time with a code of its own.
   * @template T
   * @param {string} url
   * @param {(token: string, code?: string) => Promise<T>} work
   * @param {() => Promise<string>} [firstCode] of work that is known to take one: where it comes from
   * @returns {Promise<T>}
   */
  function authorized(url, work, firstCode) {
    var refusal = hosts.refusal(url);
    if (refusal) return Promise.reject(refusal);
    return withPerson(current()).then(function (first) {
      var generation = life.generation;
      var mayRenew = true;
      var mayEnter = true;

      /**
       * @param {import("./index").Session} session
       * @param {() => Promise<string>} [takesCode]
       * @returns {Promise<T>}
       */
      function attempt(session, takesCode) {
        var logins = life.logins;
        /** @param {string} [code] */
        var carryOut = function (code) {
          if (generation !== life.generation) throw loggedOut();
          return work(session.token, code);
        };
        return (takesCode ? takesCode().then(carryOut) : carryOut()).then(null, function (error) {
          var wantsCode = !takesCode && error.error === "step_up_required" && hosts.isOwn(url);
          var wantsLogin = mayEnter && isKeyReplaced(error);
          if (!wantsCode && !wantsLogin && !(mayRenew && isTokenRefused(error))) throw error;
          if (generation !== life.generation) throw loggedOut();
          if (wantsCode) return attempt(session, stepUpCode);
          if (wantsLogin) mayEnter = false;
          else mayRenew = false;
          return withPerson(wantsLogin ? signInAgain(logins) : renew(session)).then(function (fresh) {
            return attempt(fresh, takesCode && stepUpCode);
          });
        });
      }

      return attempt(first, firstCode);
    });
  }

  /**
   * @param {import("./index").RequestOptions} call
   * @param {() => Promise<string>} [firstCode]
   */
  function requested(call, firstCode) {
    var send = function (/** @type {string} */ token, /** @type {string | undefined} */ code) {
      return exchange(call, token, code);
    };
    return authorized(call.url, send, firstCode);
  }

  /**
   * @param {any} options
   * @param {Promise<any>} promise
   * @returns {any} nothing when callbacks were handed in, as with wx.request
   */
  function calledBack(options, promise) {
    if (!options.success && !options.fail && !options.complete) return promise;
    var settle = function (/** @type {string} */ outcome) {
      return function (/** @type {any} */ value) {
        if (options[outcome]) options[outcome](value);
        if (options.complete) options.complete(value);
      };
    };
    promise.then(settle("success"), settle("fail"));
    return undefined;
  }

  /** @param {any} options */
  function request(options) {
    var call = merged(options);
    ["success", "fail", "complete", "auth"].forEach(function (name) {
      delete call[name];
    });
    return calledBack(options, options.auth === false ? exchange(merged({ redirect: "follow" }, call)) : requested(call));
  }

  /** @param {import("./index").UploadOptions} upload */
  function uploadFile(upload) {
    return authorized(upload.url, function (token, code) {
      var header = merged(upload.header, calling.secrets(token, code));
      var url = /^https?:/i.test(upload.url) ? upload.url : options.baseUrl + upload.url;
      return ask(host, "uploadFile", merged(upload, { url: url, header: header })).then(function (answer) {
        var parsed = merged(answer, { data: parse(answer.data) });
        if (answer.statusCode >= 300) throw errors.fromAnswer(parsed);
        return parsed;
      });
    });
  }

  // --- leaving ------------------------------------------------------------------------------------------------

  /**
   * End a session on the server, or with step-up all of them. Its token may be over while the session is not.
   * @param {import("./index").Session} session
   * @param {"local" | "global"} scope
   */
  function farewell(session, scope) {
    /** @type {import("./index").RequestOptions} */
    var call = { url: "/api/v1/sessions/logout?scope=" + scope, method: "POST" };
    var send = function (/** @type {string} */ token) {
      if (scope === "local") return exchange(call, token);
      return stepUpCode().then(function (code) {
        return exchange(call, token, code);
      });
    };
    return send(session.token)
      .then(null, function (error) {
        if (!isTokenRefused(error) || !contracts[session.contract].refresh) throw error;
        return refreshed(session).then(function (fresh) {
          return send(fresh.token);
        });
      })
      .then(noop, function (error) {
        if (!isTokenRefused(error)) throw error; // it has ended already
      });
  }

  /** @param {import("./index").Session} session */
  function farewellEverywhere(session) {
    return farewell(session, "global").then(null, function (error) {
      // At least what takes no code; the promise still says that not everything was done.
      var fail = function () {
        throw error;
      };
      return farewell(session, "local").then(fail, fail);
    });
  }

  /** @param {{everywhere?: boolean}} [how] */
  function logout(how) {
    var session = record.session;
    life.generation += 1;
    record.isOut = true;
    keep(null);
    if (!session) return Promise.resolve();
    return how && how.everywhere ? farewellEverywhere(session) : farewell(session, "local");
  }

  return {
    ready: function () {
      return userOf(current()).then(null, function (error) {
        if (error.error === "login_required") return null;
        throw error;
      });
    },
    login: login,
    loginWithPhone: loginWithPhone,
    register: register,
    preparePhone: preparePhone,
    closeLoginPage: closeLoginPage,
    request: request,
    uploadFile: uploadFile,
    token: function () {
      return withPerson(current()).then(function (session) {
        return session.token;
      });
    },
    refresh: function () {
      return userOf(withPerson(record.session ? renew(record.session) : enter()));
    },
    logout: logout,
    getUser: getUser,
    setUser: function (changes) {
      setUser(changes);
    },
    isLoggedIn: function () {
      return record.session !== null;
    },
    onChange: function (listener) {
      life.listeners.push(listener);
      return function () {
        life.listeners = life.listeners.filter(function (other) {
          return other !== listener;
        });
      };
    },
    now: now,
    keepInvite: function (query) {
      var code = inviteIn(query || {});
      if (code) record.invite = code;
      if (code) life.save();
      return record.invite;
    },
    inviteStatus: function () {
      return life.inviteStatus;
    },
  };
}

function noop() {}

/** @param {Promise<import("./index").Session>} promise */
function userOf(promise) {
  return promise.then(function (session) {
    return session.user;
  });
}

/** @param {import("./index").LoginReason} reason */
function loginRequired(reason) {
  return errors.error("unauthorized", "请先登录", { error: "login_required", action: "relogin", reason: reason });
}

/**
 * Whether an answer says that the token, and not a code beside it, is no good.
 * @param {import("./index").AuthError} error
 */
function isTokenRefused(error) {
  return error.kind === "unauthorized" && !/^wx_/.test(error.error || "");
}

/**
 * True where what WeChat shares with the person is over, and their session is not. With other statuses, `relogin` is
 * about a code or data in the request itself, which a repeat would only send again.
 * @param {import("./index").AuthError} error
 */
function isKeyReplaced(error) {
  return error.status === 409 && error.action === "relogin";
}

function loggedOut() {
  return errors.error("cancelled", "已退出登录");
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    return text;
  }
}

/** @returns {string} one per login attempt: it names a repeat, and protects nothing */
function randomKey() {
  var text = "";
  while (text.length < 32) text += Math.random().toString(36).slice(2, 10);
  return text.slice(0, 32);
}

module.exports = { createAuth: createAuth };
