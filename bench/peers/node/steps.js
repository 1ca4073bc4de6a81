// The steps of a login that the Node peers do alike: open what came encrypted, seal; and where everything is.
import crypto from "node:crypto";
import fs from "node:fs";

const env = process.env;

export const databaseUrl = env.DATABASE_URL;
export const sqliteFile = databaseUrl.startsWith("sqlite:///") ? databaseUrl.slice("sqlite:///".length) : null;
export const appid = env.WX_APPID;
export const wechat = env.WX_API_BASE;
export const secret = env.WX_SECRET;
export const signingPem = fs.readFileSync(env.SIGNING_KEY_FILE);
export const sessionSeconds = 30 * 86400;
export const issuer = "https://login.example.test";

const sealingKey = Buffer.from(env.SEALING_KEY, "base64url");

// The profile in encryptedData; throws when it does not open or is another mini program's.
export function openProfile(sessionKey, encryptedData, iv) {
  const key = Buffer.from(sessionKey, "base64");
  const decipher = crypto.createDecipheriv("aes-128-cbc", key, Buffer.from(iv, "base64"));
  const opened = JSON.parse(decipher.update(encryptedData, "base64", "utf8") + decipher.final("utf8"));
  if (opened.watermark.appid !== appid) throw new Error("of another mini program");
  return { nickname: opened.nickName, avatar_url: opened.avatarUrl, gender: opened.gender };
}

export function seal(sessionKey) {
  const nonce = crypto.randomBytes(12);
  const cipher = crypto.createCipheriv("aes-256-gcm", sealingKey, nonce);
  return Buffer.concat([nonce, cipher.update(sessionKey, "utf8"), cipher.final(), cipher.getAuthTag()]).toString("base64");
}

export const newSessionId = () => crypto.randomBytes(16).toString("base64url");

export const seconds = () => Math.floor(Date.now() / 1000);
