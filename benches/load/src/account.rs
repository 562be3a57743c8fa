//! What a process tree has used: CPU time and memory, from `/proc`.

use std::{collections::HashMap, fs, ops::RangeInclusive, time::Duration};

use anyhow::{Context, Result};

/// Memory of a process tree.
#[derive(Clone, Copy, Default)]
pub struct Memory {
    /// Resident, shared pages counted in each process.
    pub rss_bytes: u64,
    /// Resident, shared pages divided among those who share them.
    pub pss_bytes: u64,
}

/// `pid` and all its descendants.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(child) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if let Some(parent) = stat(child).and_then(|fields| fields.get(1)?.parse().ok()) {
            children.entry(parent).or_default().push(child);
        }
    }
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at) {
        found.extend(children.remove(parent).unwrap_or_default());
        at += 1;
    }
    found
}

/// CPU time of a process tree since it began, in user and kernel, ended children included.
///
/// # Errors
/// When the root process is gone.
pub fn cpu(pid: u32) -> Result<Duration> {
    stat(pid).context("the process has ended")?;
    Ok(tree(pid)
        .into_iter()
        .filter_map(stat)
        .map(|stat| spent(&stat, UTIME..=CHILDREN_STIME))
        .sum())
}

/// CPU time of this process alone, in user and kernel.
///
/// # Errors
/// When `/proc` is not there.
pub fn own_cpu() -> Result<Duration> {
    Ok(spent(&stat(std::process::id()).context("no /proc")?, UTIME..=STIME))
}

const UTIME: usize = 11;
const STIME: usize = 12;
const CHILDREN_STIME: usize = 14;

/// The sum of fields that count clock ticks.
fn spent(stat: &[String], fields: RangeInclusive<usize>) -> Duration {
    let fields = stat.get(fields).unwrap_or_default();
    let ticks: u64 = fields.iter().filter_map(|text| text.parse::<u64>().ok()).sum();
    Duration::from_secs(ticks) / rustix::param::clock_ticks_per_second() as u32
}

/// Memory of a process tree now.
///
/// # Errors
/// When the root process is gone.
pub fn memory(pid: u32) -> Result<Memory> {
    stat(pid).context("the process has ended")?;
    let mut sum = Memory::default();
    for pid in tree(pid) {
        let Ok(text) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { continue };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (name, value) = (words.next(), words.next().and_then(|kb| kb.parse::<u64>().ok()));
            match (name, value) {
                (Some("Rss:"), Some(kb)) => sum.rss_bytes += kb * 1_024,
                (Some("Pss:"), Some(kb)) => sum.pss_bytes += kb * 1_024,
                _ => {}
            }
        }
    }
    Ok(sum)
}

/// The fields of `/proc/<pid>/stat` from the third on (the name before them may hold spaces).
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(Into::into).collect())
}
