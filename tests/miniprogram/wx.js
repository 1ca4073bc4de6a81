// A phone with WeChat on it, as far as a mini program can tell: `wx`, and the hands of the person who holds it.
// Requests are real HTTP; what WeChat does on the phone is asked of the simulator (docs/simulator.md). No dependencies.
//
//   const phone = createPhone({ simulator, appid, user: "lan" });
//   phone.wx.request({ url, success });        // what the mini program's code calls
//   await phone.tapPhoneButton(page.getPhoneNumber);   // what the person does
//
// Points that shims often get wrong, and this one does as WeChat does:
// - `success` is called for every HTTP status, `fail` only when there is no answer;
// - the data of a GET goes into the query, and content-type stays application/json, without a body;
// - the answer is parsed as JSON whatever its content-type, and stays text when it is none;
// - header names come as the server spelt them; Referer is WeChat's own and cannot be set;
// - callbacks come later, never during the call; an error in one does not reach the caller (wx.onError hears of it);
// - redirects are followed with every header, unless `redirect: "manual"` was asked for;
// - ten requests at once, the others wait; no PATCH;
// - storage holds copies, and nothing is ''.
//
// What only a test's phone has: `offline`, `losing` (so many answers get lost on their way), `sees`, `journal`.
import http from "node:http";
import https from "node:https";
import { randomBytes } from "node:crypto";

const METHODS = new Set(["OPTIONS", "GET", "HEAD", "POST", "PUT", "DELETE", "TRACE", "CONNECT"]);
const AT_ONCE = 10;
const TIMEOUT = 60_000;
const USER_AGENT =
  "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 " +
  "MicroMessenger/8.0.50(0x1800323d) NetType/WIFI Language/zh_CN";

/** Send one HTTP request; resolves with { status, rawHeaders, body: Buffer }, rejects when there is no answer. */
export function exchange(method, url, { headers = {}, body, timeout = TIMEOUT, agent, onRequest } = {}) {
  return new Promise((resolve, reject) => {
    const module = new URL(url).protocol === "https:" ? https : http;
    const sent = body === undefined ? headers : { ...headers, "Content-Length": Buffer.byteLength(body) };
    const request = module.request(url, { method, headers: sent, timeout, agent }, (response) => {
      const pieces = [];
      response.on("data", (piece) => pieces.push(piece));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode, rawHeaders: response.rawHeaders, body: Buffer.concat(pieces) }),
      );
    });
    request.on("timeout", () => request.destroy(new Error("timeout")));
    request.on("error", reject);
    onRequest?.(request);
    request.end(body);
  });
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const MOST_REDIRECTS = 5;

/** As `exchange`; follows redirects as a phone does, to wherever they lead, with every header. */
async function exchangeAll(method, url, options) {
  const answer = await exchange(method, url, options);
  const at = answer.rawHeaders.findIndex((name, index) => index % 2 === 0 && name.toLowerCase() === "location");
  const left = options.redirects ?? MOST_REDIRECTS;
  if (!REDIRECTS.has(answer.status) || at < 0 || left === 0) return answer;
  const keeps = answer.status >= 307 || method === "GET" || method === "HEAD";
  const further = { ...options, redirects: left - 1, body: keeps ? options.body : undefined };
  return exchangeAll(keeps ? method : "GET", new URL(answer.rawHeaders[at + 1], url).href, further);
}

/** The text that an object becomes in a query or a form. */
export function encoded(data) {
  return Object.keys(data)
    .map((key) => `${encodeURIComponent(key)}=${encodeURIComponent(data[key])}`)
    .join("&");
}

/**
 * A phone. `service` is where the cloud function `api-proxy` forwards to; `onAnswer` hears every answer of a server
 * (url, status, headers, text), which real phones have no such thing for.
 */
export function createPhone({ simulator, appid, user, version = "17", service = "", onAnswer = () => {} }) {
  const storage = new Map();
  const files = new Map();
  const errorListeners = [];
  const journal = { codes: [], shown: [], requests: [] };
  const agent = new http.Agent({ keepAlive: true });
  let inTap = false;
  let rotate;

  // --- callbacks ------------------------------------------------------------------------------------------

  function call(callback, value) {
    if (typeof callback !== "function") return;
    try {
      callback(value);
    } catch (error) {
      if (errorListeners.length === 0) console.error(error);
      for (const listener of errorListeners) listener(error.stack ?? String(error), error);
    }
  }

  function settle(options, outcome, value) {
    setImmediate(() => {
      call(options[outcome], value);
      call(options.complete, value);
    });
  }

  /** An API of WeChat: calls back, or gives a promise when no callback was handed in. */
  function api(name, work) {
    return (options = {}) => {
      const outcome = Promise.resolve()
        .then(() => work(options))
        .then(
          (value) => ({ outcome: "success", value: { ...value, errMsg: value?.errMsg ?? `${name}:ok` } }),
          (error) => ({ outcome: "fail", value: { errMsg: `${name}:fail ${error.message}` } }),
        );
      if (options.success || options.fail || options.complete) {
        outcome.then((found) => settle(options, found.outcome, found.value));
        return undefined;
      }
      return outcome.then(({ outcome: how, value }) => (how === "success" ? value : Promise.reject(value)));
    };
  }

  /** What WeChat says to this phone's person. */
  const ask = (path, body) => tell(path, { appid, user, ...body });

  async function tell(path, body) {
    checkNetwork();
    const answer = await exchange("POST", simulator + path, {
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      agent,
    });
    const value = JSON.parse(answer.body);
    if (answer.status >= 400) throw new Error(JSON.stringify(value));
    return value;
  }

  // --- network --------------------------------------------------------------------------------------------

  function checkNetwork() {
    if (phone.offline) throw new Error("net::ERR_INTERNET_DISCONNECTED");
  }

  /** Exchange with a server, unless there is no network, or none any more when the answer comes. */
  async function send(method, url, { follows = true, ...options }) {
    checkNetwork();
    journal.requests.push({ method, url, ...options });
    const answer = await (follows ? exchangeAll : exchange)(method, url, { agent, ...options });
    if (phone.losing > 0) {
      phone.losing -= 1;
      throw new Error("net::ERR_CONNECTION_RESET");
    }
    answered(url, answer);
    return answer;
  }

  /** The header of an answer as an object; names as the server spelt them. */
  function headerOf({ rawHeaders }) {
    const header = {};
    for (let i = 0; i < rawHeaders.length; i += 2) header[rawHeaders[i]] = rawHeaders[i + 1];
    return header;
  }

  const waiting = [];
  let running = 0;

  function enqueue(job) {
    waiting.push(job);
    next();
  }

  function next() {
    while (running < AT_ONCE && waiting.length > 0) {
      running += 1;
      waiting
        .shift()()
        .finally(() => {
          running -= 1;
          next();
        });
    }
  }

  /** Headers as a phone sends them: the caller's over the defaults, case put aside, Referer never the caller's. */
  function headersOf(given = {}, contentType) {
    const headers = contentType ? { "content-type": contentType } : {};
    for (const [name, value] of Object.entries(given)) headers[name.toLowerCase()] = String(value);
    headers["user-agent"] = USER_AGENT;
    headers.referer = `https://servicewechat.com/${appid}/${version}/page-frame.html`;
    return headers;
  }

  function answered(url, answer) {
    onAnswer({ url, status: answer.status, header: headerOf(answer), text: answer.body.toString("utf8") });
  }

  function isBinary(data) {
    return data instanceof ArrayBuffer || ArrayBuffer.isView(data);
  }

  /** Where an object goes: the query of a GET, form text, or JSON. Texts and bytes go as they are. */
  function placed(method, url, data, contentType) {
    if (data === undefined || data === null) return { url };
    if (typeof data === "string" || isBinary(data)) {
      return method === "GET" ? { url } : { url, body: typeof data === "string" ? data : Buffer.from(data) };
    }
    if (method === "GET") {
      const query = encoded(data);
      return { url: query ? `${url}${url.includes("?") ? "&" : "?"}${query}` : url };
    }
    const isForm = contentType.toLowerCase().startsWith("application/x-www-form-urlencoded");
    return { url, body: isForm ? encoded(data) : JSON.stringify(data) };
  }

  function parsed(answer, { dataType = "json", responseType = "text" }) {
    if (responseType === "arraybuffer") return new Uint8Array(answer.body).buffer;
    const text = answer.body.toString("utf8");
    if (dataType !== "json") return text;
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }

  function request(options) {
    const method = (options.method ?? "GET").toUpperCase();
    let running = null;
    let aborted = false;
    const fail = (reason) => settle(options, "fail", { errMsg: `request:fail ${reason}`, errno: 600001 });
    if (!METHODS.has(method)) {
      fail("method is invalid");
    } else if (!/^https?:\/\//.test(options.url ?? "")) {
      fail("invalid url");
    } else {
      const headers = headersOf(options.header, "application/json");
      const { url, body } = placed(method, options.url, options.data, headers["content-type"]);
      enqueue(async () => {
        try {
          if (aborted) throw new Error("abort");
          const onRequest = (made) => (running = made);
          const follows = options.redirect !== "manual";
          const answer = await send(method, url, { headers, body, timeout: options.timeout, onRequest, follows });
          const header = headerOf(answer);
          const data = parsed(answer, options);
          settle(options, "success", { data, statusCode: answer.status, header, cookies: [], errMsg: "request:ok" });
        } catch (error) {
          fail(aborted ? "abort" : error.message);
        }
      });
    }
    return {
      abort() {
        aborted = true;
        running?.destroy(new Error("abort"));
      },
    };
  }

  function uploadFile(options) {
    const content = files.get(options.filePath);
    const fail = (reason) => settle(options, "fail", { errMsg: `uploadFile:fail ${reason}` });
    if (content === undefined) {
      fail("file not found");
    } else {
      const boundary = `----wx${randomBytes(12).toString("hex")}`;
      const parts = Object.entries(options.formData ?? {}).map(
        ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
      );
      const fileName = options.filePath.split("/").pop();
      parts.push(
        `--${boundary}\r\nContent-Disposition: form-data; name="${options.name}"; filename="${fileName}"\r\n` +
          `Content-Type: application/octet-stream\r\n\r\n`,
      );
      const body = Buffer.concat([Buffer.from(parts.join("")), content, Buffer.from(`\r\n--${boundary}--\r\n`)]);
      const headers = { ...headersOf(options.header), "content-type": `multipart/form-data; boundary=${boundary}` };
      enqueue(async () => {
        try {
          const answer = await send("POST", options.url, { headers, body, timeout: options.timeout });
          // Unlike wx.request, the answer of an upload is text that nobody has parsed.
          const data = answer.body.toString("utf8");
          settle(options, "success", { data, statusCode: answer.status, errMsg: "uploadFile:ok" });
        } catch (error) {
          fail(error.message);
        }
      });
    }
    return { abort() {}, onProgressUpdate() {} };
  }

  /** What the cloud function `api-proxy` does: it runs on WeChat's servers, forwards, and returns the parsed answer. */
  async function apiProxy({ method = "GET", path, body, headers = {} }) {
    const url = service + path;
    const sent = body === undefined ? headers : { "Content-Type": "application/json", ...headers };
    const text = body === undefined ? undefined : JSON.stringify(body);
    return parsed(await send(method, url, { headers: sent, body: text }), {});
  }

  /** wx.cloud.callContainer: WeChat's gateway in front of a service in its cloud; no Referer. */
  async function container({ path, method = "GET", data, header = {} }) {
    const body = data === undefined || data === null ? undefined : JSON.stringify(data);
    const answer = await send(method, service + path, { headers: header, body });
    return { statusCode: answer.status, data: parsed(answer, {}), header: headerOf(answer) };
  }

  // --- storage --------------------------------------------------------------------------------------------

  const copy = (value) => (value === undefined ? undefined : structuredClone(value));

  const storageApi = {
    setStorageSync: (key, data) => void storage.set(key, copy(data)),
    getStorageSync: (key) => (storage.has(key) ? copy(storage.get(key)) : ""),
    removeStorageSync: (key) => void storage.delete(key),
    clearStorageSync: () => storage.clear(),
    getStorageInfoSync: () => ({ keys: [...storage.keys()], currentSize: 1, limitSize: 10240 }),
    setStorage: api("setStorage", ({ key, data }) => void storage.set(key, copy(data))),
    getStorage: api("getStorage", ({ key }) => {
      if (!storage.has(key)) throw new Error("data not found");
      return { data: copy(storage.get(key)) };
    }),
    removeStorage: api("removeStorage", ({ key }) => void storage.delete(key)),
    clearStorage: api("clearStorage", () => storage.clear()),
  };

  // --- the screen: remembered, for tests to look at ---------------------------------------------------------

  const show = (name) =>
    api(name, ({ url, title, content }) => void journal.shown.push([name, url ?? title ?? content]));
  const screens = ["reLaunch", "redirectTo", "navigateTo", "switchTab", "showToast", "showModal", "showLoading"];

  // --- WeChat itself ----------------------------------------------------------------------------------------

  async function login() {
    const options = rotate === undefined ? {} : { rotate };
    rotate = undefined;
    const { code } = await ask("/phone/login", options);
    journal.codes.push(code);
    return { code };
  }

  const wx = {
    request,
    uploadFile,
    ...storageApi,
    ...Object.fromEntries(screens.map((name) => [name, show(name)])),
    hideLoading: api("hideLoading", () => {}),
    login: api("login", login),
    checkSession: api("checkSession", () => {}),
    getUserInfo: api("getUserInfo", () => ask("/phone/userinfo", { kind: "getUserInfo", ...phone.person })),
    getUserProfile: (options = {}) => {
      const allowed = inTap; // asked now: the tap is over by the time anything asynchronous runs
      return api("getUserProfile", ({ desc }) => {
        if (!allowed) throw new Error("can only be invoked by user TAP gesture.");
        if (!desc) throw new Error("parameter error: parameter.desc should be String instead of Undefined;");
        return ask("/phone/userinfo", { kind: "getUserProfile", ...phone.person });
      })(options);
    },
    requestVirtualPayment: api("requestVirtualPayment", ({ signData, paySig, signature }) =>
      ask("/phone/payment", { signData, paySig, signature }),
    ),
    scanCode: api("scanCode", () => tell("/phone/scan", { picture: phone.sees.toString("base64") })),
    getAccountInfoSync: () => ({ miniProgram: { appId: appid, envVersion: "release", version: `1.0.${version}` } }),
    onError: (listener) => void errorListeners.push(listener),
    cloud: {
      init() {},
      callFunction: api("cloud.callFunction", async ({ name, data }) => {
        if (name !== "api-proxy") throw new Error(`FunctionName parameter could not be found: ${name}`);
        return { result: await apiProxy(data), requestID: randomBytes(8).toString("hex") };
      }),
      callContainer: api("cloud.callContainer", container),
    },
  };

  const phone = {
    wx,
    journal,
    files,
    storage,
    offline: false,
    losing: 0,
    /** The picture in front of the camera. */
    sees: Buffer.alloc(0),
    /** Options of the simulator's /phone/userinfo for every profile that is asked for: profile, placeholder, … */
    person: {},

    /** Run a handler as a tap does: some APIs work only in there. */
    tap(handler, detail = {}) {
      inTap = true;
      try {
        return handler({ type: "tap", detail });
      } finally {
        inTap = false;
      }
    },

    /** Tap <button open-type="getPhoneNumber"> and allow it; resolves with what the handler returned. */
    async tapPhoneButton(handler, options = {}) {
      const detail = await ask("/phone/phonenumber", options);
      return this.tap(handler, detail);
    },

    /** Tap it and refuse. */
    async refusePhoneButton(handler) {
      return this.tap(handler, { errMsg: "getPhoneNumber:fail user deny" });
    },

    /** Seal any payload as WeChat would. */
    seal: (payload, options = {}) => ask("/phone/encrypt", { payload, ...options }),

    /** Let the next wx.login replace the session_key (true) or keep it (false). */
    rotateNext(value) {
      rotate = value;
    },

    /** Put a picture on the phone; returns its temporary path. */
    addFile(name, content) {
      const path = `wxfile://tmp_${randomBytes(6).toString("hex")}/${name}`;
      files.set(path, content);
      return path;
    },

    /** Close its connections. */
    turnOff() {
      agent.destroy();
    },
  };
  return phone;
}
