import { createPhone } from "./phone.js";
import { faults } from "./wx.js";

const words = document.body.dataset;
const sections = [...document.querySelectorAll(".phone")];
sections.forEach((section, index) => createPhone(section, index + 1, () => sections[1 - index]));

// --- faults: those of WeChat are the simulator's, those of the phone are the shim's ---
const fieldset = document.getElementById("faults");
const AT_WECHAT = {
  used: { path: "/sns/jscode2session", fault: { kind: "errcode", errcode: 40163 } },
  slow: { path: "*", fault: { kind: "delay", seconds: 6 } },
};

async function control(method, body) {
  const headers = { "Content-Type": "application/json" };
  return (await fetch("/control/faults", { method, headers, body: body && JSON.stringify(body) })).json();
}

async function change() {
  faults.offline = fieldset.elements.offline.checked;
  await control("DELETE");
  for (const name of Object.keys(AT_WECHAT)) {
    if (fieldset.elements[name].checked) await control("POST", { ...AT_WECHAT[name], times: null });
  }
}

fieldset.addEventListener("change", change);
fieldset.elements.expire.addEventListener("click", () => {
  faults.expired = new Set(faults.tokens);
  for (const section of sections) {
    section.querySelector(".toast").className = "toast";
    section.querySelector(".toast").textContent = words.expire;
  }
});
// What an earlier visit left on is on.
const { faults: queued } = await control("GET");
for (const [name, { fault }] of Object.entries(AT_WECHAT)) {
  fieldset.elements[name].checked = queued.some((entry) => entry.fault.kind === fault.kind && entry.remaining === null);
}
