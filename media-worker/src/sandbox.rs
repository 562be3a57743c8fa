//! Confines this process, before it reads a byte that a stranger wrote (ADR 28).
//!
//! Here: limits of the kernel, a network without a way out, Landlock, an end with the parent's; `calls` has
//! the list of system calls. What a kernel may lack (namespaces, Landlock) is reported and done without; a
//! sandbox without the rest is refused. Not here: the deadline and the process group, which are the parent's.

pub mod calls;

use std::fs::File;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
    make_bitflags,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Resource, Rlimit, Signal, nice, set_parent_process_death_signal, setrlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, UnshareFlags, set_capabilities, set_no_new_privs, unshare_unsafe,
};
use worker::protocol::{Code, Job, Landlock, Limits, Sandbox, Task};

use crate::refusal::Refusal;

/// Lives come first: the kernel gives a worker what they leave.
const NICENESS: i32 = 19;

/// Confines the process to what `job` needs, and says by what.
///
/// # Errors
/// [`Code::Sandbox`] if a limit or the list of system calls cannot be set, or nobody listens any more;
/// [`Code::Output`] if the output folder is not there, or no file can be made in it.
pub fn enter(job: &Job) -> Result<Sandbox, Refusal> {
    // Neither protects anybody from the input: without them it is a worse neighbour, nothing more.
    let _ = nice(NICENESS);
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");

    let refused = |why: String| Refusal::new(Code::Sandbox, why);
    set_no_new_privs(true).map_err(|error| refused(format!("no_new_privs: {error}")))?;
    let network_namespace = leave_network();
    drop_rights().map_err(|error| refused(format!("capabilities: {error}")))?;
    end_with_parent().map_err(|error| refused(format!("parent: {error}")))?;
    let landlock = keep_to_files(job)?;
    limit(&job.limits).map_err(|error| refused(format!("limits: {error}")))?;
    calls::keep_to_list().map_err(|error| refused(format!("system calls: {error}")))?;
    Ok(Sandbox { rlimits: true, no_new_privs: true, seccomp: true, landlock, network_namespace })
}

/// Closes all but the three pipes: what the server was started with (sockets of a supervisor, files of a
/// shell), every program that it starts would have. Best called before anything is opened; before Linux 5.9
/// it does nothing.
pub fn close_what_was_left_open() {
    const FIRST: libc::c_uint = 3;
    // SAFETY: nothing here has opened a file, so that no owner of one is left without it.
    #[allow(unsafe_code)]
    unsafe {
        libc::syscall(libc::SYS_close_range, FIRST, libc::c_uint::MAX, 0);
    }
}

fn limit(limits: &Limits) -> Result<(), rustix::io::Errno> {
    // At the first of the two the kernel sends SIGXCPU, by which the parent knows; at the second SIGKILL.
    let cpu_seconds = limits.cpu_seconds;
    let cpu = Rlimit { current: Some(cpu_seconds), maximum: Some(cpu_seconds.saturating_add(1)) };
    setrlimit(Resource::Cpu, cpu)?;
    let table = [
        (Resource::As, limits.memory_bytes),
        (Resource::Fsize, limits.output_bytes),
        (Resource::Nofile, limits.open_files),
        (Resource::Nproc, 0),
        (Resource::Core, 0),
    ];
    table.into_iter().try_for_each(|(resource, most)| {
        setrlimit(resource, Rlimit { current: Some(most), maximum: Some(most) })
    })
}

/// Moves to a network namespace where there is nothing, with a user of its own: who was root is not
/// root of the machine any more. Containers and some kernels forbid it.
fn leave_network() -> bool {
    let with_user = UnshareFlags::NEWUSER | UnshareFlags::NEWNET;
    // SAFETY: unsafe for what it may do to file tables that threads share (`FILES`), which is not asked
    // for; and there is one thread.
    #[allow(unsafe_code)]
    let unshare = |flags| unsafe { unshare_unsafe(flags) };
    unshare(with_user).or_else(|_| unshare(UnshareFlags::NEWNET)).is_ok()
}

/// Gives up all capabilities: those of a root who could not leave the machine's users, and those that the
/// kernel gives in a new network's.
fn drop_rights() -> Result<(), rustix::io::Errno> {
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
}

/// From here on the kernel ends this process when the thread of the server that started it ends.
fn end_with_parent() -> Result<(), rustix::io::Errno> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Or it ended before: then nobody is left to read what is said here.
    let stdout = std::io::stdout();
    let mut stdout = PollFd::new(&stdout, PollFlags::empty());
    poll(std::slice::from_mut(&mut stdout), Some(&Timespec::default()))?;
    let is_heard = !stdout.revents().contains(PollFlags::ERR);
    if is_heard { Ok(()) } else { Err(rustix::io::Errno::PIPE) }
}

/// The files that a task may write.
fn outputs(task: &Task) -> &'static [&'static str] {
    match task {
        Task::Probe => &[],
        Task::Picture { .. } => &["large.jpg", "large.png", "small.jpg", "small.png", "video.mp4"],
        Task::Poster { .. } | Task::Thumbnail { .. } => &["large.jpg", "small.jpg"],
        Task::Sheet { .. } => &["sheet.jpg"],
        Task::Transcode { .. } => &["video.mp4"],
    }
}

/// From here on there is the input, to read, and a few files in the output folder, to write; they are made
/// here, and no other can be, so that the limit of each bounds them all. Nothing can be run, linked, bound,
/// connected or signalled.
fn keep_to_files(job: &Job) -> Result<Landlock, Refusal> {
    /// The newest that this was written for; the kernel may know less.
    const ABI_KNOWN: ABI = ABI::V6;
    let refused = |error: RulesetError| Refusal::new(Code::Sandbox, format!("Landlock: {error}"));
    let input = PathFd::new(&job.input);
    let input = input.map_err(|error| Refusal::new(Code::NotAFile, error.to_string()))?;
    let input = PathBeneath::new(input, AccessFs::ReadFile);
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(ABI_KNOWN))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(ABI_KNOWN)))
        .and_then(|rules| rules.scope(Scope::from_all(ABI_KNOWN)))
        .and_then(|rules| rules.create())
        .and_then(|rules| rules.add_rule(input))
        .map_err(refused)?;
    if let Some(into) = job.task.folder() {
        // Reading too: an MP4 is read once more to put its index first.
        let access = make_bitflags!(AccessFs::{ReadFile | WriteFile | Truncate});
        for name in outputs(&job.task) {
            let file = File::create(into.join(name)).map_err(|it| Refusal::write(&it))?;
            rules = rules.add_rule(PathBeneath::new(file, access)).map_err(refused)?;
        }
    }
    Ok(match rules.restrict_self().map_err(refused)?.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partial,
        RulesetStatus::NotEnforced => Landlock::None,
    })
}
