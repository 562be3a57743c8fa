//! Playlists: rendered once per change of a live, whatever the number of its viewers.

use divan::Bencher;
use packager::Container;

mod material;

use material::{Source, full_packager};

fn main() {
    divan::main();
}

#[divan::bench(args = [Container::Fmp4, Container::Ts])]
fn media(bencher: Bencher<'_, '_>, container: Container) {
    let packager = full_packager(&mut Source::new());
    bencher.bench_local(|| packager.media_playlist(container).expect("segments are listed"));
}

#[divan::bench(args = [Container::Fmp4, Container::Ts])]
fn multivariant(bencher: Bencher<'_, '_>, container: Container) {
    let packager = full_packager(&mut Source::new());
    bencher.bench_local(|| packager.multivariant_playlist(container).expect("segments are listed"));
}
