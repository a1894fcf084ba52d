//! What apps may store, against what the data partition holds: a quota is a promise.
//!
//! A quota bounds what an app takes; that it can take all of it, whatever the others do, follows from nothing being
//! promised twice. So the sum of the quotas, in bytes and in files, must fit what is left beside the packages.

use nacre_diag::Diagnostic;
use nacre_manifest::app::AppSource;
use nacre_manifest::board::Board;

use crate::data_image::{Free, JOURNAL_BYTES, OS_BYTES, OS_INODES};
use crate::failure::{Exit, Failure};

/// Bytes that all apps may store.
fn promised_bytes(apps: &[AppSource]) -> u64 {
    apps.iter().fold(0, |sum, app| sum.saturating_add(app.manifest.data_bytes))
}

/// Files and folders that all apps may have.
pub(super) fn promised_inodes(apps: &[AppSource]) -> u64 {
    apps.iter().fold(0, |sum, app| sum.saturating_add(app.manifest.data_inodes()))
}

/// Finds early, before anything long begins, what can't fit at all.
pub(super) fn check_early(apps: &[AppSource], board: &Board, partition_bytes: u64) -> Result<(), Failure> {
    let promised = promised_bytes(apps);
    if promised.saturating_add(JOURNAL_BYTES) <= partition_bytes {
        return Ok(());
    }
    let has = format!("the data partition has {partition_bytes}, its journal included");
    Err(refuse(apps, board, format!("the apps may store {promised} bytes (`storage.data`), and {has}")))
}

/// Holds the promises against what is free on the filesystem that was made.
pub(super) fn check(apps: &[AppSource], board: &Board, free: Free) -> Result<(), Failure> {
    let (bytes, inodes) = (promised_bytes(apps), promised_inodes(apps));
    let room = free.bytes.saturating_sub(OS_BYTES).saturating_sub(free.reserved_bytes);
    if bytes > room {
        let what = format!(
            "the apps may store {bytes} bytes (`storage.data`), and beside their packages the data partition has {room}"
        );
        return Err(refuse(apps, board, what));
    }
    let room = free.inodes.saturating_sub(OS_INODES);
    if inodes > room {
        let what = format!("the apps may have {inodes} files (`storage.data`), and there is room for {room}");
        return Err(refuse(apps, board, what));
    }
    Ok(())
}

fn refuse(apps: &[AppSource], board: &Board, what: String) -> Failure {
    let storing = apps.iter().filter(|app| app.manifest.data_bytes > 0);
    let each = storing.clone().map(|app| format!("{} bytes at {}", app.manifest.data_bytes, app.places.data));
    let mut found = Diagnostic::error(Exit::BadInput, what)
        .with_cause(each.collect::<Vec<_>>().join(", "))
        .with_cause(format!("the disk has {} bytes, at {}", board.disk.size_bytes, board.disk_place));
    if let Some(greatest) = storing.max_by_key(|app| app.manifest.data_bytes) {
        found = found.at(greatest.places.data.clone());
    }
    found.with_hint("let the apps store less, or make the board's disk larger").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_over_what_is_free_are_refused_with_each_line() {
        let board = nacre_manifest::board::parse(crate::run::tests::BOARD, "board.yaml").unwrap();
        let app = |name: &str, data: &str| {
            let text = format!(
                "app: a.{name}\nversion: 1.0.0\nbuild: cargo\nrun: [/app/bin/x]\nstorage: {{ data: {data} }}\n"
            );
            nacre_manifest::app::parse(&text, &format!("{name}/nacre.yaml")).unwrap()
        };
        let apps = [app("b", "64KiB"), app("c", "128KiB"), app("d", "0B")];
        let free = |kib: u64, inodes| Free { bytes: OS_BYTES + (kib << 10), reserved_bytes: 0, inodes };
        let enough = OS_INODES + 16 + 16 + 16 + 32;
        assert!(check(&apps, &board, free(192, enough)).is_ok());
        assert!(check(&apps, &board, Free { reserved_bytes: 1, ..free(192, enough) }).is_err());
        let tight = check(&apps, &board, free(191, enough)).unwrap_err();
        let report = tight.into_report();
        let found = &report.entries()[0];
        assert_eq!(found.causes[0], "65536 bytes at b/nacre.yaml:5:10, 131072 bytes at c/nacre.yaml:5:10");
        assert!(found.causes[1].contains("at board.yaml:"), "{found:?}");
        assert_eq!(found.place.as_ref().unwrap().to_string(), "c/nacre.yaml:5:10");
        let files = check(&apps, &board, free(192, enough - 1)).unwrap_err();
        assert!(files.to_string().contains("may have 80 files"), "{files}");
        assert!(check_early(&apps, &board, 192 << 10).is_err());
        assert!(check_early(&apps, &board, (192 << 10) + JOURNAL_BYTES).is_ok());
    }
}
