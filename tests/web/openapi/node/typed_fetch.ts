// Signs in and reads the profile with openapi-fetch, whose types openapi-typescript has made.
import createClient from "openapi-fetch";
import type { paths } from "./made/types";

declare const process: { argv: string[] };
const [baseUrl, code] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl });
const { data: login, error } = await client.POST("/api/v1/auth/login", { body: { code } });
if (error) throw new Error(error.error);
const headers = { Authorization: `Bearer ${login.data.access_token}` };
const { data: me } = await client.GET("/api/v1/me", { headers });
console.log(me?.data.id === login.data.user.id ? "signed in" : "not signed in");
