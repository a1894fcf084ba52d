//! Recipes: fields, types, files.

use std::fs;

use crate::project::{Project, RECIPE};

/// What stands in `images/tiny.yaml` instead, how it ends, what must be said.
type Case<'a> = (&'a str, &'a str, i32, &'a [&'a str]);

#[test]
fn recipe_with_a_wrong_field_names_place_and_remedy() {
    let cases: [Case<'_>; 19] = [
        (
            "version:",
            "versoin:",
            65,
            &["unknown field `versoin`", "tiny.yaml:2:1", "did you mean `version`?"],
        ),
        ("board:", "bord:", 65, &["tiny.yaml:5:1", "did you mean `board`?"]),
        ("version: 1.0.0", "colour: red", 65, &["unknown field `colour`", "tiny.yaml:2:1", "hint:"]),
        ("rollback-index: 1", "rollback-index: one", 65, &["tiny.yaml:3:17", "hint:"]),
        ("rollback-index: 1", "rollback-index: -1", 65, &["tiny.yaml:3:17"]),
        ("rollback-index: 1", "rollback-index: 99999999999999999999", 65, &["tiny.yaml:3:17"]),
        ("profile: development", "profile: develpment", 65, &["tiny.yaml:4:10", "development"]),
        ("image: tiny", "image: ../tiny", 65, &["tiny.yaml:1:8", "hint:"]),
        ("image: tiny", "image: [tiny]", 65, &["tiny.yaml:1:8"]),
        ("apps: [../apps/tool]", "apps: ../apps/tool", 65, &["tiny.yaml:6:7", "hint:"]),
        ("[../apps/tool]", "[../apps/tool, ../apps/tool]", 65, &["tiny.yaml:6:22", "twice"]),
        ("[../apps/tool]", "[/apps/tool]", 65, &["tiny.yaml:6:8", "absolute path", "hint:"]),
        ("apps: [", "apps: [[", 65, &["tiny.yaml:"]),
        ("image: tiny", "image: tiny\ntime-server: [a.example]", 65, &["did you mean `time-servers`?"]),
        ("image: tiny", "image: tiny\ntime-servers: a.example", 65, &["tiny.yaml:2:15", "hint:"]),
        (
            "image: tiny",
            "image: tiny\ntime-servers: [a.example, A.example]",
            65,
            &["tiny.yaml:2:27", "did you mean"],
        ),
        ("image: tiny", "image: tiny\ntime-servers: ['::1']", 65, &["tiny.yaml:2:16", "IPv4 only"]),
        ("image: tiny", "image: tiny\ntime-servers: [a, b, c, d, e]", 65, &["tiny.yaml:2:15", "at most 4"]),
        ("image: tiny", "image: tiny\nimage: tiny", 65, &["tiny.yaml:2:1", "image"]),
    ];
    let project = Project::new();
    for (from, to, exit, texts) in cases {
        project.write("images/tiny.yaml", RECIPE).change("images/tiny.yaml", from, to);
        project.build_refused(exit, texts);
    }
}

#[test]
fn recipe_with_several_mistakes_names_them_all_in_reading_order() {
    let project = Project::new();
    project.change("images/tiny.yaml", "version:", "versoin:");
    project.change("images/tiny.yaml", "rollback-index: 1", "rollback-index: x");
    let said = project.build_refused(65, &[]);
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("no {text}"));
    assert!(at("tiny.yaml:2:1") < at("tiny.yaml:3:17"), "{said}");
}

#[test]
fn recipe_that_is_no_recipe_is_refused_by_name() {
    let deep = format!("image: {}{}", "[".repeat(4000), "]".repeat(4000));
    let bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\nimage: *c\n";
    let cases: [(&[u8], &[&str]); 8] = [
        (b"", &["tiny.yaml"]),
        (b"\n# nothing\n", &["tiny.yaml"]),
        (b"- image\n", &["tiny.yaml:1:1"]),
        (b"image: \xff\xfe\n", &["not UTF-8", "tiny.yaml:1:8", "hint:"]),
        (b"image: tiny\n\tversion: 1\n", &["tiny.yaml:2:1"]),
        (deep.as_bytes(), &["tiny.yaml"]),
        (bomb.as_bytes(), &["tiny.yaml:1:4", "hint:"]),
        (&[b'#'; 2 << 20], &["tiny.yaml", "KiB"]),
    ];
    let project = Project::new();
    for (content, texts) in cases {
        project.write("images/tiny.yaml", content).build_refused(65, texts);
    }
}

#[test]
fn recipe_that_is_missing_or_a_folder_is_refused_by_name() {
    let project = Project::new();
    let build = |recipe: &str| project.nacre(&["build", recipe, "--out", "out/tiny"]);
    project.refused(&mut build("images/none.yaml"), 66, &["images/none.yaml", "hint:"]);
    project.refused(&mut build("images/tyni.yaml"), 66, &["did you mean `images/tiny.yaml`?"]);
    project.refused(&mut build("images"), 65, &["images", "Is a directory", "hint:"]);
    project.refused(&mut build("images/tiny.yaml/x"), 66, &["images/tiny.yaml/x"]);
    project.refused(&mut project.nacre(&["build"]), 2, &["<IMAGE.yaml>"]);
}

#[test]
fn recipe_with_an_app_that_is_missing_or_broken_says_which() {
    let project = Project::new();
    project.change("images/tiny.yaml", "[../apps/tool]", "[../apps/tool, ../apps/none]");
    project.build_refused(66, &["no app in `images/../apps/none`", "tiny.yaml:6:22", "hint:"]);
    fs::create_dir(project.path("apps/none")).expect("the folder is new");
    project.build_refused(66, &["no nacre.yaml", "tiny.yaml:6:22"]);
    project.write("apps/none/nacre.yaml", "app: x\n");
    project.build_refused(65, &["--> apps/none/nacre.yaml:1:6"]);
}
