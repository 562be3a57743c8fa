//! Attempts to get out, for the tests of the sandbox. Not in a release.
//!
//! Here: what somebody would try who has the worker's process in his hands. Each says on stderr what
//! came of it, and ends the process.

use std::fs::{self, File};
use std::net::UdpSocket;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, exit};

/// Tries what `--attempt NAME` asks for.
pub fn make_if_asked() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() != Some("--attempt") {
        return;
    }
    let came_of_it = match arguments.next().as_deref() {
        Some("read") => fs::read("/etc/passwd").map(|_| ()),
        Some("write") => File::create("/tmp/communiconnect-attempt").map(|_| ()),
        Some("list") => fs::read_dir("/").map(|_| ()),
        Some("socket") => UdpSocket::bind("127.0.0.1:0").map(|_| ()),
        Some("program") => Err(Command::new("/bin/true").exec()),
        Some("thread") => std::thread::Builder::new().spawn(|| ()).map(|_| ()),
        Some("fork") => fork(),
        Some("memory") => Vec::<u8>::new()
            .try_reserve_exact(8 << 30)
            .map_err(|error| std::io::Error::other(error.to_string())),
        Some("abort") => {
            // Infallible, as most of Rust allocates.
            std::hint::black_box(Vec::<u8>::with_capacity(8 << 30));
            Ok(())
        }
        Some("code") => executable_memory(),
        Some("spin") => loop {
            std::hint::black_box(());
        },
        other => panic!("no such attempt: {other:?}"),
    };
    match came_of_it {
        Ok(()) => eprintln!("done"),
        Err(error) => eprintln!("refused: {error}"),
    }
    exit(3);
}

fn fork() -> std::io::Result<()> {
    // SAFETY: one thread; the child, if there were one, would do nothing but end.
    #[allow(unsafe_code)]
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()),
        0 => exit(0),
        _ => Ok(()),
    }
}

fn executable_memory() -> std::io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new memory at an address of the kernel's choice, which nothing here looks at.
    #[allow(unsafe_code)]
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if memory == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
