//! The heap of the OS's programs on ARM.
//!
//! musl's own is compiled to keep values in floating-point registers: with the first piece of memory that a program
//! asks for, the kernel turns that unit on for it ([`crate::file`] says what that costs). This one is small, as the
//! programs' heaps are: pieces of a few sizes, cut from regions of the kernel's and kept in a list for each size once
//! they are free; what is larger is a region by itself and goes back to the kernel.
//!
//! What it buys: until the first app's line, QEMU translates 33,400 blocks of code behind the start of init and not
//! 47,000, as the kernel's own code is another one for it with the unit on and off.
//!
//! Each program names it as its heap in its `main.rs`; apps, which may have threads, keep their C library's.
//! It finds no mistakes (use after free, writing past the end): programs without `unsafe` make none.

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ptr::{self, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

/// Sizes of pieces, in bytes: at most half of one is more than was asked for.
const SIZES: [usize; 18] =
    [16, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192];

/// All sizes are multiples of it, and all regions begin at one.
const ALIGNMENT: usize = 16;

/// Regions of the kernel's begin and end at a page.
const PAGE: usize = 4096;

/// What is taken from the kernel for pieces at once. Only the pages that are used cost memory.
const REGION: usize = 64 * 1024;

/// A heap; `#[global_allocator]` of the OS's programs.
#[derive(Debug)]
pub struct Allocator {
    busy: AtomicBool,
    pieces: UnsafeCell<Pieces>,
}

// SAFETY: `pieces` is reached only in `with`, by one thread at a time.
unsafe impl Sync for Allocator {}

#[derive(Debug)]
struct Pieces {
    /// First free piece of each size; each begins with the address of the next.
    free: [*mut u8; SIZES.len()],
    /// What is left of the newest region.
    next: *mut u8,
    left: usize,
}

impl Allocator {
    /// An empty one.
    pub const fn new() -> Self {
        let pieces = Pieces { free: [null_mut(); SIZES.len()], next: null_mut(), left: 0 };
        Self { busy: AtomicBool::new(false), pieces: UnsafeCell::new(pieces) }
    }

    fn with<T>(&self, work: impl FnOnce(&mut Pieces) -> T) -> T {
        // The programs have one thread each: nobody ever waits here.
        while self.busy.swap(true, Ordering::Acquire) {
            spin_loop();
        }
        // SAFETY: whoever has set `busy` is alone until it is cleared, and `work` does not come back here.
        let done = work(unsafe { &mut *self.pieces.get() });
        self.busy.store(false, Ordering::Release);
        done
    }
}

impl Default for Allocator {
    fn default() -> Self {
        Self::new()
    }
}

impl Pieces {
    fn take(&mut self, class: usize) -> *mut u8 {
        let (Some(free), Some(&size)) = (self.free.get_mut(class), SIZES.get(class)) else {
            return null_mut();
        };
        if !free.is_null() {
            let piece = *free;
            // SAFETY: a free piece is at least 16 bytes long, aligned to 16, and begins with this address, which
            // `give` has written.
            *free = unsafe { piece.cast::<*mut u8>().read() };
            return piece;
        }
        if self.left < size {
            // What is left of the old region is lost: less than one piece.
            let region = map(REGION);
            if region.is_null() {
                return region;
            }
            (self.next, self.left) = (region, REGION);
        }
        let piece = self.next;
        // SAFETY: at least `size` bytes are left from here, so the end of the piece is in the region or at its end.
        self.next = unsafe { piece.add(size) };
        self.left -= size;
        piece
    }

    fn give(&mut self, class: usize, piece: *mut u8) {
        let Some(free) = self.free.get_mut(class) else { return };
        // SAFETY: the piece came from `take` and is nobody's any more; it is at least 16 bytes long and aligned to 16.
        unsafe { piece.cast::<*mut u8>().write(*free) };
        *free = piece;
    }
}

/// The smallest size that fits; `None` if it takes a region of its own.
fn class_of(layout: &Layout) -> Option<usize> {
    if layout.align() > ALIGNMENT { None } else { SIZES.iter().position(|size| layout.size() <= *size) }
}

/// Bytes of a region of its own; 0 if there can be none.
fn region_of(layout: &Layout) -> usize {
    if layout.align() > PAGE { 0 } else { layout.size().checked_next_multiple_of(PAGE).unwrap_or(0) }
}

/// New memory of the kernel's, all zero; null if there is none.
fn map(bytes: usize) -> *mut u8 {
    let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: anonymous memory at a place that the kernel chooses touches nothing that is there.
    let region = unsafe { libc::mmap(null_mut(), bytes, access, kind, -1, 0) };
    if region == libc::MAP_FAILED { null_mut() } else { region.cast() }
}

// SAFETY: pieces of one size are cut from regions side by side and are in one free list at most, so that no two in use
// overlap; each is as long as its size, which is at least the layout's, and aligned to 16, or a region of its own,
// aligned to a page. Which of the two it is follows from the layout alone. Nothing here panics or allocates.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(&layout) {
            Some(class) => self.with(|pieces| pieces.take(class)),
            None => map(region_of(&layout)),
        }
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        match class_of(&layout) {
            Some(class) => self.with(|pieces| pieces.give(class, piece)),
            None => {
                // SAFETY: the layout is that with which it was mapped, and nobody uses it any more. It can only fail
                // for want of memory of the kernel's own; the region is then lost.
                unsafe { libc::munmap(piece.cast(), region_of(&layout)) };
            }
        }
    }

    unsafe fn realloc(&self, piece: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: the caller promises a size that is not 0 and does not overflow when it is rounded up.
        let wanted = unsafe { Layout::from_size_align_unchecked(bytes, layout.align()) };
        match (class_of(&layout), class_of(&wanted)) {
            (Some(old), Some(new)) if old == new => return piece,
            (None, None) => {
                let (old, new) = (region_of(&layout), region_of(&wanted));
                // SAFETY: the region is the caller's own and has this length; if it moves, the old place is not used
                // any more.
                let moved = unsafe { libc::mremap(piece.cast(), old, new, libc::MREMAP_MAYMOVE) };
                return if moved == libc::MAP_FAILED { null_mut() } else { moved.cast() };
            }
            _ => {}
        }
        // SAFETY: its size is not 0, as the caller promises.
        let new = unsafe { self.alloc(wanted) };
        if !new.is_null() {
            // SAFETY: both are at least that long and, as the old one is still in use, apart from each other.
            unsafe { ptr::copy_nonoverlapping(piece, new, layout.size().min(bytes)) };
            // SAFETY: it is the caller's own, with this layout, and not used any more.
            unsafe { self.dealloc(piece, layout) };
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece in use, full of one byte.
    struct Piece {
        at: *mut u8,
        layout: Layout,
        fill: u8,
    }

    impl Piece {
        fn new(heap: &Allocator, layout: Layout, fill: u8) -> Self {
            // SAFETY: no layout here has size 0.
            Self { at: unsafe { heap.alloc(layout) }, layout, fill }.filled()
        }

        fn filled(self) -> Self {
            assert!(!self.at.is_null() && self.at.addr().is_multiple_of(self.layout.align()));
            // SAFETY: it has as many bytes as its layout says.
            unsafe { self.at.write_bytes(self.fill, self.layout.size()) };
            self
        }

        fn check(&self, bytes: usize) {
            // SAFETY: at least so many bytes of it are filled, and nobody changes them meanwhile.
            let content = unsafe { std::slice::from_raw_parts(self.at, bytes) };
            assert!(content.iter().all(|byte| *byte == self.fill), "{bytes} bytes of {}", self.fill);
        }

        fn free(self, heap: &Allocator) {
            self.check(self.layout.size());
            // SAFETY: it came from this heap with this layout, and is given up.
            unsafe { heap.dealloc(self.at, self.layout) };
        }

        fn resize(self, heap: &Allocator, bytes: usize, fill: u8) -> Self {
            // SAFETY: it came from this heap with this layout, is given up, and the new size is not 0.
            let at = unsafe { heap.realloc(self.at, self.layout, bytes) };
            let layout = Layout::from_size_align(bytes, self.layout.align()).unwrap();
            Self { at, layout, fill: self.fill }.check(self.layout.size().min(bytes));
            Self { at, layout, fill }.filled()
        }
    }

    /// Allocates, grows, shrinks and frees at random.
    #[test]
    fn pieces_keep_their_content_until_they_are_freed() {
        let heap = Allocator::new();
        let mut pieces: Vec<Piece> = Vec::new();
        let mut state = 1u32;
        let mut random = move |below: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            usize::try_from(state >> 8).unwrap() % below
        };
        for round in 0..20_000u32 {
            let most = if random(50) == 0 { 40_000 } else { 600 };
            let bytes = random(most) + 1;
            let fill = round.to_le_bytes()[0];
            match random(3) {
                0 if !pieces.is_empty() => pieces.swap_remove(random(pieces.len())).free(&heap),
                1 if !pieces.is_empty() => {
                    let piece = pieces.swap_remove(random(pieces.len()));
                    pieces.push(piece.resize(&heap, bytes, fill));
                }
                _ => {
                    let layout = Layout::from_size_align(bytes, 1 << random(13)).unwrap();
                    pieces.push(Piece::new(&heap, layout, fill));
                }
            }
        }
        pieces.into_iter().for_each(|piece| piece.free(&heap));
    }

    #[test]
    fn memory_asked_for_as_zero_is_zero_also_when_it_was_used() {
        let heap = Allocator::new();
        for bytes in [24, 5_000, 20_000] {
            let layout = Layout::from_size_align(bytes, 8).unwrap();
            Piece::new(&heap, layout, 7).free(&heap);
            // SAFETY: its size is not 0.
            let at = unsafe { heap.alloc_zeroed(layout) };
            Piece { at, layout, fill: 0 }.free(&heap);
        }
    }

    #[test]
    fn what_no_machine_has_is_refused() {
        let heap = Allocator::new();
        let huge = usize::try_from(isize::MAX).unwrap();
        for (bytes, align) in [(huge - PAGE, 1), (PAGE, 2 * PAGE)] {
            let layout = Layout::from_size_align(bytes, align).unwrap();
            // SAFETY: its size is not 0.
            assert!(unsafe { heap.alloc(layout) }.is_null());
        }
    }
}
