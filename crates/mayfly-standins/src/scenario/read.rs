//! Reads a session.

use std::path::Path;

use super::ScenarioError;

/// A session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The worlds in which it is played, by their names.
    pub worlds: Vec<String>,
    /// Its lines but for what commands say.
    pub lines: Vec<Line>,
}

/// A line of a session that a person wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A remark, or an empty line.
    Remark(String),
    /// `@ …`, without the sign, in words.
    Directive(String, Vec<String>),
    /// `$ …`.
    Command(CommandLine),
}

/// A command as it is typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// The line, without the sign.
    pub text: String,
    /// Variables that are set in front of the command. One without a value is taken away.
    pub variables: Vec<(String, String)>,
    /// The arguments, without the name of the command.
    pub arguments: Vec<String>,
    /// The file that it reads.
    pub input: Option<String>,
    /// The file that it writes.
    pub output: Option<String>,
}

/// The directive that begins every session.
const WORLDS: &str = "world";

/// The world that needs no deployed installation.
pub const EMBEDDED: &str = "embedded";
/// The world of a deployed installation.
pub const DEPLOYED: &str = "deployed";

impl Scenario {
    /// Reads the session in a file.
    pub fn read(file: &Path) -> Result<Self, ScenarioError> {
        let about = |error: &dyn std::fmt::Display| ScenarioError(format!("{}: {error}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| about(&error))?;
        Self::parse(&text).map_err(|error| about(&error))
    }

    /// Reads a session. What the commands said is passed over, but for the empty lines behind it.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let mut lines = Vec::new();
        let mut worlds = Vec::new();
        // Empty lines that may be the end of what a command said.
        let mut empty = 0;
        let mut is_said = false;
        for (index, line) in text.lines().enumerate() {
            let wrong = |what: String| ScenarioError(format!("line {}: {what}", index + 1));
            if line.is_empty() {
                empty += 1;
                continue;
            }
            let read = read_line(line).map_err(wrong)?;
            let Some(read) = read else {
                if !is_said {
                    return Err(wrong("it says something before any command".to_owned()));
                }
                empty = 0;
                continue;
            };
            lines.extend((0..empty).map(|_| Line::Remark(String::new())));
            empty = 0;
            if let Line::Directive(_, words) = &read
                && words[0] == WORLDS
            {
                let is_strange = |world: &&String| ![EMBEDDED, DEPLOYED].contains(&world.as_str());
                if let Some(world) = words[1..].iter().find(is_strange) {
                    return Err(wrong(format!(
                        "there is no world `{world}`: it is `{EMBEDDED}` or `{DEPLOYED}`"
                    )));
                }
                worlds.extend_from_slice(&words[1..]);
            }
            is_said = matches!(read, Line::Command(_));
            lines.push(read);
        }
        if worlds.is_empty() {
            return Err(ScenarioError(format!("no line `@ {WORLDS} …` says where it is played")));
        }
        Ok(Self { worlds, lines })
    }

    /// True if it is played in the world of this name.
    pub fn is_for(&self, world: &str) -> bool {
        self.worlds.iter().any(|name| name == world)
    }
}

/// True for a line of the session that is no more than its head.
pub(super) fn is_world(words: &[String]) -> bool {
    words[0] == WORLDS
}

/// `None` for a line that a command said.
fn read_line(line: &str) -> Result<Option<Line>, String> {
    if line == "#" || line.starts_with("# ") {
        return Ok(Some(Line::Remark(line.to_owned())));
    }
    if let Some(text) = line.strip_prefix("@ ") {
        let words = words(text)?;
        if words.is_empty() {
            return Err("`@` says what is to be done".to_owned());
        }
        return Ok(Some(Line::Directive(text.to_owned(), words)));
    }
    line.strip_prefix("$ ").map(|text| command(text).map(Line::Command)).transpose()
}

fn words(text: &str) -> Result<Vec<String>, String> {
    shell_words::split(text).map_err(|error| format!("{error}: {text}"))
}

fn command(text: &str) -> Result<CommandLine, String> {
    let mut words = words(text)?.into_iter().peekable();
    let mut variables = Vec::new();
    while let Some((name, value)) = words.peek().and_then(|word| word.split_once('=')) {
        variables.push((name.to_owned(), value.to_owned()));
        words.next();
    }
    if words.next().as_deref() != Some("mayfly") {
        return Err(format!("the one command that can be run is `mayfly`: {text}"));
    }
    let (mut arguments, mut input, mut output) = (Vec::new(), None, None);
    while let Some(word) = words.next() {
        let file = match word.as_str() {
            "<" => &mut input,
            ">" => &mut output,
            "|" | ";" | "&&" | "2>" | ">>" => return Err(format!("there is no shell for `{word}`: {text}")),
            _ => {
                arguments.push(word);
                continue;
            }
        };
        *file = Some(words.next().ok_or_else(|| format!("no file behind `{word}`: {text}"))?);
    }
    Ok(CommandLine { text: text.to_owned(), variables, arguments, input, output })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_person_wrote_is_told_from_what_the_command_said() {
        let text = "# A remark.\n@ world embedded deployed\n\n$ A=1 B= mayfly list 'two words' < in > out\n  said\n\nmore\n! no\n[exit 3]\n\n\
                    $ mayfly\n";
        let scenario = Scenario::parse(text).unwrap();
        assert_eq!(scenario.worlds, ["embedded", "deployed"]);
        assert!(scenario.is_for("deployed") && !scenario.is_for("other"));
        let command = |line: &Line| match line {
            Line::Command(command) => Some(command.clone()),
            _ => None,
        };
        let first = command(&scenario.lines[3]).expect("a command");
        let variables = [("A", "1"), ("B", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(first.variables, variables);
        assert_eq!(first.arguments, ["list", "two words"]);
        assert_eq!((first.input.as_deref(), first.output.as_deref()), (Some("in"), Some("out")));
        assert_eq!(scenario.lines.len(), 6, "{scenario:#?}");
    }

    #[test]
    fn what_is_no_session_is_refused_with_its_line() {
        for (text, complaint) in [
            ("", "no line `@ world …`"),
            ("said\n", "line 1: it says something before any command"),
            ("@ world embedded\nsaid\n", "line 2: it says something"),
            ("# A remark.\n@ world deployed embeded\n", "line 2: there is no world `embeded`"),
            ("$ ls\n", "line 1: the one command that can be run is `mayfly`"),
            ("$ mayfly | head\n", "there is no shell for `|`"),
            ("$ mayfly <\n", "no file behind `<`"),
            ("$ mayfly 'open\n", "line 1: "),
        ] {
            let said = Scenario::parse(text).unwrap_err().to_string();
            assert!(said.contains(complaint), "{text:?}: {said}");
        }
    }
}
