/** Login manager for mini programs in front of authsvc. Everything that fails rejects with an AuthError. */
export function createAuth<User = any>(options: Options): Auth<User>;

export type ContractName = "native" | "bearer" | "detail" | "code_message_data" | "code_msg_data" | "success_data";

export interface Options {
  /** Address of authsvc, without a slash at the end. Calls by cloudContainer and cloudFunction do without. */
  baseUrl?: string;
  /** Origins of your other services, such as `https://api.example.com`. The token goes to these and to baseUrl's alone. */
  hosts?: string[];
  /** Which of authsvc's shapes to speak; default `native`. */
  contract?: ContractName;
  /** Storage key. All instances of one namespace share one session. Default `authsvc`. */
  namespace?: string;
  /** `silent` (default): a request signs in by wx.login when it has to. `manual`: only `login()` does. */
  loginMode?: "silent" | "manual";
  /**
   * Open the login page: somebody has to act. Called once, however many wait. A rejected promise, as of a
   * wx.navigateTo that failed, ends the waiting. Without it, those who wait are rejected with `login_required`.
   */
  onLoginRequired?(reason: LoginReason): unknown;
  /** Asked once, before the first login leaves the phone; false rejects with kind `privacy`. */
  consent?(): boolean | Promise<boolean>;
  /** Milliseconds for each call; default 10000. */
  timeout?: number;
  /** Send by wx.cloud.callContainer. */
  cloudContainer?: { env?: string; service: string };
  /**
   * Send by wx.cloud.callFunction to the function of this name. It gets {method, path, body, headers} and returns
   * {statusCode, data, header}; one that returns the server's JSON alone will do where that holds the status in `code`.
   */
  cloudFunction?: string;
  /** In place of the global `wx`: for tests, and for a browser. */
  wx?: any;
}

/** `register`: this WeChat is unknown, and the contract `detail` wants a phone number first. */
export type LoginReason = "login" | "register";

export interface Auth<User = any> {
  /** Storage read, session renewed or made, if that takes no person. Resolves with null where it does. */
  ready(): Promise<User | null>;
  /**
   * Sign in, because somebody asked for it. Signed in already: the user. `extra` goes into the login call, and always
   * makes a new one: {nickName, avatarUrl} of `code_message_data`, {platUserInfoMap} of `code_msg_data`, {reopen: true}.
   */
  login(extra?: Record<string, unknown>): Promise<User>;
  /** In onLoad of a page with a phone button: a login code from before the tap, renewed until the page closes. */
  preparePhone(): void;
  /** In the handler of the phone button: sign in with the number, or bind it to who is signed in. */
  loginWithPhone(detail: PhoneDetail, extra?: Record<string, unknown>): Promise<User>;
  /** `detail` only: register with {phone, sex} that the person typed in. */
  register(fields: { phone: string; sex: 0 | 1 | 2 }): Promise<User>;
  /** In onUnload of a page with a login or phone button: who still waits for it is rejected with kind `cancelled`. */
  closeLoginPage(): void;

  /**
   * As wx.request, with the token: a promise of the answer, or callbacks. An address that begins with `/` is authsvc's;
   * of others those in `hosts`, else the promise is rejected with `host_not_listed`. No redirect is followed.
   * A 401 is followed by one renewal and one repeat, a 403 `step_up_required` of authsvc by one wx.login and one repeat
   * with its code. `auth: false` sends no token, anywhere.
   */
  request<T = any>(options: RequestOptions & Callbacks): Promise<Answer<T>>;
  /** As wx.uploadFile, with the token, under the same rules; the answer's JSON is parsed. */
  uploadFile<T = any>(options: UploadOptions): Promise<Answer<T>>;
  /** A token that is good now, for sockets and web-views. */
  token(): Promise<string>;
  /** Renew the session now. */
  refresh(): Promise<User>;

  /**
   * Sign out here, or `everywhere` (which takes a code of wx.login), and stay out until `login()`, also after a restart.
   * Here it holds at once; the promise rejects when the server could not be told.
   */
  logout(how?: { everywhere?: boolean }): Promise<void>;

  /** Who is signed in, as the contract tells it, or null. */
  getUser(): User | null;
  /** Put what has changed into the stored user. */
  setUser(changes: Partial<User>): void;
  isLoggedIn(): boolean;
  /** Hear of every login, renewal, change and logout; call what it returns to hear no more. */
  onChange(listener: (user: User | null) => void): () => void;
  /** The server's time in milliseconds, however wrong the phone's clock is. */
  now(): number;
  /** Give it what onLaunch (`options.query`) or onLoad got: the invite code in it is kept for the next login. */
  keepInvite(query?: Record<string, string | undefined>): string;
  /** What became of the invite that the last login took along (docs/invites.md): `accepted`, `already_invited`, … */
  inviteStatus(): string | undefined;
}

export interface RequestOptions {
  url: string;
  method?: "OPTIONS" | "GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "TRACE" | "CONNECT";
  data?: any;
  header?: Record<string, any>;
  timeout?: number;
  auth?: false;
  /** Whatever else wx.request takes. */
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
  /** The server's sentence, WeChat's errMsg, or one of the kit's own. */
  message: string;
  /** HTTP status, if there was an answer. */
  status?: number;
  /** authsvc's stable name (docs/errors.md), `login_required`, `host_not_listed`, or `phone_quota` (errno 1400001). */
  error?: string;
  /** What helps. Named by the server in the native contract, else guessed from the status. */
  action?: Action;
  /** Seconds to wait before the same is worth trying again. */
  retryAfter?: number;
  /** With `login_required`: why. */
  reason?: LoginReason;
  /** Reason per field, where fields of the request are to blame. */
  fields?: Record<string, string>;
  /** Of authsvc's log line. */
  requestId?: string;
}

// --- inside the kit -------------------------------------------------------------------------------------------

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

/** What an answer gave; lifetime in seconds. */
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
  /** Server's time in milliseconds. */
  renewAt: number;
  user: any;
}

export interface StoredRecord {
  session: Session | null;
  isOut: boolean;
  hasConsented: boolean;
  invite: string;
  /** Milliseconds that the server's clock is ahead of the phone's. */
  offset: number;
}

export interface Page {
  promise: Promise<Session>;
  resolve(session: Session): void;
  reject(error: AuthError): void;
}

export interface Life {
  record: StoredRecord;
  /** Counts logouts: what began before one must not sign in after it. */
  generation: number;
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
