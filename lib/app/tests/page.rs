//! docs/app-api.md: what it shows is in programs that are compiled. Cargo compiles those in Rust with the tests.

use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../docs/app-api.md");

/// The lines of each block of a language, without indentation.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<Vec<&'a str>> {
    let fence = format!("```{language}\n");
    let blocks = page.split(fence.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap_or_default());
    blocks.map(lines).collect()
}

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

#[test]
fn block_of_each_language_on_the_page_is_part_of_a_compiled_example() {
    for (language, example) in
        [("rust", include_str!("../examples/page.rs")), ("c", include_str!("../examples/page.c"))]
    {
        let (blocks, example) = (blocks(PAGE, language), lines(example));
        assert!(blocks.len() >= 9, "{} blocks in {language}", blocks.len());
        for block in blocks {
            assert!(example.windows(block.len()).any(|part| part == block), "{block:#?}");
        }
    }
}

#[test]
fn example_in_c_is_compiled_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for example in ["page", "tour"] {
        let mut cc = Command::new("cc");
        cc.args(["-std=c17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only"]);
        cc.arg("-I").arg(folder.join("include")).arg(folder.join(format!("examples/{example}.c")));
        let output = cc.output().expect("there is a C compiler: Rust links with it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}
