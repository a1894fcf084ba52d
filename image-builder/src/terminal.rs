//! What the commands say to a person: notices and warnings on stderr, and whether colour is wanted.

use std::io::IsTerminal;

use clap::ValueEnum;
use nacre_diag::{Colour, Diagnostic, Printer, Report};

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The terminal of this run.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Colour on stdout.
    pub stdout_color: bool,
    /// Colour on stderr.
    pub stderr_color: bool,
    /// Whether stderr is a terminal: progress bars are drawn only then.
    pub interactive: bool,
    /// Whether only errors are told: what is done is a step of something larger.
    pub quiet: bool,
    /// Columns of what is written for people: as `COLUMNS` says, 80 on a terminal, else as many as it takes.
    columns: Option<usize>,
}

/// Fewer columns leave no room for words.
const FEWEST_COLUMNS: usize = 40;

fn columns(interactive: bool) -> Option<usize> {
    let asked = std::env::var("COLUMNS").ok().and_then(|text| text.parse::<usize>().ok());
    let columns = asked.or(interactive.then_some(80));
    columns.map(|columns| columns.max(FEWEST_COLUMNS))
}

impl Terminal {
    /// Decides once, from the option and the environment.
    pub fn new(choice: ColorChoice) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let wanted = |is_terminal: bool| match choice {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => is_terminal && !no_color,
        };
        let interactive = std::io::stderr().is_terminal();
        Self {
            stdout_color: wanted(std::io::stdout().is_terminal()),
            stderr_color: wanted(interactive),
            interactive,
            columns: columns(interactive),
            quiet: false,
        }
    }

    /// The same for steps of something larger, which tell errors only.
    pub fn quietly(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// Says something worth knowing, on stderr.
    pub fn notice(&self, text: &str) {
        if self.quiet {
            return;
        }
        if self.stderr_color {
            eprintln!("\x1b[1;36mnotice:\x1b[0m {text}");
        } else {
            eprintln!("notice: {text}");
        }
    }

    /// Says something that the reader should act on, on stderr.
    pub fn warning(&self, text: &str) {
        if !self.quiet {
            self.print(&Diagnostic::warning(text).into());
        }
    }

    /// Prints findings on stderr.
    pub fn print(&self, report: &Report) {
        let colour = if self.stderr_color { Colour::On } else { Colour::Off };
        let printer = Printer::new(colour);
        // Where people read; a file or another program gets each text in one line.
        let printer = match self.columns {
            Some(columns) => printer.within(columns),
            None => printer,
        };
        eprint!("{}", printer.print_report(report));
    }
}
