use std::fmt::Write;
use std::fs;

use mayfly_core::ids::JobName;
use mayfly_core::lint::CiTags;

use super::*;

/// Writes files, and reads the first.
fn facts_of(files: &[(&str, &str)]) -> CiFacts {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let mut facts = CiFacts::default();
    read(&folder.path().join(files[0].0), None, &mut facts).unwrap();
    let root = format!("{}/", folder.path().display());
    for job in &mut facts.jobs {
        job.file = job.file.replace(&root, "");
    }
    facts
}

/// The jobs of files, each in a line: line, names, tags, timeout.
fn check(files: &[(&str, &str)], expected: &[&str]) {
    let found: Vec<String> = facts_of(files)
        .jobs
        .iter()
        .map(|job| {
            let names: Vec<&str> = job.names.iter().map(JobName::as_str).collect();
            let tags = match &job.tags {
                CiTags::Known(tags) => tags.to_string(),
                CiTags::NotKnown => "not known".to_owned(),
            };
            let timeout = job.timeout_seconds.map(|seconds| format!(", {seconds} s")).unwrap_or_default();
            format!("{}:{} {}: {tags}{timeout}", job.file, job.line, names.join(" + "))
        })
        .collect();
    assert_eq!(found, expected, "{files:?}");
}

fn check_one(text: &str, expected: &[&str]) {
    check(&[("ci.yml", text)], expected);
}

#[test]
fn jobs_are_found_among_keywords_and_hidden_jobs() {
    check_one(
        "stages: [build]\nvariables: {A: b}\nworkflow:\n  rules: []\n.hidden:\n  tags: [x]\n\nbuild:\n  script: make\n  tags: [linux, docker]\n\
         pages:\n  script: [make pages]\n  timeout: 1h 30m\n\"deploy to: prod\": {script: x, tags: []}\n",
        &[
            "ci.yml:8 build: docker, linux",
            "ci.yml:11 pages: no tags, 5400 s",
            "ci.yml:14 deploy to: prod: no tags",
        ],
    );
    check_one("", &[]);
    check_one("# nothing\n", &[]);
}

#[test]
fn defaults_are_inherited_unless_the_job_says_otherwise() {
    check_one(
        "default:\n  tags: [linux]\n  timeout: 10 minutes\na:\n  script: x\nb:\n  tags: [windows]\n  timeout: 2h\n\
         c:\n  inherit: {default: false}\n  script: x\nd:\n  inherit:\n    default: [timeout]\n  script: x\ne: {tags: [], script: x}\n",
        &[
            "ci.yml:4 a: linux, 600 s",
            "ci.yml:6 b: windows, 7200 s",
            "ci.yml:9 c: no tags",
            "ci.yml:12 d: no tags, 600 s",
            "ci.yml:16 e: no tags, 600 s",
        ],
    );
}

#[test]
fn extends_and_anchors_are_followed() {
    check_one(
        ".a:\n  tags: [a]\n  timeout: 1h\n.b:\n  extends: .a\n  tags: [b]\n.c: {tags: [c]}\n\
         one:\n  extends: .b\ntwo:\n  extends: [.b, .c]\nthree:\n  extends: [.c, .a]\n  tags: [own]\n",
        &["ci.yml:8 one: b, 3600 s", "ci.yml:10 two: c, 3600 s", "ci.yml:12 three: own, 3600 s"],
    );
    check_one(
        ".x: &x\n  tags: [x]\n.y: &y\n  tags: [y]\n  timeout: 5m\none:\n  <<: *x\n  script: a\ntwo:\n  <<: [*x, *y]\n  script: b\n\
         three:\n  tags: &tags [p, q]\n  script: c\nfour:\n  tags: *tags\nfive:\n  timeout: 1m\n  <<: *y\n",
        &[
            "ci.yml:6 one: x",
            "ci.yml:9 two: x, 300 s",
            "ci.yml:12 three: p, q",
            "ci.yml:15 four: p, q",
            "ci.yml:17 five: y, 60 s",
        ],
    );
    check_one(
        ".x:\n  tags: [x, z]\none:\n  tags:\n    - !reference [.x, tags]\n    - own\ntwo:\n  tags: !reference [.x, tags]\n\
         three:\n  tags: !reference [.gone, tags]\n",
        &["ci.yml:3 one: own, x, z", "ci.yml:7 two: x, z", "ci.yml:9 three: not known"],
    );
}

#[test]
fn what_depends_on_something_else_is_not_known() {
    check_one(
        "a:\n  tags: [linux, $POOL]\nb:\n  extends: .gone\nc:\n  timeout: $LONG\n  tags: ['$[[ inputs.tag ]]']\n",
        &["ci.yml:1 a: not known", "ci.yml:3 b: not known", "ci.yml:5 c: not known"],
    );
    let facts = facts_of(&[("ci.yml", "b:\n  extends: .gone\nc: [1]\n'$[[ inputs.x ]]': {script: a}\n")]);
    let unread: Vec<(usize, &str)> =
        facts.unread.iter().map(|unread| (unread.line, unread.what.as_str())).collect();
    assert_eq!(
        unread,
        [
            (1, "job `b` extends what is not in these files"),
            (3, "`c` is neither a keyword nor a job"),
            (4, "the names of job `$[[ inputs.x ]]` cannot be told from the file"),
        ]
    );
}

#[test]
fn a_circle_of_extends_ends() {
    // Each names the next ten times: 10^11 ways.
    let mut many = String::from("job: {extends: .p0}\nother: {tags: [!reference [.r0]]}\n");
    for level in 0..11 {
        let next = level + 1;
        let parents = format!(".p{next}, ").repeat(10);
        let tags = format!("!reference [.r{next}], ").repeat(10);
        writeln!(many, ".p{level}: {{extends: [{parents}]}}\n.r{level}: [{tags}]").unwrap();
    }
    check_one(&many, &["ci.yml:1 job: not known", "ci.yml:2 other: not known"]);
    check_one(".a: {extends: .b}\n.b: {extends: .a}\nc: {extends: .a}\n", &["ci.yml:3 c: not known"]);
}

#[test]
fn bridges_take_no_runner() {
    check_one("down:\n  trigger: group/other\n.t: {trigger: {include: x.yml}}\nchild: {extends: .t}\n", &[]);
}

#[test]
fn parallel_jobs_have_gitlabs_names() {
    check_one(
        "build:\n  parallel: 3\ntest:\n  parallel:\n    matrix:\n      - OS: [linux, mac]\n        V: [1, 2.0]\n      - OS: win\n",
        &[
            "ci.yml:1 build 1/3 + build 2/3 + build 3/3: no tags",
            "ci.yml:3 test: [linux, 1] + test: [linux, 2.0] + test: [mac, 1] + test: [mac, 2.0] + test: [win]: no tags",
        ],
    );
    check_one("build:\n  parallel: 0\n", &[]);
}

#[test]
fn local_includes_are_read_from_the_root() {
    check(
        &[
            ("ci.yml", "include:\n  - local: /ci/jobs.yml\n  - /ci/more.yml\nbuild:\n  tags: [own]\n"),
            (
                "ci/jobs.yml",
                "default: {tags: [d]}\nbuild:\n  tags: [theirs]\n  timeout: 1h\nlint:\n  script: x\n",
            ),
            ("ci/more.yml", "include: ci/deep.yml\n"),
            ("ci/deep.yml", "spec:\n  inputs: {}\n---\ndeep:\n  script: x\n"),
        ],
        &["ci.yml:4 build: own, 3600 s", "ci/jobs.yml:5 lint: d", "ci/deep.yml:4 deep: d"],
    );
}

#[test]
fn what_is_included_from_elsewhere_is_named() {
    let facts = facts_of(&[
        (
            "sub/ci.yml",
            "include:\n  - template: Security/SAST.gitlab-ci.yml\n  - project: group/ci\n    file: a.yml\n  - remote: https://a.example/b.yml\n\
         \x20 - https://a.example/c.yml\n  - component: gitlab.com/a/b@1\n  - local: gone.yml\n  - local: ../secret.yml\n  - local: 'ci/*.yml'\n  - sub/ci.yml\n  - ci.yml\n",
        ),
        ("secret.yml", "stolen: {script: x}\n"),
    ]);
    let unread: Vec<(usize, &str)> =
        facts.unread.iter().map(|unread| (unread.line, unread.what.as_str())).collect();
    assert_eq!(
        unread,
        [
            (2, "the template Security/SAST.gitlab-ci.yml was not read"),
            (3, "the project group/ci was not read"),
            (5, "the remote https://a.example/b.yml was not read"),
            (6, "the file at https://a.example/c.yml was not read"),
            (7, "the component gitlab.com/a/b@1 was not read"),
            (8, "the file `gone.yml` was not read: it is not there"),
            (9, "the file `../secret.yml` was not read: it is not in the repository"),
            (10, "the files `ci/*.yml` were not read: which they are is not looked for"),
            (11, "the file `sub/ci.yml` was not read: it is not there"),
            (12, "the file `ci.yml` was not read again: files include each other"),
        ]
    );
    assert_eq!(facts.jobs, []);
}

#[test]
fn a_broken_file_is_an_error_with_its_place() {
    for (text, expected) in [
        ("a: [b\nc: d\n", "ci.yml:2:2: "),
        ("a: 1\na: 2\n", "ci.yml:2:1: "),
        ("- a\n", "ci.yml:1: a GitLab CI file is a mapping"),
        (&"[".repeat(5000), "ci.yml"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ci.yml");
        fs::write(&path, text).unwrap();
        let error = read(&path, None, &mut CiFacts::default()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let error = read(Path::new("/nonexistent/ci.yml"), None, &mut CiFacts::default()).unwrap_err();
    assert!(error.to_string().contains("cannot read /nonexistent/ci.yml"), "{error}");
}

#[test]
fn images_are_seen_wherever_they_are_asked_for() {
    for (text, expected) in [
        ("a: {image: x}\n", true),
        ("image: x\na: {script: x}\n", true),
        ("default: {image: x}\na: {script: x}\n", true),
        ("a: {script: x}\n", false),
    ] {
        assert_eq!(facts_of(&[("ci.yml", text)]).jobs[0].has_image, expected, "{text}");
    }
}
