// Requests to the API: one function per endpoint, typed, with the session's token put on and renewed
// once when it has run out. Not here: what is shown, who is signed in (`session`), and what few screens
// ask for (`chat`, `media`, `moderation`, beside this), which first visits do not download.

import { asApiError, errorFromResponse, errorFromSilence, ApiError } from './errors';
import type { TokenKeeper } from './tokens';
import type {
  Audience,
  LivePost,
  OwnLive,
  Page,
  Region,
  Registration,
  SignedIn,
  StartedLive,
  Tokens,
  User,
  WatchedLive,
} from './types';

/** A slow link answers late, a broken one never: past this, say so. */
export const TIMEOUT_MS = 20_000;

export interface RequestOptions {
  method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** Sent as JSON, unless it is a form with a file. */
  body?: unknown;
  signal?: AbortSignal;
  /** For what takes longer than an answer may. */
  timeoutMs?: number;
  /** Hears which success it was, where that says something. */
  onstatus?: (status: number) => void;
}

export class Api {
  /** How far the server's clock is ahead of this device's, which is often wrong. */
  clockOffsetMs = 0;
  /** Called when a signed-in request finds that the session is over. */
  onSignedOut: () => void = () => {};

  constructor(
    private readonly tokens: () => TokenKeeper,
    private readonly send: typeof fetch = (...args) => fetch(...args),
  ) {}

  register = (body: Registration) =>
    this.#open<SignedIn>('/api/users/register/', { method: 'POST', body });

  signIn = (email: string, password: string) =>
    this.#open<SignedIn>('/api/users/login/', { method: 'POST', body: { email, password } });

  signOut = (refresh: string | null) =>
    this.signed('/api/users/logout/', { method: 'POST', body: refresh ? { refresh } : {} });

  /** Asks for a link to a new password; what the server says to it. */
  forgotPassword = (email: string) => this.#told('/api/users/password-reset/', { email });

  resetPassword = (token: string, password: string) =>
    this.#told('/api/users/password-reset/confirm/', {
      token,
      password,
      password_confirm: password,
    });

  verifyEmail = (token: string) => this.#told('/api/users/verify-email/confirm/', { token });

  async #told(path: string, body: unknown): Promise<string> {
    return (await this.#open<{ message: string }>(path, { method: 'POST', body })).message;
  }

  /** New tokens for an old refresh token; null when it is dead. */
  rotate = async (refresh: string): Promise<Tokens | null> => {
    try {
      return await this.#open<Tokens>('/api/token/refresh/', { method: 'POST', body: { refresh } });
    } catch (error) {
      const { status } = asApiError(error);
      if (status === 401 || status === 400) return null;
      throw error;
    }
  };

  /** Ends a session by its own tokens, whoever is signed in. */
  revoke = async ({ access, refresh }: Tokens): Promise<void> => {
    await this.#request('/api/users/logout/', { method: 'POST', body: { refresh } }, access);
  };

  setQuartier = async (quartier: number): Promise<User> => {
    const answer = await this.signed<{ user: User }>('/api/users/my-profile/', {
      method: 'PATCH',
      body: { quartier },
    });
    return answer.user;
  };

  regions = async (): Promise<Region[]> =>
    (await this.#open<{ regions: Region[] }>('/api/users/geographic-data/')).regions;

  livePosts = (page = 1, signal?: AbortSignal) =>
    this.signed<Page<LivePost>>(
      `/api/posts/?type=live${page > 1 ? `&page=${page}` : ''}`,
      signal ? { signal } : {},
    );

  startLive = (title: string, description: string, audience: Audience) =>
    this.signed<StartedLive>('/api/posts/live/start/', {
      method: 'POST',
      body: { ...(title ? { title } : {}), ...(description ? { description } : {}), audience },
    });

  stopLive = (id: number) =>
    this.signed(`/api/posts/live/${id}/stop/`, { method: 'PUT', body: {} });

  ownLive = (id: number, signal?: AbortSignal) =>
    this.signed<OwnLive>(`/api/posts/live/${id}/status/`, signal ? { signal } : {});

  /** A live, for its viewers. Only one that is not for everybody is asked for as somebody. */
  watchedLive = async (name: string, signal?: AbortSignal): Promise<WatchedLive> => {
    const path = `/api/lives/${name}/`;
    const options = signal ? { signal } : {};
    try {
      return await this.#open<WatchedLive>(path, options);
    } catch (error) {
      if (asApiError(error).status !== 403 || !this.tokens().hasSession) throw error;
    }
    return this.signed<WatchedLive>(path, options);
  };

  /** What a browser subscribes to push messages with. */
  pushKey = async (): Promise<string> =>
    (await this.#open<{ public_key: string }>('/api/notifications/push/key/')).public_key;

  subscribe = (subscription: PushSubscriptionJSON) =>
    this.signed<{ id: number }>('/api/notifications/push/subscriptions/', {
      method: 'POST',
      body: subscription,
    });

  unsubscribe = (id: string) =>
    this.signed(`/api/notifications/push/subscriptions/${id}/`, { method: 'DELETE' });

  /** A token for what is no plain request, newer than `stale`; null for a stranger. */
  access = async (stale?: string): Promise<string | null> => {
    const hadSession = this.tokens().hasSession;
    const access = await this.tokens().access(stale);
    if (access === null && hadSession) this.onSignedOut();
    return access;
  };

  /** The server's idea of now, in Unix milliseconds. */
  now(): number {
    return Date.now() + this.clockOffsetMs;
  }

  #open<T>(path: string, options: RequestOptions = {}): Promise<T> {
    return this.#request<T>(path, options, null);
  }

  /** A request of the member who is signed in. */
  async signed<T = unknown>(path: string, options: RequestOptions = {}): Promise<T> {
    const access = await this.tokens().access();
    if (access === null) return this.#over();
    try {
      return await this.#request<T>(path, options, access);
    } catch (error) {
      if (asApiError(error).status !== 401) throw error;
    }
    const renewed = await this.tokens().access(access);
    if (renewed === null) return this.#over();
    return this.#request<T>(path, options, renewed);
  }

  #over(): never {
    this.onSignedOut();
    throw errorFromResponse(401, null, null);
  }

  async #request<T>(path: string, options: RequestOptions, access: string | null): Promise<T> {
    const abort = new AbortController();
    const giveUp = () => abort.abort();
    const timer = setTimeout(giveUp, options.timeoutMs ?? TIMEOUT_MS);
    options.signal?.addEventListener('abort', giveUp);
    const isForm = options.body instanceof FormData;
    try {
      const init: RequestInit = {
        method: options.method ?? 'GET',
        headers: {
          accept: 'application/json',
          ...(access ? { authorization: `Bearer ${access}` } : {}),
          // Of a form the browser says itself where its parts end.
          ...(options.body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
        },
        signal: abort.signal,
        credentials: 'omit',
      };
      if (isForm) init.body = options.body as FormData;
      else if (options.body !== undefined) init.body = JSON.stringify(options.body);
      const response = await this.send(path, init);
      this.#readClock(response);
      const body: unknown = await response.json().catch(() => undefined);
      if (!response.ok) {
        throw errorFromResponse(response.status, body ?? null, response.headers.get('retry-after'));
      }
      // Cut short, or the word of something on the way: what was asked for may not have been done.
      if (body === undefined && response.status !== 204) throw new TypeError('unreadable');
      options.onstatus?.(response.status);
      return (body ?? null) as T;
    } catch (error) {
      if (error instanceof ApiError) throw error;
      const late = abort.signal.aborted && !options.signal?.aborted;
      throw errorFromSilence(late ? 'timeout' : 'network');
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', giveUp);
    }
  }

  #readClock(response: Response): void {
    const date = Date.parse(response.headers.get('date') ?? '');
    if (Number.isFinite(date)) this.clockOffsetMs = date - Date.now();
  }
}
