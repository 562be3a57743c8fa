// A link between a browser and the server that breaks when it is told to.

import { createServer, connect } from 'node:net';

/** Who has sent no more is never held back. */
const SMALL = 100_000;

/** Passes on to `target` whatever comes, until it is cut, and again once it is mended. */
export async function openLink(target) {
  const { hostname, port } = new URL(target);
  const pairs = new Set();
  let isCut = false;
  /** Bytes that may still go to the server, from those who send much. */
  let allowance = Infinity;
  let sent = 0;
  let isUsed = () => {};
  const server = createServer((near) => {
    if (isCut) return near.destroy();
    const far = connect({ host: hostname, port: Number(port) });
    const pair = { near, far };
    pairs.add(pair);
    const end = () => {
      near.destroy();
      far.destroy();
      pairs.delete(pair);
    };
    for (const socket of [near, far]) socket.on('error', end).on('close', end);
    far.pipe(near);
    let own = 0;
    near.on('data', (bytes) => {
      own += bytes.length;
      sent += bytes.length;
      const isHeld = () => own > SMALL && allowance <= 0;
      if (own > SMALL) allowance -= bytes.length;
      if (isHeld()) isUsed();
      // What is held back fills the buffers behind it, and the sender waits.
      if (isHeld()) near.pause();
      if (far.write(bytes)) return;
      near.pause();
      far.once('drain', () => isHeld() || near.resume());
    });
  });
  await new Promise((listens) => server.listen(0, '127.0.0.1', listens));
  return {
    base: `http://127.0.0.1:${server.address().port}`,
    /** Bytes that went to the server so far. */
    sent: () => sent,
    /** Lets so many more bytes go to the server, then holds it all back: kept when they have gone. */
    allow(bytes) {
      allowance = bytes;
      for (const { near } of pairs) near.resume();
      return new Promise((used) => (isUsed = used));
    },
    /** Breaks what is open, and takes nothing new. */
    cut() {
      isCut = true;
      for (const { near, far } of [...pairs]) {
        near.destroy();
        far.destroy();
      }
    },
    mend() {
      isCut = false;
      allowance = Infinity;
    },
    close() {
      this.cut();
      server.close();
    },
  };
}
