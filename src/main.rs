//! The `communiconnect-live` binary: load the configuration, assemble the app, run it.

use std::process::ExitCode;

use communiconnect_live::{app, config, telemetry};

fn main() -> ExitCode {
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
