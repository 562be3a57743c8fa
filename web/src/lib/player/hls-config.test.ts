import { describe, expect, it } from 'vitest';
import Hls from 'hls.js/light';
import { hlsConfig } from './hls-config';

describe('hlsConfig', () => {
  it('is quick on a good link, or on one that says nothing of itself', () => {
    for (const connection of [undefined, {}, { effectiveType: '4g', saveData: false }]) {
      expect(hlsConfig(false, connection, null).lowLatencyMode).toBe(true);
    }
  });

  it('is calm where data is dear or slow, and for sound alone', () => {
    for (const effectiveType of ['slow-2g', '2g', '3g']) {
      expect(hlsConfig(false, { effectiveType }, null).lowLatencyMode).toBe(false);
    }
    expect(hlsConfig(false, { effectiveType: '4g', saveData: true }, null).lowLatencyMode).toBe(
      false,
    );
    expect(hlsConfig(true, { effectiveType: '4g' }, null).lowLatencyMode).toBe(false);
  });

  it('is calm where a part could not arrive in its own time', () => {
    expect(hlsConfig(false, undefined, 50).lowLatencyMode).toBe(true);
    expect(hlsConfig(false, undefined, 150).lowLatencyMode).toBe(false);
  });

  it('shows the first picture of the first segment where it is calm, and the edge where it is quick', () => {
    const config = (effectiveType: string) => hlsConfig(false, { effectiveType }, null);
    expect(config('3g').startOnSegmentBoundary).toBe(true);
    expect(config('4g').startOnSegmentBoundary).toBeUndefined();
  });

  it('is one that hls.js takes', () => {
    for (const soundOnly of [false, true]) {
      expect(() => new Hls(hlsConfig(soundOnly, undefined, null))).not.toThrow();
    }
  });

  it('leaves the distance from the edge to the server when quick', () => {
    expect(hlsConfig(false, undefined, null).liveSyncDurationCount).toBeUndefined();
  });
});
