// The sequence of calls. Those between authsvc and WeChat come from the simulator's journal.
const LANES = { phone: 0, authsvc: 1, wechat: 2 };
const MOST = 200;
const section = document.getElementById("calls");
const list = section.querySelector("ol");

/** Add an arrow; `phone` is the number of the phone, 0 where none takes part. */
function show(phone, from, to, text, data, isBad, isDone) {
  const row = list.appendChild(document.createElement("li"));
  const [start, end] = [LANES[from], LANES[to]];
  row.className = `from${Math.min(start, end)} to${Math.max(start, end)} ${start < end ? "right" : "left"}`;
  row.classList.toggle("bad", Boolean(isBad));
  row.classList.toggle("done", Boolean(isDone));
  row.dataset.phone = phone || "";
  const arrow = row.appendChild(document.createElement("div"));
  arrow.className = "arrow";
  arrow.textContent = brief(text);
  const token = data?.data?.access_token ?? data?.data?.tokens?.access_token;
  if (token) row.append(detailOfToken(token));
  else if (data) row.append(detail(list.dataset.more, data));
  if (list.children.length > MOST) list.firstChild.remove();
  section.scrollTop = section.scrollHeight;
}

function detail(title, value) {
  const details = document.createElement("details");
  details.appendChild(document.createElement("summary")).textContent = title;
  const text = JSON.stringify(value, (_, item) => (typeof item === "string" ? brief(item) : item), 2);
  details.appendChild(document.createElement("pre")).textContent = text;
  return details;
}

/** The token's header and claims as JSON, and below it when it was issued and when it is over, on a clock. */
function detailOfToken(token) {
  const read = decoded(token);
  const details = detail(list.dataset.token, read);
  details.open = true;
  const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString("en-GB");
  const { iat, exp } = read.claims;
  const minutes = Math.round((exp - iat) / 60);
  const words = { "{iat}": clock(iat), "{exp}": clock(exp), "{minutes}": minutes };
  details.appendChild(document.createElement("p")).textContent = list.dataset.times.replace(/\{\w+\}/g, (name) => words[name]);
  return details;
}

function brief(text) {
  return text.length > 60 ? `${text.slice(0, 40)}…${text.slice(-8)}` : text;
}

function decoded(token) {
  const parts = token.split(".").slice(0, 2);
  const read = (part) => Uint8Array.from(atob(part.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));
  const [header, claims] = parts.map((part) => JSON.parse(new TextDecoder().decode(read(part))));
  return { header, claims };
}

let seen = null;
const pending = new Set();

async function look() {
  const { calls } = await (await fetch("/control/journal?limit=50")).json();
  seen ??= calls.at(-1)?.id ?? 0; // what was before this page is not its business
  for (const call of calls) {
    if (call.id > seen) {
      seen = call.id;
      pending.add(call.id);
      show(0, "authsvc", "wechat", `${call.method} ${call.path}`, { ...call.query, ...call.body });
    }
    if (pending.has(call.id) && call.outcome !== "pending") {
      pending.delete(call.id);
      const outcome = call.outcome === "answered" ? "ok" : call.outcome;
      show(0, "wechat", "authsvc", call.errcode ? `errcode ${call.errcode}` : outcome, undefined, call.errcode || outcome !== "ok", true);
    }
  }
}

let looking = look();

/** Show what reached WeChat meanwhile; one look at a time, so nothing shows twice. */
function journal() {
  looking = looking.then(look).catch(() => {});
  return looking;
}
setInterval(() => document.hidden || journal(), 700);

/** How a phone notes its calls: after what reached WeChat before. */
export function noteOf(phone) {
  return (...call) => journal().then(() => show(phone, ...call));
}

document.getElementById("clear").addEventListener("click", () => list.replaceChildren());
