//! What an app can do from inside, with the sandbox and, as the positive control, without.

use std::collections::BTreeMap;

use nacre_tests::PROBE_VERDICTS;
use nacre_tests::image::{Board, build};
use nacre_tests::vm::Vm;
use regex::Regex;

/// What the probe said: `attempt NAME: …` and `status NAME: …`.
fn probe(recipe: &str, board: Board) -> BTreeMap<String, String> {
    let image = build(recipe, board).copy();
    let mut vm = Vm::start(&image, &[]);
    vm.wait_for(r"\] probe: all attempts made");
    let line = Regex::new(r"\] probe: ((?:attempt|status) [\w-]+): (.*)$").expect("valid");
    let pairs = vm.transcript.iter().filter_map(|text| line.captures(text));
    pairs.map(|pair| (pair[1].to_owned(), pair[2].trim().to_owned())).collect()
}

fn app_in_the_sandbox_is_refused_by_each_layer(board: Board) {
    let said = probe("tests/images/probe.yaml", board);
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(said[&format!("status {name}")], "0000000000000000", "{said:?}");
    }
    assert_eq!(said["status Seccomp"], "2");
    assert_eq!(said["status NoNewPrivs"], "1");
    assert_eq!(said["status OomScore"], "500");
    assert!(!said.contains_key("status AppmgrOomScore"));
    for (name, verdicts) in PROBE_VERDICTS {
        let verdict = &said[&format!("attempt {name}")];
        assert!(verdicts.contains(&verdict.as_str()), "{name}: {verdict}, expected one of {verdicts:?}");
    }
}

fn app_without_the_sandbox_succeeds_at_everything(board: Board) {
    let said = probe("tests/images/probe-open.yaml", board);
    assert_eq!(said["status Seccomp"], "0");
    assert_eq!(said["status NoNewPrivs"], "0");
    assert_eq!(said["status AppmgrOomScore"], "-900", "an app would not go before the app manager");
    for name in [
        "mount",
        "unshare",
        "ptrace",
        "raw-socket",
        "write-outside",
        "listen",
        "connect",
        "become-root",
        "see-processes",
        "own-memory",
        "device-node",
        "memory-file",
        "read-packages",
    ] {
        assert_eq!(
            said[&format!("attempt {name}")],
            "succeeded",
            "{name}: the attempt proves nothing: {said:?}"
        );
    }
}

crate::on_each_board! {
    app_in_the_sandbox_is_refused_by_each_layer,
    app_without_the_sandbox_succeeds_at_everything,
}
