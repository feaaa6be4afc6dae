"""What `install` does to a machine, for both systems and both architectures."""

import itertools
import json
import unittest

from machine import AGENT, ARCHITECTURES, CLI_VERSION, RUNNER, SYSTEMS, Machine, sum_of

CERTIFICATE = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
CLOUD_CONFIG = "etc/cloud/cloud.cfg.d/99-mayfly.cfg"


class InstallTest(unittest.TestCase):
    def succeeds(self, result):
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def refuses(self, result, *words):
        self.assertNotEqual(result.returncode, 0, result.stdout)
        for word in words:
            self.assertIn(word, result.stderr)

    def each_kind(self):
        """A machine of every kind, one after the other; the output of a run says which it is."""
        for system, architecture in itertools.product(SYSTEMS, ARCHITECTURES):
            machine = Machine(system, architecture)
            self.addCleanup(machine.remove)
            yield system, architecture, machine


class WhatIsInstalled(InstallTest):
    def test_programs_are_in_place_and_run(self):
        for _, _, machine in self.each_kind():
            self.succeeds(machine.install())
            for name, content in [("gitlab-runner", RUNNER), ("mayfly-agent", AGENT)]:
                self.assertEqual(machine.read(f"local/bin/{name}"), content)
                self.assertEqual((machine.root / "local/bin" / name).stat().st_mode & 0o777, 0o755)
            self.assertEqual(machine.run("aws").stdout, "dist/aws\n")
            self.assertEqual([path.name for path in (machine.root / "local").iterdir() if path.name.startswith(".")], [])

    def test_packages_are_the_systems_own(self):
        for system, _, machine in self.each_kind():
            self.succeeds(machine.install())
            [call] = [call for call in machine.calls if call.startswith(("apt-get ", "dnf ")) and " install " in call]
            docker = {"ubuntu": "docker.io", "amazon": "docker"}[system]
            for package in [docker, "git", "git-lfs", "jq", "unzip"]:
                self.assertIn(package, call.split())

    def test_ubuntus_packages_can_be_those_of_a_moment(self):
        with Machine("ubuntu") as machine:
            self.succeeds(machine.install())
            self.assertNotIn("--snapshot", " ".join(machine.calls))
            machine.pin("UBUNTU_SNAPSHOT", "20261101T000000Z")
            self.succeeds(machine.install())
            calls = [call for call in machine.calls if "--snapshot 20261101T000000Z" in call]
            self.assertEqual(["update" in calls[0], " install " in calls[1]], [True, True])

    def test_the_agent_is_enabled_and_not_started(self):
        for _, _, machine in self.each_kind():
            self.succeeds(machine.install())
            self.assertEqual(machine.unit("mayfly-agent.service"), "enabled")
            unit = machine.read("etc/systemd/system/mayfly-agent.service")
            self.assertEqual(unit, machine.read("image/mayfly-agent.service"))
            # What it names is what is installed here.
            for line in ["ExecStart=/usr/local/bin/mayfly-agent machine", "User=mayfly", "docker.socket"]:
                self.assertIn(line, unit)
            self.assertIn("journal+console", machine.read("etc/systemd/system/mayfly-agent.service.d/console.conf"))
            started = [call for call in machine.calls if call.startswith(("systemctl start", "systemctl restart")) or "--now" in call]
            self.assertEqual(started, [])

    def test_docker_starts_when_it_is_first_asked(self):
        for _, _, machine in self.each_kind():
            self.succeeds(machine.install())
            states = [machine.unit(name) for name in ["docker.socket", "docker.service", "containerd.service"]]
            self.assertEqual(states, ["enabled", "disabled", "disabled"])

    def test_the_user_may_use_docker_and_not_sudo(self):
        for _, _, machine in self.each_kind():
            self.succeeds(machine.install())
            self.assertIn("useradd --create-home --shell /bin/bash --user-group mayfly", machine.calls)
            self.assertIn("usermod --append --groups docker mayfly", machine.calls)
            self.assertFalse(machine.exists("etc/sudoers.d/mayfly"))

    def test_the_image_says_what_is_in_it(self):
        for system, architecture, machine in self.each_kind():
            result = machine.install("--docker-image", "alpine:3.22")
            self.succeeds(result)
            described = json.loads(machine.read("etc/mayfly/image.json"))
            packages = described.pop("packages")
            self.assertEqual(packages["git"], "1.2-git")
            expected = {
                "built_at": "2026-01-01T00:00:00Z",
                "system": {"ubuntu": "Ubuntu 24.04.3 LTS", "amazon": "Amazon Linux 2023.9"}[system],
                "architecture": architecture,
                "mayfly_agent_sha256": sum_of(AGENT.encode()),
                "gitlab_runner": "v1.2.3",
                "aws_cli": CLI_VERSION,
                "docker_images": ["alpine:3.22@sha256:0123"],
                "sudo": False,
                "ssh": False,
            }
            self.assertEqual(described, expected)
            self.assertIn(f"SHA-256 sum {sum_of(AGENT.encode())}", result.stdout)

    def test_what_delays_a_boot_is_masked(self):
        units = {"ubuntu": ["apt-daily.timer", "unattended-upgrades.service"], "amazon": ["dnf-makecache.timer", "cloud-final.service"]}
        for system, _, machine in self.each_kind():
            self.succeeds(machine.install())
            for name, of_system in units.items():
                for unit in of_system:
                    self.assertEqual(machine.unit(unit), "masked" if name == system else None, unit)
            self.assertEqual(any("purge snapd" in call for call in machine.calls), system == "ubuntu")
            self.assertIn("cloud_final_modules: []", machine.read(CLOUD_CONFIG))
            self.assertIn("growpart", machine.read(CLOUD_CONFIG))

    def test_every_unneeded_unit_has_a_reason_and_is_named_once(self):
        with Machine() as machine:
            lines = machine.read("image/unneeded-units").splitlines()
        rows = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
        self.assertGreater(len(rows), 30)
        for row in rows:
            self.assertEqual(len(row), 3, row)
            self.assertIn(row[0], ["all", *SYSTEMS], row)
            self.assertRegex(row[1], r"\.(service|socket|timer)$")
        self.assertEqual(len({row[1] for row in rows}), len(rows))


class Options(InstallTest):
    def test_docker_images_are_pulled_and_docker_is_stopped_again(self):
        for _, architecture, machine in self.each_kind():
            self.succeeds(machine.install("--docker-image", "alpine:3.22", "--helper-image"))
            helper = "registry.gitlab.com/gitlab-org/gitlab-runner/gitlab-runner-helper"
            around = ["systemctl start docker.service", "docker pull", "systemctl stop docker.socket docker.service"]
            calls = [call for call in machine.calls if call.startswith(tuple(around))]
            self.assertEqual(calls[0], around[0])
            self.assertEqual(calls[1:3], ["docker pull --quiet alpine:3.22", f"docker pull --quiet {helper}:{architecture}-v1.2.3"])
            self.assertTrue(calls[3].startswith(around[2]))

    def test_an_authority_is_trusted_until_a_run_does_not_name_it(self):
        folders = {"ubuntu": "local/share/ca-certificates", "amazon": "etc/pki/ca-trust/source/anchors"}
        updates = {"ubuntu": "update-ca-certificates ", "amazon": "update-ca-trust extract"}
        for system, _, machine in self.each_kind():
            machine.write("ca.pem", CERTIFICATE)
            folder = machine.root / folders[system]
            self.succeeds(machine.install("--ca", "/ca.pem"))
            [file] = folder.iterdir()
            self.assertEqual(file.read_text(), CERTIFICATE)
            # Before anything is fetched, because that may go through a proxy of this authority.
            first_download = next(index for index, call in enumerate(machine.calls) if call.startswith("curl"))
            self.assertLess(machine.calls.index(updates[system]), first_download)
            self.succeeds(machine.install())
            self.assertEqual(list(folder.iterdir()), [])
            self.assertIn(updates[system], machine.calls)

    def test_a_file_that_is_no_single_certificate_is_refused(self):
        contents = [("", "exactly one"), (CERTIFICATE * 2, "exactly one"), (CERTIFICATE + "BEGIN PRIVATE KEY", "private key")]
        with Machine() as machine:
            for content, why in contents:
                machine.write("ca.pem", content)
                self.refuses(machine.install("--ca", "/ca.pem"), 'step "files"', why)
            self.refuses(machine.install("--ca", "/none.pem"), "there is no file /none.pem")

    def test_sudo_is_given_and_taken_away(self):
        with Machine() as machine:
            self.succeeds(machine.install("--sudo"))
            self.assertEqual(machine.read("etc/sudoers.d/mayfly"), "mayfly ALL=(ALL) NOPASSWD: ALL\n")
            self.assertEqual((machine.root / "etc/sudoers.d/mayfly").stat().st_mode & 0o777, 0o440)
            self.succeeds(machine.install())
            self.assertFalse(machine.exists("etc/sudoers.d/mayfly"))

    def test_sudo_rules_that_are_wrong_are_not_installed(self):
        with Machine() as machine:
            machine.fail_at("visudo")
            self.refuses(machine.install("--sudo"), 'step "user" failed')
            self.assertFalse(machine.exists("etc/sudoers.d/mayfly"))

    def test_ssh_is_off_unless_asked_for(self):
        units = {"ubuntu": ["ssh.socket", "ssh.service"], "amazon": ["sshd.service"]}
        for system, _, machine in self.each_kind():
            self.succeeds(machine.install())
            self.assertEqual({machine.unit(unit) for unit in units[system]}, {"masked"})
            self.assertNotIn("ssh", machine.read(CLOUD_CONFIG))
            self.succeeds(machine.install("--ssh"))
            self.assertNotIn("masked", {machine.unit(unit) for unit in units[system]})
            self.assertIn("users_groups, ssh]", machine.read(CLOUD_CONFIG))

    def test_scripts_of_ones_own_run_in_the_order_of_their_names_before_the_cleaning(self):
        with Machine() as machine:
            machine.write("image/custom.d/20-b.sh", "echo b >>/made; : >/root/.bash_history\n")
            machine.write("image/custom.d/10-a.sh", "echo a >>/made\n")
            machine.write("image/custom.d/notes.txt", "echo no >>/made\n")
            self.succeeds(machine.install())
            self.assertEqual(machine.read("made"), "a\nb\n")
            self.assertFalse(machine.exists("root/.bash_history"))

    def test_a_script_of_ones_own_that_fails_ends_it(self):
        with Machine() as machine:
            machine.write("image/custom.d/10-a.sh", "exit 3\n")
            self.refuses(machine.install(), 'step "custom scripts" failed', "ended with 3")
            self.assertIsNone(machine.unit("mayfly-agent.service"))

    def test_downloads_can_come_from_elsewhere(self):
        with Machine() as machine:
            machine.runner.rename(machine.served("mirror/v1.2.3/binaries/gitlab-runner-linux-amd64"))
            machine.cli.rename(machine.served(f"mirror/{machine.cli.name}"))
            variables = ["GITLAB_RUNNER_SOURCE=https://mirror", "AWS_CLI_SOURCE=https://mirror"]
            self.succeeds(machine.install(variables=variables))

    def test_an_unknown_option_and_one_without_its_value_are_refused(self):
        with Machine() as machine:
            self.refuses(machine.install("--agnet", "x"), "there is no option --agnet")
            self.refuses(machine.install("--ca"), "--ca needs a value")
            self.refuses(machine.run("/image/install"), "--agent FILE is missing")
            self.refuses(machine.install("--docker-image", "a;b"), "no name of a docker image")
            self.assertEqual(machine.run("/image/install", "--help").returncode, 0)


if __name__ == "__main__":
    unittest.main()
