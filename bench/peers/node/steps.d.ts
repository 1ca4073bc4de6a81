// What nest.ts knows of steps.js.
export const databaseUrl: string;
export const sqliteFile: string | null;
export const appid: string;
export const wechat: string;
export const secret: string;
export const signingPem: Buffer;
export const sessionSeconds: number;
export const issuer: string;
export function openProfile(
  sessionKey: string,
  encryptedData: string,
  iv: string,
): { nickname: string; avatar_url: string; gender: number };
export function seal(sessionKey: string): string;
export function newSessionId(): string;
export function seconds(): number;
