//! Golden texts of the checker on a small option tree.

use std::path::Path;

use nacre_diag::{Diagnostic, ExitCode};

use super::*;
use crate::explain::explain;

fn tree() -> Tree {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tree");
    Tree::read(&path, "toy").unwrap_or_else(|error| panic!("{error}"))
}

fn fragments(text: &str) -> Fragments {
    Fragments::parse(&[(Path::new("toy.config"), text)]).unwrap_or_else(|wrong| panic!("{wrong:?}"))
}

/// Findings for options (one per line, each given its reason here) on a final configuration.
fn check(asked: &str, config: &str) -> Vec<String> {
    let text: String = asked.lines().map(|line| format!("# Why.\nCONFIG_{line}\n")).collect();
    let config: String = config.split_whitespace().map(|option| format!("CONFIG_{option}\n")).collect();
    findings(&fragments(&text), &Config::parse(&config), &tree()).iter().map(ToString::to_string).collect()
}

#[test]
fn tree_of_the_toy_kernel_is_read() {
    let tree = tree();
    let unread: Vec<(&str, usize)> = tree.unread.iter().map(|line| (line.file.as_str(), line.line)).collect();
    assert_eq!(unread, [("Kconfig", 77), ("Kconfig", 78)]);
    assert_eq!(tree.symbols.len(), 19);
    let toyfs = tree.definitions("TOYFS").first().map(|definition| {
        let text =
            |list: &[crate::kconfig::Expression]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
        (text(&definition.depends), text(&definition.visible))
    });
    let expected = vec!["NET".to_owned(), "SLOW || FAST".to_owned(), "LOG_SHIFT>=14".to_owned()];
    assert_eq!(toyfs, Some((expected, vec!["EXPERT".to_owned()])));
}

#[test]
fn check_of_options_as_asked_finds_nothing() {
    let asked = "NET=y\nSLOW=n\nLOG_SHIFT=14\nNAME=\"toy\"\nBASE=0x10\nXZ=y";
    let config = "NET=y CRC=y EXPERT=y LOG_SHIFT=14 NAME=\"toy\" BASE=16 XZ=y";
    assert_eq!(check(asked, config), Vec::<String>::new());
}

#[test]
fn check_of_options_not_as_asked_names_the_cause() {
    for (asked, config, expected) in [
        (
            "IPC_NS=y",
            "NET=y",
            "CONFIG_IPC_NS: asked y, is n: depends on (SYSVIPC || POSIX_MQUEUE), where SYSVIPC=n and POSIX_MQUEUE=n (toy.config:2)",
        ),
        (
            "POSIX_MQUEUE=y",
            "",
            "CONFIG_POSIX_MQUEUE: asked y, is n: depends on NET, which is n (toy.config:2)",
        ),
        (
            "FILTER=y",
            "HAVE_FILTER=y NET=y",
            "CONFIG_FILTER: asked y, is n: depends on (NET && EXPERT || SLOW), where EXPERT=n and SLOW=n (toy.config:2)",
        ),
        (
            "FILTER=y",
            "",
            "CONFIG_FILTER: asked y, is n: depends on HAVE_FILTER, which is n; and on (NET && EXPERT || SLOW), \
             where NET=n and EXPERT=n and SLOW=n (toy.config:2)",
        ),
        (
            "FAST=y",
            "NET=y SLOW=y",
            "CONFIG_FAST: asked y, is n: depends on !SLOW, where SLOW=y (toy.config:2)",
        ),
        (
            "FAST=y",
            "NET=y",
            "CONFIG_FAST: asked y, is n: its prompt depends on $(cc-option,-ffast), which asks the compiler or linker (toy.config:2)",
        ),
        (
            "TOYFS=y",
            "NET=y SLOW=y LOG_SHIFT=12",
            "CONFIG_TOYFS: asked y, is n: depends on LOG_SHIFT>=14, where LOG_SHIFT=12 (toy.config:2)",
        ),
        (
            "TOYFS=y",
            "NET=y SLOW=y LOG_SHIFT=14",
            "CONFIG_TOYFS: asked y, is n: its prompt depends on EXPERT, which is n (toy.config:2)",
        ),
        (
            "LOG_SHIFT=14",
            "LOG_SHIFT=17",
            "CONFIG_LOG_SHIFT: asked 14, is 17: its prompt depends on EXPERT, which is n (toy.config:2)",
        ),
        (
            "LOG_SHIFT=5",
            "EXPERT=y LOG_SHIFT=17",
            "CONFIG_LOG_SHIFT: asked 5, is 17: it must lie between 12 and 25 (toy.config:2)",
        ),
        (
            "LOG_SHIFT=y",
            "LOG_SHIFT=17",
            "CONFIG_LOG_SHIFT: asked y, is 17: it is a symbol of type int (toy.config:2)",
        ),
        (
            "NAME=1",
            "NAME=\"toy\"",
            "CONFIG_NAME: asked 1, is \"toy\": it is a symbol of type string (toy.config:2)",
        ),
        ("CRC=n", "NET=y CRC=y", "CONFIG_CRC: asked n, is y: selected by NET=y (toy.config:2)"),
        (
            "CRC=y",
            "",
            "CONFIG_CRC: asked y, is n: it has no prompt, so nobody can ask for it; selected by NET=n (toy.config:2)",
        ),
        (
            "HIDDEN_DEFAULT=n",
            "HIDDEN_DEFAULT=y",
            "CONFIG_HIDDEN_DEFAULT: asked n, is y: it has no prompt, so nobody can ask for it; its default is y (toy.config:2)",
        ),
        (
            "XZ=y",
            "NET=y GZIP=y",
            "CONFIG_XZ: asked y, is n: of the choice `Compression` GZIP is on (toy.config:2)",
        ),
        ("XZ=y", "GZIP=y", "CONFIG_XZ: asked y, is n: depends on NET, which is n (toy.config:2)"),
        (
            "IPC_NSS=y",
            "",
            "CONFIG_IPC_NSS: asked y: no such symbol in this kernel; did you mean CONFIG_IPC_NS? (toy.config:2)",
        ),
        ("ZZYZX=n", "", "CONFIG_ZZYZX: asked n: no such symbol in this kernel (toy.config:2)"),
        (
            "SLOW=y",
            "",
            "CONFIG_SLOW: asked y, is n: the kernel's option tree does not say why (toy.config:2)",
        ),
    ] {
        assert_eq!(check(asked, config), [expected], "{asked} on {config}");
    }
}

#[test]
fn check_of_two_members_of_a_choice_names_both_lines() {
    assert_eq!(
        check("GZIP=y\nXZ=y", "NET=y GZIP=y"),
        [
            "CONFIG_XZ: asked y, is n: of the choice `Compression` GZIP is on, asked for in toy.config:2 (toy.config:4)"
        ]
    );
}

#[test]
fn finding_as_diagnostic_marks_the_line_and_hints() {
    let asked = fragments("# Why.\nCONFIG_IPC_NS=y\n");
    let found = findings(&asked, &Config::parse(""), &tree());
    let diagnostics: Vec<Diagnostic> = found.iter().map(Diagnostic::from).collect();
    let [only] = diagnostics.as_slice() else { panic!("{diagnostics:?}") };
    assert_eq!(only.exit, ExitCode::BadInput);
    assert_eq!(only.message, "CONFIG_IPC_NS: asked y, is n");
    assert_eq!(only.place.as_ref().map(ToString::to_string).as_deref(), Some("toy.config:2:1"));
    assert_eq!(only.causes, ["depends on (SYSVIPC || POSIX_MQUEUE), where SYSVIPC=n and POSIX_MQUEUE=n"]);
    assert_eq!(only.hints, ["ask for what it depends on as well, or drop it"]);
}

#[test]
fn explanation_of_a_symbol_has_all_there_is() {
    let asked = fragments("# Apps must not share queues.\nCONFIG_IPC_NS=y\n");
    let config = Config::parse("CONFIG_NET=y\nCONFIG_CRC=y\nCONFIG_GZIP=y\nCONFIG_TOY=y\n");
    let text = |symbol: &str| explain(symbol, &asked, &config, &tree()).map(|found| found.to_string());
    assert_eq!(
        text("CONFIG_IPC_NS").as_deref(),
        Some(
            "CONFIG_IPC_NS=n (bool)\n  \
             asked:       y in toy.config:2\n  \
             reason:      Apps must not share queues.\n  \
             defined in:  ipc/Kconfig:8\n    \
             prompt:    \"IPC namespace\"\n    \
             depends:   SYSVIPC || POSIX_MQUEUE  [SYSVIPC=n, POSIX_MQUEUE=n] (not met)\n    \
             default:   y\n\
             \n  \
             Processes have their own queues.\n"
        )
    );
    assert_eq!(
        text("CRC").as_deref(),
        Some(
            "CONFIG_CRC=y (bool)\n  \
             asked:       by no fragment\n  \
             defined in:  Kconfig:26\n    \
             prompt:    none, so no fragment can ask for it\n    \
             default:   y if $(success,test -n \"$(CC)\") && EXPERT\n  \
             selected by: NET=y\n"
        )
    );
    assert_eq!(
        text("XZ").as_deref(),
        Some(
            "CONFIG_XZ=n (bool)\n  \
             asked:       by no fragment\n  \
             defined in:  Kconfig:61\n    \
             prompt:    \"xz\"\n    \
             depends:   NET  [NET=y]\n  \
             one of:      GZIP=y, XZ=n (\"Compression\")\n"
        )
    );
    assert_eq!(text("ABSENT"), None);
}
