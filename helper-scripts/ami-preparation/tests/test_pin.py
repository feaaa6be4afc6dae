"""`pin` takes sums of what its publisher signed, and of nothing else."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from machine import FOLDER

ARCHIVES = {"AMD64": "awscli-exe-linux-x86_64-2.3.4.zip", "ARM64": "awscli-exe-linux-aarch64-2.3.4.zip"}


class Pin(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="mayfly-pin-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.versions = self.folder / "versions.env"
        shutil.copy(FOLDER / "versions.env", self.versions)
        self.environment = {
            "PATH": os.environ["PATH"],
            "GNUPGHOME": str(self.folder / "gpg"),
            "VERSIONS_FILE": str(self.versions),
            "AWS_CLI_SOURCE": self.folder.as_uri(),
            "AWS_CLI_KEY": (self.folder / "key").as_uri(),
        }
        (self.folder / "gpg").mkdir(mode=0o700)
        # gpg starts an agent that stays.
        self.addCleanup(self.call, "gpgconf", "--kill", "all")
        self.gpg("--passphrase", "", "--quick-gen-key", "a@example.com", "ed25519", "default", "never")
        self.gpg("--armor", "--output", str(self.folder / "key"), "--export")
        listed = self.gpg("--list-keys", "--with-colons").splitlines()
        self.fingerprint = next(line.split(":")[9] for line in listed if line.startswith("fpr:"))
        for name in ARCHIVES.values():
            (self.folder / name).write_text(f"content of {name}")
            self.sign(name)

    def call(self, *command, **variables):
        return subprocess.run(command, env=self.environment | variables, capture_output=True, text=True, timeout=60)

    def gpg(self, *arguments):
        result = self.call("gpg", "--batch", "--quiet", "--yes", *arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def sign(self, name):
        self.gpg("--output", str(self.folder / f"{name}.sig"), "--detach-sign", str(self.folder / name))

    def pin(self, *arguments, trusted=True):
        fingerprint = {"AWS_CLI_KEY_FINGERPRINT": self.fingerprint} if trusted else {}
        return self.call(FOLDER / "pin", *arguments, **fingerprint)

    def refuses(self, result, *words):
        self.assertNotEqual(result.returncode, 0)
        for word in words:
            self.assertIn(word, result.stderr)
        self.assertEqual(self.versions.read_text(), (FOLDER / "versions.env").read_text())

    def test_sums_of_signed_archives_are_written(self):
        result = self.pin("aws-cli", "2.3.4")
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = self.versions.read_text().splitlines()
        self.assertIn("AWS_CLI_VERSION=2.3.4", lines)
        for name, archive in ARCHIVES.items():
            digest = hashlib.sha256((self.folder / archive).read_bytes()).hexdigest()
            self.assertIn(f"AWS_CLI_SHA256_{name}={digest}", lines)
        untouched = [line for line in (FOLDER / "versions.env").read_text().splitlines() if not line.startswith("AWS_CLI_")]
        self.assertEqual([line for line in lines if not line.startswith("AWS_CLI_")], untouched)

    def test_an_archive_that_was_changed_is_refused(self):
        for archive in ARCHIVES.values():
            (self.folder / archive).write_text("another content")
            self.refuses(self.pin("aws-cli", "2.3.4"), archive, "is not signed with the key")
            self.sign(archive)

    def test_a_signature_of_anybody_elses_key_is_refused(self):
        self.refuses(self.pin("aws-cli", "2.3.4", trusted=False), "is not signed with the key FB5DB77FD5C118B80511ADA8A6310ACC4672475C")

    def test_what_is_missing_is_refused(self):
        for name in [ARCHIVES["ARM64"] + ".sig", ARCHIVES["AMD64"], "key"]:
            (self.folder / name).unlink()
            self.refuses(self.pin("aws-cli", "2.3.4"))

    def test_other_words_are_refused(self):
        for words in [(), ("aws-cli",), ("aws-cli", "v2.3.4"), ("aws-cli", "2.3"), ("aws-cli", "1.3.4"), ("terraform", "1.0.0")]:
            self.refuses(self.pin(*words), "usage:")

    def test_gitlab_runner_is_pinned_in_this_folder_by_the_script_that_knows_its_list(self):
        name = "release.sha256"
        release = self.folder / "v1.2.3"
        release.mkdir()
        sums = {"amd64": "a" * 64, "arm64": "b" * 64}
        (release / name).write_text("".join(f"{digest} *binaries/gitlab-runner-linux-{key}\n" for key, digest in sums.items()))
        self.gpg("--armor", "--output", str(release / f"{name}.asc"), "--detach-sign", str(release / name))
        variables = {
            "GITLAB_RUNNER_SOURCE": self.folder.as_uri(),
            "GITLAB_RUNNER_KEY": (self.folder / "key").as_uri(),
            "GITLAB_RUNNER_KEY_FINGERPRINT": self.fingerprint,
        }
        result = self.call(FOLDER / "pin", "gitlab-runner", "v1.2.3", **variables)
        self.assertEqual(result.returncode, 0, result.stderr)
        lines = self.versions.read_text().splitlines()
        for line in ["GITLAB_RUNNER_VERSION=v1.2.3", *(f"GITLAB_RUNNER_SHA256_{key.upper()}={digest}" for key, digest in sums.items())]:
            self.assertIn(line, lines)


if __name__ == "__main__":
    unittest.main()
