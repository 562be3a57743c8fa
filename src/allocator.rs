//! Where memory comes from: small blocks from mimalloc, large ones from the system.
//!
//! A request at low latency is a few dozen small allocations; glibc's allocator spent a seventh of the
//! CPU time of a thousand viewers on them. Segments are the opposite: few, large, growing, and to be
//! given back when they leave the window (ADR 13). glibc maps each by itself, grows it by moving pages
//! and unmaps it when it is freed; mimalloc kept four megabytes a live for later (ADR 26).

use std::alloc::{GlobalAlloc, Layout, System};

use mimalloc::MiMalloc;

/// From this size on a block is mapped by itself: below a segment (2 s at 0.5 Mbit/s), above all
/// small things. glibc's own first value.
const LARGE: usize = 128 * 1024;

/// The allocator of the binary.
#[derive(Debug)]
pub struct Allocator;

// SAFETY: every block is given back to whom it came from: that is decided by its size alone, which
// `Layout` tells again, and a block that grows or shrinks past the border is moved.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match layout.size() {
            LARGE.. => unsafe { System.alloc(layout) },
            _ => unsafe { MiMalloc.alloc(layout) },
        }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        match layout.size() {
            LARGE.. => unsafe { System.alloc_zeroed(layout) },
            _ => unsafe { MiMalloc.alloc_zeroed(layout) },
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        match layout.size() {
            LARGE.. => unsafe { System.dealloc(block, layout) },
            _ => unsafe { MiMalloc.dealloc(block, layout) },
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        match (layout.size() >= LARGE, size >= LARGE) {
            (true, true) => unsafe { System.realloc(block, layout, size) },
            (false, false) => unsafe { MiMalloc.realloc(block, layout, size) },
            _ => {
                let moved = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
                let to = unsafe { self.alloc(moved) };
                if !to.is_null() {
                    let len = layout.size().min(size);
                    unsafe { block.copy_to_nonoverlapping(to, len) };
                    unsafe { self.dealloc(block, layout) };
                }
                to
            }
        }
    }
}
