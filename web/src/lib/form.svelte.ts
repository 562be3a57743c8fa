// A form: what is typed into it, what is wrong with it, and for how long to leave it alone. How it is
// drawn is in `ui/Form`; its fields find it by themselves.

import { tick } from 'svelte';
import { asApiError } from './api/errors';

export type Values = Record<string, string | number | null>;

export interface Purpose<V> {
  /** What can be said before the server is asked, by field. */
  check?: (values: V) => Record<string, string[]>;
  send: (values: V) => Promise<void>;
}

export class FormState<V extends Values = Values> {
  /** By the API's names of the fields: errors of others are told beside the button. */
  values: V;
  errors = $state.raw<Record<string, string[]>>({});
  general = $state.raw<string[]>([]);
  busy = $state(false);
  /** Seconds until the server accepts another try. */
  waitSeconds = $state(0);
  /** Where it stands on the page, once it does. */
  element: HTMLElement | undefined;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    values: V,
    private readonly purpose: Purpose<V>,
  ) {
    this.values = $state(values);
  }

  get wrongFields(): number {
    return Object.keys(this.errors).length;
  }

  /** Runs one submission. */
  async submit(): Promise<void> {
    if (this.busy || this.waitSeconds > 0) return;
    this.general = [];
    this.errors = this.purpose.check?.(this.values) ?? {};
    if (this.wrongFields > 0) return this.#focusFirst();
    this.busy = true;
    try {
      await this.purpose.send(this.values);
    } catch (error) {
      this.#take(error);
    } finally {
      this.busy = false;
    }
  }

  /** The user is correcting this field: its error has done its work. */
  touch(name: string): void {
    if (!(name in this.errors)) return;
    this.errors = Object.fromEntries(Object.entries(this.errors).filter(([key]) => key !== name));
  }

  /** The form has left the page. */
  stop(): void {
    clearInterval(this.#timer);
  }

  #take(error: unknown): void {
    const { fields, general, status, retryAfterSeconds } = asApiError(error).details;
    const [mine, others] = sorted(fields, Object.keys(this.values));
    this.errors = mine;
    this.general = [...general, ...others];
    if (status === 429) this.#countDown(retryAfterSeconds ?? 10);
    void this.#focusFirst();
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
    this.element?.querySelector<HTMLElement>('[aria-invalid="true"]')?.focus();
  }
}

/** Errors beside fields that are shown, and what is said of all others. */
export function sorted(
  fields: Record<string, string[]>,
  shown: readonly string[],
): [Record<string, string[]>, string[]] {
  const entries = Object.entries(fields);
  const mine = entries.filter(([name]) => shown.includes(name));
  const others = entries.filter(([name]) => !shown.includes(name));
  return [Object.fromEntries(mine), others.flatMap(([, messages]) => messages)];
}
