// How hls.js is asked to behave: calm on weak links, small in memory, never giving up early.

import type { HlsConfig, LoadPolicy } from 'hls.js';

/** Tries for a minute or so before calling a loss a loss; what is behind it then asks the server. */
function patient(maxTimeToFirstByteMs: number, maxLoadTimeMs: number): LoadPolicy {
  const retry = {
    maxNumRetry: 8,
    retryDelayMs: 500,
    maxRetryDelayMs: 8000,
    backoff: 'exponential' as const,
  };
  return {
    default: { maxTimeToFirstByteMs, maxLoadTimeMs, timeoutRetry: retry, errorRetry: retry },
  };
}

const link: Partial<HlsConfig> = {
  // fMP4 is passed through as it is: a worker would only add a thread.
  enableWorker: false,
  // The server holds the first playlist request while a live is about to begin.
  manifestLoadPolicy: patient(20_000, 30_000),
  playlistLoadPolicy: patient(10_000, 20_000),
  fragLoadPolicy: patient(15_000, 60_000),
};

const common: Partial<HlsConfig> = {
  ...link,
  liveDurationInfinity: true,
  // Who goes back has another list; small phones have little memory.
  backBufferLength: 8,
  maxBufferLength: 16,
  maxMaxBufferLength: 30,
};

/** A recording: who leaves after a minute has not paid for the next. */
export const recordingConfig: Partial<HlsConfig> = {
  ...link,
  backBufferLength: 20,
  maxBufferLength: 20,
  maxMaxBufferLength: 40,
};

/** What one went back to in a live: a recording that is still growing. */
export const rewindConfig: Partial<HlsConfig> = {
  ...recordingConfig,
  lowLatencyMode: false,
  liveDurationInfinity: true,
  maxLiveSyncPlaybackRate: 1,
};

/** Parts of 200 ms: about a second behind the encoder. Each stall lets hls.js step further back. */
const quick: Partial<HlsConfig> = {
  ...common,
  lowLatencyMode: true,
  // Back to the edge after a stall, too slowly to be heard.
  maxLiveSyncPlaybackRate: 1.05,
};

/** Whole segments: some 4 s behind, a tenth of the requests, and a buffer that weak links need. */
const calm: Partial<HlsConfig> = {
  ...common,
  lowLatencyMode: false,
  liveSyncDurationCount: 2,
  // The first picture is that of the first segment, and not one in the midst of it, or of the next that
  // has to travel before: half a segment further behind, and as much more in the buffer.
  startOnSegmentBoundary: true,
  // The window holds 30 s: jump forward before falling out of it. hls.js takes both or none.
  liveMaxLatencyDurationCount: 10,
  // A start on a lone segment plays it out before the next one is listed.
  initialLiveManifestSize: 2,
  maxLiveSyncPlaybackRate: 1,
};

/** What a browser may know of its link (Network Information API). */
export interface Connection {
  saveData?: boolean;
  effectiveType?: string;
}

/** hls.js asks for one part at a time: a round trip and its bytes must fit into its 200 ms. */
const ROUND_TRIP_MAX_MS = 100;

/**
 * Low latency costs five answers a second, some 50 kbit/s of headers and playlists: nothing beside
 * the picture of a good link, half as much again beside sound alone.
 */
export function hlsConfig(
  soundOnly: boolean,
  connection: Connection | undefined,
  roundTripMs: number | null,
): Partial<HlsConfig> {
  const weak =
    connection?.saveData === true ||
    /^(slow-)?[23]g$/.test(connection?.effectiveType ?? '') ||
    (roundTripMs ?? 0) > ROUND_TRIP_MAX_MS;
  return soundOnly || weak ? calm : quick;
}

/**
 * The quickest answer to this page so far, in milliseconds; null before any: a round trip, for some of
 * its files are small. What the browser itself estimates counts the time for which the server holds a
 * playlist.
 */
export function quickestAnswerMs(): number | null {
  const entries = ['navigation', 'resource'].flatMap((type) =>
    performance.getEntriesByType(type),
  ) as PerformanceResourceTiming[];
  const answered = entries.filter((entry) => entry.transferSize > 0);
  if (answered.length === 0) return null;
  return Math.min(...answered.map((entry) => entry.responseEnd - entry.requestStart));
}
