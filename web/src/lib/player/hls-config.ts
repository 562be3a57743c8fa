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

export const hlsConfig: Partial<HlsConfig> = {
  // Two segments of 2 s: about 4 s behind the encoder. Each stall lets hls.js step further back.
  liveSyncDurationCount: 2,
  // A start on a lone segment plays it out before the next one is listed.
  initialLiveManifestSize: 2,
  // The window holds 30 s: jump forward before falling out of it.
  liveMaxLatencyDurationCount: 10,
  // No speeding up: it is heard, and it drains the buffer that a weak link needs.
  maxLiveSyncPlaybackRate: 1,
  liveDurationInfinity: true,
  // Nobody rewinds here; small phones have little memory.
  backBufferLength: 8,
  maxBufferLength: 16,
  maxMaxBufferLength: 30,
  // fMP4 is passed through as it is: a worker would only add a thread.
  enableWorker: false,
  // The server holds the first playlist request while a live is about to begin.
  manifestLoadPolicy: patient(20_000, 30_000),
  playlistLoadPolicy: patient(10_000, 20_000),
  fragLoadPolicy: patient(15_000, 60_000),
};
