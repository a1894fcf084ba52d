//! What `tests/apps/probe` is told here, and in the VM (tests/tests/vm/sandbox.rs).

use nacre_tests::PROBE_VERDICTS;
use nacre_tests::nacre::text;

/// Where this machine answers another way, as docs/HOST-RUN.md says.
const DIFFERENT: [(&str, &str); 1] = [("data-beyond", "succeeded")];

#[test]
fn probe_has_the_verdicts_of_the_vm_but_for_those_that_are_listed() {
    let state = tempfile::tempdir().unwrap();
    let output = crate::app_run(state.path()).arg("tests/apps/probe").output().expect("nacre starts");
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    for (name, verdicts) in PROBE_VERDICTS {
        let prefix = format!("attempt {name}: ");
        let verdict = said.lines().find_map(|line| line.strip_prefix(&prefix));
        let verdict = verdict.unwrap_or_else(|| panic!("no `{prefix}` in:\n{said}"));
        let different = DIFFERENT.iter().find(|(other, _)| *other == name);
        match different {
            Some((_, expected)) => assert_eq!(verdict, *expected, "{name}: take it off the list"),
            None => assert!(verdicts.contains(&verdict), "{name}: {verdict}, in the VM {verdicts:?}"),
        }
    }
    for line in [
        "status Seccomp: 2",
        "status NoNewPrivs: 1",
        "status OomScore: 500",
        "status CapBnd: 0000000000000000",
    ] {
        assert!(said.contains(line), "no `{line}` in:\n{said}");
    }
    for line in [
        "denied: unshare(CLONE_NEWNS|CLONE_NEWUTS) (seccomp) — never allowed",
        "denied: socket(AF_INET, SOCK_STREAM, 0) (seccomp) — add \"tcp:HOST:PORT\" under network.connect in probe/nacre.yaml",
        "denied: open /run/outside for writing (landlock) — never allowed",
        "notice: not enforced: limits.memory and limits.cpu: ",
        "notice: not enforced: storage.data: ",
    ] {
        assert!(said.contains(line), "no `{line}` in:\n{said}");
    }
}
