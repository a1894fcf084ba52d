//! Memory of the process itself.

use crate::arguments;
use crate::call::{Call, on_arm, on_both, on_x86};

pub(super) const CALLS: &[Call] = &[
    on_both("brk", 45, 12, "the allocator grows the heap"),
    on_x86("mmap", 9, "the allocator and thread stacks; writable and executable at once only if the manifest asks for it")
        .if_any(arguments::NOT_WRITE_AND_EXEC)
        .or_with(arguments::ANY_PROTECTION),
    on_arm("mmap2", 192, "mmap on ARM; writable and executable at once only if the manifest asks for it")
        .if_any(arguments::NOT_WRITE_AND_EXEC)
        .or_with(arguments::ANY_PROTECTION),
    on_both("munmap", 91, 11, "gives memory back"),
    on_both("mremap", 163, 25, "realloc of large blocks"),
    on_both("mprotect", 125, 10, "guard pages and read-only relocations; nothing becomes executable later unless the manifest asks for it")
        .if_any(arguments::NOT_EXEC)
        .or_with(arguments::ANY_PROTECTION),
    on_both("madvise", 220, 28, "the allocator gives pages back; the other advices reach seldom used code")
        .if_any(arguments::HARMLESS_ADVICE),
    on_both("msync", 144, 26, "writes a mapped file of its own back"),
];
