//! Whether KVM works here, found out by trying.
//!
//! `/dev/kvm` alone says nothing: nested in another VM it may let a guest start and then crawl for minutes.

use std::path::Path;
use std::time::{Duration, Instant};

use nacre_manifest::arch::Arch;
use nacre_manifest::board::Board;

use super::machine::{Accelerator, Files, Start, arguments};
use super::vm::{Event, Events, Vm};
use crate::cache::Cache;

/// How long the kernel of a probe guest may take for its first line.
const PATIENCE: Duration = Duration::from_secs(2);

/// Chooses what runs the guest. The answer is kept until the host restarts.
pub(crate) fn choose(program: &Path, board: &Board, files: &Files, start: &Start<'_>) -> Accelerator {
    // 32-bit guests of a 64-bit ARM host are not tried: what is measured for the small board is TCG.
    let same = board.arch == Arch::X86_64 && std::env::consts::ARCH == "x86_64";
    if !same || !Path::new("/dev/kvm").exists() {
        return Accelerator::Tcg;
    }
    // Without a cache it is tried at each run.
    let memory = Cache::open().ok().map(|cache| cache.root().join("kvm"));
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let known = memory.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
    if let Some(answer) = known.as_deref().and_then(|text| recall(text, &boot)) {
        return answer;
    }
    let answer = if answers(program, board, files, start) { Accelerator::Kvm } else { Accelerator::Tcg };
    if let Some(path) = memory {
        // Not remembering it costs a probe, nothing else.
        let _ = std::fs::write(path, remember(answer, &boot));
    }
    answer
}

fn remember(answer: Accelerator, boot: &str) -> String {
    let word = match answer {
        Accelerator::Kvm => "works",
        Accelerator::Tcg => "fails",
    };
    format!("{} {word}\n", boot.trim())
}

fn recall(text: &str, boot: &str) -> Option<Accelerator> {
    match text.trim().split_once(' ')? {
        (of, "works") if of == boot.trim() => Some(Accelerator::Kvm),
        (of, "fails") if of == boot.trim() => Some(Accelerator::Tcg),
        _ => None,
    }
}

/// Starts the guest with KVM, its writes thrown away, and waits for its first word.
fn answers(program: &Path, board: &Board, files: &Files, start: &Start<'_>) -> bool {
    let events = Events::default();
    // Without the network: its ports would not be free again at once.
    let start = Start { accelerator: Accelerator::Kvm, network: None, ..*start };
    let mut line = arguments(board, files, &start);
    line.push("-snapshot".into());
    let Ok(mut vm) = Vm::start(program, &line, &files.control(), &events.sender) else { return false };
    if vm.resume(&events.sender).is_err() {
        return false;
    }
    let deadline = Instant::now() + PATIENCE;
    let answered = loop {
        match events.receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Event::Console(_)) => break true,
            Ok(Event::ConsoleEnd) | Err(_) => break false,
            Ok(_) => {}
        }
    };
    drop(vm);
    answered
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kvm_answer_is_kept_for_one_boot_only() {
        for answer in [Accelerator::Kvm, Accelerator::Tcg] {
            let text = remember(answer, "boot-1\n");
            assert_eq!(recall(&text, "boot-1\n"), Some(answer));
            assert_eq!(recall(&text, "boot-2\n"), None);
        }
        assert_eq!(recall("nonsense", "boot-1"), None);
    }
}
