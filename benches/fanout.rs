//! What one viewer's request costs, from the listener to the last piece of its body. No socket: what
//! the kernel adds is measured by `make bench`.

use std::sync::Arc;

use axum::{body::Body, http::Request};
use delivery::Delivery;
use divan::Bencher;
use http_body_util::BodyExt as _;
use hub::{Channel, Hub, Publisher};
use media::id::{Epoch, PlaybackName};
use packager::{Config, Packager};

mod material;

use material::Source;

fn main() {
    divan::main();
}

#[divan::bench]
fn multivariant_playlist(bencher: Bencher<'_, '_>) {
    ask(bencher, |live| format!("/hls/{}.m3u8", live.name), &[]);
}

#[divan::bench]
fn media_playlist(bencher: Bencher<'_, '_>) {
    ask(bencher, |live| live.path("source.m3u8"), &[]);
}

#[divan::bench]
fn media_playlist_gzipped(bencher: Bencher<'_, '_>) {
    ask(bencher, |live| live.path("source.m3u8"), &[("accept-encoding", "gzip")]);
}

#[divan::bench]
fn segment(bencher: Bencher<'_, '_>) {
    ask(bencher, |live| live.path(&format!("{}.m4s", live.newest_msn)), &[]);
}

#[divan::bench]
fn unknown_live(bencher: Bencher<'_, '_>) {
    ask(bencher, |_| "/hls/nobody/x/source.m3u8".into(), &[]);
}

/// A live with a full window behind a router.
struct Live {
    name: PlaybackName,
    channel: Arc<Channel>,
    newest_msn: u64,
    delivery: Arc<Delivery>,
    _publisher: Publisher,
}

impl Live {
    fn open() -> Self {
        const GOPS: usize = 40;
        let name = PlaybackName::from_random([7; 10]);
        let epoch = Epoch::from_random([7; 5]);
        let hub = Hub::new();
        let packager = Packager::new(Config::default(), name.clone(), epoch);
        let channel =
            hub.open(name.clone(), packager, hub::Access::Everyone).expect("the hub is empty");
        let mut publisher = channel.claim(1_700_000_000_000);
        let mut source = Source::new();
        let mut events = source.tracks();
        for _ in 0..GOPS {
            events.append(&mut source.gop());
            publisher.push(&mut events).expect("the material is in order");
        }
        let open = channel.state().edge.expect("segments are listed").msn;
        let newest_msn = (0..=open).rev().find(|msn| channel.segment(*msn).is_some());
        let keys = delivery::Keys::derive(b"secret");
        let delivery = Arc::new(Delivery::new(hub, &delivery::Config::default(), keys));
        let newest_msn = newest_msn.expect("segments are listed");
        Self { name, channel, newest_msn, delivery, _publisher: publisher }
    }

    fn path(&self, file: &str) -> String {
        format!("/hls/{}/{}/{file}", self.name, self.channel.epoch())
    }
}

fn ask(bencher: Bencher<'_, '_>, path: impl Fn(&Live) -> String, headers: &[(&str, &str)]) {
    let live = Live::open();
    let path = path(&live);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let request = || {
        let mut request = Request::get(path.as_str());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Body::empty()).expect("a request")
    };
    bencher.with_inputs(|| (live.delivery.clone(), request())).bench_local_values(
        |(delivery, request)| {
            runtime.block_on(async {
                let mut body = delivery.answer(request).await.into_body();
                let mut bytes = 0;
                while let Some(Ok(frame)) = body.frame().await {
                    bytes += frame.data_ref().map_or(0, |data| data.len());
                }
                bytes
            })
        },
    );
}
