//! What an app may store is its own: the others can't take it away, though the disk is full to the last promised byte.

use nacre_tests::image::Board;
use nacre_tests::steps::Steps;
use nacre_tests::vm::Vm;

/// What each of three may store, in KiB: together nearly all that the data partition has beside their packages.
const KIB: u64 = 1536;

/// The files that come with it: 16, and one for each 4 KiB; one of them is its folder.
const FILES: u64 = 16 + KIB / 4 - 1;

/// What the filesystem may need of it to find the files again, in KiB.
const LISTS: u64 = 24;

/// Tasks that the build counts on, on either board with its memory (`most_tasks` in lib/manifest/src/app/board_limits.rs).
const TASKS: u64 = 256;

fn storage_of_an_app_is_there_when_the_others_have_filled_theirs(board: Board) {
    // Memory for so many names as the kernel keeps them, of two lives of the app: it is not what is tried here.
    let storage = format!(
        "storage: {{ data: {KIB}KiB }}\nlimits: {{ memory: 2MiB, tasks: 4, cpu: 50%, open-files: 32, tmp: 16KiB }}\n"
    );
    let apps = ["first", "second", "third"];
    let steps = ["crowd /data", "fill /data/f0", "hang"];
    let image = apps.iter().fold(Steps::new(board), |image, app| image.app(app, &steps, &storage));
    // It sees the whole system.
    let image = image
        .app("witness", &["read /proc/sys/kernel/threads-max"], "")
        .testing("testing: { apps: { org.nacre.witness: [all] } }\n")
        .build();
    let mut vm = Vm::start(&image, &[]);
    // All at once, and then the first one again, while the others keep what they have.
    for app in apps.iter().chain(&apps[..1]) {
        let line = |step: &str, unit: &str| format!(r"\] {app}: step {step}: (\d+) {unit}, (\w+)$");
        let mut ends = Vec::new();
        for pattern in [line("crowd /data", "files"), line("fill /data/f0", "KiB")] {
            let regex = regex::Regex::new(&pattern).expect("valid");
            let seen =
                vm.transcript.iter().find_map(|line| regex.captures(line)).map(|found| {
                    [found[1].parse::<u64>().expect("a number"), u64::from(&found[2] == "EDQUOT")]
                });
            ends.push(seen.unwrap_or_else(|| {
                let found = vm.wait_for(&pattern);
                [found[1].parse().expect("a number"), u64::from(found[2] == "EDQUOT")]
            }));
        }
        let [[files, by_quota], [kib, also]] = ends[..] else { panic!("two steps") };
        assert_eq!(
            (by_quota, also),
            (1, 1),
            "not the disk's end but its own stopped {app}: {:#?}",
            vm.transcript
        );
        assert_eq!(files, FILES, "{app}");
        assert!((KIB - LISTS..KIB).contains(&kib), "{app}: {kib} KiB");
        if *app == "third" {
            vm.device(&image, &["restart", "first"]);
            let kept = r"\] witness: step read /proc/sys/kernel/threads-max: (\d+)$";
            if !vm.has_printed(kept) {
                vm.wait_for(kept);
            }
            let regex = regex::Regex::new(kept).expect("valid");
            let kept = vm.transcript.iter().find_map(|line| regex.captures(line)).expect("it was printed");
            let kept: u64 = kept[1].parse().expect("a number");
            assert!(kept >= TASKS, "the kernel keeps {kept} tasks");
            vm.transcript.clear();
        }
    }
}

crate::on_each_board! {
    storage_of_an_app_is_there_when_the_others_have_filled_theirs,
}
