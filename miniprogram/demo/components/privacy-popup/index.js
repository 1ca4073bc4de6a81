// Shown when WeChat wants the person's consent before an API or button goes on. One on every page with such a button.
/** @type {((answer: {event: string, buttonId?: string}) => void)[]} */
const waiting = [];

Component({
  data: { isShown: false },

  lifetimes: {
    detached() {
      this.settle({ event: "disagree" });
    },
  },

  pageLifetimes: {
    show() {
      if (!wx.onNeedPrivacyAuthorization) return; // base libraries before 2.32.3 ask by themselves
      wx.onNeedPrivacyAuthorization((/** @type {any} */ resolve) => {
        waiting.push(resolve);
        this.setData({ isShown: true });
        resolve({ event: "exposureAuthorization" });
      });
    },
  },

  methods: {
    /** @param {{event: "agree" | "disagree", buttonId?: string}} answer */
    settle(answer) {
      waiting.splice(0).forEach((resolve) => resolve(answer));
      this.setData({ isShown: false });
    },
    agree() {
      this.settle({ event: "agree", buttonId: "agree-btn" });
    },
    disagree() {
      this.settle({ event: "disagree" });
    },
    read() {
      wx.openPrivacyContract({});
    },
  },
});
