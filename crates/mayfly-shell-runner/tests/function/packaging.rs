//! The scripts that package the function.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn()| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    vec![
        trial("a_gitlab_runner_that_is_not_pinned_is_not_fetched", not_pinned),
        trial("a_gitlab_runner_is_fetched_if_it_is_what_is_pinned", what_is_pinned),
        trial("only_a_signed_release_is_pinned", only_signed),
        trial("layers_are_made_of_given_files", layers),
    ]
}

fn shell_runner(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shell-runner").join(name)
}

/// A release of two programs, a versions file, and a key to sign with.
struct Release {
    folder: TempDir,
}

impl Release {
    fn new() -> Self {
        let release = Self { folder: tempfile::tempdir().unwrap() };
        fs::create_dir_all(release.path("v1.2.3/binaries")).unwrap();
        fs::write(release.path("v1.2.3/binaries/gitlab-runner-linux-amd64"), "amd64\n").unwrap();
        fs::write(release.path("v1.2.3/binaries/gitlab-runner-linux-arm64"), "arm64\n").unwrap();
        let sums = release.run(Command::new("bash").args(["-c", "cd v1.2.3 && sha256sum binaries/*"]));
        fs::write(release.path("v1.2.3/release.sha256"), sums.stdout).unwrap();
        fs::copy(shell_runner("versions.env"), release.path("versions.env")).unwrap();
        release
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, command: &mut Command) -> Output {
        command
            .current_dir(self.folder.path())
            .env("GNUPGHOME", self.path("gpg"))
            .env("VERSIONS_FILE", self.path("versions.env"))
            .env("GITLAB_RUNNER_SOURCE", format!("file://{}", self.folder.path().display()))
            .output()
            .unwrap()
    }

    fn fetch(&self, architecture: &str) -> Output {
        self.run(Command::new(shell_runner("fetch-gitlab-runner")).args([architecture, "fetched"]))
    }

    fn set(&self, name: &str, value: &str) {
        let versions = fs::read_to_string(self.path("versions.env")).unwrap();
        let lines = versions.lines().map(|line| match line.split_once('=') {
            Some((key, _)) if key == name => format!("{name}={value}\n"),
            _ => format!("{line}\n"),
        });
        fs::write(self.path("versions.env"), lines.collect::<String>()).unwrap();
    }

    fn versions(&self) -> String {
        fs::read_to_string(self.path("versions.env")).unwrap()
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        // gpg starts an agent that stays.
        self.run(Command::new("gpgconf").args(["--kill", "all"]));
    }
}

/// Of `arm64` and a line end.
const SUM_OF_ARM64: &str = "c1669e1d8edca98769c37d494b76442a1d6e5ffffd7b4da1fb63aef8ebaf6f01";

#[track_caller]
fn assert_fails(output: &Output, why: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && errors.contains(why), "{errors}");
}

#[track_caller]
fn assert_succeeds(output: &Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn not_pinned() {
    let release = Release::new();
    release.set("GITLAB_RUNNER_SHA256_ARM64", "");
    assert_fails(&release.fetch("arm64"), "has no SHA-256 sum of gitlab-runner");
    assert!(!release.path("fetched").exists());
}

fn what_is_pinned() {
    let release = Release::new();
    release.set("GITLAB_RUNNER_VERSION", "v1.2.3");
    release.set("GITLAB_RUNNER_SHA256_ARM64", SUM_OF_ARM64);
    assert_succeeds(&release.fetch("arm64"));
    let fetched = release.path("fetched");
    assert_eq!(fs::read_to_string(&fetched).unwrap(), "arm64\n");
    assert_eq!(fs::metadata(&fetched).unwrap().permissions().mode() & 0o777, 0o755);

    release.set("GITLAB_RUNNER_SHA256_AMD64", SUM_OF_ARM64);
    assert_fails(&release.fetch("x86_64"), "is not what is pinned");
    assert_eq!(fs::read_to_string(&fetched).unwrap(), "arm64\n");
}

fn only_signed() {
    let release = Release::new();
    let before = release.versions();
    let gpg = |arguments: &[&str]| {
        let output = release.run(Command::new("gpg").args(["--batch", "--quiet"]).args(arguments));
        assert_succeeds(&output);
        String::from_utf8(output.stdout).unwrap()
    };
    fs::create_dir(release.path("gpg")).unwrap();
    fs::set_permissions(release.path("gpg"), fs::Permissions::from_mode(0o700)).unwrap();
    gpg(&["--passphrase", "", "--quick-gen-key", "a@example.com", "ed25519", "default", "never"]);
    gpg(&["--armor", "--output", "key", "--export"]);
    gpg(&["--armor", "--detach-sign", "v1.2.3/release.sha256"]);
    let listed = gpg(&["--list-keys", "--with-colons"]);
    let fingerprint = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
    let pin = |fingerprint: Option<&str>| {
        let mut command = Command::new(shell_runner("pin"));
        command.arg("v1.2.3").env("GITLAB_RUNNER_KEY", format!("file://{}", release.path("key").display()));
        command.envs(fingerprint.map(|fingerprint| ("GITLAB_RUNNER_KEY_FINGERPRINT", fingerprint)));
        release.run(&mut command)
    };

    assert_fails(&pin(None), "is not signed with GitLab's key 931DA69C");
    assert_eq!(release.versions(), before);

    assert_succeeds(&pin(Some(fingerprint.trim_end_matches(':'))));
    assert!(release.versions().contains("\nGITLAB_RUNNER_VERSION=v1.2.3\n"), "{}", release.versions());
    assert_succeeds(&release.fetch("x86_64"));
    assert_eq!(fs::read_to_string(release.path("fetched")).unwrap(), "amd64\n");

    let pinned = release.versions();
    fs::write(release.path("v1.2.3/release.sha256"), "other sums\n").unwrap();
    assert_fails(&pin(Some(fingerprint.trim_end_matches(':'))), "is not signed with GitLab's key");
    assert_eq!(release.versions(), pinned);
}

/// As `sam build` does it.
fn layers() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir_all(path("git/bin")).unwrap();
    fs::write(path("git/bin/git"), "git").unwrap();
    fs::write(path("runner"), "runner").unwrap();
    for (layer, target, made) in [
        ("gitlab-runner", "build-GitlabRunnerLayer", "bin/gitlab-runner"),
        ("git", "build-GitLayer", "bin/git"),
        ("tools", "build-ToolsLayer", "share/mayfly/tools-layer.txt"),
    ] {
        let made = path("made").join(layer).join(made);
        let output = Command::new("make")
            .arg("--makefile")
            .arg(shell_runner("layers").join(layer).join("Makefile"))
            .arg(target)
            .current_dir(folder.path())
            .env("ARTIFACTS_DIR", path("made").join(layer))
            .env("GITLAB_RUNNER_FILE", path("runner"))
            .env("GIT_LAYER_DIR", path("git"))
            .output()
            .unwrap();
        assert_succeeds(&output);
        assert!(made.exists(), "{}", made.display());
    }
    let runner = path("made/gitlab-runner/bin/gitlab-runner");
    assert_eq!(fs::metadata(runner).unwrap().permissions().mode() & 0o777, 0o755);
}
