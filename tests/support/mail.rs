//! A mail server: takes every letter (RFC 5321), and hands it to the test.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// A letter leaves within a second or two; a busy machine takes its time.
const COMES_WITHIN: Duration = Duration::from_secs(60);

/// Listens until the test ends.
pub struct MailServer {
    port: u16,
    letters: Receiver<Letter>,
}

/// A letter that was taken.
pub struct Letter {
    /// Whom it is for.
    pub to: String,
    /// With the encoding of its lines undone.
    pub text: String,
}

impl MailServer {
    /// Takes letters on a port of the system's choice.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (takes, letters) = channel();
        std::thread::spawn(move || {
            while let Ok((socket, _)) = listener.accept() {
                let takes = takes.clone();
                std::thread::spawn(move || converse(socket, &takes));
            }
        });
        Self { port, letters }
    }

    /// Settings of a server that sends its letters here, with links to `site`.
    pub fn settings(&self, site: &str) -> Vec<(&'static str, String)> {
        vec![
            ("API__PUBLIC_HTTP_URL", site.to_owned()),
            ("API__SMTP__HOST", "127.0.0.1".to_owned()),
            ("API__SMTP__PORT", self.port.to_string()),
            ("API__SMTP__SECURITY", "none".to_owned()),
            ("API__SMTP__FROM", "CommuniConnect <noreply@example.org>".to_owned()),
        ]
    }

    /// The next letter.
    #[track_caller]
    pub fn next(&self) -> Letter {
        self.letters.recv_timeout(COMES_WITHIN).expect("a letter comes")
    }
}

impl Letter {
    /// Its link to a page of `site`, as who reads it would copy it.
    #[track_caller]
    pub fn link(&self, site: &str) -> String {
        let at = self.text.find(site).unwrap_or_else(|| panic!("no link in {}", self.text));
        let end = |char: char| char.is_whitespace() || "\"<>".contains(char);
        self.text[at..].split(end).next().unwrap_or_default().to_owned()
    }
}

/// One session, until its client leaves.
fn converse(socket: TcpStream, takes: &Sender<Letter>) -> Option<()> {
    let mut answers = socket.try_clone().ok()?;
    let mut lines = BufReader::new(socket).lines();
    let mut say = |line: &str| answers.write_all(format!("{line}\r\n").as_bytes()).ok();
    let mut to = String::new();
    say("220 mail.test ESMTP")?;
    while let Some(Ok(line)) = lines.next() {
        match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
            "RCPT" => to = line.split(['<', '>']).nth(1)?.to_owned(),
            "QUIT" => return say("221 good-bye"),
            "DATA" => {
                say("354 go on")?;
                let body: Vec<String> =
                    lines.by_ref().map_while(Result::ok).take_while(|line| line != ".").collect();
                let text = body.join("\r\n").replace("=\r\n", "").replace("=3D", "=");
                takes.send(Letter { to: to.clone(), text }).ok()?;
            }
            _ => {}
        }
        say("250 fine")?;
    }
    Some(())
}
