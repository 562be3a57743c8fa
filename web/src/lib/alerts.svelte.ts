// Whether this browser is told what its member is told, and turning that on and off.

import { session } from './session.svelte';
import { read, write } from './storage';

/** What the server calls this browser, while it is told. */
const KEY = 'cc.alerts';
/** Whom it is told of. */
const MEMBER = 'cc.alerts.member';
const WORKER = '/push-worker.js';
/** A browser that does not get through to its push service says so late, or never. */
const SUBSCRIBES_MS = 15_000;
const UNSUBSCRIBES_MS = 3000;

class Alerts {
  /** `null` until it is known; what cannot be turned on is not offered. */
  isOn = $state<boolean | null>(null);

  readonly isOffered =
    isSecureContext &&
    'serviceWorker' in navigator &&
    'PushManager' in globalThis &&
    'Notification' in globalThis;

  /** Finds out, and says again that this browser is there: the server keeps those that do. */
  async look(): Promise<void> {
    // Who was signed in here before shall not be told of, nor the next one without asking.
    if (read(KEY) !== null && read(MEMBER) !== String(session.user?.id)) await this.turnOff();
    const subscription = await this.#subscription();
    this.isOn = subscription !== null && read(KEY) !== null;
    if (this.isOn) await this.turnOn().catch(() => {});
  }

  /** False when the member, or the browser, does not allow it. */
  async turnOn(): Promise<boolean> {
    if ((await Notification.requestPermission()) !== 'granted') return false;
    const registration = await navigator.serviceWorker.register(WORKER);
    const key = await session.api.pushKey();
    const options = { userVisibleOnly: true, applicationServerKey: key };
    let subscription = await registration.pushManager.getSubscription();
    // Of another server, or of this one before it lost its key: nothing would come through.
    if (subscription && text(subscription.options.applicationServerKey) !== key) {
      await subscription.unsubscribe();
      subscription = null;
    }
    subscription ??= await inTime(registration.pushManager.subscribe(options), SUBSCRIBES_MS);
    const { id } = await session.api.subscribe(subscription.toJSON());
    write(KEY, String(id));
    write(MEMBER, String(session.user?.id));
    this.isOn = true;
    return true;
  }

  /** Off here at once; the server is told as far as the network allows, or finds out itself. */
  async turnOff(): Promise<void> {
    const id = read(KEY);
    write(KEY, null);
    write(MEMBER, null);
    this.isOn = false;
    if (id !== null) await session.api.unsubscribe(id).catch(() => {});
    const subscription = await this.#subscription();
    if (subscription) await inTime(subscription.unsubscribe(), UNSUBSCRIBES_MS).catch(() => {});
  }

  async #subscription(): Promise<PushSubscription | null> {
    if (!this.isOffered) return null;
    const registration = await navigator.serviceWorker.getRegistration();
    return (await registration?.pushManager.getSubscription()) ?? null;
  }
}

/** What comes of `work`; a `DOMException` where nothing comes of it. */
function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  return new Promise((done, failed) => {
    setTimeout(() => failed(new DOMException('', 'TimeoutError')), ms);
    work.then(done, failed);
  });
}

/** A key as keys travel: in base64url. */
function text(key: ArrayBuffer | null): string {
  const chars = String.fromCharCode(...new Uint8Array(key ?? new ArrayBuffer()));
  return btoa(chars).replace(/\+/g, '-').replace(/\//g, '_').replace(/=/g, '');
}

export const alerts = new Alerts();
