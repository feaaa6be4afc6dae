//! The manners of Rust files: tests that always run and never sleep, nothing half done, nothing long.

use std::ops::Range;

use cargo_metadata::camino::{Utf8Path, Utf8PathBuf};

use super::code::{Attribute, attributes, blank_comments_and_literals, end_of_item, line_of, words};

/// How many lines a file may have besides its tests.
const MAX_LINES: usize = 400;

/// One Rust file.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// From the crate's folder.
    pub(super) path: Utf8PathBuf,
    pub(super) text: String,
}

/// A file as the rules see it.
struct Parsed<'a> {
    file: &'a SourceFile,
    /// The text without comments and literals.
    code: String,
    attributes: Vec<Attribute>,
    /// Where items for tests only are; they do not overlap.
    tests: Vec<Range<usize>>,
    /// Its time does not pass by itself: nobody waits for a sleep.
    is_simulated: bool,
}

/// What breaks the rules in the files of one crate.
pub(super) fn problems(files: &[SourceFile]) -> Vec<String> {
    let mut parsed: Vec<Parsed<'_>> = files.iter().map(parse).collect();
    let test_modules: Vec<Utf8PathBuf> = parsed.iter().flat_map(test_modules_elsewhere).collect();
    for file in &mut parsed {
        if is_test_file(&file.file.path, &test_modules) {
            file.tests = std::iter::once(0..file.code.len()).collect();
        }
    }
    let simulated = simulated_programs(&parsed);
    for file in &mut parsed {
        file.is_simulated = simulated.iter().any(|folder| file.file.path.starts_with(folder));
    }
    parsed.iter().flat_map(problems_of_file).collect()
}

/// The folders of test programs all of whose tests have Tokio's time paused.
fn simulated_programs(files: &[Parsed<'_>]) -> Vec<Utf8PathBuf> {
    let mains = files.iter().filter(|file| file.file.path.file_name() == Some("main.rs"));
    let folders = mains.filter_map(|file| file.file.path.parent().map(Utf8Path::to_owned));
    let is_simulated = |folder: &Utf8PathBuf| {
        let of_program = files.iter().filter(|file| file.file.path.starts_with(folder));
        let tests: Vec<&Attribute> =
            of_program.flat_map(|file| &file.attributes).filter(|attribute| is_test(attribute)).collect();
        !tests.is_empty() && tests.iter().all(|test| test.body.contains("start_paused=true"))
    };
    folders.filter(|folder| folder.starts_with("tests")).filter(is_simulated).collect()
}

fn is_test(attribute: &Attribute) -> bool {
    attribute.body == "test" || attribute.body.starts_with("tokio::test")
}

/// Examples in documentation that are never compiled.
pub(super) fn ignored_examples(path: &str, text: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let line = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).unwrap_or(line);
        let kind = line.trim_start().strip_prefix("```").unwrap_or_default();
        if kind.split(',').any(|word| word.trim().starts_with("ignore")) {
            problems.push(format!("{path}:{}: an ignored example; use `no_run` or `text`", index + 1));
        }
    }
    problems
}

fn parse(file: &SourceFile) -> Parsed<'_> {
    let code = blank_comments_and_literals(&file.text);
    let attributes = attributes(&code);
    let mut tests: Vec<Range<usize>> = Vec::new();
    for attribute in attributes.iter().filter(|attribute| is_for_tests_only(attribute)) {
        let begin = attribute.range.start;
        if attribute.is_inner {
            tests.clear();
            tests.push(0..code.len());
        } else if tests.last().is_none_or(|last| last.end <= begin) {
            tests.push(begin..end_of_item(&code, attribute.range.end));
        }
    }
    Parsed { file, code, attributes, tests, is_simulated: false }
}

fn is_for_tests_only(attribute: &Attribute) -> bool {
    attribute.body == "cfg(test)" || attribute.body.starts_with("cfg(all(test")
}

/// The paths, without `.rs`, of test modules that stand in files of their own.
fn test_modules_elsewhere(parsed: &Parsed<'_>) -> Vec<Utf8PathBuf> {
    let path = &parsed.file.path;
    let folder = match path.file_name() {
        Some("lib.rs" | "main.rs" | "mod.rs") => path.parent().map(Utf8Path::to_owned).unwrap_or_default(),
        _ => path.with_extension(""),
    };
    let items = parsed.tests.iter().map(|range| &parsed.code[range.clone()]);
    let declarations = items.filter(|item| item.ends_with(';'));
    let names = declarations.filter_map(|item| {
        let mut words = words(item).map(|(_, word)| word).skip_while(|word| *word != "mod");
        words.nth(1)
    });
    names.map(|name| folder.join(name)).collect()
}

fn is_test_file(path: &Utf8Path, test_modules: &[Utf8PathBuf]) -> bool {
    let module = path.with_extension("");
    path.starts_with("tests") || test_modules.iter().any(|test_module| module.starts_with(test_module))
}

fn problems_of_file(parsed: &Parsed<'_>) -> Vec<String> {
    let path = parsed.file.path.as_str();
    let mut found: Vec<(usize, String)> = unrun_tests(parsed);
    found.extend(half_done(&parsed.code));
    found.extend(sleeps(parsed));
    found.sort();
    let mut problems: Vec<String> = found
        .into_iter()
        .map(|(place, problem)| format!("{path}:{}: {problem}", line_of(&parsed.code, place)))
        .collect();
    problems.extend(ignored_examples(path, &parsed.file.text));
    let lines = lines_without_tests(parsed);
    if lines > MAX_LINES {
        problems.push(format!("{path}: {lines} lines without tests, {MAX_LINES} at most; split it by topic"));
    }
    problems
}

fn unrun_tests(parsed: &Parsed<'_>) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for attribute in &parsed.attributes {
        let is_conditional = attribute.body.starts_with("cfg_attr(");
        let mut names =
            words(&attribute.body).map(|(_, word)| word).take(if is_conditional { usize::MAX } else { 1 });
        if let Some(name) = names.find(|name| ["ignore", "should_panic"].contains(name)) {
            let advice = match name {
                "ignore" => "mend the test or remove it",
                _ => "test the error that is returned",
            };
            found.push((attribute.range.start, format!("#[{name}]; {advice}")));
        }
    }
    found
}

fn half_done(code: &str) -> Vec<(usize, String)> {
    let is_macro = |(place, word): &(usize, &str)| {
        let after = &code[place + word.len()..];
        ["todo", "unimplemented", "dbg"].contains(word) && after.starts_with('!') && !after.starts_with("!=")
    };
    words(code)
        .filter(is_macro)
        .map(|(place, word)| (place, format!("{word}! is for work in progress")))
        .collect()
}

fn sleeps(parsed: &Parsed<'_>) -> Vec<(usize, String)> {
    if parsed.is_simulated {
        return Vec::new();
    }
    let code = &parsed.code;
    let is_sleep = |(place, word): &(usize, &str)| {
        let before = code[..*place].trim_end();
        let after = code[place + word.len()..].trim_start();
        let is_path = ["time::", "thread::"].iter().any(|module| before.ends_with(module));
        let is_call = after.starts_with('(') && !before.ends_with('.') && !before.ends_with("fn");
        ["sleep", "sleep_until"].contains(word) && (is_path || is_call)
    };
    let in_tests = |(place, _): &(usize, &str)| parsed.tests.iter().any(|range| range.contains(place));
    let problem = "sleeps in a test; wait for the thing itself, with a timeout around it";
    words(code).filter(in_tests).filter(is_sleep).map(|(place, _)| (place, problem.to_owned())).collect()
}

fn lines_without_tests(parsed: &Parsed<'_>) -> usize {
    let lines_of_tests = |range: &Range<usize>| parsed.code[range.clone()].lines().count();
    let tests: usize = parsed.tests.iter().map(lines_of_tests).sum();
    parsed.code.lines().count() - tests
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.into(), text: text.to_owned() }
    }

    fn check(path: &str, text: &str, expected: &[&str]) {
        assert_eq!(problems(&[file(path, text)]), expected, "{text}");
    }

    #[test]
    fn ignored_tests_are_found() {
        let ignored = ["src/a.rs:2: #[ignore]; mend the test or remove it"];
        check("src/a.rs", "#[test]\n#[ignore]\nfn a() {}", &ignored);
        check("src/a.rs", "#[test]\n#[ignore = \"slow\"]\nfn a() {}", &ignored);
        check("src/a.rs", "#[test]\n#[cfg_attr(unix, ignore)]\nfn a() {}", &ignored);
        check("src/a.rs", "#[test]\n// #[ignore]\n#[expect(ignore)] fn ignore() {}", &[]);
    }

    #[test]
    fn tests_that_should_panic_are_found() {
        let text = "#[test]\n#[should_panic(expected = \"a\")]\nfn a() {}";
        check("tests/a.rs", text, &["tests/a.rs:2: #[should_panic]; test the error that is returned"]);
    }

    #[test]
    fn ignored_examples_are_found() {
        let text = "/// ```ignore\n/// a\n/// ```\n//! ```text\n/// ```\n";
        check("src/a.rs", text, &["src/a.rs:1: an ignored example; use `no_run` or `text`"]);
    }

    #[test]
    fn work_in_progress_is_found() {
        let text = "fn a() { todo!() }\nfn b() { dbg!(1); }\nfn c() { unimplemented!(\"todo!\") }";
        let expected = [
            "src/a.rs:1: todo! is for work in progress",
            "src/a.rs:2: dbg! is for work in progress",
            "src/a.rs:3: unimplemented! is for work in progress",
        ];
        check("src/a.rs", text, &expected);
        check("src/a.rs", "fn a() { if todo != 1 {} } // todo!()", &[]);
    }

    #[test]
    fn sleeps_are_found_in_tests_only() {
        let problem = |line: usize, path: &str| {
            format!("{path}:{line}: sleeps in a test; wait for the thing itself, with a timeout around it")
        };
        let call = "fn a() { std::thread::sleep(second); }\n";
        check("src/a.rs", call, &[]);
        check("tests/a.rs", call, &[&problem(1, "tests/a.rs")]);
        let in_module = format!("{call}#[cfg(test)]\nmod tests {{\n    {call}}}\n{call}");
        check("src/a.rs", &in_module, &[&problem(4, "src/a.rs")]);
        for text in [
            "use tokio::time::sleep;",
            "fn a() { sleep (second).await }",
            "fn a() { let f = thread::sleep; }",
        ] {
            check("tests/a.rs", text, &[&problem(1, "tests/a.rs")]);
        }
        for text in ["fn sleep() {}", "fn a() { bear.sleep(); }", "fn a() { run(\"sleep(1)\"); }"] {
            check("tests/a.rs", text, &[]);
        }
    }

    #[test]
    fn a_program_whose_tests_all_have_their_time_paused_may_sleep() {
        let sleeping = "fn a() { sleep(second); }";
        let paused = "#[tokio::test(start_paused = true)]\nasync fn b() {}\n";
        for (tests, problems_of_both) in [
            (paused.to_owned(), 0),
            (format!("{paused}#[tokio::test]\nasync fn c() {{}}\n"), 2),
            (format!("{paused}#[test]\nfn c() {{}}\n"), 2),
            (String::new(), 2),
        ] {
            let files = [
                file("tests/it/main.rs", &format!("{tests}{sleeping}")),
                file("tests/it/world.rs", sleeping),
            ];
            assert_eq!(problems(&files).len(), problems_of_both, "{tests}");
        }
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_is_a_test() {
        let sleeping = "fn a() { sleep(second); }";
        for (parent, declaration, child) in [
            ("src/decide.rs", "#[cfg(test)]\nmod any_order;", "src/decide/any_order.rs"),
            ("src/lib.rs", "#[cfg(test)]\npub(crate) mod any_order;", "src/any_order/deep.rs"),
            ("src/a/mod.rs", "#[cfg(all(test, unix))] mod any_order;", "src/a/any_order.rs"),
        ] {
            let found = problems(&[file(parent, declaration), file(child, sleeping)]);
            assert_eq!(found.len(), 1, "{child}: {found:?}");
        }
        assert_eq!(problems(&[file("src/lib.rs", "mod b;"), file("src/b.rs", sleeping)]), [""; 0]);
    }

    #[test]
    fn a_long_file_is_found_and_its_tests_do_not_count() {
        let long = "fn a() {}\n".repeat(MAX_LINES);
        let tests = "#[cfg(test)]\nmod tests {\n    fn b() {}\n}\n";
        check("src/a.rs", &format!("{long}{tests}"), &[]);
        let expected = ["src/a.rs: 401 lines without tests, 400 at most; split it by topic"];
        check("src/a.rs", &format!("{long}// One more.\n{tests}"), &expected);
        check("tests/a.rs", &format!("{long}{long}"), &[]);
    }
}
