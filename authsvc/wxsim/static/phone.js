// One phone: a small mini program on the login manager, and the person who holds it.
import { noteOf } from "./calls.js";
import { createAuth } from "./kit-loader.js";
import { createWx } from "./wx.js";

const SERVICE = "/ui/authsvc";
const ME = "/api/v1/me";
const words = document.body.dataset;

const initial = (name) => [...name][0] ?? "";

export function createPhone(section, number, otherPhone) {
  const $ = (selector) => section.querySelector(selector);
  const note = noteOf(number);
  const opened = new Map(); // the mini program of each person who had this phone
  let wx, auth, person, ticket, tapped;
  let nickname = "";
  let arrivals = 0;
  let isLoginPageOpen = false;

  /** The phone is this person's now. */
  async function belongTo(name) {
    auth?.closeLoginPage();
    isLoginPageOpen = false;
    person = name;
    if (!opened.has(person)) opened.set(person, start());
    ({ wx, auth } = opened.get(person));
    close();
    say("");
    arrivals = 0;
    render();
    const known = await (await fetch(`/control/users/${person}`)).json();
    if (name !== person) return;
    nickname = known.profile.nickName;
    $(".offered").textContent = `+${known.country_code} ${known.phone}`;
    render();
  }

  function start() {
    const owner = person;
    const host = createWx({ appid: words.appid, user: owner, storage: `phone${number}/${owner}/`, note });
    const manager = createAuth({
      baseUrl: location.origin + SERVICE,
      wx: host,
      loginMode: "manual",
      onLoginRequired: () => say(words.login_required),
    });
    manager.onChange(() => owner === person && render());
    return { wx: host, auth: manager };
  }

  function render() {
    const user = auth.getUser();
    $(".frame").dataset.view = user ? "in" : "out";
    const status = auth.inviteStatus();
    for (const place of section.querySelectorAll(".invited")) {
      place.textContent = auth.keepInvite() ? words.kept : (words[status] ?? status);
      place.hidden = !place.textContent;
      place.classList.toggle("done", !auth.keepInvite() && status === "accepted");
    }
    if (isLoginPageOpen === Boolean(user)) turnLoginPage(!user);
    if (!user) return;
    $(".nickname").textContent = user.nickname || words.nameless;
    renderPicture(user);
    renderArrivals();
    if (document.activeElement !== $("[name=nickname]")) $("[name=nickname]").value = user.nickname || nickname;
    $(".id").textContent = user.id;
    $(".number").textContent = user.phone || "—";
    $(".bind").hidden = Boolean(user.phone);
  }

  /** The person's picture, or the first letter of the name. */
  function renderPicture(user) {
    const place = $(".avatar");
    const address = user.avatar_url && SERVICE + new URL(user.avatar_url, location).pathname;
    place.textContent = address ? "" : initial(user.nickname || nickname);
    if (!address) return;
    const picture = place.appendChild(new Image(56, 56));
    picture.alt = "";
    picture.src = address;
  }

  function renderArrivals() {
    for (const place of section.querySelectorAll(".arrivals")) {
      place.textContent = words.arrived.replace("{count}", arrivals);
      place.classList.toggle("done", arrivals > 0);
      place.hidden = !arrivals && place.closest(".in");
    }
  }

  async function countArrivals() {
    arrivals = (await call(`${ME}/invite/arrivals`)).count;
    renderArrivals();
  }

  /** Let the phone of whoever invited this person look who came. */
  function tellInviter() {
    if (auth.inviteStatus() === "accepted") otherPhone().dispatchEvent(new Event("arrival"));
  }

  /** As onLoad and onUnload of a page with a phone button. */
  function turnLoginPage(isOpen) {
    isLoginPageOpen = isOpen;
    if (isOpen) auth.preparePhone();
    else auth.closeLoginPage();
  }

  /** `kind` is "bad" for what went wrong, and "done" for what was achieved. */
  function say(text, kind = "") {
    $(".toast").textContent = text;
    $(".toast").className = `toast ${kind}`;
  }

  function open(name) {
    close();
    tapped = document.activeElement;
    $(".bar").inert = $(".screen").inert = true;
    const sheet = $(`[data-sheet=${name}]`);
    sheet.hidden = false;
    sheet.querySelector("button").focus();
  }

  function close() {
    for (const sheet of section.querySelectorAll(".sheet")) sheet.hidden = true;
    if (!$(".bar").inert) return;
    $(".bar").inert = $(".screen").inert = false;
    tapped.focus();
  }

  /** Do what a tap asked for; what goes wrong is said as a mini program would say it, with the kit's own terms behind. */
  async function attempt(work) {
    const own = auth;
    $(".frame").setAttribute("aria-busy", "true");
    say("");
    try {
      await work();
    } catch (error) {
      if (own !== auth) return; // the phone is somebody else's by now
      const { kind, error: name, action, message } = error;
      const terms = [kind, name, action].filter(Boolean).join(" · ");
      say(`${words[kind] ?? message}${terms && ` (${terms})`}`, "bad");
    } finally {
      $(".frame").removeAttribute("aria-busy");
    }
  }

  const call = (url, method, data) => auth.request({ url, method, data }).then((answer) => answer.data.data);

  async function read() {
    auth.setUser(await call(ME));
  }

  async function openPath(path) {
    const [page, query] = path.split("?");
    const scene = query?.replace(/^scene=/, "") ?? "";
    if (page === "pages/login/login") {
      auth.keepInvite({ scene });
      render();
    } else if (page === "pages/scan/scan") {
      ticket = decodeURIComponent(scene).replace(/^t=/, "");
      const asked = await call("/api/v1/scan-sign-ins/scan", "POST", { ticket });
      $(".asked").textContent = [asked.device, asked.address].filter(Boolean).join(" · ");
      open("scan");
    } else {
      say(words.elsewhere + path);
    }
  }

  async function scan(picture) {
    const bytes = new Uint8Array(await picture.arrayBuffer());
    const base64 = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
    const path = await wx.scanCode(base64).catch(() => say(words.unread, "bad"));
    if (path) await openPath(path);
  }

  async function decide(step, outcome) {
    close();
    await call(`/api/v1/scan-sign-ins/${step}`, "POST", { ticket });
    say(outcome, step === "approve" ? "done" : "");
  }

  /** What the phone button's handler gets, given to the login manager. */
  async function withPhone(detail) {
    close();
    await auth.loginWithPhone(await detail());
    await read();
    tellInviter();
  }

  async function showPicture(picture) {
    const filePath = wx.chooseAvatar(picture).avatarUrl;
    const answer = await auth.uploadFile({ url: `${ME}/avatar`, filePath, name: "file" });
    auth.setUser(answer.data.data);
    say(words.saved, "done");
  }

  /** What WeChat's own picture of this person looks like here. */
  function drawPicture() {
    const canvas = Object.assign(document.createElement("canvas"), { width: 132, height: 132 });
    const pen = canvas.getContext("2d");
    pen.fillStyle = `hsl(${[...person].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 360} 55% 40%)`;
    pen.fillRect(0, 0, 132, 132);
    pen.fillStyle = "#fff";
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    pen.font = "64px sans-serif";
    pen.fillText(initial(nickname), 66, 70);
    return new Promise((resolve) => canvas.toBlob(resolve));
  }

  const taps = {
    logIn: async () => {
      await auth.login();
      await read();
      tellInviter();
    },
    tapPhone: () => open("phone"),
    allowPhone: () => withPhone(() => wx.tapPhone()),
    refusePhone: () => withPhone(() => ({ errMsg: "getPhoneNumber:fail user deny" })),
    read: async () => {
      await read();
      say(words.read, "done");
    },
    save: async () => {
      auth.setUser(await call(ME, "PUT", { nickname: $("[name=nickname]").value }));
      say(words.saved, "done");
    },
    avatar: () => open("avatar"),
    ownAvatar: async () => {
      close();
      await showPicture(await drawPicture());
    },
    invite: async () => {
      const { url } = await call(`${ME}/invite/qrcode`);
      await countArrivals();
      $("[data-sheet=invite] img").src = SERVICE + new URL(url, location).pathname;
      open("invite");
    },
    camera: () => open("camera"),
    scanOther: async () => {
      close();
      const shown = otherPhone().querySelector("[data-sheet=invite]:not([hidden]) img");
      if (shown) await scan(await (await fetch(shown.src)).blob());
      else say(words.noinvite, "bad");
    },
    scanPage: async () => {
      close();
      const { codes } = await (await fetch("/control/codes")).json();
      const code = codes.find(({ path }) => path.startsWith("pages/scan/scan?"));
      if (code) await openPath(code.path);
      else say(words.nocode, "bad");
    },
    approve: () => decide("approve", words.agreed),
    refuse: () => decide("refuse", words.declined),
    logOut: () => auth.logout(),
    logOutEverywhere: () => auth.logout({ everywhere: true }),
    close,
  };

  section.addEventListener("click", (event) => {
    const tap = event.target.closest("[data-do]")?.dataset.do;
    if (tap) attempt(taps[tap]);
  });
  section.addEventListener("arrival", () => {
    if (!auth.getUser()) return;
    attempt(async () => {
      const before = arrivals;
      await countArrivals();
      if (arrivals > before) say(words.friend, "done");
    });
  });
  section.addEventListener("keydown", (event) => event.key === "Escape" && close());
  $("form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(taps.save);
  });
  for (const [name, use] of [["picture", scan], ["avatar", showPicture]]) {
    $(`[name=${name}]`).addEventListener("change", ({ target }) => {
      close();
      attempt(() => use(target.files[0])).finally(() => (target.value = ""));
    });
  }
  $("[name=person]").addEventListener("change", ({ target }) => belongTo(target.value));
  belongTo($("[name=person]").value);
}
