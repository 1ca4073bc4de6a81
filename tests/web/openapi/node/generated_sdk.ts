// The same with the functions that @hey-api/openapi-ts has made.
import { getApiV1Me, postApiV1AuthLogin } from "./made/sdk";
import { client } from "./made/sdk/client.gen";

declare const process: { argv: string[] };
const [baseUrl, code] = process.argv.slice(2);
client.setConfig({ baseUrl });
const login = await postApiV1AuthLogin({ body: { code }, throwOnError: true });
const me = await getApiV1Me({ auth: login.data.data.access_token, throwOnError: true });
console.log(me.data.data.id === login.data.data.user.id ? "signed in" : "not signed in");
