/** Login manager for mini programs that use authsvc. Every failure rejects with an AuthError. */
export function createAuth<User = any>(options: Options): Auth<User>;

export type ContractName = "native" | "bearer" | "detail" | "code_message_data" | "code_msg_data" | "success_data";

export interface Options {
  /** Address of authsvc, without a trailing slash. Not needed with cloudContainer and cloudFunction. */
  baseUrl?: string;
  /** Origins of your other services, such as `https://api.example.com`. Only these and baseUrl's origin get the token. */
  hosts?: string[];
  /** Which of authsvc's shapes to use; default `native`. */
  contract?: ContractName;
  /** Storage key. All instances with one namespace share one session. Default `authsvc`. */
  namespace?: string;
  /** `silent` (default): a request signs in with wx.login if needed. `manual`: only `login()` does. */
  loginMode?: "silent" | "manual";
  /**
   * Open the login page, because the person has to act. Called once, however many requests wait. A rejected promise, as
   * of a failed wx.navigateTo, ends the waiting. Without this option, waiting requests are rejected with
   * `login_required`.
   */
  onLoginRequired?(reason: LoginReason): unknown;
  /** Called once, before the first login is sent; false rejects with kind `privacy`. */
  consent?(): boolean | Promise<boolean>;
  /** Milliseconds for each call; default 10000. */
  timeout?: number;
  /** Send requests with wx.cloud.callContainer. */
  cloudContainer?: { env?: string; service: string };
  /**
   * Send requests with wx.cloud.callFunction to the function with this name. It gets {method, path, body, headers} and
   * returns {statusCode, data, header}. Returning only the server's JSON is enough if that has the status in `code`.
   */
  cloudFunction?: string;
  /** Replaces the global `wx`, for tests and browsers. */
  wx?: any;
}

/** `register`: this WeChat account is unknown, and the contract `detail` needs a phone number first. */
export type LoginReason = "login" | "register";

export interface Auth<User = any> {
  /** Read the storage, and renew or create the session. Resolves with null if the person has to act. */
  ready(): Promise<User | null>;
  /**
   * Sign in at the person's request; returns the user if already signed in. `extra` is added to the login call and always
   * causes a new one: {nickName, avatarUrl} of `code_message_data`, {platUserInfoMap} of `code_msg_data`, {reopen: true}.
   */
  login(extra?: Record<string, unknown>): Promise<User>;
  /** In onLoad of a page with a phone button: get a login code before the tap, and renew it until the page closes. */
  preparePhone(): void;
  /** In the handler of the phone button: sign in with the number, or bind it to the signed-in user. */
  loginWithPhone(detail: PhoneDetail, extra?: Record<string, unknown>): Promise<User>;
  /** `detail` only: register with the {phone, sex} that the person typed in. */
  register(fields: { phone: string; sex: 0 | 1 | 2 }): Promise<User>;
  /** In onUnload of a page with a login or phone button: requests that wait for it are rejected with kind `cancelled`. */
  closeLoginPage(): void;

  /**
   * Like wx.request, with the token: returns a promise of the answer, or uses callbacks. An address that begins with `/`
   * is authsvc's; other addresses must be in `hosts`, or the promise is rejected with `host_not_listed`. Redirects are
   * not followed. After a 401, the session is renewed and the request repeated once; after a 403 `step_up_required` of
   * authsvc, it is repeated once with a code of wx.login. `auth: false` sends no token, and allows any address.
   */
  request<T = any>(options: RequestOptions & Callbacks): Promise<Answer<T>>;
  /** Like wx.uploadFile, with the token and the same rules; the answer's JSON is parsed. */
  uploadFile<T = any>(options: UploadOptions): Promise<Answer<T>>;
  /** A valid token, for sockets and web-views. */
  token(): Promise<string>;
  /** Renew the session now. */
  refresh(): Promise<User>;

  /**
   * Sign out here, or `everywhere` (which needs a code of wx.login), and stay signed out until `login()`, also after a
   * restart. It takes effect on this phone at once; the promise rejects if the server could not be reached.
   */
  logout(how?: { everywhere?: boolean }): Promise<void>;

  /** The signed-in user, as the contract describes it, or null. */
  getUser(): User | null;
  /** Merge changes into the stored user. */
  setUser(changes: Partial<User>): void;
  isLoggedIn(): boolean;
  /** Call `listener` after every login, renewal, change and logout; returns a function that removes the listener. */
  onChange(listener: (user: User | null) => void): () => void;
  /** The server's time in milliseconds, even if the phone's clock is wrong. */
  now(): number;
  /** Store the invite code in the query of onLaunch (`options.query`) or onLoad for the next login. */
  keepInvite(query?: Record<string, string | undefined>): string;
  /** The result for the invite code of the last login (docs/invites.md): `accepted`, `already_invited`, … */
  inviteStatus(): string | undefined;
}

export interface RequestOptions {
  url: string;
  method?: "OPTIONS" | "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "TRACE" | "CONNECT";
  data?: any;
  header?: Record<string, any>;
  timeout?: number;
  auth?: false;
  /** Other options of wx.request. */
  [option: string]: any;
}

export interface Callbacks {
  success?(answer: Answer): void;
  fail?(error: AuthError): void;
  complete?(outcome: Answer | AuthError): void;
}

export interface UploadOptions {
  url: string;
  filePath: string;
  name: string;
  header?: Record<string, any>;
  formData?: Record<string, any>;
  timeout?: number;
}

export interface Answer<T = any> {
  statusCode: number;
  data: T;
  header?: Record<string, any>;
}

/** `e.detail` of the phone button. */
export interface PhoneDetail {
  errMsg?: string;
  errno?: number;
  code?: string;
  encryptedData?: string;
  iv?: string;
}

export type ErrorKind = "network" | "timeout" | "unauthorized" | "refused" | "server" | "cancelled" | "privacy";
export type Action = "relogin" | "retry" | "tap_again" | "fix_request" | "contact";

export class AuthError extends Error {
  kind: ErrorKind;
  /** The server's sentence, WeChat's errMsg, or the kit's own sentence. */
  message: string;
  /** HTTP status, if there was an answer. */
  status?: number;
  /** authsvc's stable name (docs/errors.md), `login_required`, `host_not_listed`, or `phone_quota` (errno 1400001). */
  error?: string;
  /** What helps. From the server in the native contract, otherwise derived from the status. */
  action?: Action;
  /** Seconds to wait before a retry. */
  retryAfter?: number;
  /** With `login_required`: the reason. */
  reason?: LoginReason;
  /** The reason per field, if fields of the request are wrong. */
  fields?: Record<string, string>;
  /** The id in authsvc's log line. */
  requestId?: string;
}

// --- internal types -------------------------------------------------------------------------------------------

export interface LoginInput {
  code?: string;
  phoneCode?: string;
  encryptedData?: string;
  iv?: string;
  invite_code?: string;
  [extra: string]: unknown;
}

export interface Contract {
  silent?: boolean;
  phoneLogin?: boolean;
  login(input: LoginInput): RequestOptions;
  read(body: any): Found;
  refresh?(session: Session): RequestOptions;
}

/** The content of an answer; lifetime in seconds. */
export interface Found {
  token?: string;
  refreshToken?: string;
  lifetime?: any;
  user?: any;
  ticket?: string;
}

export interface Session {
  contract: ContractName;
  token: string;
  refreshToken?: string;
  /** The server's time in milliseconds. */
  renewAt: number;
  user: any;
}

export interface StoredRecord {
  session: Session | null;
  isOut: boolean;
  hasConsented: boolean;
  invite: string;
  /** How many milliseconds the server's clock is ahead of the phone's. */
  offset: number;
}

export interface Page {
  promise: Promise<Session>;
  resolve(session: Session): void;
  reject(error: AuthError): void;
}

export interface Life {
  record: StoredRecord;
  /** Counts logouts: calls from before a logout must not sign in after it. */
  generation: number;
  /** Counts logins: requests that need a new one share it. */
  logins: number;
  flights: Record<string, Promise<any> | undefined>;
  listeners: ((user: any) => void)[];
  pause?: { until: number; error: AuthError };
  page?: Page;
  ticket?: string;
  inviteStatus?: string;
  prepared?: Promise<string>;
  timer?: number;
  save(): void;
}
