// Verifies access tokens the way a Node service would: from the key set's address alone.
// Reads one JSON object from stdin, {jwks_uri, issuer, audience, tokens: […]}, and prints one line per token:
// {"claims": {…}} or {"refused": "<jose's error code>"}.
import { createRemoteJWKSet, jwtVerify } from "jose";

let input = "";
for await (const piece of process.stdin) input += piece;
const { jwks_uri, issuer, audience, tokens } = JSON.parse(input);

const keys = createRemoteJWKSet(new URL(jwks_uri));
for (const token of tokens) {
  try {
    const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: ["ES256"], typ: "at+jwt" });
    console.log(JSON.stringify({ claims: payload }));
  } catch (error) {
    console.log(JSON.stringify({ refused: error.code ?? String(error) }));
  }
}
