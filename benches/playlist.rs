//! Playlists: rendered once per change of a live, whatever the number of its viewers.

use divan::Bencher;
use packager::Rendition;

mod material;

use material::{Source, full_packager};

fn main() {
    divan::main();
}

#[divan::bench(args = [Rendition::Source, Rendition::SourceTs])]
fn media(bencher: Bencher<'_, '_>, container: Rendition) {
    let packager = full_packager(&mut Source::new());
    bencher.bench_local(|| packager.media_playlist(container).expect("segments are listed"));
}

#[divan::bench(args = [Rendition::Source, Rendition::SourceTs])]
fn multivariant(bencher: Bencher<'_, '_>, container: Rendition) {
    let packager = full_packager(&mut Source::new());
    bencher.bench_local(|| packager.multivariant_playlist(container).expect("segments are listed"));
}
