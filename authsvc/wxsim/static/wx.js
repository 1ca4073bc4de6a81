// `wx` of one person's phone, as far as the login manager needs it. WeChat's part is asked of the simulator.

/** What goes wrong on purpose: `offline`, and the `expired` among the `tokens` that were sent. */
export const faults = { offline: false, tokens: new Set(), expired: new Set() };

const JSON_TYPE = { "Content-Type": "application/json" };

/** `storage` is the prefix of the keys; `note(from, to, text, data, isBad, isDone)` hears of every call. */
export function createWx({ appid, user, storage, note }) {
  const files = new Map(); // the temporary files of this phone, by path

  function checkNetwork() {
    if (faults.offline) throw new Error("net::ERR_INTERNET_DISCONNECTED");
  }

  /** What WeChat does on this phone, docs/simulator.md. */
  async function ask(api, action, body) {
    await note("phone", "wechat", api);
    try {
      checkNetwork();
      const answer = await fetch(`/phone/${action}`, { method: "POST", headers: JSON_TYPE, body: JSON.stringify(body) });
      const value = await answer.json();
      if (!answer.ok) throw new Error(value.error);
      await note("wechat", "phone", value.path ?? `code ${value.code}`, value, false, true);
      return value;
    } catch (error) {
      await note("wechat", "phone", error.message, undefined, true);
      throw error;
    }
  }

  function send({ url, method = "GET", data, header = {}, timeout }) {
    return exchange({ url, method, header: { ...JSON_TYPE, ...header }, data, body: data && JSON.stringify(data), timeout });
  }

  function upload({ url, filePath, name, header = {}, timeout }) {
    const body = new FormData();
    body.append(name, files.get(filePath), "picture");
    const data = { [name]: filePath };
    return exchange({ url, method: "POST", header, data, body, timeout }).then((answer) => ({
      ...answer,
      data: JSON.stringify(answer.data), // wx.uploadFile answers with text
    }));
  }

  /** `data` is what the list of calls shows of the `body`. */
  async function exchange({ url, method, header, data, body, timeout = 60000 }) {
    const headers = { "Accept-Language": document.documentElement.lang, ...header };
    const path = url.replace(/^.*\/ui\/authsvc/, "");
    const code = header["Step-Up-Code"];
    if (code) await note("phone", "authsvc", `${method} ${path} + Step-Up-Code`, { "Step-Up-Code": code, ...data });
    else await note("phone", "authsvc", `${method} ${path}`, data);
    checkNetwork();
    const token = headers.Authorization;
    if (token) faults.tokens.add(token);
    if (faults.expired.has(token)) headers.Authorization = token.slice(0, -8); // refused like any that is over
    const answer = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(timeout) });
    const content = await answer.json();
    const statusCode = Number(answer.headers.get("Authsvc-Status") ?? answer.status);
    await note("authsvc", "phone", `${statusCode} ${content.error ?? ""}`, content, statusCode >= 400, statusCode < 300);
    return { statusCode, data: content, header: Object.fromEntries(answer.headers) };
  }

  /** An API of WeChat's, which calls back. */
  function api(name, work) {
    return (options) =>
      work(options).then(options.success, (error) => {
        const reason = error.name === "TimeoutError" ? "timeout" : error.message;
        options.fail({ errMsg: `${name}:fail ${reason}` });
      });
  }

  /** As `send`, and notes what kept the call from an answer. */
  const noted = (sending) => (options) =>
    sending(options).catch(async (error) => {
      await note("authsvc", "phone", error.message, undefined, true);
      throw error;
    });

  return {
    login: api("login", () => ask("wx.login()", "login", { appid, user })),
    request: api("request", noted(send)),
    uploadFile: api("uploadFile", noted(upload)),
    getStorageSync: (key) => JSON.parse(localStorage.getItem(storage + key) ?? '""'),
    setStorageSync: (key, value) => localStorage.setItem(storage + key, JSON.stringify(value)),

    /** What the handler of `open-type="chooseAvatar"` gets: the path of a temporary file. */
    chooseAvatar(picture) {
      const avatarUrl = `wxfile://tmp/${files.size + 1}`;
      files.set(avatarUrl, picture);
      return { avatarUrl };
    },

    /** A tap on the phone button that the person allows: what the button's handler gets, also when it failed. */
    tapPhone: () =>
      ask("getPhoneNumber", "phonenumber", { appid, user }).catch(({ message }) => ({
        errMsg: `getPhoneNumber:fail ${message}`,
      })),
    /** Scan a picture (base64): the path that it opens. */
    scanCode: async (picture) => (await ask("wx.scanCode()", "scan", { picture })).path,
  };
}
