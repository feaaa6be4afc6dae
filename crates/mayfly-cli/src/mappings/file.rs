//! Documents in files and on standard input.

use std::io::{Read, stdin};
use std::path::Path;

use anyhow::{Context, bail};

use super::document::{Complaints, Document, Format, read_attributes};
use mayfly_core::row::Attributes;

/// What stands for standard input.
const STANDARD_INPUT: &str = "-";

/// Reads the document in a file. What is wrong with it is said all at once.
pub(super) fn read(name: &str) -> anyhow::Result<Document> {
    let text = text_of(name)?;
    let read = Document::read(&text, Format::of(name, &text));
    let document = read.or_else(|complaints| refuse(name, &complaints))?;
    for warning in &document.warnings {
        let at = warning.at;
        crate::note(&format!(
            "warning: {name}:{}:{}: {}; the row is given by `pk` and `sk` and is taken as it is",
            at.line, at.column, warning.reason
        ));
    }
    Ok(document)
}

/// Reads a file with the attributes of one row.
pub(super) fn read_row_file(name: &str) -> anyhow::Result<Attributes> {
    let text = text_of(name)?;
    read_attributes(&text, Format::of(name, &text)).or_else(|complaints| refuse(name, &complaints))
}

fn refuse<T>(name: &str, complaints: &Complaints) -> anyhow::Result<T> {
    let count = complaints.0.len();
    let sum = if count == 1 { "is 1 mistake".to_owned() } else { format!("are {count} mistakes") };
    bail!("there {sum} in {}, and nothing is written:\n{}", shown(name), complaints.told(name))
}

fn shown(name: &str) -> &str {
    if name == STANDARD_INPUT { "standard input" } else { name }
}

fn text_of(name: &str) -> anyhow::Result<String> {
    let mut bytes = Vec::new();
    if name == STANDARD_INPUT {
        stdin().lock().read_to_end(&mut bytes).context("cannot read standard input")?;
    } else {
        bytes = std::fs::read(name).with_context(|| format!("cannot read the document {name}"))?;
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        anyhow::anyhow!("{} is no UTF-8 text: byte {place} is the first wrong one", shown(name))
    })
}

/// Writes a document; whoever reads the file meanwhile sees the old one or the new one.
pub(super) fn write(name: &Path, text: &str) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", name.display());
    let mut beside = name.as_os_str().to_owned();
    beside.push(".part");
    std::fs::write(&beside, text).with_context(cannot)?;
    std::fs::rename(&beside, name).with_context(cannot)
}
