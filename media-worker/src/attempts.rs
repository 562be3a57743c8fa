//! Attempts to get out, for the tests of the sandbox. Not in a release.
//!
//! Here: what somebody would try who has the worker's process in his hands. Each says on stderr what
//! came of it, and ends the process.

use std::fs::{self, File};
use std::io;
use std::net::UdpSocket;
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, exit};

use crate::sandbox::calls;

/// Tries what `--attempt NAME [AIM]` asks for.
pub fn make_if_asked() {
    if let Some((name, aim)) = asked("--attempt") {
        make(&name, &aim);
    }
}

/// Tries what `--attempt-behind-calls-alone NAME [AIM]` asks for, where nothing but the list of system calls
/// confines: what Landlock refuses too must not hang on it.
pub fn make_behind_calls_alone_if_asked() {
    if let Some((name, aim)) = asked("--attempt-behind-calls-alone") {
        calls::keep_to_list().unwrap_or_else(|error| panic!("{error}"));
        make(&name, &aim);
    }
}

fn asked(how: &str) -> Option<(String, String)> {
    let mut arguments = std::env::args().skip(1);
    arguments.next().filter(|it| it == how)?;
    Some((arguments.next()?, arguments.next().unwrap_or_default()))
}

fn make(name: &str, aim: &str) -> ! {
    let number = || aim.parse().unwrap_or_else(|_| panic!("{aim} is no process"));
    let came_of_it = match name {
        "read" => fs::read("/etc/passwd").map(|_| ()),
        "write" => File::create("/tmp/communiconnect-attempt").map(|_| ()),
        "list" => fs::read_dir("/").map(|_| ()),
        "socket" => UdpSocket::bind("127.0.0.1:0").map(|_| ()),
        "program" => Err(Command::new("/bin/true").exec()),
        "thread" => std::thread::Builder::new().spawn(|| ()).map(|_| ()),
        "fork" => fork(),
        "memory" => Vec::<u8>::new()
            .try_reserve_exact(8 << 30)
            .map_err(|error| io::Error::other(error.to_string())),
        "abort" => {
            // Infallible, as most of Rust allocates.
            std::hint::black_box(Vec::<u8>::with_capacity(8 << 30));
            Ok(())
        }
        "code" => executable_memory(),
        "spin" => {
            eprintln!("spinning");
            loop {
                std::hint::black_box(());
            }
        }
        "create" => File::create(aim).map(|_| ()),
        "unnamed" => {
            File::options().write(true).custom_flags(libc::O_TMPFILE).open(aim).map(|_| ())
        }
        "inherited" => is_open(number()),
        "signal" => signal(number()),
        "owner" => name_owner(number()),
        other => panic!("no such attempt: {other}"),
    };
    match came_of_it {
        Ok(()) => eprintln!("done"),
        Err(error) => eprintln!("refused: {error}"),
    }
    exit(3);
}

fn fork() -> io::Result<()> {
    // SAFETY: one thread; the child, if there were one, would do nothing but end.
    #[allow(unsafe_code)]
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => exit(0),
        _ => Ok(()),
    }
}

fn is_open(file: i32) -> io::Result<()> {
    // SAFETY: two numbers.
    #[allow(unsafe_code)]
    let answer = unsafe { libc::fcntl(file, libc::F_GETFD) };
    if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

fn signal(aim: i32) -> io::Result<()> {
    // SAFETY: three numbers.
    #[allow(unsafe_code)]
    let answer = unsafe { libc::syscall(libc::SYS_tgkill, aim, aim, libc::SIGKILL) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Has the kernel send a SIGIO, which ends who does not expect it, when somebody reads from stdout.
fn name_owner(aim: i32) -> io::Result<()> {
    for (command, argument) in [(libc::F_SETOWN, aim), (libc::F_SETFL, libc::O_ASYNC)] {
        // SAFETY: three numbers.
        #[allow(unsafe_code)]
        if unsafe { libc::fcntl(1, command, argument) } < 0 {
            return Err(io::Error::last_os_error());
        }
    }
    println!("read this");
    Ok(())
}

fn executable_memory() -> io::Result<()> {
    let protection = libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: new memory at an address of the kernel's choice, which nothing here looks at.
    #[allow(unsafe_code)]
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, flags, -1, 0) };
    if memory == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(()) }
}
