// The pictures and videos of a post that is being written: made small, shown, put in order, sent.

import { removeMedia } from '../api/media';
import { checkedFile, moved } from './choice';
import { preview, shrunk } from './shrink';
import { advance, Upload } from './upload.svelte';

export class Attachment {
  /** What is sent, once it is known. */
  upload = $state.raw<Upload | null>(null);
  /** What it looks like: a picture of it, or for a video itself. */
  picture = $state<string | null>(null);
  readonly video: string | null;
  readonly id = (Attachment.#count += 1);
  static #count = 0;
  isGone = false;

  constructor(readonly file: File) {
    this.video = file.type.startsWith('video/') ? URL.createObjectURL(file) : null;
  }

  get name(): string {
    return this.file.name;
  }

  get state(): 'preparing' | Upload['state'] {
    return this.upload?.state ?? 'preparing';
  }

  get isStuck(): boolean {
    return this.state === 'stopped' || this.state === 'refused';
  }

  /** Bytes that have gone, and that go. */
  get progress(): { sent: number; total: number } {
    const total = this.upload?.file.size ?? this.file.size;
    return { sent: (this.upload?.share ?? 0) * total, total };
  }
}

export class Attachments {
  list = $state.raw<Attachment[]>([]);
  /** Why the last file was not taken. */
  trouble = $state.raw<string[]>([]);
  #preparing: Promise<void> = Promise.resolve();

  constructor(
    private readonly max: number,
    /** Hears of each that has come through, or stands still. */
    private readonly onrest: (attachment: Attachment) => void,
  ) {}

  get isMoving(): boolean {
    return this.list.some(({ state, isStuck }) => state !== 'done' && !isStuck);
  }

  get isStuck(): boolean {
    return this.list.some(({ isStuck }) => isStuck);
  }

  /** How much of all has gone, from 0 to 1. */
  get share(): number {
    const all = this.list.map(({ progress }) => progress);
    const total = all.reduce((sum, it) => sum + it.total, 0);
    return total > 0 ? all.reduce((sum, it) => sum + it.sent, 0) / total : 1;
  }

  /** The media that they have become, in their order. */
  get media(): number[] {
    return this.list.flatMap(({ upload }) => (upload?.media == null ? [] : [upload.media]));
  }

  add(files: Iterable<File>): void {
    const refused: string[] = [];
    for (const file of files) {
      const why = checkedFile(file, this.list.length, this.max);
      if (why !== null) {
        refused.push(why);
        continue;
      }
      const added = new Attachment(file);
      this.list = [...this.list, added];
      // One after the other: a picture that is decoded is some forty megabytes.
      this.#preparing = this.#preparing.then(() => this.#prepare(added));
    }
    this.trouble = [...new Set(refused)];
  }

  move(attachment: Attachment, to: number): void {
    this.list = moved(this.list, this.list.indexOf(attachment), to);
  }

  /** Takes it away, and back what has gone. */
  remove(attachment: Attachment): void {
    const { upload } = attachment;
    this.list = this.list.filter((it) => it !== attachment);
    this.#forget(attachment);
    if (upload?.media == null) upload?.cancel();
    else void removeMedia(upload.media).catch(() => {});
    this.#advance();
  }

  retry(attachment: Attachment): void {
    attachment.upload?.start();
  }

  /** The page leaves: what has gone stays where it is. */
  leave(): void {
    for (const attachment of this.list) {
      attachment.upload?.leave();
      this.#forget(attachment);
    }
  }

  async #prepare(attachment: Attachment): Promise<void> {
    if (attachment.isGone) return;
    const file = attachment.video === null ? await shrunk(attachment.file) : attachment.file;
    if (attachment.isGone) return;
    if (attachment.video === null) attachment.picture = await preview(file);
    attachment.upload = new Upload(file, () => {
      this.#advance();
      this.onrest(attachment);
    });
    this.#advance();
  }

  #advance(): void {
    advance(this.list.flatMap(({ upload }) => upload ?? []));
  }

  #forget(attachment: Attachment): void {
    attachment.isGone = true;
    if (attachment.video !== null) URL.revokeObjectURL(attachment.video);
  }
}
