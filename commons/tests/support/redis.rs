//! A real Redis of one test, which dies, hangs and forgets when it is told to.
//!
//! A process of its own (`scripts/peers.sh tests` installs it), on loopback, that writes nothing down.

// `clippy.toml` exempts test functions alone.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    process::{Child, ChildStdout, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

/// Who may ask it.
pub const PASSWORD: &str = "a-password-for-tests";
/// For anything it does at once, on a busy machine.
const SOON: Duration = Duration::from_secs(20);
/// Somebody else may take the port that was free.
const TRIES: usize = 5;

pub struct Redis {
    port: u16,
    running: Option<(Child, BufReader<ChildStdout>)>,
}

impl Redis {
    pub fn start() -> Self {
        for _ in 0..TRIES {
            let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let mut redis = Self { port: free.local_addr().unwrap().port(), running: None };
            drop(free);
            if redis.runs() {
                return redis;
            }
        }
        panic!("no Redis: scripts/peers.sh tests installs it");
    }

    pub fn url(&self) -> String {
        format!("redis://:{PASSWORD}@127.0.0.1:{}/0", self.port)
    }

    /// Starts it again, where it was.
    pub fn live(&mut self) {
        assert!(self.runs(), "it starts again");
    }

    fn runs(&mut self) -> bool {
        let mut child = Command::new("redis-server")
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--requirepass", PASSWORD, "--save", "", "--appendonly", "no"])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server: scripts/peers.sh tests installs it");
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains("Ready to accept connections") {
            line.clear();
            if said.read_line(&mut line).unwrap() == 0 {
                let _ = child.wait();
                return false;
            }
        }
        self.running = Some((child, said));
        true
    }

    /// As by a power cut.
    pub fn die(&mut self) {
        if let Some((mut child, _)) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Takes connections and questions, and answers none.
    pub fn hang(&self) {
        self.signal(Signal::STOP);
    }

    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let (child, _) = self.running.as_ref().expect("it runs");
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// What it answers to a command.
    pub fn say(&self, command: &str) -> String {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        write!(stream, "AUTH {PASSWORD}\r\n{command}\r\nQUIT\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.trim_start_matches("+OK\r\n").trim_end_matches("+OK\r\n").to_owned()
    }

    /// Everything that stands in it.
    pub fn keys(&self) -> Vec<String> {
        let answer = self.say("KEYS *");
        answer.lines().filter(|line| !line.starts_with(['*', '$'])).map(str::to_owned).collect()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.die();
    }
}
