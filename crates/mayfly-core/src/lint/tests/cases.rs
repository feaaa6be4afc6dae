//! Each rule, where it finds something and where it does not.

use super::*;
use crate::machine::MachineSpec;
use crate::mapping::Executor;
use crate::resolve::DefaultTarget;
use crate::tags::TagSet;

/// Rules and places of all findings.
fn found(input: &LintInput<'_>) -> Vec<String> {
    lint(input)
        .iter()
        .map(|finding| format!("{} {} {}", finding.severity.as_str(), finding.rule.id(), finding.place))
        .collect()
}

fn check_rows(rows: &[TableRow], installation: &InstallationFacts, expected: &[&str]) {
    // What is said of every row without tags is not what these are about.
    let found = found(&LintInput { rows, installation, functions: &BTreeMap::new(), ci: None });
    let found: Vec<&String> =
        found.iter().filter(|finding| !finding.contains("untagged-row-never-fits")).collect();
    assert_eq!(found, expected);
}

fn job(name: &str, tags: Option<&[&str]>) -> CiJob {
    CiJob {
        file: ".gitlab-ci.yml".to_owned(),
        line: 1,
        project: Some("g/a".parse().unwrap()),
        names: vec![name.parse().unwrap()],
        tags: tags.map_or(CiTags::NotKnown, |tags| CiTags::Known(tags.iter().copied().collect::<TagSet>())),
        timeout_seconds: None,
        has_image: false,
    }
}

fn check_jobs(rows: &[TableRow], jobs: Vec<CiJob>, default: DefaultFact, expected: &[&str]) {
    let installation = InstallationFacts { default, ..installation() };
    let functions = BTreeMap::from([(ARN.to_owned(), FunctionFact::Exists { timeout_seconds: 600 })]);
    let ci = CiFacts { jobs, unread: Vec::new() };
    let input = LintInput { rows, installation: &installation, functions: &functions, ci: Some(&ci) };
    assert_eq!(found(&input), expected);
}

fn function(keys: &str) -> TableRow {
    with(keys, |_| {})
}

#[test]
fn a_table_in_order_has_no_findings() {
    check_rows(&[], &installation(), &[]);
    check_rows(&[row("job#build tags#linux"), row("job#deploy-* tags#aws")], &installation(), &[]);
}

#[test]
fn rows_that_cannot_be_read_are_errors() {
    let mut broken = row("job#build tags#linux");
    broken.mapping = StoredMapping::Unreadable {
        key: broken.key().cloned(),
        row: broken.name(),
        reason: "attribute `type` is missing".to_owned(),
    };
    check_rows(
        &[broken, row("build tags#")],
        &installation(),
        &["error unreadable-key build tags#", "error unreadable-row job#build tags#linux"],
    );
}

#[test]
fn what_is_paused_is_said() {
    let mut all = row("job#x tags#x");
    (all.partition_key, all.sort_key) = ("pause".to_owned(), "all".to_owned());
    all.mapping = StoredMapping::Pause { reason: "GitLab is upgraded".to_owned() };
    let one = with("job#build tags#x", |mapping| mapping.paused = Some("the image is broken".to_owned()));
    check_rows(&[one, all], &installation(), &["note paused job#build tags#x", "note paused pause all"]);
}

#[test]
fn keys_typed_by_hand_are_named() {
    check_rows(
        &[row("job#build tags#linux#docker"), row("job#test tags#linux ")],
        &installation(),
        &["warning unsorted-key job#build tags#linux#docker", "warning stray-space job#test tags#linux "],
    );
    check_rows(
        &[row("job#build tags#a#b"), row("job#build tags#b#a")],
        &installation(),
        &["warning unreachable-row job#build tags#b#a", "warning unsorted-key job#build tags#b#a"],
    );
    check_rows(
        &[row("job#%62uild tags#a"), row("job#build tags#a")],
        &installation(),
        &["warning unsorted-key job#%62uild tags#a", "error duplicate-key job#build tags#a"],
    );
}

#[test]
fn tags_that_do_not_order_rows_are_named() {
    let rows = [row("job#build tags#linux"), row("job#build tags#windows#x")];
    let unknown = "note ambiguous-tags job#build tags#linux";
    check_rows(&rows, &installation(), &[unknown]);
    let rows = [row("job#build tags#linux"), row("job#build tags#windows")];
    check_rows(&rows, &installation(), &["warning ambiguous-tags job#build tags#linux", unknown]);
    let alike = [function("job#build tags#linux"), function("job#build tags#windows")];
    check_rows(&alike, &installation(), &[]);
    check_rows(
        &rows,
        &InstallationFacts { job_tags: JobTags::NeverKnown, ..installation() },
        &["warning ambiguous-tags job#build tags#linux", "warning unreachable-row job#build tags#windows"],
    );
}

#[test]
fn without_tags_each_row_of_a_project_is_for_all_jobs_of_the_name() {
    let rows = [row("project#g/a#job#build tags#")];
    let jobs = vec![CiJob { project: None, ..job("build", Some(&["docker"])) }];
    let ci = CiFacts { jobs, unread: Vec::new() };
    let check = |job_tags: JobTags, expected: &[&str]| {
        let installation = InstallationFacts { job_tags, ..installation() };
        let functions = BTreeMap::new();
        let input =
            LintInput { rows: &rows, installation: &installation, functions: &functions, ci: Some(&ci) };
        assert_eq!(found(&input), expected);
    };
    check(JobTags::NeverKnown, &["note job-without-mapping .gitlab-ci.yml:1"]);
    check(
        JobTags::Asked,
        &[
            "note mapping-without-job project#g/a#job#build tags#",
            "warning job-without-mapping .gitlab-ci.yml:1",
        ],
    );
}

#[test]
fn targets_that_cannot_be_started_are_errors() {
    let local = with("job#a tags#x", |mapping| mapping.target = Target::Local);
    let machine = with("job#b tags#x", |mapping| mapping.target = Target::Ec2(MachineSpec::default()));
    let function = function("job#c tags#x");
    let rows = [local, machine, function];
    check_rows(&rows, &installation(), &["error local-on-aws job#a tags#x"]);
    check_rows(
        &rows,
        &InstallationFacts { has_machines: Some(false), ..installation() },
        &["error local-on-aws job#a tags#x", "error machines-not-deployed job#b tags#x"],
    );
    check_rows(
        &rows,
        &InstallationFacts { site: Site::DataFolder, ..installation() },
        &["error aws-on-local job#b tags#x", "error aws-on-local job#c tags#x"],
    );
}

#[test]
fn settings_that_cannot_work_are_named() {
    let rows = [
        with("job#a tags#x", |mapping| mapping.settings.executor = Executor::Docker),
        with("job#b tags#x", |mapping| mapping.settings.max_life_seconds = 119),
        with("job#c tags#x", |mapping| mapping.settings.max_life_seconds = 300),
        with("job#d tags#x", |mapping| mapping.settings.wait_timeout_seconds = 0),
    ];
    check_rows(
        &rows,
        &installation(),
        &[
            "error lambda-executor job#a tags#x",
            "warning life-too-short job#b tags#x",
            "warning waits-longer-than-life job#c tags#x",
            "warning wait-too-short job#d tags#x",
        ],
    );
}

#[test]
fn functions_are_compared_with_what_is_known_of_them() {
    let missing = format!("{ARN}-gone");
    let rows = [
        with("job#a tags#x", |mapping| mapping.settings.max_life_seconds = 700),
        with("job#b tags#x", |mapping| mapping.target = Target::Lambda { arn: missing.clone() }),
        with("job#c tags#x", |mapping| mapping.target = Target::Lambda { arn: format!("{ARN}:live") }),
        function("job#d tags#x"),
    ];
    let functions = BTreeMap::from([
        (ARN.to_owned(), FunctionFact::Exists { timeout_seconds: 600 }),
        (missing.clone(), FunctionFact::Missing),
        (format!("{ARN}:live"), FunctionFact::NotKnown("access denied".to_owned())),
    ]);
    let default =
        DefaultTarget { target: Target::Lambda { arn: missing }, settings: RunnerSettings::default() };
    let installation = InstallationFacts {
        default: DefaultFact::Known(Some(default)),
        invocable: Some(Invocable { names: "other*".to_owned(), arns: vec![ARN.to_owned()] }),
        ..installation()
    };
    let input = LintInput { rows: &rows, installation: &installation, functions: &functions, ci: None };
    assert_eq!(
        found(&input),
        [
            "warning function-times-out job#a tags#x",
            "error missing-function job#b tags#x",
            "error function-not-allowed job#b tags#x",
            "note function-not-checked job#c tags#x",
            "error missing-function default target",
        ]
    );
}

#[test]
fn jobs_without_a_mapping_and_mappings_without_a_job() {
    let rows = [row("job#build tags#linux"), row("job#old tags#linux"), row("project#g/a#job#x tags#")];
    let jobs = vec![job("build", Some(&["linux"])), job("test", Some(&[]))];
    let unused = [
        "note mapping-without-job job#old tags#linux",
        "warning mapping-without-job project#g/a#job#x tags#",
    ];
    let with_job = |finding| [unused[0], unused[1], finding];
    check_jobs(
        &rows,
        jobs.clone(),
        DefaultFact::Known(None),
        &with_job("warning job-without-mapping .gitlab-ci.yml:1"),
    );
    let default = DefaultTarget { target: Target::Local, settings: RunnerSettings::default() };
    let default = DefaultFact::Known(Some(default));
    check_jobs(&rows, jobs, default, &with_job("note job-without-mapping .gitlab-ci.yml:1"));
    // What its tags are is not known, so it may be for any row of its name.
    let any = [row("job#build tags#a"), function("job#build tags#b")];
    let found = lint_jobs(&any, vec![job("build", None)]);
    assert!(found.iter().all(|finding| finding.rule == LintRule::AmbiguousTags), "{found:?}");
}

fn lint_jobs(rows: &[TableRow], jobs: Vec<CiJob>) -> Vec<Finding> {
    let ci = CiFacts { jobs, unread: Vec::new() };
    lint(&LintInput { rows, installation: &installation(), functions: &BTreeMap::new(), ci: Some(&ci) })
}

#[test]
fn a_file_of_no_known_project_may_be_of_any() {
    let rows = [row("project#g/a#job#build tags#linux"), row("project#g/a#job#build tags#windows")];
    let build = CiJob { project: None, ..job("build", Some(&["linux"])) };
    let found = lint_jobs(&rows, vec![build]);
    let rules: Vec<(&str, Severity)> =
        found.iter().map(|finding| (finding.rule.id(), finding.severity)).collect();
    assert!(rules.contains(&("job-without-mapping", Severity::Note)), "{found:?}");
    assert!(
        found.iter().any(|finding| finding.rule == LintRule::MappingWithoutJob
            && finding.place.to_string().ends_with("windows")),
        "{found:?}"
    );
    assert!(found.iter().any(|finding| finding.advice.contains("--project")), "{found:?}");
}

#[test]
fn a_row_without_tags_is_named_with_the_job_that_passes_it_over() {
    let rows = [function("job#build tags#")];
    check_jobs(
        &rows,
        vec![job("build", Some(&["linux"]))],
        DefaultFact::Known(None),
        &[
            "warning untagged-row-never-fits job#build tags#",
            "note mapping-without-job job#build tags#",
            "warning job-without-mapping .gitlab-ci.yml:1",
        ],
    );
    check_jobs(&rows, vec![job("build", Some(&[]))], DefaultFact::Known(None), &[]);
    let found = lint_rows(&rows, &installation());
    assert_eq!((found[0].rule, found[0].severity), (LintRule::UntaggedRow, Severity::Note));
}

#[test]
fn jobs_that_take_longer_than_their_runner_lives_are_named() {
    let machine = with("job#long tags#x", |mapping| mapping.target = Target::Ec2(MachineSpec::default()));
    let rows = [function("job#build tags#x"), machine];
    let late = |name, seconds| CiJob { timeout_seconds: Some(seconds), ..job(name, Some(&["x"])) };
    let none = DefaultFact::Known(None);
    check_jobs(&rows, vec![late("build", 600), late("long", 3600)], none.clone(), &[]);
    check_jobs(
        &rows,
        vec![late("build", 601), late("long", 3601)],
        none,
        &["warning function-times-out .gitlab-ci.yml:1", "warning job-outlives-runner .gitlab-ci.yml:1"],
    );
}

#[test]
fn the_names_of_a_parallel_job_share_their_findings() {
    let names = ["build 1/3", "build 2/3", "build 3/3"].map(|name| name.parse().unwrap());
    let found = lint_jobs(&[], vec![CiJob { names: names.into(), ..job("build", Some(&[])) }]);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].message.ends_with("(the same for 2 more of its names)"), "{found:?}");
}

#[test]
fn what_was_not_read_is_a_note_and_makes_unused_rows_less_certain() {
    let unread = Unread {
        file: ".gitlab-ci.yml".to_owned(),
        line: 3,
        what: "the template Security/SAST was not read".to_owned(),
        may_have_jobs: true,
    };
    let ci = CiFacts { jobs: vec![job("build", Some(&["x"]))], unread: vec![unread] };
    let rows = [row("job#build tags#x"), row("project#g/a#job#old tags#x")];
    let input =
        LintInput { rows: &rows, installation: &installation(), functions: &BTreeMap::new(), ci: Some(&ci) };
    assert_eq!(
        found(&input),
        ["note mapping-without-job project#g/a#job#old tags#x", "note file-not-read .gitlab-ci.yml:3",]
    );
}

#[test]
fn an_image_needs_docker() {
    let image = CiJob { has_image: true, ..job("build", Some(&["x"])) };
    check_jobs(
        &[function("job#build tags#x")],
        vec![image],
        DefaultFact::Known(None),
        &["note image-without-docker .gitlab-ci.yml:1"],
    );
}

#[test]
fn a_job_on_a_broken_row_is_an_error() {
    let mut broken = row("job#build tags#x");
    broken.mapping = StoredMapping::Unreadable {
        key: broken.key().cloned(),
        row: broken.name(),
        reason: "attribute `type` is missing".to_owned(),
    };
    check_jobs(
        &[broken],
        vec![job("build", Some(&["x"]))],
        DefaultFact::Known(None),
        &["error unreadable-row job#build tags#x", "error job-on-broken-row .gitlab-ci.yml:1"],
    );
}

#[test]
fn functions_are_allowed_by_name_or_arn() {
    let check = |names: &str, arns: &[&str], arn: &str, expected: bool| {
        let arns = arns.iter().map(|arn| (*arn).to_owned()).collect();
        assert_eq!(Invocable { names: names.to_owned(), arns }.allows(arn), expected, "{names} {arn}");
    };
    check("mayfly-shell-runner*", &[], &format!("{ARN}-big"), true);
    check("mayfly-shell-runner", &[], ARN, true);
    check("mayfly-shell-runner", &[], &format!("{ARN}-big"), false);
    check("other", &[ARN], ARN, true);
    check("other", &[ARN], &format!("{ARN}:live"), true);
}

#[test]
fn ten_thousand_rows_are_looked_at_in_one_go() {
    let mut rows: Vec<TableRow> = (0..5000).map(|number| row(&format!("job#job-{number} tags#x"))).collect();
    rows.extend((0..5000).map(|number| row(&format!("job#one tags#common#t{number}"))));
    let jobs = (0..500).map(|number| job(&format!("job-{number}"), Some(&["x"]))).collect();
    let found = lint_jobs(&rows, jobs);
    let unused = found.iter().filter(|finding| finding.rule == LintRule::MappingWithoutJob).count();
    assert_eq!(unused, 9500);
}
