//! Accepts every encoder and prints what arrives: to try an encoder, or to see what it sends.
//!
//! `cargo run -p communiconnect-ingest --example sink -- 127.0.0.1:1935`

use std::net::SocketAddr;

use communiconnect_ingest::{Config, Listener, PublishRequest, Read};
use media::{Event, Kind};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listen: SocketAddr =
        std::env::args().nth(1).as_deref().unwrap_or("127.0.0.1:1935").parse()?;
    let mut listener = Listener::bind(Config { listen, ..Config::default() }).await?;
    println!("listening on {}", listener.local_addr());
    while let Some(request) = listener.accept().await {
        tokio::spawn(async move {
            let peer = request.peer();
            match sink(request).await {
                Ok(()) => println!("{peer} ended"),
                Err(error) => println!("{peer} failed: {error}"),
            }
        });
    }
    Ok(())
}

async fn sink(request: PublishRequest) -> Result<(), communiconnect_ingest::Error> {
    let peer = request.peer();
    println!(
        "{peer} app {:?} key {:?} encoder {:?}",
        request.app(),
        request.key(),
        request.encoder()
    );
    let mut publisher = request.accept().await?;
    let (mut events, mut video, mut audio) = (Vec::new(), 0_u64, 0_u64);
    loop {
        let read = publisher.read(&mut events).await?;
        for event in events.drain(..) {
            match event {
                Event::TrackChanged(track) => println!("{peer} {}", track.codec_string()),
                Event::Sample(sample) if sample.kind == Kind::Video => video += 1,
                Event::Sample(_) | Event::OtherSound(..) => audio += 1,
                Event::Metadata(said) => println!("{peer} {} {}", said.name, said.value),
                Event::OtherSoundChanged(number, track) => {
                    println!("{peer} {number:?} {}", track.codec_string());
                }
                Event::SoundsLabelled(labels) => println!("{peer} {labels:?}"),
            }
        }
        if let Read::Ended { clean } = read {
            println!("{peer} clean {clean}, {video} pictures, {audio} audio frames");
            println!("{:#?}", publisher.stats());
            return Ok(());
        }
    }
}
