//! HTTPS, as somebody outside sees it: curl, with the authority its operator made.
//!
//! Here: the real server with real files. Not here: handshakes, limits and bad pairs
//! (`src/https/tests.rs`), what leaves first on one connection (`src/http/tests/urgency.rs`).

mod support;

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SerialNumber};
use support::{House, wait};
use tempfile::TempDir;

/// Less than a look at the files takes to come round.
const AT_ONCE: Duration = Duration::from_secs(4);

/// An authority, and the files of the server it vouches for.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Under the name rcgen gives everybody, a certificate would seem to vouch for itself.
        params.distinguished_name.push(DnType::CommonName, "Authority");
        let root = params.self_signed(&key).expect("signed").pem();
        let authority = Self {
            issuer: Issuer::new(params, key),
            folder: tempfile::tempdir().expect("a folder"),
        };
        authority.write("root.pem", &root);
        authority.renew(1);
        authority
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("text").to_owned()
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).expect("written");
    }

    /// A new certificate for `localhost`, told apart by its number, and its key.
    fn renew(&self, serial: u64) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.serial_number = Some(SerialNumber::from(serial));
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        self.write("certificate.pem", &certificate.pem());
        self.write("key.pem", &key.serialize_pem());
    }

    fn house(&self, settings: &[(&str, &str)]) -> House {
        let (certificate, key) = (self.path("certificate.pem"), self.path("key.pem"));
        let https = [
            ("HTTPS__LISTEN", "127.0.0.1:0"),
            ("HTTPS__CERTIFICATE", &certificate),
            ("HTTPS__KEY", &key),
        ];
        House::start_with(&[&https, settings].concat())
    }

    /// What curl writes for a URL of the server.
    #[track_caller]
    fn curl(&self, server: SocketAddr, path: &str, options: &[&str]) -> String {
        let url = format!("https://localhost:{}{path}", server.port());
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"])
            .args(["--cacert", &self.path("root.pem")])
            .args(options)
            .arg(url)
            .output()
            .expect("curl is installed");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// The number of the certificate the server shows.
    fn shown(&self, server: SocketAddr) -> String {
        let told = self.curl(
            server,
            "/api/health/",
            &["--write-out", "%{certs}", "--output", "/dev/null"],
        );
        let number = told.lines().find_map(|line| line.strip_prefix("Serial Number:"));
        number.unwrap_or_else(|| panic!("no number in {told}")).trim().to_owned()
    }
}

#[test]
fn curl_reads_over_http_1_and_2_and_both_versions_of_tls() {
    let authority = Authority::new();
    let house = authority.house(&[]);
    let spoken = ["--write-out", "%{http_version} %{http_code}", "--output", "/dev/null"];
    for (option, answer) in [("--http1.1", "1.1 200"), ("--http2", "2 200")] {
        for tls in ["1.2", "1.3"] {
            let options = [&spoken[..], &[option, "--tlsv1.2", "--tls-max", tls]].concat();
            assert_eq!(authority.curl(house.https(), "/api/health/", &options), answer, "{tls}");
        }
    }
}

#[test]
fn addresses_in_answers_have_the_scheme_that_was_spoken() {
    let authority = Authority::new();
    let house = authority.house(&[]);
    let live = house.live();
    let path = format!("/api/lives/{}/", live.name);
    let secure = authority.curl(house.https(), &path, &[]);
    let expected = format!("\"hls_url\":\"https://localhost:{}/hls/", house.https().port());
    assert!(secure.contains(&expected), "{secure}");
    let plain = house.get(&path).text();
    assert!(plain.contains("\"hls_url\":\"http://"), "{plain}");
}

#[test]
fn a_renewed_certificate_is_shown_at_a_signal_and_the_server_goes_on() {
    let authority = Authority::new();
    let mut house = authority.house(&[]);
    let before = authority.shown(house.https());
    authority.renew(2);
    house.hang_up();
    wait::until_true("the new certificate is shown", AT_ONCE, || {
        authority.shown(house.https()) != before
    });
    assert!(house.is_alive());
}

#[test]
fn plain_http_sends_browsers_to_https_if_asked_to_and_players_nowhere() {
    let authority = Authority::new();
    let house = authority.house(&[("HTTPS__REDIRECT", "true")]);
    let page = house.get("/live/a?b");
    assert_eq!(page.status, 308);
    let expected = format!("https://127.0.0.1:{}/live/a?b", house.https().port());
    assert_eq!(page.header("location"), Some(expected.as_str()));
    let playlist = house.get("/hls/nobody.m3u8");
    assert_eq!(playlist.status, 404, "answered here");
}
