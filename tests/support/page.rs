//! A page in a real browser, driven by a script of `web/e2e`: one line asks, one line of JSON answers.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::House;
use super::peer::Peer;
use super::wait;

/// A browser on a busy two-core machine takes seconds to start, and to fill in a form.
const ANSWERS_WITHIN: Duration = Duration::from_secs(60);

/// A script and the browser it drives, gone with the value.
pub struct Page {
    script: Peer,
    heard: usize,
}

impl Page {
    /// Starts `script` on an address of the server.
    #[track_caller]
    pub fn open(script: &str, house: &House, path: &str) -> Self {
        Self::open_with(script, house, path, &[])
    }

    /// The same with more arguments.
    #[track_caller]
    pub fn open_with(script: &str, house: &House, path: &str, arguments: &[&str]) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/e2e").join(script);
        assert!(file.exists(), "{} drives the browser", file.display());
        let mut node = Command::new("node");
        node.arg(file).arg(house.url(path)).args(arguments);
        let script = Peer::spawn_with_input("page", node, house.folder(), Stdio::piped());
        Self { script, heard: 0 }
    }

    /// What it says next.
    #[track_caller]
    pub fn hear(&mut self) -> Value {
        let heard = self.heard;
        let answer = wait::until("the page answers", ANSWERS_WITHIN, || {
            let alive = self.script.is_alive();
            let log = self.script.log();
            let said = log.lines().filter_map(|line| serde_json::from_str(line).ok()).nth(heard);
            assert!(said.is_some() || alive, "the page is gone:\n{log}");
            said
        });
        self.heard += 1;
        answer
    }

    /// What it answers to a command of its script.
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> Value {
        self.script.tell(command);
        self.hear()
    }
}
