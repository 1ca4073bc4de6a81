/** @type {Record<string, string>} */
const SENTENCES = {
  network: "网络不可用，请稍后再试",
  timeout: "服务器没有响应，请稍后再试",
  privacy: "同意《隐私保护指引》后才能继续",
};

/**
 * Do what a tap asked for, and show what went wrong: in the server's words, where it said something.
 * @param {() => Promise<unknown>} work
 */
module.exports = async function attempt(work) {
  try {
    await work();
  } catch (error) {
    const { kind, message } = /** @type {import("./authsvc/index").AuthError} */ (error);
    // What the person cancelled, they know.
    if (kind !== "cancelled") wx.showToast({ title: SENTENCES[kind] || message, icon: "none" });
  }
};
