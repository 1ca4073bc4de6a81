"use strict";
module.exports = { createAuth: require("./auth").createAuth, AuthError: require("./errors").AuthError };
