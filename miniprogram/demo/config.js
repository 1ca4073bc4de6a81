// Where authsvc is. In the developer tools untick "check domains" for http; a phone needs https and a registered domain.
module.exports = { baseUrl: "http://127.0.0.1:8000" };
