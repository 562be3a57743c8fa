// What went wrong with a form: per field, as a whole, and for how long to leave it alone.

import { tick } from 'svelte';
import { asApiError } from './api/errors';

export class FormState {
  busy = $state(false);
  fields = $state.raw<Record<string, string[]>>({});
  general = $state.raw<string[]>([]);
  /** Seconds until the server accepts another try. */
  waitSeconds = $state(0);
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    /** The names this form shows errors beside; others go to the general list. */
    private readonly known: readonly string[],
    private readonly element: () => HTMLElement | undefined,
  ) {}

  get hasErrors(): boolean {
    return this.general.length > 0 || Object.keys(this.fields).length > 0;
  }

  /** Runs one submission; true when it went through. */
  async submit(check: () => Record<string, string[]>, send: () => Promise<void>): Promise<boolean> {
    if (this.busy || this.waitSeconds > 0) return false;
    this.general = [];
    this.fields = check();
    if (this.hasErrors) {
      await this.#focusFirst();
      return false;
    }
    this.busy = true;
    try {
      await send();
      return true;
    } catch (error) {
      this.take(error);
      return false;
    } finally {
      this.busy = false;
    }
  }

  take(error: unknown): void {
    const { fields, general, status, retryAfterSeconds } = asApiError(error).details;
    const mine = Object.entries(fields).filter(([name]) => this.known.includes(name));
    const others = Object.entries(fields).filter(([name]) => !this.known.includes(name));
    this.fields = Object.fromEntries(mine);
    this.general = [...general, ...others.flatMap(([, messages]) => messages)];
    if (status === 429) this.#countDown(retryAfterSeconds ?? 10);
    void this.#focusFirst();
  }

  /** The user is correcting this field: its error has done its work. */
  touch(name: string): void {
    if (!(name in this.fields)) return;
    this.fields = Object.fromEntries(Object.entries(this.fields).filter(([key]) => key !== name));
  }

  #countDown(seconds: number): void {
    clearInterval(this.#timer);
    this.waitSeconds = seconds;
    this.#timer = setInterval(() => {
      this.waitSeconds -= 1;
      if (this.waitSeconds > 0) return;
      clearInterval(this.#timer);
      this.general = [];
    }, 1000);
  }

  async #focusFirst(): Promise<void> {
    await tick();
    this.element()?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }
}

/** Errors of a client-side check, with the fields that are fine left out. */
export function problems(
  checks: Record<string, string | false | null | undefined>,
): Record<string, string[]> {
  const found = Object.entries(checks).filter((entry): entry is [string, string] => !!entry[1]);
  return Object.fromEntries(found.map(([name, message]) => [name, [message]]));
}

export const looksLikeEmail = (text: string): boolean => /^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(text);
