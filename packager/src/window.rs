//! The segments listed now, and those that left the list but may still be asked for.
//!
//! Here: what leaves when. Not here: how the list is written (`playlist`).
//!
//! Bytes are those held: a segment's MPEG-TS form counts once a viewer asked for it. That may be
//! between two pushes, and is seen at the next one; until then each is made
//! once, so memory is little more than twice what was counted.

use std::{collections::VecDeque, sync::Arc};

use crate::{Config, segment::Segment};

#[derive(Debug, Default)]
pub(crate) struct Window {
    listed: VecDeque<Arc<Segment>>,
    retained: VecDeque<Arc<Segment>>,
}

impl Window {
    /// Lists a segment; the oldest leave.
    pub fn push(&mut self, segment: Segment, config: &Config, target_duration_s: u32) {
        self.listed.push_back(Arc::new(segment));
        while self.first_may_leave(config, target_duration_s) {
            self.retained.extend(self.listed.pop_front());
        }
        while self.retained.len() > config.retained_segments || self.retained_too_large(config) {
            self.retained.pop_front();
        }
    }

    pub fn listed(&self) -> impl DoubleEndedIterator<Item = &Arc<Segment>> + Clone {
        self.listed.iter()
    }

    pub fn first(&self) -> Option<&Arc<Segment>> {
        self.listed.front()
    }

    pub fn newest(&self) -> Option<&Arc<Segment>> {
        self.listed.back()
    }

    pub fn newest_with_video(&self) -> Option<&Arc<Segment>> {
        self.listed.iter().rev().find(|segment| segment.has_video())
    }

    pub fn len(&self) -> usize {
        self.listed.len()
    }

    pub fn duration_us(&self) -> u64 {
        self.listed.iter().map(|segment| segment.duration_us()).sum()
    }

    pub fn get(&self, msn: u64) -> Option<Arc<Segment>> {
        let first = self.retained.front().or(self.listed.front())?.msn();
        let index = usize::try_from(msn.checked_sub(first)?).ok()?;
        self.retained.iter().chain(&self.listed).nth(index).cloned()
    }

    pub fn held_bytes(&self) -> usize {
        self.retained.iter().chain(&self.listed).map(|segment| segment.held_bytes()).sum()
    }

    fn first_may_leave(&self, config: &Config, target_duration_s: u32) -> bool {
        let Some(first) = self.listed.front().filter(|_| self.listed.len() > 1) else {
            return false;
        };
        let bytes: usize = self.listed.iter().map(|segment| segment.held_bytes()).sum();
        let left_us = self.duration_us().saturating_sub(first.duration_us());
        if self.listed.len() > config.window_max_segments
            || bytes > config.window_max_bytes.saturating_mul(2)
        {
            return true;
        }
        // A live playlist is never shorter than three target durations (rfc8216bis §6.2.2).
        let least_us = u64::from(target_duration_s) * 3_000_000;
        if left_us < least_us {
            return false;
        }
        let long_enough = left_us >= u64::from(config.window_ms) * 1_000
            && self.listed.len() > config.window_min_segments;
        long_enough || bytes > config.window_max_bytes
    }

    /// Beside an already oversized list there is no room for what left it.
    fn retained_too_large(&self, config: &Config) -> bool {
        !self.retained.is_empty() && self.held_bytes() > config.window_max_bytes.saturating_mul(2)
    }
}
