//! The two lists, the verdicts on the small option tree, and the text that people see.

use std::path::Path;

use nacre_diag::{Diagnostic, ExitCode};

use super::*;
use crate::config::Config;
use crate::kconfig::Tree;
use crate::value::Value;

const LIST: &str = "left-out.list";

fn tree() -> Tree {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tree");
    Tree::read(&path, "toy").unwrap_or_else(|error| panic!("{error}"))
}

/// What is said of `recommendations` and `left_out` (lists' texts) where init sets one sysctl and the board
/// gives one argument.
fn judged(recommendations: &str, left: &str, config: &str) -> HardeningReport {
    let config: String = config.split_whitespace().map(|option| format!("CONFIG_{option}\n")).collect();
    let settings = recommended(Path::new("kspp.list"), recommendations, Arch::Arm);
    let left = left_out(Path::new(LIST), left, Arch::Arm);
    let (tree, config) = (tree(), Config::parse(&config));
    let sysctls = sysctls_of("# Why.\nkernel.kptr_restrict = 2\n");
    let command_line = "console=ttyAMA0 slab_nomerge";
    let system = verdict::System { tree: &tree, config: &config, sysctls: &sysctls, command_line };
    let settings = setting::merged(settings.unwrap_or_else(|wrong| panic!("{wrong:?}")));
    let left = left.unwrap_or_else(|wrong| panic!("{wrong:?}"));
    system.judge(settings, left, Path::new(LIST), Arch::Arm, "6.12")
}

fn verdicts(report: &HardeningReport) -> Vec<(&str, Verdict, &str)> {
    report.settings.iter().map(|row| (row.wanted.as_str(), row.verdict, row.is.as_str())).collect()
}

#[test]
fn setting_is_read_and_shown_as_written() {
    for text in [
        "CONFIG_A_1=y",
        "CONFIG_A=n",
        "CONFIG_A=-1",
        "CONFIG_A=65536",
        "CONFIG_A=\"b c\"",
        "sysctl kernel.kptr_restrict=2",
        "cmdline slab_nomerge",
        "cmdline mitigations=auto,nosmt",
    ] {
        assert_eq!(Want::parse(text).map(|want| want.to_string()), Ok(text.to_owned()));
    }
    for text in [
        "",
        "A=y",
        "CONFIG_A",
        "CONFIG_=y",
        "CONFIG_A B=y",
        "CONFIG_A=maybe",
        "sysctl a",
        "sysctl a=1 2",
        "cmdline ",
        "cmdline a b",
    ] {
        assert_eq!(Want::parse(text), Err(WrongWant), "{text}");
    }
}

#[test]
fn file_of_the_kernel_is_read_with_its_comments_as_reasons() {
    let text = "# Help: Basic\n#\n\n# Stacks end\n# in a page.\nCONFIG_VMAP_STACK=y\n\n\
                # Bounds.\nCONFIG_UBSAN=y\n# CONFIG_UBSAN_SHIFT is not set\n# Alone.\nCONFIG_B=y\n";
    let read: Vec<(String, String)> =
        kernel_file::parse(text).into_iter().map(|s| (s.wanted.to_string(), s.reason)).collect();
    let expected = [
        ("CONFIG_VMAP_STACK=y", "Stacks end in a page."),
        ("CONFIG_UBSAN=y", "Bounds."),
        ("CONFIG_UBSAN_SHIFT=n", "Bounds."),
        ("CONFIG_B=y", "Alone."),
    ];
    assert_eq!(read, expected.map(|(wanted, reason)| (wanted.to_owned(), reason.to_owned())));
}

#[test]
fn lists_with_wrong_lines_name_all_of_them() {
    let text = "# comment\n\nall | CONFIG_A=y or CONFIG_B=n | why\nmips | CONFIG_A=y | why\nall | CONFIG_A | why\n\
                all | CONFIG_A=y\nall | CONFIG_A=y or b | why\nx86_64 | CONFIG_A=y | -\n";
    let wrong = recommended(Path::new("kspp.list"), text, Arch::Arm).expect_err("it is wrong");
    let texts: Vec<String> = wrong.iter().map(ToString::to_string).collect();
    let form = "a setting is `CONFIG_NAME=value`, `sysctl NAME=value` or `cmdline WORD`";
    assert_eq!(
        texts,
        [
            "`mips` is no architecture: all, arm or x86_64 (kspp.list:4)".to_owned(),
            format!("{form} (kspp.list:5)"),
            "3 columns between `|` are needed, these are 2 (kspp.list:6)".to_owned(),
            format!("{form} (kspp.list:7)"),
            "there is no reason in the last column (kspp.list:8)".to_owned(),
        ]
    );
}

#[test]
fn left_out_without_price_or_reason_or_twice_is_refused() {
    for (line, what) in [
        ("all | CONFIG_A=y | estimate: | why", "a price is `measured: …`, `estimate: …` or `none`"),
        ("all | CONFIG_A=y | 5 KB | why", "a price is `measured: …`, `estimate: …` or `none`"),
        ("all | CONFIG_A=y | none | ", "there is no reason in the last column"),
        ("all | CONFIG_A=y | none", "4 columns between `|` are needed, these are 3"),
        (
            "all | CONFIG_A=y | none | why\narm | CONFIG_A=y | none | why",
            "CONFIG_A=y is left out a second time: first in line 1",
        ),
    ] {
        let wrong = left_out(Path::new(LIST), line, Arch::Arm).expect_err(line);
        assert_eq!(wrong.iter().map(|wrong| wrong.what.as_str()).collect::<Vec<_>>(), [what]);
    }
    let other = left_out(Path::new(LIST), "x86_64 | CONFIG_A=y | measured: 3 KB | why | because", Arch::Arm);
    assert_eq!(other, Ok(Vec::new()));
}

#[test]
fn setting_gets_the_verdict_that_the_system_shows() {
    use Verdict::{Kept, LeftOut, Missing, NotInThisKernel};
    let config = "NET=y LOG_SHIFT=14 SLOW=y";
    for (line, listed, verdict, is) in [
        ("CONFIG_NET=y", "", Kept, "y"),
        ("CONFIG_LOG_SHIFT=0xe", "", Kept, "14"),
        ("CONFIG_FAST=n", "", Kept, "n"),
        ("CONFIG_FAST=y", "", Missing, "n"),
        ("CONFIG_FAST=y", "CONFIG_FAST=y", LeftOut, "n"),
        ("CONFIG_FAST=y or CONFIG_NET=y", "", Kept, "CONFIG_NET=y"),
        ("CONFIG_LOG_SHIFT=17", "", Missing, "14"),
        ("CONFIG_GONE=y", "", NotInThisKernel, "no such option"),
        ("CONFIG_GONE=n", "", NotInThisKernel, "no such option"),
        ("CONFIG_GONE=y or CONFIG_NET=y", "", Kept, "CONFIG_NET=y"),
        ("sysctl kernel.kptr_restrict=2", "", Kept, "2"),
        ("sysctl kernel.kptr_restrict=1", "", Missing, "2"),
        ("sysctl vm.x=1", "", Missing, "not set"),
        ("sysctl vm.x=1 or CONFIG_FAST=n", "", NotInThisKernel, "CONFIG_FAST=n"),
        ("cmdline slab_nomerge", "", Kept, "given"),
        ("cmdline slab", "", Missing, "not given"),
        ("cmdline fast=1 or CONFIG_NET=y", "", Kept, "CONFIG_NET=y"),
    ] {
        let list = if listed.is_empty() { String::new() } else { format!("arm | {listed} | none | why") };
        let report = judged(&format!("all | {line} | why"), &list, config);
        let wanted = line.split(" or ").next().unwrap_or(line);
        assert_eq!(verdicts(&report), [(wanted, verdict, is)], "{line}");
        assert_eq!(report.findings.is_empty(), verdict != Missing, "{line}");
    }
}

#[test]
fn option_that_the_architecture_can_not_have_is_not_in_this_kernel() {
    let mut tree = Tree::default();
    let depends = |on: &str| {
        let expression = crate::kconfig::Expression::parse(on).unwrap_or_else(|error| panic!("{error}"));
        vec![crate::kconfig::Definition { depends: vec![expression], ..Default::default() }]
    };
    for (symbol, on) in [
        ("CHECK", "HAVE_ARCH_CHECK"),
        ("CHECK_DEFAULT", "CHECK && NET"),
        ("NET", "MMU"),
        ("SOCKETS", "NET"),
        ("RING", "RING"),
    ] {
        tree.symbols.insert(symbol.to_owned(), depends(on));
    }
    tree.symbols.insert("HAVE_ARCH_CHECK".to_owned(), vec![crate::kconfig::Definition::default()]);
    tree.symbols.insert("MMU".to_owned(), vec![crate::kconfig::Definition::default()]);
    let config = Config::parse("CONFIG_MMU=y\n");
    let sysctls = BTreeMap::new();
    let system = verdict::System { tree: &tree, config: &config, sysctls: &sysctls, command_line: "" };
    for (symbol, verdict) in [
        ("CHECK", Verdict::NotInThisKernel),
        ("CHECK_DEFAULT", Verdict::NotInThisKernel),
        // Somebody could switch these on.
        ("NET", Verdict::Missing),
        ("SOCKETS", Verdict::Missing),
        ("RING", Verdict::Missing),
    ] {
        let wanted = Want::Config(symbol.to_owned(), Value::Yes);
        let setting = Setting { wanted, instead: Vec::new(), reason: "why".to_owned(), from: vec!["KSPP"] };
        let report = system.judge(vec![setting], Vec::new(), Path::new(LIST), Arch::Arm, "6.12");
        assert_eq!(verdicts(&report), [(format!("CONFIG_{symbol}=y").as_str(), verdict, "n")]);
    }
}

#[test]
fn line_that_says_what_is_not_so_is_stale() {
    let left = "all | CONFIG_NET=y | none | why\nall | CONFIG_GONE=y | none | why\nall | CONFIG_FAST=y | none | why\n\
                x86_64 | CONFIG_SLOW=y | none | for others\n";
    let report = judged(
        "all | CONFIG_NET=y | why\nall | CONFIG_GONE=y | why\nall | CONFIG_SLOW=n | why",
        left,
        "NET=y",
    );
    let texts: Vec<String> = report.findings.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "CONFIG_NET=y is listed as left out, but it is kept",
            "CONFIG_GONE=y is listed as left out, but this kernel has nothing that it could apply to",
            "CONFIG_FAST=y is listed as left out, but nobody recommends it",
        ]
    );
    let found: Vec<Diagnostic> = report.findings.iter().map(Diagnostic::from).collect();
    let place =
        |found: &Diagnostic| found.place.as_ref().and_then(|place| place.spot.as_ref()).map(|spot| spot.line);
    assert_eq!(found.iter().map(place).collect::<Vec<_>>(), [Some(1), Some(2), Some(3)]);
    assert!(found.iter().all(|found| found.exit == ExitCode::BadInput));
}

#[test]
fn report_is_shown_with_reasons_and_prices_of_what_is_left_out() {
    let wanted = "all | CONFIG_NET=y | packets\nall | CONFIG_FAST=y | speed\nall | CONFIG_GONE=y | gone\n\
                  all | sysctl a.b=1 | c\nall | cmdline a=b or CONFIG_COMPRESSION_WITH_A_NAME=n | d\n\
                  x86_64 | CONFIG_SLOW=y | other";
    let left = "arm | CONFIG_FAST=y | estimate: 5 KB | slow is enough, and a second sentence that is so long \
                that it needs another line";
    let report = judged(wanted, left, "NET=y");
    assert_eq!(
        report.to_string(),
        "\
kept      CONFIG_NET=y                                  y
left out  CONFIG_FAST=y                                 n
          why: slow is enough, and a second sentence that is so long that it
               needs another line
          price: estimate: 5 KB
not here  CONFIG_GONE=y                                 no such option
MISSING   sysctl a.b=1                                  not set
not here  cmdline a=b
          by: CONFIG_COMPRESSION_WITH_A_NAME=n

kernel 6.12 for arm: 5 recommended settings
1 kept, 1 left out, 2 not in this kernel, 1 missing
"
    );
    let json = serde_json::to_value(&report).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(
        json["settings"][1],
        serde_json::json!({
            "wanted": "CONFIG_FAST=y", "is": "n", "verdict": "left-out", "from": ["KSPP"],
            "reason": "slow is enough, and a second sentence that is so long that it needs another line", "price": "estimate: 5 KB",
        })
    );
}
