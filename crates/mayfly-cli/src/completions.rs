//! `mayfly completions`.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use crate::output::write_out;

/// Print what makes a shell complete commands and flags of `mayfly`.
#[derive(Debug, Args)]
#[command(after_help = HELP, after_long_help = HELP)]
pub(crate) struct CompletionsCommand {
    /// The shell that it is for.
    #[arg(value_enum, value_name = "SHELL")]
    shell: Shell,
}

const HELP: &str = "\
To install it for one user:
  bash  mayfly completions bash > ~/.local/share/bash-completion/completions/mayfly
  zsh   mayfly completions zsh > ~/.zfunc/_mayfly
  fish  mayfly completions fish > ~/.config/fish/completions/mayfly.fish

The folders must be there, and ~/.zshrc must have `fpath+=~/.zfunc` before `compinit`. A shell
that is started afterwards knows the command.

Exit codes:
  0  it is printed
  2  the command line is wrong";

pub(crate) fn run(command: &CompletionsCommand, mayfly: Command) -> anyhow::Result<ExitCode> {
    write_out(&String::from_utf8(script(command.shell, mayfly))?)?;
    Ok(ExitCode::SUCCESS)
}

fn script(shell: Shell, mayfly: Command) -> Vec<u8> {
    // `mayfly help` would have all commands once more.
    let mut mayfly = mayfly.disable_help_subcommand(true);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut mayfly, "mayfly", &mut script);
    script
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_files_in_helper_scripts_are_what_the_command_prints() {
        for (shell, file) in
            [(Shell::Bash, "mayfly.bash"), (Shell::Zsh, "_mayfly"), (Shell::Fish, "mayfly.fish")]
        {
            let path =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("../../helper-scripts/completions").join(file);
            let kept = std::fs::read(&path).unwrap_or_default();
            let again = format!("mayfly completions {shell} > helper-scripts/completions/{file}");
            assert!(kept == script(shell, crate::shown()), "{file} is old: run `{again}`");
        }
    }

    #[test]
    fn the_command_that_is_hidden_is_completed_in_no_shell() {
        use clap::ValueEnum;
        for shell in Shell::value_variants() {
            let script = String::from_utf8(script(*shell, crate::shown())).unwrap();
            assert!(script.contains("timeline"), "{shell}");
            assert!(!script.contains("agent"), "{shell}");
        }
    }
}
