//! The media worker behind a server of the tests: the real one, and one that dies.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::House;

/// One that was built for tests takes ten times as long.
pub const PATIENT: (&str, &str) = ("API__WORKSHOP__PICTURE_CPU_S", "60");

/// A server that has found its worker.
pub fn start(settings: &[(&str, &str)]) -> House {
    let settings: Vec<_> = settings.iter().copied().chain([PATIENT]).collect();
    let house = House::start_with(&settings);
    let log = house.log();
    let hint = "build it first: cargo build -p communiconnect-media-worker";
    assert!(log.contains("the media worker is there"), "{hint}\n{log}");
    house
}

/// Writes down a worker that dies of every film, but says of it what is true; where it is.
pub fn dying(folder: &Path) -> String {
    let real = Path::new(env!("CARGO_BIN_EXE_communiconnect-live"))
        .with_file_name("communiconnect-media-worker");
    let dying = folder.join("worker");
    let text = format!(
        "#!/bin/sh\nread -r order\ncase \"$order\" in *transcode*) kill -SEGV $$ ;; esac\n\
         printf '%s' \"$order\" | exec '{}'\n",
        real.display()
    );
    fs::write(&dying, text).expect("a script");
    fs::set_permissions(&dying, PermissionsExt::from_mode(0o755)).expect("a program");
    dying.display().to_string()
}
