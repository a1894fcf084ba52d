//! The apps' limits against what the board has.

use nacre_diag::{Diagnostic, ExitCode, Place, Report};

use super::AppSource;
use crate::arch::Arch;
use crate::board::Board;
use crate::unit::show_size;

/// Tasks of the OS: the kernel's threads, init, appmgr, netd, and the launchers.
const OS_TASKS: u64 = 64;

/// Tasks that the kernel keeps on a board: their stacks may take an eighth of its free memory, and there are at least
/// 20 (`set_max_threads` in kernel/fork.c).
fn most_tasks(board: &Board) -> u64 {
    // THREAD_SIZE of arch/arm and arch/x86; and what the kernel has taken before it counts, its own image and the pages
    // that describe all others. That is more than it is, so that what passes here is kept.
    let (stack, taken): (u64, u64) = match board.arch {
        Arch::Armv7 => (8 << 10, 8 << 20),
        Arch::X86_64 => (16 << 10, 16 << 20),
    };
    (board.memory_bytes.saturating_sub(taken) / (8 * stack)).max(20)
}

/// Checks the limits of an image's apps against its board: no app may be promised more memory than there is, nor all
/// together more tasks than the kernel keeps.
///
/// Limits of memory that are more than there is only in their sum are a warning: a limit is a ceiling and nothing is
/// set aside for it, apps rarely reach theirs at once, and when they do the kernel ends one of them and nothing of the
/// OS. Tasks are another matter: where they run out, an app within its limit keeps the others, and the OS, from
/// starting anything.
///
/// # Errors
/// Each breach (exit code 65), at the limit that makes it, with the place of the board's memory. Otherwise what is to
/// be said as warnings.
pub fn check_limits(apps: &[AppSource], board: &Board) -> Result<Report, Report> {
    let mut report = Report::new();
    let memory = show_size(board.memory_bytes);
    let of_board =
        || format!("the board `{}` has {memory} of memory, at {}", board.board, board.memory_place);
    for app in apps {
        let limits = &app.manifest.limits;
        if limits.memory_bytes > board.memory_bytes {
            let what =
                format!("`limits.memory`: {} is more than the board has", show_size(limits.memory_bytes));
            report.push(at(what, &app.places.memory).with_cause(of_board()).with_hint(format!(
                "{memory} is all of it, and the OS needs some: write less, or choose another board"
            )));
        }
        // Half of all, whatever the cgroup says: RLIMIT_NPROC of a user, which the kernel sets at its start.
        let most = most_tasks(board) / 2;
        if u64::from(limits.tasks) > most {
            let what = format!("`limits.tasks`: {} is more than the kernel keeps for one app", limits.tasks);
            report.push(
                at(what, &app.places.tasks)
                    .with_cause(of_board())
                    .with_hint(format!("with that it keeps {most} tasks of one app: write at most {most}")),
            );
        }
    }
    let sum: u64 = apps.iter().map(|app| u64::from(app.manifest.limits.tasks)).sum();
    let most = most_tasks(board).saturating_sub(OS_TASKS);
    if report.errors() == 0
        && sum > most
        && let Some(greatest) = apps.iter().max_by_key(|app| app.manifest.limits.tasks)
    {
        let what = format!(
            "`limits.tasks`: all apps of this image may have {sum} tasks, and the kernel keeps {most}"
        );
        let each = apps.iter().map(|app| format!("{} at {}", app.manifest.limits.tasks, app.places.tasks));
        report.push(
            at(what, &greatest.places.tasks)
                .with_cause(each.collect::<Vec<_>>().join(", "))
                .with_cause(of_board())
                .with_hint(
                    "write less: at the kernel's limit no app and nothing of the OS can start anything",
                ),
        );
    }
    let sum: u64 = apps.iter().map(|app| app.manifest.limits.memory_bytes).sum();
    if report.errors() == 0 && sum > board.memory_bytes {
        let what = format!("all apps together may use {}, and {}", show_size(sum), of_board());
        report.push(Diagnostic::warning(what).with_hint(
            "if they do, the kernel ends one of them; apps that must go on at any rate need limits that fit",
        ));
    }
    if report.errors() == 0 { Ok(report) } else { Err(report) }
}

fn at(what: String, place: &Place) -> Diagnostic {
    Diagnostic::error(ExitCode::BadInput, what).at(place.clone())
}
