//! A full disk: a small filesystem in a mount namespace of its own.

use crate::host::apart;
use crate::project::Project;

#[test]
fn build_without_space_keeps_what_was_there_and_says_what_to_do() {
    let project = Project::new();
    // The first build has room; then a file takes all but a little of it.
    let script = r#"
        mkdir small
        mount -t tmpfs -o size=40m none small
        "$0" build images/tiny.yaml --out small/tiny >/dev/null 2>&1
        ls -A small >before
        cat small/tiny/* | sha256sum >>before
        free=$(df -k --output=avail small | tail -1)
        for rest in 0 8 600 2500 4400; do
            head -c $(((free - rest) * 1024)) /dev/zero >small/full
            code=0
            "$0" build images/tiny.yaml --out small/tiny || code=$?
            rm small/full
            ls -A small >after
            cat small/tiny/* | sha256sum >>after
            cmp before after
            echo "$rest KiB: exit $code" >&2
        done
        "$0" build images/tiny.yaml --out small/tiny >/dev/null 2>&1
        ls -A small >after
        cat small/tiny/* | sha256sum >>after
        cmp before after
        rm before after
        umount small
        rmdir small
        exit 9"#;
    let said = project.refused(
        &mut apart(&project, script),
        9,
        &["No space left on device", "hint: free some space"],
    );
    for rest in [0, 8, 600, 2500, 4400] {
        assert!(said.contains(&format!("{rest} KiB: exit 1\n")), "{said}");
    }
    assert_eq!(said.matches("hint: free some space").count(), 5, "{said}");
}

#[test]
fn kernel_source_without_space_is_refused_and_leaves_the_cache_empty() {
    let project = Project::new();
    let script = r#"
        mkdir cache
        mount -t tmpfs -o size=4m none cache
        code=0
        NACRE_CACHE=cache "$0" kernel check || code=$?
        find cache -path '*work/*' -printf 'left: %p\n' >&2
        umount cache
        rmdir cache
        exit $code"#;
    let said = project.refused(&mut apart(&project, script), 1, &["no space left", "NACRE_CACHE"]);
    assert!(!said.contains("left: "), "{said}");
}
