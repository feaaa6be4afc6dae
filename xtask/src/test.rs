//! `cargo xtask test`: all tests of the workspace, then those of a deployed installation.

use anyhow::Result;

use crate::e2e;
use crate::process::{cargo, has_cargo_subcommand, run_and_read, workspace};

const NEXTEST: [&str; 3] = ["nextest", "run", "--workspace"];

/// Everything but benchmarks and doc tests. Like nextest here, it goes on after a failure.
const CARGO_TEST: [&str; 7] =
    ["test", "--workspace", "--no-fail-fast", "--lib", "--bins", "--tests", "--examples"];

const DOC_TESTS: [&str; 4] = ["test", "--workspace", "--no-fail-fast", "--doc"];

/// Runs all tests; true if all passed. The runners' own summaries are repeated at the end.
pub(crate) fn run(runner_arguments: &[String]) -> Result<bool> {
    let root = workspace()?.workspace_root;
    let mut runner = if has_cargo_subcommand("nextest") {
        cargo(&root, &NEXTEST)
    } else {
        println!("cargo-nextest is not installed: using cargo test, which does the same more slowly");
        cargo(&root, &CARGO_TEST)
    };
    let (mut all_passed, lines) = run_and_read(runner.args(runner_arguments))?;
    let mut summary = summary_of(&lines);

    if runner_arguments.is_empty() {
        let (passed, lines) = run_and_read(&mut cargo(&root, &DOC_TESTS))?;
        all_passed &= passed;
        summary.splice(0..0, summary_of(&lines));
        let deployed = e2e::run(false, &[])?;
        all_passed &= deployed;
        summary.push(format!("end to end: {}", if deployed { "ok" } else { "FAILED" }));
    } else {
        println!("the test runner was given arguments: doc tests and end-to-end tests are left out");
    }

    println!("\n== summary ==");
    for line in summary {
        println!("{line}");
    }
    println!("{}", if all_passed { "all tests passed" } else { "TESTS FAILED" });
    Ok(all_passed)
}

/// The lines in which the runner says what came out. Those of libtest stand below a line that says which program it was;
/// a program without any test is left out.
fn summary_of(lines: &[String]) -> Vec<String> {
    let mut summary: Vec<String> = Vec::new();
    let mut is_nextest_over = false;
    for line in lines {
        let begins_with_any =
            |beginnings: &[&str]| beginnings.iter().any(|word| line.trim_start().starts_with(word));
        is_nextest_over |= begins_with_any(&["Summary ["]);
        if line.starts_with("test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out") {
            summary.pop();
        } else if is_nextest_over
            || begins_with_any(&["Running unittests ", "Running tests/", "Doc-tests ", "test result: "])
            || (line.starts_with("test ") && line.ends_with(" FAILED"))
        {
            summary.push(line.clone());
        }
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(output: &str, expected: &[&str]) {
        let lines: Vec<String> = output.lines().map(ToOwned::to_owned).collect();
        assert_eq!(summary_of(&lines), expected);
    }

    #[test]
    fn the_summary_of_cargo_test_says_what_each_program_came_to() {
        let output = "\
   Compiling mayfly-core v0.1.0
     Running unittests src/lib.rs (mayfly_core-1)
running 2 tests
test a ... ok
test b ... ok
test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running unittests src/main.rs (mayfly-1)
running 0 tests
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/cli.rs (cli-1)
running 1 test
test c ... FAILED
test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
   Doc-tests mayfly_core
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s";
        let expected = [
            "     Running unittests src/lib.rs (mayfly_core-1)",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "     Running tests/cli.rs (cli-1)",
            "test c ... FAILED",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "   Doc-tests mayfly_core",
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.10s",
        ];
        check(output, &expected);
    }

    #[test]
    fn the_summary_of_nextest_names_what_failed() {
        let output = "\
        PASS [   0.004s] (1/2) mayfly-core tags::tests::a
        FAIL [   0.004s] (2/2) mayfly-core tags::tests::b
     Summary [   0.412s] 2 tests run: 1 passed, 1 failed, 0 skipped
        FAIL [   0.004s] (2/2) mayfly-core tags::tests::b";
        let expected = [
            "     Summary [   0.412s] 2 tests run: 1 passed, 1 failed, 0 skipped",
            "        FAIL [   0.004s] (2/2) mayfly-core tags::tests::b",
        ];
        check(output, &expected);
    }
}
