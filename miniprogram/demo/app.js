const auth = require("./auth");

App({
  onLaunch(options) {
    auth.keepInvite(options.query);
    auth.ready().catch(() => {}); // the pages ask again, and say what went wrong
  },
});
