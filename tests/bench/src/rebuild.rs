//! Rebuild after one app changed, beside the two programs that make a verified root filesystem by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;

use crate::Result;
use crate::programs::{Programs, command, run};
use crate::samples::Samples;
use crate::table::Row;

/// The image.
pub(crate) const DEMO: &str = "recipes/images/demo.yaml";
/// What changes in it.
const SOURCE: &str = "recipes/apps/reporter/src/main.rs";
const PACKAGE: &str = "org.nacre.reporter.app";

const ROUNDS: usize = 5;

/// `nacre build` of a recipe of the checkout.
pub(crate) fn build(programs: &Programs, checkout: &Path, recipe: &str, out: &Path) -> Result<PathBuf> {
    let mut nacre = command(&programs.nacre, &["build", recipe, "--out"]);
    run(nacre.arg(out).current_dir(checkout).env_remove("NACRE_SOURCE"))?;
    Ok(out.to_owned())
}

/// Builds and makes by hand, in turns.
pub(crate) fn rows(programs: &Programs, checkout: &Path, demo: &Path) -> Result<Vec<Row>> {
    let scratch = tempfile::tempdir()?;
    let root = unpack_root(programs, demo, scratch.path())?;
    let source = checkout.join(SOURCE);
    let original = fs::read_to_string(&source)?;
    let (mut changed, mut unchanged, mut by_hand) = (Vec::new(), Vec::new(), Vec::new());
    let mut before = fs::read(demo.join(PACKAGE))?;
    for round in 0..ROUNDS {
        fs::write(&source, edited(&original, round)?)?;
        let begin = Instant::now();
        build(programs, checkout, DEMO, demo)?;
        changed.push(begin.elapsed());
        let after = fs::read(demo.join(PACKAGE))?;
        if after == before {
            return Err(format!("{PACKAGE} is as it was before {SOURCE} was changed").into());
        }
        before = after;

        let begin = Instant::now();
        build(programs, checkout, DEMO, demo)?;
        unchanged.push(begin.elapsed());

        let begin = Instant::now();
        make_by_hand(programs, &root, scratch.path())?;
        by_hand.push(begin.elapsed());
    }
    fs::write(&source, original)?;
    let by_hand = Samples::new(by_hand)?;
    Ok(vec![
        Row::of_times(
            "rebuild after one app changed; `mksquashfs` and `veritysetup format` of the same root tree",
            &Samples::new(changed)?,
            &by_hand,
        ),
        Row::of_times("rebuild after nothing changed; the same two", &Samples::new(unchanged)?, &by_hand),
    ])
}

/// The source with one more line printed, another one each round.
fn edited(source: &str, round: usize) -> Result<String> {
    let missing = || format!("{SOURCE} has no `fn main()`");
    let main = source.find("fn main()").ok_or_else(missing)?;
    let (before, after) = source.split_at(main);
    let (head, body) = after.split_once("{\n").ok_or_else(missing)?;
    Ok(format!("{before}{head}{{\n    println!(\"change {round}\");\n{body}"))
}

/// The root filesystem of the image as a folder.
fn unpack_root(programs: &Programs, image: &Path, scratch: &Path) -> Result<PathBuf> {
    let mut inspect = command(&programs.nacre, &["image", "inspect", "--json"]);
    let inspected: Value = serde_json::from_slice(&run(inspect.arg(image))?)?;
    let parts = inspected["parts"].as_array().ok_or("`nacre image inspect` shows no parts")?;
    let part = parts.iter().find(|part| part["part"] == "root filesystem");
    let place = |name: &str| {
        let number = part.and_then(|part| part[name].as_u64()).and_then(|n| usize::try_from(n).ok());
        number.ok_or_else(|| format!("`nacre image inspect` shows no `{name}` of the root filesystem"))
    };
    let (offset, bytes) = (place("offset")?, place("bytes")?);
    let slot = fs::read(image.join("slot.img"))?;
    let squashfs = slot.get(offset..offset + bytes).ok_or("slot.img is shorter than its parts")?;
    let file = scratch.join("slot-root.img");
    fs::write(&file, squashfs)?;
    let root = scratch.join("root");
    run(command(&programs.unsquashfs, &["-quiet", "-no-progress", "-dest"]).arg(&root).arg(&file))?;
    Ok(root)
}

/// The same filesystem and hash tree, with the same parameters.
fn make_by_hand(programs: &Programs, root: &Path, scratch: &Path) -> Result<()> {
    let (filesystem, hashes) = (scratch.join("root.img"), scratch.join("root.hashes"));
    let options = ["-noappend", "-comp", "lz4", "-Xhc", "-b", "64K", "-all-root", "-quiet", "-no-progress"];
    let mut mksquashfs = command(&programs.mksquashfs, &[root, &filesystem]);
    run(mksquashfs.args(options))?;
    let options = ["format", "--no-superblock", "--salt=-", "--hash=sha256"];
    run(command(&programs.veritysetup, &options).args([&filesystem, &hashes]))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_edited_prints_one_more_line() {
        let source = "use a;\n\nfn main() -> R {\n    b()\n}\n";
        let expected = "use a;\n\nfn main() -> R {\n    println!(\"change 3\");\n    b()\n}\n";
        assert_eq!(edited(source, 3).unwrap(), expected);
        assert!(edited("fn other() {}\n", 3).is_err());
    }
}
