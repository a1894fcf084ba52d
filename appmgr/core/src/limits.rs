//! What an app has run into of its `limits`, in words, and the line that would give it more: twice as much, which is a
//! guess, but one that ends.

use nacre_manifest::device::Limits;
use nacre_wire::denial::Remedy;

use crate::denials::Refusal;

/// It was killed, because it went over `limits.memory`.
pub fn memory(limits: &Limits) -> Refusal {
    let more = limits.memory_bytes.saturating_mul(2);
    Refusal {
        tried: format!("use more than {} of memory", size(limits.memory_bytes)),
        remedy: Remedy::manifest("", "limits.memory", &size(more)),
    }
}

/// It could not start a process or a thread, because it had `limits.tasks` of them.
pub fn tasks(limits: &Limits) -> Refusal {
    let more = limits.tasks.saturating_mul(2);
    Refusal {
        tried: format!("have more than {} processes and threads at once", limits.tasks),
        remedy: Remedy::manifest("", "limits.tasks", &more.to_string()),
    }
}

/// A size as a manifest writes it.
fn size(bytes: u64) -> String {
    for (unit, factor) in [("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes > 0 && bytes.is_multiple_of(factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    format!("{bytes}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_run_into_comes_with_twice_as_much() {
        let limits = Limits {
            memory_bytes: 1536 << 10,
            tasks: 8,
            cpu_permille: 250,
            open_files: 32,
            tmp_bytes: 262_144,
        };
        let end = " in /nacre.yaml";
        let memory = format!("use more than 1536KiB of memory — set limits.memory: 3MiB{end}");
        assert_eq!(super::memory(&limits).to_string(), memory);
        let tasks = format!("have more than 8 processes and threads at once — set limits.tasks: 16{end}");
        assert_eq!(super::tasks(&limits).to_string(), tasks);
        for (bytes, text) in
            [(1 << 20, "1MiB"), (4096, "4KiB"), (4097, "4097B"), (0, "0B"), (1 << 30, "1024MiB")]
        {
            assert_eq!(size(bytes), text);
        }
    }
}
