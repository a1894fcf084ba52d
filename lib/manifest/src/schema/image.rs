//! The fields of an image's recipe.

use super::{COMPONENT, Field, HOST, NAME, RELATIVE, Shape, VERSION};
use crate::app::bounds::MAX_VERSION;
use crate::device::LAYERS;
use crate::image::{MAX_APPS, MAX_TIME_SERVERS};

/// Every field.
pub fn fields() -> Vec<Field> {
    let layers = || Shape::set(Shape::Words(LAYERS.to_vec()), LAYERS.len());
    let testing = vec![
        Field::optional("layers-off", layers(), "testing: { layers-off: [seccomp] }")
            .or("[]")
            .about("Layers of the sandbox that are off for every app."),
        Field::optional(
            "apps",
            Shape::Map { names: COMPONENT, of: Box::new(layers()), most: usize::MAX },
            "testing: { apps: { org.nacre.probe: [seccomp] } }",
        )
        .or("{}")
        .about("Layers that are off for single apps.")
        .limits("`packet-filter` is one for all apps"),
        Field::optional("kernel", Shape::Words(vec!["product", "control"]), "testing: { kernel: control }")
            .or("product")
            .about(
                "`control`: the kernel with what ours leaves out, on which an attack is seen to work at all.",
            ),
    ];
    vec![
        Field::needed("image", Shape::text(NAME, 32), "image: demo").about("Its name, also in names of files."),
        Field::needed("version", Shape::text(VERSION, MAX_VERSION), "version: 0.1.0")
            .about("Its version, for people."),
        Field::needed("rollback-index", Shape::Number { least: 0, most: u64::MAX }, "rollback-index: 1")
            .about("Its version, for machines: an image with a smaller one never takes the place of one with a greater one."),
        Field::needed("profile", Shape::Words(vec!["production", "development"]), "profile: development")
            .about("What it may do that a product must not. `development`: a verbose console, explanations of what Landlock denies, apps that are killed over the device channel."),
        Field::needed("board", Shape::text(NAME, 32), "board: qemu-armv7")
            .about("What it is built for, unless the command line says otherwise: a file BOARD.yaml beside the recipe, in ../boards, or in recipes/boards of a folder above."),
        Field::needed("apps", Shape::set(Shape::text(RELATIVE, 1024), MAX_APPS), "apps: [../apps/thermostat]")
            .about("Folders of its apps, each with a nacre.yaml, relative to the recipe.")
            .limits(format!("at most {MAX_APPS}")),
        Field::optional(
            "time-servers",
            Shape::set(Shape::text(HOST, 253), MAX_TIME_SERVERS),
            "time-servers: [pool.ntp.org]",
        )
        .or("[]")
        .about("Names or addresses of time servers, asked beside those that the network offers.")
        .limits(format!("at most {MAX_TIME_SERVERS}")),
        Field::optional("testing", Shape::Fields(testing), "testing: { layers-off: [all] }")
            .about("What weakens the sandbox for its own tests.")
            .limits("refused with `profile: production`"),
    ]
}
