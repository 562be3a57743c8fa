// Plays a film of a recording as a file, and jumps about in it.
//
//   node film.mjs <file URL> <second>…
//
// Prints one JSON line {duration, at, frames, sizes}: how long the element says that the film is, where it is after
// each jump once its picture is there, how many pictures it showed in the seven tenths of a second after it, and their size.

import { openPage } from './browser.mjs';

const STEP_MS = 30_000;
const [url, ...jumps] = process.argv.slice(2);
const { browser, page } = await openPage();

try {
  // A page of the server itself, which may show what comes from it.
  await page.goto(new URL('/api/docs/', url).href, { waitUntil: 'commit', timeout: STEP_MS });
  const played = await page.evaluate(
    async ({ url, jumps, within }) => {
      const video = document.createElement('video');
      video.muted = true;
      video.src = url;
      document.body.append(video);
      const happens = (name) =>
        new Promise((done, failed) => {
          video.addEventListener(name, done, { once: true });
          const why = () => failed(new Error(`${name}: ${video.error?.message ?? 'too late'}`));
          video.addEventListener('error', why, { once: true });
          setTimeout(why, within);
        });
      await happens('loadedmetadata');
      const at = [];
      const frames = [];
      const sizes = [];
      for (const second of jumps) {
        const arrived = happens('seeked');
        video.currentTime = second;
        await arrived;
        at.push(video.currentTime);
        const before = video.getVideoPlaybackQuality().totalVideoFrames;
        await video.play();
        await new Promise((done) => setTimeout(done, 700));
        video.pause();
        frames.push(video.getVideoPlaybackQuality().totalVideoFrames - before);
        sizes.push([video.videoWidth, video.videoHeight]);
        if (video.error) throw new Error(video.error.message);
      }
      return { duration: video.duration, at, frames, sizes };
    },
    { url, jumps: jumps.map(Number), within: STEP_MS },
  );
  console.log(JSON.stringify(played));
} catch (error) {
  console.error(String(error.stack ?? error));
  process.exitCode = 1;
} finally {
  await browser.close();
}
