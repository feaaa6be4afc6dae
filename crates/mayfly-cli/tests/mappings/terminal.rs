//! What the command prints on a terminal, and where there is none.

use std::process::Stdio;

use libtest_mimic::Trial;
use tokio::process::Command;

use crate::command::trial;
use crate::world::{ARN, Answer, World, document, lambda};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("without_a_terminal_nothing_is_coloured", piped()),
        trial("no_color_is_obeyed_on_a_terminal", on_a_terminal()),
        trial("the_help_has_the_commands_in_the_order_of_their_use", order()),
        trial("completions_and_manual_pages_are_printed_and_written", printed()),
    ]
}

/// Command lines that show help, mistakes, logs, tables and progress bars.
fn command_lines(file: &str) -> Vec<Vec<&str>> {
    vec![
        vec!["--help"],
        vec!["mappings", "apply", "--help"],
        vec!["mapings"],
        vec!["mappings", "get"],
        vec!["--log", "debug", "mappings", "list"],
        vec!["mappings", "lint", file],
        vec!["mappings", "diff", file],
        vec!["mappings", "apply", "--yes", file],
        vec!["mappings", "list", "--stack", "nobody"],
        vec!["mappings", "list"],
    ]
}

async fn world() -> (World, String) {
    let world = World::new().await;
    world.aws.put_function(ARN, 900);
    let jobs: Vec<_> = (0..120).map(|index| lambda(&format!("job-{index}"))).collect();
    let file = world.file("wanted.json", &document(&jobs));
    (world, file)
}

/// True if the text sets a colour or a style: `ESC [ … m`. What moves the cursor of a progress bar does not count.
fn is_coloured(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|rest| {
        rest.trim_start_matches(|letter: char| letter.is_ascii_digit() || ";:".contains(letter))
            .starts_with('m')
    })
}

fn mayfly(world: &World) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
    command.env_clear().envs(world.aws.variables()).stdin(Stdio::null());
    command
}

async fn piped() {
    let (world, file) = world().await;
    for line in command_lines(&file) {
        let answer: Answer = mayfly(&world).args(&line).output().await.unwrap().into();
        assert!(
            !answer.stdout.contains('\u{1b}') && !answer.stderr.contains('\u{1b}'),
            "{line:?}: {answer:?}"
        );
        assert!(!answer.stdout.is_empty() || !answer.stderr.is_empty(), "{line:?}");
    }
}

/// Runs a command on a terminal of its own, and gives all that was on it.
async fn typescript(world: &World, line: &[&str], variables: &[(&str, &str)]) -> String {
    let quoted = line.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let mut script = Command::new("script");
    script.args(["-qec", &format!("'{}' {quoted}", env!("CARGO_BIN_EXE_mayfly")), "/dev/null"]);
    script
        .env_clear()
        .envs(world.aws.variables())
        .envs([("PATH", "/usr/bin:/bin"), ("TERM", "xterm-256color")]);
    let output = script.envs(variables.iter().copied()).stdin(Stdio::null()).output().await.unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn on_a_terminal() {
    let (world, file) = world().await;
    for line in command_lines(&file) {
        let shown = typescript(&world, &line, &[("NO_COLOR", "1")]).await;
        assert!(!is_coloured(&shown), "{line:?}: {shown:?}");
        assert!(!shown.is_empty(), "{line:?}");
    }
    for line in [vec!["--help"], vec!["mapings"], vec!["--log", "debug", "mappings", "list"]] {
        let shown = typescript(&world, &line, &[]).await;
        assert!(is_coloured(&shown), "{line:?} is on a terminal, but has no colours: {shown:?}");
    }
}

async fn order() {
    let (world, _) = world().await;
    let help: Answer = mayfly(&world).arg("--help").output().await.unwrap().into();
    let help = help.ok();
    let commands = help.split_once("Commands:\n").unwrap().1.split_once("\n\n").unwrap().0;
    let names: Vec<&str> =
        commands.lines().filter_map(|line| line.strip_prefix("  ")?.split(' ').next()).collect();
    let names: Vec<&str> = names.into_iter().filter(|name| !name.is_empty()).collect();
    let expected = "local mappings pause resume explain hooks doctor timeline runners reconcile events completions man help";
    assert_eq!(names.join(" "), expected);
    for told in ["Exit codes:", "NO_COLOR", "AWS_PROFILE", "MAYFLY_API_TOKEN", "mayfly-data"] {
        assert!(help.contains(told), "{told} is not in: {help}");
    }
}

async fn printed() {
    let (world, _) = world().await;
    let completions: Answer = mayfly(&world).args(["completions", "bash"]).output().await.unwrap().into();
    assert!(completions.ok().contains("complete -F _mayfly"));
    let page: Answer = mayfly(&world).arg("man").output().await.unwrap().into();
    let page = page.ok();
    assert!(page.contains(".TH mayfly 1") && page.contains("EXIT CODES"), "{page}");

    let folder = world.path("some/man1");
    let written: Answer =
        mayfly(&world).args(["man", "--folder"]).arg(&folder).output().await.unwrap().into();
    assert!(written.ok().contains("pages are written to"));
    assert_eq!(std::fs::read_to_string(folder.join("mayfly.1")).unwrap(), page);
    assert!(folder.join("mayfly-mappings-apply.1").is_file());
    let in_the_way = world.file("file", "");
    let refused: Answer =
        mayfly(&world).args(["man", "--folder", &in_the_way]).output().await.unwrap().into();
    refused.fails(1, "cannot make the folder");
}
