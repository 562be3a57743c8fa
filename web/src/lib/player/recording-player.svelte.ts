// One recording on one media element: hls.js, or the browser where that plays HLS by itself. How it looks is
// in `RecordingPlayer.svelte`.

import type HlsClass from 'hls.js';
import type { ErrorData } from 'hls.js';
import { recordingConfig } from './hls-config';
import { choices, type Sound } from './sounds';

/** Repairs of the decoder before it is called broken. */
const REPAIRS_MAX = 3;
/** A pause shorter than this is not worth a spinner. */
const DRY_GRACE_MS = 600;

export type Trouble = 'network' | 'media' | 'unsupported' | 'gone';

export interface Source {
  /** The multivariant playlist, read again for each connection: its ticket may have been renewed. */
  readonly url: string;
  /** Asks for another ticket; false where there is none. */
  refresh: () => Promise<boolean>;
  /** How long it plays, in seconds, as far as that is known before. */
  duration: number | null;
}

export class RecordingPlayer {
  /** Somebody asked for it: nothing is loaded before. */
  wanted = $state(false);
  /** A picture or sound came out. */
  started = $state(false);
  paused = $state(true);
  ended = $state(false);
  /** The buffer is dry, or what was sought is not there yet. */
  dry = $state(false);
  trouble = $state<Trouble | null>(null);
  muted = $state(false);
  volume = $state(1);
  rate = $state(1);
  /** In seconds. */
  position = $state(0);
  duration = $state(0);
  /** How far media have come from there on. */
  buffered = $state(0);
  /** What is chosen of it for a clip, in seconds. */
  marked = $state.raw<readonly [number, number] | null>(null);
  /** Bytes of media and playlists received. Null where the browser plays by itself. */
  received = $state<number | null>(null);
  audioOnly = $state(false);
  /** Of the picture, in pixels. */
  size = $state.raw<{ width: number; height: number } | null>(null);
  /** The sounds to choose from; none where there is one. */
  sounds = $state.raw<Sound[]>([]);
  sound = $state(0);

  readonly #video: HTMLVideoElement;
  readonly #source: Source;
  readonly #abort = new AbortController();
  #hls: HlsClass | null = null;
  /** Sounds apart from the picture are beyond the light build. */
  #needsFull = false;
  #repairs = 0;
  /** Where to go on once there is something to play. */
  #from = 0;
  #renewed = false;
  #dryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(video: HTMLVideoElement, source: Source) {
    this.#video = video;
    this.#source = source;
    this.duration = source.duration ?? 0;
    this.#listen();
  }

  destroy(): void {
    this.#abort.abort();
    clearTimeout(this.#dryTimer);
    this.#detach();
  }

  async play(): Promise<void> {
    if (!this.wanted || this.trouble) {
      this.wanted = true;
      this.trouble = null;
      this.#repairs = 0;
      await this.#attach();
      return;
    }
    if (this.ended) this.seek(0);
    await this.#start();
  }

  pause(): void {
    this.#video.pause();
  }

  seek(seconds: number): void {
    const to = Math.min(Math.max(0, seconds), this.duration || Infinity);
    this.#from = to;
    this.position = to;
    this.ended = false;
    if (this.#video.readyState > 0) this.#video.currentTime = to;
  }

  setMuted(muted: boolean): void {
    this.#video.muted = muted;
    if (!muted && this.#video.volume === 0) this.#video.volume = 1;
  }

  setVolume(volume: number): void {
    this.#video.volume = volume;
    this.#video.muted = volume === 0;
  }

  setRate(rate: number): void {
    this.rate = rate;
    this.#video.playbackRate = rate;
    // Else the browser goes back to it with the next source.
    this.#video.defaultPlaybackRate = rate;
  }

  setSound(sound: number): void {
    const name = this.sounds[sound]?.name;
    const track = this.#hls?.audioTracks.findIndex((track) => track.name === name) ?? -1;
    if (!this.#hls || track < 0) return;
    this.sound = sound;
    this.#hls.audioTrack = track;
  }

  async #attach(): Promise<void> {
    this.#detach();
    this.#wait();
    if (!('MediaSource' in window || 'ManagedMediaSource' in window)) return this.#attachNative();
    let Hls: typeof HlsClass;
    try {
      ({ default: Hls } = await (this.#needsFull ? import('hls.js') : import('hls.js/light')));
    } catch {
      this.#fail('network');
      return;
    }
    if (this.#abort.signal.aborted) return;
    if (!Hls.isSupported()) return this.#attachNative();
    this.#detach();
    const hls = new Hls({ ...recordingConfig, startPosition: this.#from });
    this.#hls = hls;
    this.received ??= 0;
    hls.on(Hls.Events.MANIFEST_LOADED, (_, { audioTracks }) => {
      this.sounds = choices(audioTracks);
      const again = this.sounds.length > 0 && !this.#needsFull;
      this.#needsFull ||= again;
      // Not in the midst of what hls.js is doing.
      if (again) setTimeout(() => void this.#attach());
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => void this.#start());
    hls.on(Hls.Events.LEVEL_LOADED, (_, { stats, details }) => {
      this.#count(stats.loaded);
      this.#renewed = false;
      this.duration = details.totalduration;
    });
    hls.on(Hls.Events.AUDIO_TRACK_LOADED, (_, { stats }) => this.#count(stats.loaded));
    hls.on(Hls.Events.FRAG_LOADED, (_, { frag }) => this.#count(frag.stats.loaded));
    hls.on(Hls.Events.ERROR, (_, data) => this.#hlsError(Hls, data));
    hls.loadSource(this.#source.url);
    hls.attachMedia(this.#video);
  }

  #attachNative(): void {
    if (!this.#video.canPlayType('application/vnd.apple.mpegurl')) {
      this.#fail('unsupported');
      return;
    }
    this.#video.src = this.#source.url;
    void this.#start();
  }

  #detach(): void {
    this.#hls?.destroy();
    this.#hls = null;
    if (this.#video.hasAttribute('src')) {
      this.#video.removeAttribute('src');
      this.#video.load();
    }
  }

  async #start(): Promise<void> {
    // Refused, or interrupted by another call: the button is there.
    await this.#video.play().catch(() => {});
  }

  #hlsError(Hls: typeof HlsClass, data: ErrorData): void {
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.#repairs < REPAIRS_MAX) {
      this.#repairs += 1;
      this.#hls?.recoverMediaError();
      return;
    }
    const status = data.response?.code;
    if (status === 403 && !this.#renewed) void this.#renew();
    else if (status === 403 || status === 404) this.#fail('gone');
    else this.#fail(data.type === Hls.ErrorTypes.NETWORK_ERROR ? 'network' : 'media');
  }

  /** The ticket has expired: with another it goes on where it was. */
  async #renew(): Promise<void> {
    this.#renewed = true;
    this.#detach();
    const renewed = await this.#source.refresh().catch(() => null);
    if (this.#abort.signal.aborted) return;
    if (renewed === true) await this.#attach();
    else this.#fail(renewed === null ? 'network' : 'gone');
  }

  #fail(trouble: Trouble): void {
    this.trouble = trouble;
    this.#moves();
    this.#detach();
  }

  #listen(): void {
    const video = this.#video;
    const on = (names: (keyof HTMLMediaElementEventMap)[], then: () => void) => {
      for (const name of names) video.addEventListener(name, then, { signal: this.#abort.signal });
    };
    on(['play', 'pause'], () => (this.paused = video.paused));
    on(['playing', 'seeked'], () => {
      this.started = true;
      this.#moves();
    });
    on(['waiting', 'seeking'], () => this.#wait());
    on(['ended'], () => (this.ended = true));
    on(['volumechange'], () => {
      this.muted = video.muted;
      this.volume = video.volume;
    });
    on(['timeupdate', 'progress'], () => this.#measure());
    on(['loadedmetadata', 'resize'], () => {
      const { videoWidth: width, videoHeight: height } = video;
      this.audioOnly = width === 0;
      this.size = width > 0 ? { width, height } : null;
      video.playbackRate = this.rate;
    });
    on(['loadedmetadata'], () => {
      if (Number.isFinite(video.duration)) this.duration = video.duration;
      if (!this.#hls && this.#from > 0) video.currentTime = this.#from;
    });
    on(['error'], () => {
      // With hls.js, its own error events tell more.
      if (!this.#hls && video.hasAttribute('src')) this.#fail('network');
    });
  }

  #measure(): void {
    const { buffered, currentTime, seeking } = this.#video;
    if (!seeking && this.started) {
      this.position = currentTime;
      this.#from = currentTime;
    }
    let end = currentTime;
    for (let at = 0; at < buffered.length; at += 1) {
      if (buffered.start(at) <= currentTime + 0.1) end = Math.max(end, buffered.end(at));
    }
    this.buffered = end;
  }

  #wait(): void {
    clearTimeout(this.#dryTimer);
    this.#dryTimer = setTimeout(() => (this.dry = true), DRY_GRACE_MS);
  }

  #moves(): void {
    clearTimeout(this.#dryTimer);
    this.dry = false;
  }

  #count(bytes: number): void {
    this.received = (this.received ?? 0) + bytes;
  }
}
