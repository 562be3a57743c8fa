// One live on one media element: loads hls.js (or lets the browser play), reports what comes out,
// recovers. What is shown for it is decided in `machine`; how it looks, in `LivePlayer.svelte`.

import type HlsClass from 'hls.js';
import type { ErrorData, Level, MediaPlaylist } from 'hls.js';
import { parseRetryAfter } from '../api/errors';
import type { LiveStatus } from '../api/types';
import { poll } from '../poller';
import { inSession, listedRun, runOf } from '../urls';
import { hlsConfig, quickestAnswerMs, rewindConfig, type Connection } from './hls-config';
import { initial, next, type Happening, type State } from './machine';
import { choices, savings, type Sound } from './sounds';

const TICK_MS = 300;
/** A gap shorter than this is not worth a spinner. */
const DRY_GRACE_MS = 900;
/** Between two tries for a playlist that is not there, when the server names no delay. */
const RETRY_DEFAULT_S = 4;
const RETRY_MAX_S = 30;
/** The page keeps its last picture this long while the server is asked whether the end is one. */
const END_ANSWER_MS = 5000;
/** Repairs of the decoder allowed in this time before the player is rebuilt. */
const REPAIRS_MAX = 3;
const REPAIR_WINDOW_MS = 30_000;
/** This far behind its target, a viewer is offered the way back to the edge. */
const BEHIND_S = 5;
/** A paused player stops loading after this: data is dear. */
const PAUSE_KEEPS_LOADING_MS = 4000;
/** How often the server is asked what it knows, by need. */
const ASK_STALLED_MS = 4000;
const ASK_WAITING_MS = 12_000;
/** So near to the newest picture one is where the live is. */
const EDGE_MS = 6000;
/** One who moves on by keys is not followed at each step. */
const SEEK_SETTLES_MS = 250;
/** Segments over which the bit rate is averaged. */
const RATE_SEGMENTS = 8;

export interface Source {
  /** The multivariant playlist, read again for each connection: its ticket may have been renewed. */
  readonly url: string;
  /** The one of its sound alone. */
  readonly soundUrl: string;
  /** What the server last said. */
  status: LiveStatus | null;
  /** Asks again; null when the live is unknown. */
  refresh: (signal: AbortSignal) => Promise<LiveStatus | null>;
  /** Play without being asked; false where data is dear. */
  autoplay: boolean;
  /** Where one may go back; nothing where one may not. */
  readonly rewind?: Rewind | null;
}

export interface Rewind {
  /** The oldest moment, as far as the server has said. */
  fromMs: number;
  /** The multivariant playlist that plays from a date on, of all or of the sound alone. */
  url: (fromMs: number, soundOnly: boolean) => string;
  /** Where thumbnails are. */
  thumbnails: string;
}

/** What one may go back to, where one is and how far media have come, as dates in Unix milliseconds. */
export interface Timeline {
  fromMs: number;
  edgeMs: number;
  atMs: number;
  bufferedMs: number;
}

export interface Quality {
  width: number;
  height: number;
  fps: number | null;
  codec: string | null;
}

export class LivePlayer {
  state = $state.raw<State>(initial);
  muted = $state(true);
  paused = $state(true);
  volume = $state(1);
  /** The browser, or thrift, wants a tap before anything plays. */
  needsTap = $state(false);
  /** Bytes of media and playlists received. Null where the browser plays by itself. */
  received = $state<number | null>(null);
  bitrate = $state<number | null>(null);
  quality = $state.raw<Quality | null>(null);
  audioOnly = $state(false);
  /** Somebody asked for the sound alone. */
  soundOnly = $state(false);
  /** What of its data a viewer saves by that, from 0 to 1. Null where there is no sound alone. */
  soundSaves = $state<number | null>(null);
  /** The sounds to choose from; none where there is one. */
  sounds = $state.raw<Sound[]>([]);
  /** The chosen one, by its place among them. */
  sound = $state(0);
  /** Seconds behind the newest picture. Null when unknown. */
  latency = $state<number | null>(null);
  behind = $state(false);
  dropped = $state(0);
  /** Null where one may not go back, or nothing is known yet. */
  timeline = $state.raw<Timeline | null>(null);
  /** Somebody went back: what plays is another list. */
  rewound = $state(false);
  /** On the way to what was sought. */
  going = $state(false);

  readonly #video: HTMLVideoElement;
  readonly #source: Source;
  readonly #abort = new AbortController();
  #hls: HlsClass | null = null;
  /** Of the last segments, by what is in them: pictures and sounds may come apart. */
  #rates: Record<string, { bits: number; seconds: number }[]> = {};
  /** Sounds apart from the picture are beyond the light build: a third less for all the others. */
  #needsFull = false;
  #repairs: number[] = [];
  /** The run of the server whose playlist is being played. */
  #playlist: string | null = null;
  /** One that announced its end although the live goes on. */
  #abandoned: string | null = null;
  #failures = 0;
  #timers = new Map<string, ReturnType<typeof setTimeout>>();
  #askedAt = 0;
  #time = { at: -1, since: 0 };
  #wanted: boolean;
  /** Where one who went back is, or is on the way to. */
  #fromMs = 0;
  /** What is shown until a picture from there comes. */
  #aimMs: number | null = null;
  /** The newest picture, as it was known then. */
  #edge: { ms: number; at: number } | null = null;
  /** The media playlist that was played last. */
  #listed: string | undefined;

  constructor(video: HTMLVideoElement, source: Source) {
    this.#video = video;
    this.#source = source;
    this.#wanted = source.autoplay;
    this.needsTap = !source.autoplay;
    video.muted = true;
    this.#listen();
  }

  start(): void {
    if (this.#source.status) this.#happen({ type: 'server', status: this.#source.status });
    if (this.state.phase === 'ended') return;
    if (this.#wanted) void this.#connect();
    const stop = poll({ visibleMs: 2000, hiddenMs: 20_000, maxMs: 60_000 }, (signal) =>
      this.#ask(signal),
    );
    const tick = setInterval(() => this.#measure(), TICK_MS);
    this.#abort.signal.addEventListener('abort', () => {
      stop();
      clearInterval(tick);
    });
  }

  destroy(): void {
    this.#abort.abort();
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#detach();
  }

  /** Plays because somebody asked: sound is then allowed. */
  async play(withSound = false): Promise<void> {
    this.needsTap = false;
    if (withSound) this.setMuted(false);
    clearTimeout(this.#timers.get('thrift'));
    if (!this.#wanted) {
      this.#wanted = true;
      void this.#connect();
    } else if (this.#hls) {
      this.#hls.startLoad(-1);
      if (this.state.started && !this.rewound) this.toEdge();
    }
    await this.#play();
  }

  pause(): void {
    this.#video.pause();
    this.#later('thrift', PAUSE_KEEPS_LOADING_MS, () => this.#hls?.stopLoad());
  }

  /** Leaves the picture out, or takes it back: what is heard goes on a moment later. */
  setSoundOnly(soundOnly: boolean): void {
    if (soundOnly === this.soundOnly) return;
    this.soundOnly = soundOnly;
    this.#rates = {};
    this.bitrate = null;
    // Sound that cannot be heard is nothing.
    if (soundOnly) this.setMuted(false);
    this.#wanted = true;
    this.needsTap = false;
    void this.#connect();
  }

  /** Another of the sounds. */
  setSound(sound: number): void {
    if (sound === this.sound || !this.sounds[sound]) return;
    this.sound = sound;
    if (this.soundOnly) void this.#connect();
    else this.#tune();
  }

  /** The list of the chosen sound alone: hls.js knows no choice where there is no picture. */
  get #soundPlaylist(): string | null {
    return (this.soundOnly && this.sound > 0 && this.sounds[this.sound]?.url) || null;
  }

  get #url(): string {
    const { rewind } = this.#source;
    if (this.rewound && rewind) {
      return inSession(rewind.url(this.#fromMs, this.soundOnly), this.#listed);
    }
    if (!this.soundOnly) return inSession(this.#source.url, this.#listed);
    return this.#soundPlaylist ?? inSession(this.#source.soundUrl, this.#listed);
  }

  /** Goes to what was live at a date; to the live itself where that is as good as now. */
  seek(dateMs: number): void {
    const { timeline } = this;
    if (!timeline || !this.#source.rewind) return;
    if (dateMs >= timeline.edgeMs - EDGE_MS) {
      if (this.rewound) this.toEdge();
      return;
    }
    const toMs = Math.max(dateMs, timeline.fromMs);
    const known = this.rewound && this.#aimMs === null ? this.#positionOf(toMs) : null;
    this.#fromMs = toMs;
    this.timeline = { ...timeline, atMs: toMs, bufferedMs: toMs };
    this.behind = true;
    this.going = true;
    if (known !== null) {
      this.#video.currentTime = known;
      return;
    }
    this.#aimMs = toMs;
    this.rewound = true;
    this.needsTap = false;
    this.#wanted = true;
    this.#later('connect', SEEK_SETTLES_MS, () => void this.#connect());
  }

  /** Where the player has a date; null before it knows. */
  #positionOf(dateMs: number): number | null {
    const video = this.#video;
    if (!this.#hls) {
      const start = startDate(video);
      return start === null ? null : (dateMs - start) / 1000;
    }
    // Silences may be longer than they are listed: by the segment that is on then.
    const listed = this.#hls.latestLevelDetails?.fragments ?? [];
    let at: number | null = null;
    for (const { programDateTime, start, duration } of listed) {
      if (programDateTime === null) continue;
      if (programDateTime > dateMs) return at ?? start;
      at = start + Math.min((dateMs - programDateTime) / 1000, duration);
    }
    return at;
  }

  setMuted(muted: boolean): void {
    this.#video.muted = muted;
    if (!muted && this.#video.volume === 0) this.#video.volume = 1;
    this.#readSound();
  }

  setVolume(volume: number): void {
    this.#video.volume = volume;
    this.#video.muted = volume === 0;
    this.#readSound();
  }

  /** Jumps to the newest picture that can be played without a stall. */
  toEdge(): void {
    if (this.rewound) {
      this.#leaveRewind();
      this.#wanted = true;
      void this.#connect();
      return;
    }
    const edge = this.#hls?.liveSyncPosition ?? this.#seekableEnd();
    if (edge !== null && edge > this.#video.currentTime) this.#video.currentTime = edge;
    this.behind = false;
  }

  #leaveRewind(): void {
    this.rewound = false;
    this.behind = false;
    this.going = false;
    this.#aimMs = null;
  }

  retry(): void {
    this.#failures = 0;
    this.#happen({ type: 'retry' });
    this.#askedAt = 0;
    this.#wanted = true;
    void this.#connect();
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#timers.get('connect'));
    this.#detach();
    try {
      // A player that is about to be told of the playlist need not look, unless it may be told of
      // the one it has played to the end.
      const sure = this.state.server === 'live' && this.#abandoned === null && hasMediaSource();
      if (!sure && !(await this.#playlistIsThere())) return;
      await this.#attach();
    } catch {
      if (!this.#abort.signal.aborted) this.#failed('network');
    }
  }

  /** Looks before loading: a live that has not begun answers 404 and says when to come back. */
  async #playlistIsThere(): Promise<boolean> {
    const response = await fetch(this.#url, {
      signal: this.#abort.signal,
      credentials: 'omit',
    });
    const listed = listedRun(await response.text(), response.url);
    if (response.ok && (listed === null || listed !== this.#abandoned)) {
      this.#playlist = listed;
      return true;
    }
    if (response.ok) {
      // Still the run that is over: its end would be played again.
      this.#retry();
      return false;
    }
    if (response.status === 403) {
      await this.#refused();
      return false;
    }
    if (response.status !== 404) throw new Error(`playlist answered ${response.status}`);
    this.#missing(parseRetryAfter(response.headers.get('retry-after')));
    return false;
  }

  async #attach(): Promise<void> {
    if (!hasMediaSource()) return this.#attachNative();
    const { default: Hls } = await (this.#needsFull ? import('hls.js') : import('hls.js/light'));
    if (this.#abort.signal.aborted) return;
    if (!Hls.isSupported()) return this.#attachNative();
    // Two calls may have crossed while the library was loading.
    this.#detach();
    const { connection } = navigator as { connection?: Connection };
    const config = this.rewound
      ? rewindConfig
      : hlsConfig(this.soundOnly, connection, quickestAnswerMs());
    const hls = new Hls(config);
    this.#hls = hls;
    this.received ??= 0;
    hls.on(Hls.Events.MANIFEST_LOADED, (_, { levels, audioTracks }) => {
      if (!this.soundOnly) this.soundSaves = savings(levels);
      if (this.#soundPlaylist === null) this.#list(audioTracks);
    });
    hls.on(Hls.Events.AUDIO_TRACKS_UPDATED, () => this.#tune());
    hls.on(Hls.Events.AUDIO_TRACK_LOADED, (_, { stats }) => this.#count(stats.loaded));
    hls.on(Hls.Events.MANIFEST_PARSED, (_, { levels }) => {
      const url = levels[0]?.uri;
      this.#listed = url;
      this.#playlist = url ? runOf(url, location.href) : null;
      this.#describe(levels[0]);
      void this.#play();
    });
    hls.on(Hls.Events.LEVEL_LOADED, (_, { stats }) => {
      this.#count(stats.loaded);
      this.#failures = 0;
    });
    hls.on(Hls.Events.FRAG_LOADED, (_, { frag, part }) => {
      const bytes = (part ?? frag).stats.loaded;
      this.#count(bytes);
      this.#rate(frag.type, bytes * 8, (part ?? frag).duration);
    });
    hls.on(Hls.Events.ERROR, (_, data) => this.#hlsError(Hls, data));
    if (!hls.config.lowLatencyMode && !this.rewound) this.#showFromTheFirst(hls);
    hls.loadSource(this.#url);
    hls.attachMedia(this.#video);
  }

  /** Takes the sounds that a multivariant playlist lists, and connects anew where these call for it. */
  #list(tracks: MediaPlaylist[]): void {
    const chosen = this.sounds[this.sound]?.name;
    this.sounds = choices(tracks);
    this.sound = Math.max(
      0,
      this.sounds.findIndex(({ name }) => name === chosen),
    );
    const full = !this.soundOnly && this.sounds.length > 0;
    const again = this.soundOnly ? this.sound > 0 : full && !this.#needsFull;
    this.#needsFull ||= full;
    // Not in the midst of what hls.js is doing.
    if (again) this.#later('connect', 0, () => void this.#connect());
  }

  /** Has hls.js play the chosen sound. */
  #tune(): void {
    const hls = this.#hls;
    const name = this.sounds[this.sound]?.name;
    const track = hls?.audioTracks.findIndex((track) => track.name === name) ?? -1;
    if (hls && track >= 0 && hls.audioTrack !== track) hls.audioTrack = track;
  }

  /**
   * hls.js begins where its delay falls, which may be the end of the first segment it has: one more
   * would have to come before anything is seen, over a link that was found weak.
   */
  #showFromTheFirst(hls: HlsClass): void {
    const video = this.#video;
    const { signal } = this.#abort;
    const back = () => {
      const { buffered } = video;
      if (hls !== this.#hls || buffered.length === 0) return;
      const first = buffered.start(0);
      if (video.currentTime > first) video.currentTime = first;
    };
    video.addEventListener('seeked', back, { once: true, signal });
  }

  #attachNative(): void {
    if (!this.#video.canPlayType('application/vnd.apple.mpegurl')) {
      this.#happen({ type: 'failed', cause: 'unsupported' });
      return;
    }
    this.#video.src = this.#url;
    void this.#play();
  }

  #detach(): void {
    this.#hls?.destroy();
    this.#hls = null;
    if (this.#video.hasAttribute('src')) {
      this.#video.removeAttribute('src');
      this.#video.load();
    }
  }

  async #play(): Promise<void> {
    try {
      await this.#video.play();
    } catch (error) {
      // Refused to start by itself. An interrupted call is nothing: another one follows.
      if ((error as DOMException).name === 'NotAllowedError') this.needsTap = true;
    }
  }

  #listen(): void {
    const video = this.#video;
    const on = (name: keyof HTMLMediaElementEventMap, then: () => void) =>
      video.addEventListener(name, then, { signal: this.#abort.signal });
    on('playing', () => {
      this.#failures = 0;
      this.needsTap = false;
    });
    on('ended', () => void this.#endReached());
    on('pause', () => (this.paused = true));
    on('play', () => (this.paused = false));
    on('volumechange', () => this.#readSound());
    on('resize', () => this.#describe(this.#hls?.levels[0]));
    on('loadedmetadata', () => this.#describe(this.#hls?.levels[0]));
    on('error', () => {
      // With hls.js, its own error events tell more.
      if (!this.#hls && video.hasAttribute('src')) this.#failed('network');
    });
  }

  /** Not by its event alone: a `load` just after the change drops it. */
  #readSound(): void {
    this.muted = this.#video.muted;
    this.volume = this.#video.volume;
  }

  #hlsError(Hls: typeof HlsClass, data: ErrorData): void {
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.MEDIA_ERROR && this.#mayRepair()) {
      this.#hls?.recoverMediaError();
      return;
    }
    const status = data.response?.code;
    this.#detach();
    if (status === 404 && this.rewound) {
      // There is no way back any more; the live knows what became of it.
      this.#leaveRewind();
      this.#retry();
    } else if (status === 404) {
      const request = data.networkDetails as XMLHttpRequest | null | undefined;
      this.#missing(parseRetryAfter(request?.getResponseHeader?.('retry-after') ?? null));
    } else if (status === 403) {
      void this.#refused();
    } else {
      this.#failed(data.type === Hls.ErrorTypes.NETWORK_ERROR ? 'network' : 'media');
    }
  }

  #mayRepair(): boolean {
    const now = Date.now();
    this.#repairs = this.#repairs.filter((at) => now - at < REPAIR_WINDOW_MS);
    this.#repairs.push(now);
    return this.#repairs.length <= REPAIRS_MAX;
  }

  /** A server that goes down closes its playlists as one does at the end: only it knows which. */
  async #endReached(): Promise<void> {
    const playlist = this.#playlist;
    this.#detach();
    const late = new Promise<'late'>((resolve) =>
      this.#later('end', END_ANSWER_MS, () => resolve('late')),
    );
    const asked = this.#source.refresh(this.#abort.signal).catch(() => 'late' as const);
    const status = await Promise.race([asked, late]);
    if (status === null) {
      this.#happen({ type: 'unknown' });
      return;
    }
    this.#happen({ type: 'end-reached', status: status === 'late' ? null : status });
    if (this.state.phase === 'ended') return;
    this.#abandoned = playlist;
    this.#retry();
  }

  #missing(retryAfterSeconds: number | null): void {
    this.#forgetSounds();
    this.#happen({ type: 'playlist-missing' });
    this.#askedAt = 0;
    const seconds = Math.min(Math.max(retryAfterSeconds ?? RETRY_DEFAULT_S, 1), RETRY_MAX_S);
    this.#reconnectIn(seconds);
  }

  /** Their lists are of one run of the server: the next one is asked what there is. */
  #forgetSounds(): void {
    if (this.#soundPlaylist !== null) this.sound = 0;
  }

  /** The ticket has expired: the page asks for another, or says why there is none. */
  async #refused(): Promise<void> {
    this.#forgetSounds();
    await this.#source.refresh(this.#abort.signal).catch(() => null);
    if (!this.#abort.signal.aborted) this.#retry();
  }

  #failed(cause: 'network' | 'media'): void {
    this.#forgetSounds();
    this.#happen({ type: 'failed', cause });
    this.#retry();
  }

  /** Connects again, later each time. */
  #retry(): void {
    this.#failures += 1;
    this.#askedAt = 0;
    this.#reconnectIn(Math.min(2 ** this.#failures, RETRY_MAX_S));
  }

  #reconnectIn(seconds: number): void {
    if (this.state.phase === 'ended') return;
    // Many viewers lose a live at the same moment: they should not all come back at one.
    const spread = 0.8 + Math.random() * 0.4;
    this.#later('connect', seconds * 1000 * spread, () => {
      if (this.state.phase !== 'ended' && this.#wanted) void this.#connect();
    });
  }

  /** Asks the server, but only while there is something to explain. */
  async #ask(signal: AbortSignal): Promise<void> {
    const { phase, cause } = this.state;
    if (phase === 'playing' || phase === 'ended' || cause === 'unknown-live') return;
    if (phase === 'waiting' && this.state.server === 'live' && this.#wanted) return;
    const every = phase === 'waiting' ? ASK_WAITING_MS : ASK_STALLED_MS;
    if (Date.now() - this.#askedAt < every) return;
    this.#askedAt = Date.now();
    const before = this.state.server;
    const status = await this.#source.refresh(signal);
    this.#happen(status === null ? { type: 'unknown' } : { type: 'server', status });
    if (status === 'live' && before !== 'live' && this.#wanted && !this.#hls) void this.#connect();
  }

  #happen(happening: Happening): void {
    if (this.#abort.signal.aborted) return;
    this.state = next(this.state, happening);
    if (this.state.phase === 'ended') this.#detach();
  }

  #describe(level: Level | undefined): void {
    const video = this.#video;
    const width = video.videoWidth || level?.width || 0;
    const height = video.videoHeight || level?.height || 0;
    const known = video.readyState >= 1;
    this.audioOnly = known ? video.videoWidth === 0 : !!level && !level.videoCodec && width === 0;
    this.quality =
      width > 0
        ? { width, height, fps: level?.frameRate || null, codec: level?.videoCodec ?? null }
        : null;
  }

  /**
   * Whether pictures move, by the only witness that does not lie: the time. `waiting` also comes
   * with every seek, and hls.js nudges a dry element so that `timeupdate` comes without progress.
   */
  #watchTime(): void {
    const video = this.#video;
    const [now, at] = [Date.now(), video.currentTime];
    const ready = video.readyState >= HTMLMediaElement.HAVE_FUTURE_DATA;
    if (video.paused || (ready && at !== this.#time.at)) {
      const moved = !video.paused && this.#time.at >= 0 && at > 0;
      this.#time = { at, since: now };
      if (moved && this.state.phase !== 'playing') this.#happen({ type: 'playing' });
    } else if (now - this.#time.since > DRY_GRACE_MS) {
      this.#happen({ type: 'dry' });
    }
  }

  #measure(): void {
    this.#watchTime();
    const hls = this.#hls;
    const video = this.#video;
    if (hls && this.state.started && hls.latency > 0) {
      this.latency = hls.latency;
      this.behind = hls.latency > (hls.targetLatency ?? 0) + BEHIND_S;
    } else if (!hls && this.state.started) {
      const end = this.#seekableEnd();
      this.latency = end === null ? null : Math.max(0, end - video.currentTime);
      this.behind = (this.latency ?? 0) > BEHIND_S * 3;
    }
    if (this.rewound) this.behind = true;
    this.#measureTimeline();
    const frames = video.getVideoPlaybackQuality?.();
    if (frames) this.dropped = frames.droppedVideoFrames;
  }

  #measureTimeline(): void {
    const { rewind } = this.#source;
    const video = this.#video;
    const hls = this.#hls;
    const now = Date.now();
    const start = hls ? null : startDate(video);
    const playing =
      hls?.playingDate?.getTime() ?? (start === null ? null : start + video.currentTime * 1000);
    const moves = playing !== null && video.readyState >= HTMLMediaElement.HAVE_CURRENT_DATA;
    if (moves && !video.seeking && this.latency !== null && this.state.started) {
      this.#edge = { ms: playing + this.latency * 1000, at: now };
      this.#aimMs = null;
      this.going = false;
      if (this.rewound) this.#fromMs = playing;
    }
    if (!rewind || !this.#edge) {
      this.timeline = null;
      return;
    }
    const edgeMs = this.#edge.ms + (this.state.phase === 'ended' ? 0 : now - this.#edge.at);
    const atMs =
      this.#aimMs ?? (video.seeking ? this.#fromMs : playing) ?? this.timeline?.atMs ?? edgeMs;
    const oldest = this.rewound ? hls?.latestLevelDetails?.fragments[0]?.programDateTime : null;
    this.timeline = {
      fromMs: oldest ?? rewind.fromMs,
      edgeMs,
      atMs: Math.min(this.rewound ? atMs : (playing ?? edgeMs), edgeMs),
      bufferedMs: atMs + ahead(video) * 1000,
    };
  }

  #seekableEnd(): number | null {
    const { seekable } = this.#video;
    return seekable.length > 0 ? seekable.end(seekable.length - 1) : null;
  }

  #count(bytes: number): void {
    this.received = (this.received ?? 0) + bytes;
  }

  #rate(type: string, bits: number, seconds: number): void {
    if (!(seconds > 0)) return;
    this.#rates[type] = [...(this.#rates[type] ?? []), { bits, seconds }].slice(-RATE_SEGMENTS);
    this.bitrate = Object.values(this.#rates).reduce((total, rates) => {
      const sum = (key: 'bits' | 'seconds') => rates.reduce((all, one) => all + one[key], 0);
      return total + sum('bits') / sum('seconds');
    }, 0);
  }

  #later(name: string, ms: number, then: () => void): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(then, ms));
  }
}

/** The date of the beginning of a browser's own line of time (`getStartDate`), where it knows. */
function startDate(video: HTMLVideoElement): number | null {
  const date = (video as { getStartDate?: () => Date }).getStartDate?.().getTime() ?? NaN;
  return Number.isFinite(date) ? date : null;
}

/** How much there is to play without a stall, in seconds. */
function ahead({ buffered, currentTime }: HTMLVideoElement): number {
  for (let at = 0; at < buffered.length; at += 1) {
    const within = buffered.start(at) <= currentTime + 0.1 && buffered.end(at) > currentTime;
    if (within) return buffered.end(at) - currentTime;
  }
  return 0;
}

const hasMediaSource = (): boolean => 'MediaSource' in window || 'ManagedMediaSource' in window;
