//! Samples through the packager: what one costs, and what the other encoding of a segment costs.

use divan::{Bencher, counter::BytesCount, counter::ItemsCount};
use packager::{Rendition, Segment};

mod material;

use material::{SAMPLES_PER_GOP, Source, full_packager, push};

fn main() {
    divan::main();
}

/// Into fMP4 parts and segments, playlists not rendered; the window is full, so one segment leaves
/// for each that comes.
#[divan::bench]
fn samples_into_fmp4(bencher: Bencher<'_, '_>) {
    let mut source = Source::new();
    let mut packager = full_packager(&mut source);
    bencher
        .counter(ItemsCount::new(SAMPLES_PER_GOP))
        .with_inputs(|| source.gop())
        .bench_local_values(|events| push(&mut packager, events));
}

/// The MPEG-TS form of a segment, made when first asked for.
#[divan::bench]
fn segment_into_ts(bencher: Bencher<'_, '_>) {
    let mut source = Source::new();
    let mut packager = full_packager(&mut source);
    bencher
        .with_inputs(|| {
            push(&mut packager, source.gop());
            let open = packager.edge().expect("the window is full").msn;
            (0..=open).rev().find_map(|msn| packager.segment(msn)).expect("the window is full")
        })
        .input_counter(|segment: &std::sync::Arc<Segment>| {
            BytesCount::new(segment.size_bytes(Rendition::Source))
        })
        .bench_local_values(|segment| segment.bytes(Rendition::SourceTs));
}
