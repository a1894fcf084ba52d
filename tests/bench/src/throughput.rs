//! Answers of panel in a second, beside the same program in the same VM without its sandbox.
//!
//! Both are demo images, and both have the app manager's limits, which are no layer of the sandbox. Those allow
//! panel 30 % of the processor, so it is measured with 100 % too, where the sandbox's own price shows.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;
use crate::load;
use crate::programs::Programs;
use crate::rebuild::{DEMO, build};
use crate::samples::Samples;
use crate::table::Row;
use crate::vm::Vm;

/// The demo image with all layers off but the app's own mounts, without which it would not find the OS.
const OPEN: &str = "tests/images/bench-open.yaml";
/// Where panel's share of the processor stands.
const MANIFEST: &str = "recipes/apps/panel/nacre.yaml";
const SHARE: &str = "cpu: 30%";
const WHOLE: &str = "cpu: 100%";

const ROUNDS: usize = 5;
/// How long each of them is asked.
const TIME: Duration = Duration::from_secs(6);

/// What an image showed, round by round.
#[derive(Debug, Default)]
struct Shown {
    per_answer: Vec<Duration>,
    half: Vec<Duration>,
    most: Vec<Duration>,
}

/// Asks all of them, in turns.
pub(crate) fn rows(programs: &Programs, checkout: &Path, work: &Path) -> Result<Vec<Row>> {
    let limited = [(DEMO, "limited"), (OPEN, "limited-open")];
    let whole = [(DEMO, "whole"), (OPEN, "whole-open")];
    let mut images = build_all(programs, checkout, work, &limited)?;
    let manifest = checkout.join(MANIFEST);
    let original = fs::read_to_string(&manifest)?;
    if !original.contains(SHARE) {
        return Err(format!("{MANIFEST} has no `{SHARE}`").into());
    }
    fs::write(&manifest, original.replace(SHARE, WHOLE))?;
    images.extend(build_all(programs, checkout, work, &whole)?);
    fs::write(&manifest, original)?;

    let mut shown: [Shown; 4] = Default::default();
    for _ in 0..ROUNDS {
        for (image, shown) in images.iter().zip(&mut shown) {
            shown.add(programs, image)?;
        }
    }
    let [limited, limited_open, whole, whole_open] = shown;
    let rates = |what: &str, ours: &Shown, peer: &Shown| -> Result<Row> {
        let [ours, peer] = [ours, peer].map(|shown| Samples::new(shown.per_answer.clone()));
        Ok(Row::of_rates(what, &ours?, &peer?))
    };
    let times = |what: &str, ours: Vec<Duration>, peer: Vec<Duration>| -> Result<Row> {
        Ok(Row::of_times(what, &Samples::new(ours)?, &Samples::new(peer)?))
    };
    Ok(vec![
        rates(
            "answers of panel to 4 connections; the same in the same VM without the sandbox",
            &whole,
            &whole_open,
        )?,
        times("time within which half of them came; the same", whole.half, whole_open.half)?,
        times("time within which 99 of 100 came; the same", whole.most, whole_open.most)?,
        rates("answers with the 30 % of the processor that panel may use; the same", &limited, &limited_open)?,
    ])
}

fn build_all(
    programs: &Programs,
    checkout: &Path,
    work: &Path,
    recipes: &[(&str, &str)],
) -> Result<Vec<PathBuf>> {
    let recipes = recipes.iter();
    recipes.map(|(recipe, name)| build(programs, checkout, recipe, &work.join(name))).collect()
}

impl Shown {
    /// Boots an image, and asks it once it is at rest.
    fn add(&mut self, programs: &Programs, image: &Path) -> Result<()> {
        let mut vm = Vm::start(programs, image, &["--forward", "0:8080"])?;
        let address = vm.wait_for_port()?;
        // Recorder has samples, so that the page is whole.
        vm.wait_for(|line| line.contains("samples of 1 boots").then_some(()))?;
        let load = load::run(address, "/", TIME)?;
        self.per_answer.push(load.per_answer);
        self.half.push(load.times.within(50));
        self.most.push(load.times.within(99));
        Ok(())
    }
}
