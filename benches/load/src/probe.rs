//! From a picture sent to the part that holds it, downloaded.
//!
//! One client on one connection asks for each part before it exists, counts its pictures, and compares
//! the moment the last byte is there with the moments the publisher handed each picture to its kernel.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    http::Client,
    low_latency::Edge,
    playlist::{Playlist, resolve},
    publish::PicturesSent,
};

/// A probe that runs; it stops when dropped, with the next part.
pub struct Probe {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    latency_us: Mutex<Vec<u32>>,
}

impl Probe {
    /// Follows the live at `path` from its first part; its publisher must not have sent a picture
    /// more than the window holds.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn start(address: SocketAddr, path: &str, sent: Arc<PicturesSent>) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let client = Client::connect(address)?;
        let (path, told) = (path.to_owned(), shared.clone());
        let thread = std::thread::Builder::new()
            .name("probe".into())
            .spawn(move || follow(client, &path, &sent, &told))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What was measured since the last call: microseconds for each picture.
    pub fn take(&self) -> Vec<u32> {
        let mut latency_us = self.shared.latency_us.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut latency_us)
    }

    /// Stops, and says whether it could follow to the end.
    ///
    /// # Errors
    /// Why it could not.
    pub fn stop(mut self) -> Result<()> {
        self.shared.stop.store(true, Relaxed);
        let thread = self.thread.take().context("already stopped")?;
        thread.join().map_err(|_| anyhow::anyhow!("the probe panicked"))?
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn follow(mut client: Client, path: &str, sent: &PicturesSent, shared: &Shared) -> Result<()> {
    let (status, body) = client.get(path)?;
    ensure!(status == 200, "{path}: {status}");
    let rendition = Playlist::parse(&String::from_utf8(body)?).rendition.context("no rendition")?;
    let media = resolve(path, &rendition);
    let (mut at, mut pictures): (Edge, usize) = ((0, 0), 0);
    while !shared.stop.load(Relaxed) {
        let address = resolve(&media, &format!("{}.{}.m4s", at.0, at.1));
        let (status, body) = client.get(&address)?;
        let done = Instant::now();
        if status == 404 && at.1 > 0 {
            // Its segment was complete: the next part is the first of the next one.
            at = (at.0 + 1, 0);
            continue;
        }
        ensure!(status == 200, "{address}: {status}");
        let count = pictures_in(&body).with_context(|| format!("{address}: no pictures"))?;
        let latency = sent.range(pictures, count).into_iter().map(|sent_at| {
            done.saturating_duration_since(sent_at).min(Duration::from_secs(60)).as_micros() as u32
        });
        shared.latency_us.lock().unwrap_or_else(PoisonError::into_inner).extend(latency);
        pictures += count;
        at.1 += 1;
    }
    Ok(())
}

/// How many samples the first track of a part has (`moof/traf/trun`, ISO/IEC 14496-12 §8.8.8): the
/// picture's, as ours come first.
fn pictures_in(part: &[u8]) -> Option<usize> {
    let traf = find(part, &[*b"moof", *b"traf", *b"trun"])?;
    Some(u32::from_be_bytes(traf.get(4..8)?.try_into().ok()?) as usize)
}

/// The body of the first box at `path`.
fn find<'a>(mut bytes: &'a [u8], path: &[[u8; 4]]) -> Option<&'a [u8]> {
    let (name, rest) = path.split_first()?;
    loop {
        let len = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let body = bytes.get(8..len)?;
        if &bytes[4..8] == name {
            return if rest.is_empty() { Some(body) } else { find(body, rest) };
        }
        bytes = bytes.get(len..)?;
    }
}
