//! `cargo xtask bench`: one benchmark.

use anyhow::{Context, Result, bail};
use cargo_metadata::Message;
use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use crate::process::{cargo, output_of, run as run_command, workspace};

/// A benchmark: a bench target of a package.
#[derive(Debug)]
struct Benchmark {
    name: &'static str,
    package: &'static str,
    /// What it starts and measures, in the release build. It is told where each is: `--hello-function PATH`.
    programs: &'static [Program],
}

/// A program that a benchmark measures.
#[derive(Debug)]
struct Program {
    package: &'static str,
    /// `--bin` or `--example`.
    kind: &'static str,
    name: &'static str,
}

const BENCHMARKS: &[Benchmark] = &[
    Benchmark { name: "intake", package: "mayfly-local", programs: &[] },
    Benchmark {
        name: "mappings",
        package: "mayfly-standins",
        programs: &[Program { package: "mayfly-cli", kind: "--bin", name: "mayfly" }],
    },
    Benchmark {
        name: "cold-start",
        package: "mayfly-standins",
        programs: &[
            Program { package: "mayfly-standins", kind: "--example", name: "hello-function" },
            Program { package: "mayfly-webhook", kind: "--bin", name: "mayfly-webhook" },
            Program { package: "mayfly-dispatcher", kind: "--bin", name: "mayfly-dispatcher" },
        ],
    },
];

/// Runs the benchmark of this name; true if it succeeded.
pub(crate) fn run(name: &str) -> Result<bool> {
    let benchmark = find(name)?;
    let root = workspace()?.workspace_root;
    let mut arguments = Vec::new();
    for program in benchmark.programs {
        arguments.extend([format!("--{}", program.name), build(program, &root)?.into_string()]);
    }
    let mut command = cargo(&root, &["bench", "--package", benchmark.package, "--bench", benchmark.name]);
    run_command(command.arg("--").args(arguments))
}

fn find(name: &str) -> Result<&'static Benchmark> {
    if let Some(benchmark) = BENCHMARKS.iter().find(|benchmark| benchmark.name == name) {
        return Ok(benchmark);
    }
    let known: Vec<&str> = BENCHMARKS.iter().map(|benchmark| benchmark.name).collect();
    bail!("no benchmark is called {name:?}; known: {}", known.join(", "))
}

/// Builds a program as it is shipped, in the folder of its package, which may have a release profile of its own, and says where it
/// is. Each in a build of its own: built together they would have the dependencies' features of each other.
fn build(program: &Program, root: &Utf8Path) -> Result<Utf8PathBuf> {
    let Program { package, kind, name } = program;
    println!("building {name} for release");
    let arguments = ["build", "--release", "--package", package, kind, name];
    let folder = root.join("crates").join(package);
    let messages =
        output_of(cargo(&folder, &arguments).args(["--message-format", "json-render-diagnostics"]))?;
    executable_in(&messages, name).with_context(|| format!("cargo does not say where it has put {name}"))
}

/// Where cargo's messages say that this program is.
fn executable_in(messages: &str, name: &str) -> Option<Utf8PathBuf> {
    Message::parse_stream(messages.as_bytes()).filter_map(Result::ok).find_map(|message| match message {
        // A library may have the same name, and no executable.
        Message::CompilerArtifact(artifact) if artifact.target.name == name => artifact.executable,
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_name_has_a_package() {
        assert_eq!(find("intake").unwrap().package, "mayfly-local");
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let message = find("outtake").unwrap_err().to_string();
        assert_eq!(message, "no benchmark is called \"outtake\"; known: intake, mappings, cold-start");
    }

    #[test]
    fn a_program_is_where_cargo_says() {
        let artifact = |name: &str, executable: &str| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///a#{name}@0.1.0","manifest_path":"/a/Cargo.toml","target":{{"kind":["bin"],"crate_types":["bin"],"name":"{name}","src_path":"/a/src/main.rs","edition":"2024","doc":true,"doctest":false,"test":true}},"profile":{{"opt_level":"s","debuginfo":0,"debug_assertions":false,"overflow_checks":false,"test":false}},"features":[],"filenames":[],"executable":{executable},"fresh":true}}"#
            )
        };
        let messages = [
            artifact("build-script-build", r#""/target/release/build/a""#),
            artifact("mayfly-webhook", "null"),
            "a line of something else".to_owned(),
            artifact("mayfly-webhook", r#""/target/release/mayfly-webhook""#),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ]
        .join("\n");
        let found = executable_in(&messages, "mayfly-webhook");
        assert_eq!(found.unwrap(), "/target/release/mayfly-webhook");
        assert_eq!(executable_in(&messages, "mayfly-dispatcher"), None);
    }
}
