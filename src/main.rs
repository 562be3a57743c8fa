//! The `communiconnect-live` binary: load the configuration, assemble the app, run it.

use std::process::ExitCode;

use communiconnect_live::{app, config, telemetry};

fn main() -> ExitCode {
    give_large_blocks_back();
    let config = match config::load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("communiconnect-live: {error:#}");
            return ExitCode::from(2);
        }
    };
    telemetry::init_logs(&config.log);
    match app::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Has glibc map every block of media by itself and unmap it when it is freed.
///
/// By default its threshold rises to the largest block ever freed; parts and segments then live on
/// the heap, between the buffers of messages, and leave it full of holes: 0.65 MB a live beyond its
/// window, against 0.25 MB so (`docs/performance.md`).
fn give_large_blocks_back() {
    #[cfg(target_env = "gnu")]
    {
        /// Below any part of a live worth watching (200 ms at 1.3 Mbit/s), above all small things.
        const THRESHOLD_BYTES: i32 = 32 * 1024;
        // SAFETY: called before any other thread exists; changes a number inside the allocator.
        #[allow(unsafe_code)]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD_BYTES);
        }
    }
}
