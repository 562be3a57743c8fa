// How many notifications a member has not read, as they come: shared by all that shows it.

import { unreadCount, type Notification } from './api/notifications';
import { poll } from './poller';
import { RealTime } from './real-time.svelte';
import { session } from './session.svelte';

/** The connection brings them; where none gets through, they are asked for. */
const PACE = { visibleMs: 120_000, hiddenMs: 900_000, maxMs: 900_000 };

class News {
  unread = $state(0);
  /** The last that came while somebody looked. */
  latest = $state.raw<Notification | null>(null);
  #watchers = 0;
  #stop: () => void = () => {};

  /** Follows them until the returned function is called. */
  watch(): () => void {
    this.#watchers += 1;
    if (this.#watchers === 1) this.#start();
    return () => {
      this.#watchers -= 1;
      if (this.#watchers === 0) this.#stop();
    };
  }

  /** Asks anew how many there are. */
  count = async (signal?: AbortSignal): Promise<void> => {
    this.unread = await unreadCount(signal);
  };

  #start(): void {
    const connection = new RealTime(null, session.api.access, (notification) => {
      if (notification !== null) {
        this.latest = notification;
        // One may have taken the place of another: only the server knows how many are unread.
      }
      void this.count().catch(() => {});
    });
    const done = poll(PACE, this.count);
    this.#stop = () => {
      connection.stop();
      done();
      this.unread = 0;
      this.latest = null;
    };
  }
}

export const news = new News();
