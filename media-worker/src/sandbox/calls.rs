//! The system calls that exist for a worker.
//!
//! Two filters, of whose answers the kernel takes the harder one. Calls by which a process gets out of
//! itself end it: sockets, programs, other processes. Of the rest, those exist that reading one file,
//! writing another and computing need; any other answers ENOSYS, so that a library which only tries it
//! goes on in another way.

use std::collections::BTreeMap;

use libc::c_long;
use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, apply_filter,
};

/// What ends the process.
const FATAL: &[c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_kill,
    libc::SYS_mount,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
];

/// What exists; `mmap`, `mprotect` and `fcntl` do in part (`keep_to_list`). No thread and no process can be
/// started: `clone` and its kin are not here.
const ALLOWED: &[c_long] = &[
    // Files.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    // Memory.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    // Time, chance, and what is asked of the machine.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    // Locks, signals to oneself (to others: fatal), the end.
    libc::SYS_futex,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_tgkill,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What `fcntl` does: what libraries do to files that they open. Not `F_SETOWN`, which makes the kernel send
/// signals to whomever it names.
const FCNTL: &[u32] = &[libc::F_GETFD as u32, libc::F_SETFD as u32, libc::F_GETFL as u32];

/// Puts both filters in force, for the rest of the process's life.
pub fn keep_to_list() -> Result<(), Error> {
    let mut fatal = unconditional(FATAL);
    // Signals to others, who are of the same user; by those to itself it aborts.
    fatal.insert(libc::SYS_tgkill, if_argument(0, SeccompCmpOp::Ne, &[std::process::id()])?);
    apply(fatal, SeccompAction::KillProcess, SeccompAction::Allow)?;

    let mut allowed = unconditional(ALLOWED);
    allowed.insert(libc::SYS_fcntl, if_argument(1, SeccompCmpOp::Eq, FCNTL)?);
    // Memory is never executable: no code but what the program came with.
    let executable = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    let not_executable = if_argument(2, executable, &[0])?;
    allowed.insert(libc::SYS_mmap, not_executable.clone());
    allowed.insert(libc::SYS_mprotect, not_executable);
    apply(allowed, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

/// Calls, each a number with rules of which one must match.
type Calls = BTreeMap<c_long, Vec<SeccompRule>>;

fn unconditional(calls: &[c_long]) -> Calls {
    calls.iter().map(|call| (*call, vec![])).collect()
}

/// Matches where the argument of this index compares with one of `values`. The kernel too looks at 32 bits
/// of the arguments that are asked about here.
fn if_argument(
    index: u8,
    operator: SeccompCmpOp,
    values: &[u32],
) -> Result<Vec<SeccompRule>, Error> {
    let rule = |value: &u32| {
        let (length, value) = (SeccompCmpArgLen::Dword, u64::from(*value));
        let condition = SeccompCondition::new(index, length, operator.clone(), value)?;
        Ok(SeccompRule::new(vec![condition])?)
    };
    values.iter().map(rule).collect()
}

fn apply(calls: Calls, listed: SeccompAction, others: SeccompAction) -> Result<(), Error> {
    let machine = std::env::consts::ARCH.try_into()?;
    let filter: BpfProgram = SeccompFilter::new(calls, others, listed, machine)?.try_into()?;
    apply_filter(&filter)
}
