// A like as its member sees it: at once, whatever the link; and as the server knows it, later.

import { asApiError } from './api/errors';

export interface Liked {
  is_liked_by_user: boolean;
  likes_count: number;
}

/** The likes of a post where this member likes it, or does not. */
export function withLike<T extends Liked>(post: T, likes: boolean): T {
  if (post.is_liked_by_user === likes) return post;
  const likes_count = Math.max(0, post.likes_count + (likes ? 1 : -1));
  return { ...post, is_liked_by_user: likes, likes_count };
}

/** Tells the server of a like one at a time: who presses thrice is asked for once more, not thrice. */
export class Like {
  #known: boolean;
  #wanted: boolean;
  #sends = false;

  constructor(
    known: boolean,
    private readonly send: (likes: boolean) => Promise<unknown>,
    /** What is to be shown, and why it is not what was wanted. */
    private readonly onchange: (likes: boolean, trouble: string | null) => void,
  ) {
    this.#known = this.#wanted = known;
  }

  /** What the server said of it when the post was read anew: before it heard of a press, maybe. */
  learn(known: boolean): void {
    if (!this.#sends) this.#known = this.#wanted = known;
    else if (known !== this.#wanted) this.onchange(this.#wanted, null);
  }

  /** A press, by who sees it `shown`: the other is what he wants. */
  async toggle(shown: boolean): Promise<void> {
    this.#wanted = !shown;
    this.onchange(this.#wanted, null);
    if (this.#sends) return;
    this.#sends = true;
    while (this.#wanted !== this.#known) {
      const asked = this.#wanted;
      try {
        await this.send(asked);
      } catch (error) {
        const { status, message } = asApiError(error);
        // It was so already, from another device.
        const isSo = asked ? status === 400 : status === 404;
        if (!isSo) {
          this.#wanted = this.#known;
          this.onchange(this.#known, message);
          break;
        }
      }
      this.#known = asked;
    }
    this.#sends = false;
  }
}
