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

/// What exists. No thread and no process can be started: `clone` and its kin are not here.
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
    libc::SYS_fcntl,
    libc::SYS_ftruncate,
    libc::SYS_fsync,
    // Memory; `mmap` and `mprotect` are in `keep_to_list`.
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
    // Locks, signals to oneself, the end.
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

/// Puts both filters in force, for the rest of the process's life.
pub fn keep_to_list() -> Result<(), Error> {
    let fatal = FATAL.iter().map(|call| (*call, vec![])).collect();
    apply(fatal, SeccompAction::KillProcess, SeccompAction::Allow)?;

    // Memory is never executable: no code but what the program came with.
    let not_executable = SeccompCondition::new(
        2,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64),
        0,
    )?;
    let not_executable = vec![SeccompRule::new(vec![not_executable])?];
    let mut allowed: BTreeMap<_, _> = ALLOWED.iter().map(|call| (*call, vec![])).collect();
    allowed.insert(libc::SYS_mmap, not_executable.clone());
    allowed.insert(libc::SYS_mprotect, not_executable);
    apply(allowed, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn apply(
    calls: BTreeMap<c_long, Vec<SeccompRule>>,
    listed: SeccompAction,
    others: SeccompAction,
) -> Result<(), Error> {
    let machine = std::env::consts::ARCH.try_into()?;
    let filter: BpfProgram = SeccompFilter::new(calls, others, listed, machine)?.try_into()?;
    apply_filter(&filter)
}
