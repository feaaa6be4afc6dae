//! `mayfly man`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::output::write_out;

/// Print the manual page of `mayfly`, or write the pages of all commands into a folder.
#[derive(Debug, Args)]
#[command(after_help = HELP, after_long_help = HELP)]
pub(crate) struct ManCommand {
    /// Write a page for each command into this folder, which is made if it is not there. Without it, the page of `mayfly` itself
    /// is printed.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

const HELP: &str = "\
To install them for one user, and to read one:
  mayfly man --folder ~/.local/share/man/man1
  man mayfly-mappings-apply

Exit codes:
  0  the page is printed, or all are written
  1  the folder could not be written
  2  the command line is wrong";

/// What the pages belong to, as stands at the foot of each.
const SOURCE: &str = concat!("mayfly ", env!("CARGO_PKG_VERSION"));

/// The name of the page of `mayfly` itself.
const TOP: &str = "mayfly.1";

pub(crate) fn run(command: &ManCommand, mayfly: Command) -> anyhow::Result<ExitCode> {
    let pages = pages(mayfly)?;
    match &command.folder {
        Some(folder) => write(folder, &pages)?,
        None => write_out(pages.get(TOP).map_or("", String::as_str))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn write(folder: &Path, pages: &BTreeMap<String, String>) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    for (name, page) in pages {
        let file = folder.join(name);
        std::fs::write(&file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    write_out(&format!("{} pages are written to {}.\n", pages.len(), folder.display()))
}

/// The page of each command, by the name of its file.
fn pages(mayfly: Command) -> anyhow::Result<BTreeMap<String, String>> {
    let mut mayfly = mayfly.disable_help_subcommand(true);
    mayfly.build();
    let mut pages = BTreeMap::new();
    let mut commands = vec![mayfly];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().cloned());
        let (name, page) = page(command)?;
        pages.insert(name, page);
    }
    Ok(pages)
}

fn page(command: Command) -> anyhow::Result<(String, String)> {
    let more = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    // Rendered below: the library would fill its lines as if they were one paragraph.
    let man = Man::new(command.after_help(None).after_long_help(None)).source(SOURCE).manual("Mayfly");
    let mut page = Vec::new();
    man.render(&mut page)?;
    let page = String::from_utf8(page)?;
    Ok((man.get_filename(), page + &sections(&more.unwrap_or_default())))
}

/// The end of a help text as sections of a page: a paragraph that is a heading and indented lines becomes a section of that name,
/// and what else there is stays line by line as it is.
fn sections(text: &str) -> String {
    let mut roff = Roff::new();
    let mut last = None;
    for paragraph in text.split("\n\n") {
        let (heading, lines) = titled(paragraph).unwrap_or_else(|| ("NOTES".to_owned(), paragraph));
        if last.as_ref() == Some(&heading) {
            roff.control("PP", []);
        } else {
            roff.control("SH", [heading.as_str()]);
        }
        roff.control("nf", []);
        for line in lines.lines() {
            roff.text([roman(line)]);
        }
        roff.control("fi", []);
        last = Some(heading);
    }
    roff.render()
}

fn titled(paragraph: &str) -> Option<(String, &str)> {
    let (heading, lines) = paragraph.split_once(":\n")?;
    let is_heading = !heading.contains('\n') && lines.lines().all(|line| line.starts_with("  "));
    is_heading.then(|| (heading.to_uppercase(), lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_in_helper_scripts_are_what_the_command_writes() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../helper-scripts/man");
        let files = std::fs::read_dir(&folder).into_iter().flatten().map(|file| file.unwrap().path());
        let kept = files.map(|file| {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(file).unwrap())
        });
        let (kept, wanted): (BTreeMap<_, _>, _) = (kept.collect(), pages(crate::shown()).unwrap());
        let again = "run `rm -f helper-scripts/man/*.1; mayfly man --folder helper-scripts/man`";
        assert_eq!(kept.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>(), "{again}");
        for (name, page) in &wanted {
            assert!(kept[name] == *page, "{name} is old: {again}");
        }
    }

    #[test]
    fn each_command_has_a_page_but_the_hidden_one() {
        let pages = pages(crate::shown()).unwrap();
        for name in
            [TOP, "mayfly-local.1", "mayfly-mappings.1", "mayfly-mappings-apply.1", "mayfly-runners-end.1"]
        {
            assert!(pages[name].contains("NAME"), "{name}");
        }
        assert!(pages.iter().all(|(name, page)| !name.contains("agent") && !page.contains("mayfly\\-agent")));
    }

    #[test]
    fn what_is_below_a_heading_is_a_section_and_keeps_its_lines() {
        let page = sections("First.\n.Second.\n\nExit codes:\n  0  good\n  1  bad");
        let expected =
            ".SH NOTES\n.nf\nFirst.\n\\&.Second.\n.fi\n.SH \"EXIT CODES\"\n.nf\n  0  good\n  1  bad\n.fi\n";
        assert!(page.ends_with(expected), "{page}");
    }
}
