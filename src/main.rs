//! The `communiconnect-live` binary: load the configuration, assemble the app, run it; or do what an
//! operator asks for.

use std::process::ExitCode;

use communiconnect_live::{allocator::Allocator, app, config, console, telemetry};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    give_large_blocks_back();
    let (config, command) = match config::load() {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("communiconnect-live: {error:#}");
            return ExitCode::from(2);
        }
    };
    if let Some(command) = command {
        return match console::run(command, &config) {
            Ok(code) => code,
            Err(error) => {
                eprintln!("communiconnect-live: {error:#}");
                ExitCode::FAILURE
            }
        };
    }
    telemetry::init_logs(&config.log);
    match app::run(config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Has glibc map every segment by itself and unmap it when it is freed (ADR 13).
///
/// By default its threshold rises to the largest block ever freed; segments then live on the heap,
/// between the buffers of messages, and leave it full of holes.
fn give_large_blocks_back() {
    #[cfg(target_env = "gnu")]
    {
        /// glibc's own first value: below a segment (2 s at 0.5 Mbit/s), above all small things.
        const THRESHOLD_BYTES: i32 = 128 * 1024;
        // SAFETY: called before any other thread exists; changes a number inside the allocator.
        #[allow(unsafe_code)]
        unsafe {
            libc::mallopt(libc::M_MMAP_THRESHOLD, THRESHOLD_BYTES);
        }
    }
}
