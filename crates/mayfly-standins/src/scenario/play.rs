//! Plays a session.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Output, Stdio};
use std::time::Duration;

use regex::{Captures, Regex};
use tokio::process::Command;

use super::golden::Redacted;
use super::read::{CommandLine, Line, is_world};
use super::{Scenario, ScenarioError, World};

/// How often a command is run again that is to say something in the end.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How long it may take until it does: longer than anything takes.
const PATIENCE: Duration = Duration::from_mins(3);

/// What a command says that later lines need, by the name that it has there.
const REMEMBERED: [(&str, &str); 2] = [
    ("CHANGE", "This is change ([0-9T.]+Z)"),
    ("RUNNER", "(?m)^[ ]?(mayfly-(?:ec2|lambda|local)-[0-9A-Za-z-]+)"),
];

/// What behind a backslash is what a command said, and no line of the session.
const SIGNS: [&str; 5] = ["# ", "@ ", "$ ", "! ", "["];

/// The session as it went: what a person wrote, with what the commands said now.
pub async fn play(scenario: &Scenario, world: &mut impl World) -> Result<String, ScenarioError> {
    let mut player = Player { world, remembered: BTreeMap::new(), until: None };
    let mut transcript = String::new();
    for line in &scenario.lines {
        match line {
            Line::Remark(remark) => transcript.extend([remark, "\n"]),
            Line::Directive(text, words) => {
                transcript.extend(["@ ", text, "\n"]);
                player.direct(words).await?;
            }
            Line::Command(command) => {
                transcript.extend(["$ ", &command.text, "\n"]);
                transcript += &player.run(command).await?;
            }
        }
    }
    Ok(transcript)
}

struct Player<'a, W> {
    world: &'a mut W,
    remembered: BTreeMap<String, String>,
    /// What the next command is to say in the end.
    until: Option<String>,
}

impl<W: World> Player<'_, W> {
    async fn direct(&mut self, words: &[String]) -> Result<(), ScenarioError> {
        match words {
            words if is_world(words) => Ok(()),
            [until, text] if until == "until" => {
                self.until = Some(text.clone());
                Ok(())
            }
            words => {
                let words: Result<Vec<String>, ScenarioError> =
                    words.iter().map(|word| self.meant(word)).collect();
                self.world.prepare(&words?).await
            }
        }
    }

    async fn run(&mut self, command: &CommandLine) -> Result<String, ScenarioError> {
        let until = self.until.take();
        let mut ticks = tokio::time::interval(LOOK_EVERY);
        let repeating = async {
            loop {
                ticks.tick().await;
                let output = self.run_once(command).await?;
                if until.as_ref().is_none_or(|text| transcript_of(&output).contains(text)) {
                    return Ok(output);
                }
            }
        };
        let ended = tokio::time::timeout(PATIENCE, repeating).await;
        let ended = ended.map_err(|_| {
            ScenarioError(format!("`{}` never said `{}`", command.text, until.unwrap_or_default()))
        })?;
        let mut output: Output = ended?;
        self.remember(&String::from_utf8_lossy(&output.stdout))?;
        if let Some(name) = &command.output {
            let written = std::fs::write(self.world.folder().join(name), &output.stdout);
            written.map_err(|error| cannot(command, &format!("write {name}"), &error))?;
            output.stdout.clear();
        }
        Ok(Redacted::new(&self.world.redactions())?.of(&transcript_of(&output)))
    }

    async fn run_once(&self, command: &CommandLine) -> Result<Output, ScenarioError> {
        let arguments: Result<Vec<String>, ScenarioError> =
            command.arguments.iter().map(|word| self.meant(word)).collect();
        let mut process = Command::new(self.world.program());
        process.args(arguments?).env_clear().envs(self.world.variables()).current_dir(self.world.folder());
        for (name, value) in &command.variables {
            if value.is_empty() {
                process.env_remove(name);
            } else {
                process.env(name, self.meant(value)?);
            }
        }
        process.stdin(match &command.input {
            Some(name) => {
                let file = File::open(self.world.folder().join(name));
                file.map_err(|error| cannot(command, &format!("read {name}"), &error))?.into()
            }
            None => Stdio::null(),
        });
        process.output().await.map_err(|error| cannot(command, "be run", &error))
    }

    fn remember(&mut self, said: &str) -> Result<(), ScenarioError> {
        for (name, pattern) in REMEMBERED {
            if let Some(found) = regex(pattern)?.captures_iter(said).last() {
                self.remembered.insert(name.to_owned(), found[1].to_owned());
            }
        }
        Ok(())
    }

    /// The word with what `$NAME` stands for.
    fn meant(&self, word: &str) -> Result<String, ScenarioError> {
        let mut values = self.world.values();
        values.extend(self.remembered.clone());
        let mut unknown = None;
        let meant = regex(r"\$([A-Z_]+)")?.replace_all(word, |found: &Captures<'_>| {
            values.get(&found[1]).cloned().unwrap_or_else(|| {
                unknown = Some(found[0].to_owned());
                String::new()
            })
        });
        match unknown {
            Some(name) => Err(ScenarioError(format!("nothing is known yet that {name} could stand for"))),
            None => Ok(meant.into_owned()),
        }
    }
}

fn cannot(command: &CommandLine, what: &str, error: &dyn std::fmt::Display) -> ScenarioError {
    ScenarioError(format!("`{}`: cannot {what}: {error}", command.text))
}

fn regex(pattern: &str) -> Result<Regex, ScenarioError> {
    Regex::new(pattern).map_err(|error| ScenarioError(error.to_string()))
}

/// What a command said and how it ended, in the form of a session. Standard error comes behind standard output.
fn transcript_of(output: &Output) -> String {
    let mut text = String::new();
    for line in String::from_utf8_lossy(&output.stdout).trim_end().lines() {
        let line = line.trim_end();
        let escape = if SIGNS.iter().any(|sign| line.starts_with(sign)) { "\\" } else { "" };
        text.extend([escape, line, "\n"]);
    }
    for line in String::from_utf8_lossy(&output.stderr).trim_end().lines() {
        text.extend(["! ", line].concat().trim_end().chars().chain(['\n']));
    }
    match output.status.code() {
        Some(0) => {}
        Some(code) => text.extend(["[exit ", &code.to_string(), "]\n"]),
        None => text.extend(["[", &output.status.to_string(), "]\n"]),
    }
    text
}
