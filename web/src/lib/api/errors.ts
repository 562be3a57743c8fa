// What the API answers when it refuses, in one shape for every screen.

import { fr } from '../fr';

export type Failure = 'http' | 'network' | 'timeout';

export interface ErrorDetails {
  failure: Failure;
  /** HTTP status; 0 when no answer came. */
  status: number;
  /** Messages for the whole form, or for the whole request. */
  general: string[];
  /** Messages by field name, each list non-empty. */
  fields: Record<string, string[]>;
  code: string | null;
  /** From Retry-After, when the server gave one. */
  retryAfterSeconds: number | null;
  /** The parsed body, for the few answers that carry more than words. */
  body: unknown;
}

export class ApiError extends Error {
  constructor(readonly details: ErrorDetails) {
    super(details.general[0] ?? Object.values(details.fields)[0]?.[0] ?? fr.errors.unknown);
    this.name = 'ApiError';
  }

  get status(): number {
    return this.details.status;
  }

  /** Worth trying again unchanged: nobody said no. */
  get isTransient(): boolean {
    const { failure, status } = this.details;
    return failure !== 'http' || status === 429 || status >= 500;
  }
}

/** Keys that speak of the request as a whole, in the order in which they are believed. */
const GENERAL_KEYS = ['non_field_errors', 'detail', 'error', 'message'];
/** Keys that accompany an error without being one. */
const SILENT_KEYS = ['code', 'messages', 'details', 'id', 'live_id', 'post_id'];

/** Reads an error answer, whatever its shape (HTTP contract, section 1.1). */
export function errorFromResponse(
  status: number,
  body: unknown,
  retryAfter: string | null,
  now: number = Date.now(),
): ApiError {
  const general: string[] = [];
  const fields: Record<string, string[]> = {};
  let code: string | null = null;

  if (Array.isArray(body)) {
    general.push(...messages(body));
  } else if (isRecord(body)) {
    if (typeof body['code'] === 'string') code = body['code'];
    for (const key of GENERAL_KEYS) general.push(...messages(body[key]));
    for (const [key, value] of Object.entries(body)) {
      if (GENERAL_KEYS.includes(key) || SILENT_KEYS.includes(key)) continue;
      const found = messages(value);
      if (found.length > 0) fields[key] = found;
    }
  }

  const retryAfterSeconds = parseRetryAfter(retryAfter, now);
  if (status === 429) {
    general.splice(0, general.length, fr.errors.throttled(retryAfterSeconds));
  } else if (general.length === 0 && Object.keys(fields).length === 0) {
    general.push(wordsForStatus(status));
  }
  const unique = [...new Set(general)];
  return new ApiError({
    failure: 'http',
    status,
    general: unique,
    fields,
    code,
    retryAfterSeconds,
    body,
  });
}

/** The error for an answer that never came. */
export function errorFromSilence(failure: 'network' | 'timeout'): ApiError {
  const words = failure === 'network' ? fr.errors.network : fr.errors.timeout;
  return new ApiError({
    failure,
    status: 0,
    general: [words],
    fields: {},
    code: null,
    retryAfterSeconds: null,
    body: null,
  });
}

/** Any thrown thing as an `ApiError`. */
export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : errorFromSilence('network');
}

/** Seconds out of a Retry-After header, which is either a number or a date. */
export function parseRetryAfter(header: string | null, now: number = Date.now()): number | null {
  if (!header) return null;
  const seconds = /^\d+$/.test(header.trim())
    ? Number(header)
    : Math.ceil((Date.parse(header) - now) / 1000);
  return Number.isFinite(seconds) ? Math.max(0, seconds) : null;
}

function messages(value: unknown): string[] {
  const list = Array.isArray(value) ? value : [value];
  return list.filter((item): item is string => typeof item === 'string' && item.trim() !== '');
}

function wordsForStatus(status: number): string {
  if (status === 401) return fr.errors.signedOut;
  if (status === 403) return fr.errors.forbidden;
  if (status === 404) return fr.errors.notFound;
  if (status >= 500) return fr.errors.server;
  return fr.errors.unknown;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
