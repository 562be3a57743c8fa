//! What was seen of each clause: how often it was exercised, and every time it did not hold.

use std::collections::HashMap;
use std::fmt::{self, Display, Write};

use super::clause::{CLAUSES, Clause, Scene, clause};

/// Violations kept with their words; the others are only counted.
const KEPT: usize = 4;

/// The findings of a run.
#[derive(Debug, Default)]
pub struct Report {
    tallies: HashMap<&'static str, Tally>,
}

#[derive(Debug, Default)]
struct Tally {
    exercised: u64,
    violated: u64,
    words: Vec<String>,
}

impl Report {
    /// Notes that a clause was put to the test, and says how when it did not hold.
    #[track_caller]
    pub fn check(&mut self, name: &'static str, holds: bool, words: impl FnOnce() -> String) {
        let tally = self.tallies.entry(name).or_insert_with(|| {
            // A name in no line of the table would never be missed.
            let _ = clause(name);
            Tally::default()
        });
        tally.exercised += 1;
        if !holds {
            tally.violated += 1;
            if tally.words.len() < KEPT {
                tally.words.push(words());
            }
        }
    }

    /// How many times any clause did not hold.
    pub fn violations(&self) -> u64 {
        self.tallies.values().map(|tally| tally.violated).sum()
    }

    /// The names of the clauses that did not hold.
    pub fn violated(&self) -> Vec<&'static str> {
        let violated = |clause: &&Clause| self.tally(clause).is_some_and(|t| t.violated > 0);
        CLAUSES.iter().filter(violated).map(|clause| clause.name).collect()
    }

    /// The names of the clauses that a run with these scenes should have exercised, and did not.
    pub fn missed(&self, scenes: &[Scene]) -> Vec<&'static str> {
        let expected = |clause: &&Clause| clause.needs.iter().all(|need| scenes.contains(need));
        let idle = |clause: &&Clause| self.exercised(clause.name) == 0;
        CLAUSES.iter().filter(expected).filter(idle).map(|clause| clause.name).collect()
    }

    /// How often a clause was put to the test.
    pub fn exercised(&self, name: &str) -> u64 {
        self.tallies.get(name).map_or(0, |tally| tally.exercised)
    }

    /// Takes back up to so many violations of a clause: what is known, and decided elsewhere.
    pub fn pardon(&mut self, name: &'static str, times: u64) {
        if let Some(tally) = self.tallies.get_mut(clause(name).name)
            && tally.violated <= times
        {
            tally.violated = 0;
            tally.words.clear();
        }
    }

    /// What is wrong, unless every clause held and every clause that `scenes` call for was exercised.
    pub fn faults(&self, scenes: &[Scene]) -> Option<String> {
        let (violated, missed) = (self.violated(), self.missed(scenes));
        let faultless = violated.is_empty() && missed.is_empty();
        (!faultless)
            .then(|| format!("{self}\nviolated: {violated:#?}\nnever exercised: {missed:#?}"))
    }

    fn tally(&self, clause: &Clause) -> Option<&Tally> {
        self.tallies.get(clause.name)
    }
}

impl Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for clause in CLAUSES {
            let Some(tally) = self.tally(clause) else { continue };
            let verdict = if tally.violated == 0 { "held" } else { "VIOLATED" };
            let mut line = format!(
                "{verdict:8} {:6}x  {:?} {}  {}",
                tally.exercised, clause.level, clause.section, clause.name
            );
            if tally.violated > 0 {
                write!(line, ": {} times", tally.violated)?;
            }
            writeln!(out, "{line}")?;
            for words in &tally.words {
                writeln!(out, "{:12}{}", "", words.replace('\n', "\n            "))?;
            }
        }
        Ok(())
    }
}
