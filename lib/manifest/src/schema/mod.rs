//! What each field of a manifest, a recipe and a board is: for editors as a JSON Schema ([`json_schema`]), for people as
//! a reference ([`reference`]).
//!
//! The files are read field by field ([`crate::app`] and its siblings), because that is what gives every problem its
//! place and its remedy; a value is mostly text with a syntax of its own (`4MiB`, `5 per 10m`). So there is no type to
//! derive a schema from, and these tables stand beside the reader. `tests/schema` holds the reader against them, field by
//! field: names, what is needed, defaults, limits and examples. Limits and defaults come from the same constants.

pub mod app;
pub mod board;
pub mod image;
pub mod json_schema;
pub mod reference;

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An app's manifest, `nacre.yaml`.
    App,
    /// An image's recipe.
    Image,
    /// A board.
    Board,
}

impl Kind {
    /// Each.
    pub const ALL: [Self; 3] = [Self::App, Self::Image, Self::Board];

    /// Its word on the command line and in names of files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Image => "image",
            Self::Board => "board",
        }
    }

    /// What it is, for a heading.
    pub const fn title(self) -> &'static str {
        match self {
            Self::App => "Nacre app manifest",
            Self::Image => "Nacre image recipe",
            Self::Board => "Nacre board",
        }
    }

    /// Its fields, in the order in which they are best written.
    pub fn fields(self) -> Vec<Field> {
        match self {
            Self::App => app::fields(),
            Self::Image => image::fields(),
            Self::Board => board::fields(),
        }
    }
}

/// A field of a file, or of another field.
#[derive(Debug, Clone)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// What it means to leave it out.
    pub presence: Presence,
    /// What it may hold.
    pub shape: Shape,
    /// What it is for.
    pub about: &'static str,
    /// What is refused although it has the shape.
    pub limits: String,
    /// The field in YAML, as it stands at the top of a file, with what is above it.
    pub example: &'static str,
    /// What holds an app to it; nothing where it is only for the build.
    pub enforced: &'static str,
    /// What the app gets and the log says when it is not granted.
    pub denial: &'static str,
}

/// What it means to leave a field out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is an error.
    Needed,
    /// The same as this value, in YAML.
    Default(String),
    /// There is none of it.
    Optional,
}

/// What a value may be.
#[derive(Debug, Clone)]
pub enum Shape {
    /// Text of at most so many characters, in a syntax (a regular expression that JSON Schema and Rust both know).
    Text {
        /// The syntax; empty if any text does.
        syntax: &'static str,
        /// Most characters.
        most: Option<usize>,
    },
    /// One of a few words.
    Words(Vec<&'static str>),
    /// A whole number.
    Number {
        /// The least.
        least: u64,
        /// The greatest.
        most: u64,
    },
    /// True or false.
    Boolean,
    /// A number with a unit.
    Amount(Amount),
    /// A list.
    List {
        /// What its first element is, where that is something else.
        first: Option<Box<Shape>>,
        /// What its elements are.
        of: Box<Shape>,
        /// Least number of elements.
        least: usize,
        /// Most elements.
        most: usize,
        /// Whether an element may be there only once.
        distinct: bool,
    },
    /// Names of one's own choice, each with a value.
    Map {
        /// The syntax of the names.
        names: &'static str,
        /// What the values are.
        of: Box<Shape>,
        /// Most entries.
        most: usize,
    },
    /// Known names.
    Fields(Vec<Field>),
    /// One of them.
    Either(Vec<Shape>),
}

/// What a number with a unit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Amount {
    /// Bytes: `4MiB`.
    Size,
    /// Time: `30s`.
    Time,
    /// Two times: `1s..60s`.
    Span,
    /// How often in which time: `5 per 10m`.
    Rate,
    /// A share of one CPU: `25%`.
    Share,
}

impl Amount {
    /// Its syntax.
    pub const fn syntax(self) -> &'static str {
        match self {
            Self::Size => r"^\s*[0-9]+\s*(B|KiB|MiB|GiB)?\s*$",
            Self::Time => r"^\s*[0-9]+\s*(ms|s|m|h)\s*$",
            Self::Span => r"^\s*[0-9]+\s*(ms|s|m|h)\s*(\.\.\s*[0-9]+\s*(ms|s|m|h)\s*)?$",
            Self::Rate => r"^\s*[0-9]+\s+per\s+[0-9]+(ms|s|m|h)\s*$",
            Self::Share => r"^\s*[0-9]+(\.[0-9])?\s*%\s*$",
        }
    }

    /// What it is called.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Size => "a size: a whole number and `B`, `KiB`, `MiB` or `GiB`, powers of 1024",
            Self::Time => "a time: a whole number and `ms`, `s`, `m` or `h`",
            Self::Span => "two times with `..` between, the shorter one first; or one time for both",
            Self::Rate => "a count and a time, like `5 per 10m`",
            Self::Share => "a share of one CPU, with at most one decimal place, like `2.5%`",
        }
    }
}

impl Field {
    /// A field that must be there.
    pub(crate) fn needed(name: &'static str, shape: Shape, example: &'static str) -> Self {
        Self {
            name,
            presence: Presence::Needed,
            shape,
            about: "",
            limits: String::new(),
            example,
            enforced: "",
            denial: "",
        }
    }

    /// A field that may be left out.
    pub(crate) fn optional(name: &'static str, shape: Shape, example: &'static str) -> Self {
        Self { presence: Presence::Optional, ..Self::needed(name, shape, example) }
    }

    /// What leaving it out is the same as.
    pub(crate) fn or(mut self, default: impl Into<String>) -> Self {
        self.presence = Presence::Default(default.into());
        self
    }

    /// What it is for.
    pub(crate) fn about(mut self, about: &'static str) -> Self {
        self.about = about;
        self
    }

    /// What else is refused.
    pub(crate) fn limits(mut self, limits: impl Into<String>) -> Self {
        self.limits = limits.into();
        self
    }

    /// What holds an app to it.
    pub(crate) fn enforced(mut self, enforced: &'static str) -> Self {
        self.enforced = enforced;
        self
    }

    /// What the app gets, and the log says.
    pub(crate) fn denial(mut self, denial: &'static str) -> Self {
        self.denial = denial;
        self
    }
}

impl Shape {
    /// Text in a syntax.
    pub(crate) const fn text(syntax: &'static str, most: usize) -> Self {
        Self::Text { syntax, most: Some(most) }
    }

    /// A list without doubles, of at most so many.
    pub(crate) fn set(of: Self, most: usize) -> Self {
        Self::List { first: None, of: Box::new(of), least: 0, most, distinct: true }
    }

    /// A list of at most so many.
    pub(crate) fn list(of: Self, least: usize, most: usize) -> Self {
        Self::List { first: None, of: Box::new(of), least, most, distinct: false }
    }
}

/// Component ids ([`crate::component`]); at most 64 characters.
pub(crate) const COMPONENT: &str = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?){1,7}$";
/// Versions for people; at most [`crate::app::bounds::MAX_VERSION`] characters.
pub(crate) const VERSION: &str = r"^[0-9][0-9A-Za-z.+-]*$";
/// Names of images and boards; at most 32 characters.
pub(crate) const NAME: &str = r"^[a-z0-9][a-z0-9_-]*$";
/// Names of devices; at most 31 characters.
pub(crate) const DEVICE: &str = r"^[A-Za-z][A-Za-z0-9_-]{0,30}$";
/// Names for other programs; at most 64 characters.
pub(crate) const WORD: &str = r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$";
/// Paths that don't begin at the root.
pub(crate) const RELATIVE: &str = r"^[^/]";
/// Hosts: names in lower case and IPv4 addresses.
pub(crate) const HOST: &str = r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$";
