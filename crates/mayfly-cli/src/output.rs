//! How results are printed: as text for people, as JSON for programs.

use std::io::{self, Write, stdout};

use clap::{Args, ValueEnum};
use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets};
use jiff::{SignedDuration, Timestamp, Unit};
use serde::Serialize;

#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputFlags {
    /// How the result is printed. Text is for people and may change; JSON keeps its names.
    #[arg(long, short, value_enum, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    #[value(alias = "table")]
    Text,
    Json,
}

/// A result that can be printed.
pub(crate) trait Report: Serialize {
    /// The result for people, within this width if there is one. Ends with a newline.
    fn to_text(&self, width: Option<u16>) -> String;
}

impl OutputFlags {
    /// True if the result is for a program.
    pub(crate) fn is_json(self) -> bool {
        self.output == Format::Json
    }

    /// Prints a result to standard output.
    pub(crate) fn print(self, report: &impl Report) -> anyhow::Result<()> {
        let text = match self.output {
            Format::Json => serde_json::to_string_pretty(report)? + "\n",
            Format::Text => report.to_text(terminal_width()),
        };
        write_out(&text)
    }
}

/// Writes to standard output. A reader that has gone, such as `head`, has what it wanted.
pub(crate) fn write_out(text: &str) -> anyhow::Result<()> {
    match stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// Lines that go into a file or another program are never broken.
pub(crate) fn terminal_width() -> Option<u16> {
    terminal_size::terminal_size_of(stdout()).map(|(width, _)| width.0)
}

/// A table without lines, its columns as wide as their content or, if that is too much, as the width allows. The first column
/// stays whole unless it takes more than half: it is what people copy.
pub(crate) fn table<const COLUMNS: usize>(
    width: Option<u16>,
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    } else {
        table.set_content_arrangement(ContentArrangement::Disabled);
    }
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    let half = width.map_or(u16::MAX, |width| width / 2);
    let is_short = table.column_max_content_widths().first().is_some_and(|first| *first <= half);
    if let Some(first) = table.column_mut(0).filter(|_| is_short) {
        first.set_constraint(ColumnConstraint::ContentWidth);
    }
    table.trim_fmt() + "\n"
}

/// The text without what would move a terminal's cursor or change its colours: the names of jobs are the choice of whoever may
/// push to a project.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '\u{fffd}' } else { character }).collect()
}

/// So many of something, in words: `1 row`, `2 rows`.
pub(crate) fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// A moment, in UTC, to the millisecond.
pub(crate) fn moment(at: Timestamp) -> String {
    let at = at.round(Unit::Millisecond).unwrap_or(at);
    format!("{at:.3}")
}

/// A length of time, such as `5 s`, `2 min 5 s`, `3 h 20 min` or `2 d 3 h`: its two largest units.
pub(crate) fn length(time: SignedDuration) -> String {
    let seconds = time.as_secs().max(0);
    let units = [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)];
    let first = units.iter().position(|(_, size)| seconds >= *size).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut parts = Vec::new();
    for (unit, size) in units.iter().skip(first).take(2) {
        if rest / size > 0 || parts.is_empty() {
            parts.push(format!("{} {unit}", rest / size));
        }
        rest %= size;
    }
    parts.join(" ")
}

/// A length of time in seconds, such as `+18.000 s`.
pub(crate) fn after(time: SignedDuration) -> String {
    format!("{:+.3} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_two_largest_units() {
        for (seconds, expected) in [
            (-3, "0 s"),
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (125, "2 min 5 s"),
            (12_000, "3 h 20 min"),
            (86_405, "1 d"),
            (185_000, "2 d 3 h"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), expected, "{seconds}");
        }
    }

    #[test]
    fn one_is_no_plural() {
        for (count, expected) in [(0, "0 rows"), (1, "1 row"), (2, "2 rows")] {
            assert_eq!(counted(count, "row"), expected);
        }
    }

    #[test]
    fn a_moment_has_milliseconds() {
        assert_eq!(moment(Timestamp::UNIX_EPOCH), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn no_name_can_drive_the_terminal() {
        let rows = [["\u{1b}[2Jbuild\r\n".to_owned(), "größer 🚀".to_owned()]];
        let table = table(None, ["NAME", "MORE"], rows);
        assert!(!table.contains(['\u{1b}', '\r']), "{table:?}");
        assert!(table.contains("größer 🚀"), "{table:?}");
        assert_eq!(table.lines().count(), 2, "{table:?}");
    }

    #[test]
    fn a_table_keeps_within_its_width() {
        const RUNNER: &str = "mayfly-local-0a1b2c3d";
        let reason = || "word ".repeat(30);
        let narrow = table(Some(60), ["RUNNER", "WHY"], [[RUNNER.to_owned(), reason()]]);
        assert!(narrow.lines().count() > 2 && narrow.lines().all(|line| line.len() <= 60), "{narrow}");
        assert!(narrow.contains(RUNNER), "{narrow}");
        let narrow = table(Some(60), ["WHY", "RUNNER"], [[reason(), RUNNER.to_owned()]]);
        assert!(narrow.lines().count() > 2 && narrow.lines().all(|line| line.len() <= 60), "{narrow}");
        let wide = table(None, ["WHY", "RUNNER"], [[reason(), RUNNER.to_owned()]]);
        assert_eq!(wide.lines().count(), 2, "{wide}");
    }
}
