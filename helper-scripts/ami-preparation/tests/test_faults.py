"""What `install` does when something is wrong: it stops, says where, and leaves nothing half done."""

import unittest

from machine import AGENT, RUNNER, Machine, sum_of
from test_install import InstallTest


class Refusals(InstallTest):
    """Before anything is changed."""

    def nothing_happened(self, machine, before):
        self.assertEqual(machine.tree(), before)
        changing = [call for call in machine.calls if not call.startswith("uname ")]
        self.assertEqual(changing, [])

    def test_a_missing_sum_is_refused(self):
        for _, _, machine in self.each_kind():
            for program, name in [("GITLAB_RUNNER", "gitlab-runner v1.2.3"), ("AWS_CLI", "aws-cli 2.3.4")]:
                machine.serve()
                before = machine.tree()
                for bad in ["", "0123", "g" * 64]:
                    machine.pin(f"{program}_SHA256_{machine.sums}", bad)
                    result = machine.install()
                    self.refuses(result, f"no SHA-256 sum in {program}_SHA256_{machine.sums}", f"./pin {name}")
                    self.nothing_happened(machine, before)

    def test_an_unknown_system_is_refused(self):
        with Machine() as machine:
            for name, version in [("debian", "12"), ("ubuntu", "22.04"), ("amzn", "2"), ("fedora", "44")]:
                machine.write("etc/os-release", f'ID={name}\nVERSION_ID="{version}"\nPRETTY_NAME=x\n')
                before = machine.tree()
                self.refuses(machine.install(), f'the system "{name} {version}" is not known')
                self.nothing_happened(machine, before)

    def test_an_unknown_architecture_is_refused(self):
        with Machine() as machine:
            machine.write("architecture", "riscv64\n")
            before = machine.tree()
            self.refuses(machine.install(), "the architecture riscv64 is not known")
            self.nothing_happened(machine, before)

    def test_an_agent_that_cannot_do_its_work_is_refused(self):
        for _, architecture, machine in self.each_kind():
            before = machine.tree()
            for agent in ["\x7fELF of another machine", "#!/bin/bash\n[[ $1 != machine ]]\n"]:
                machine.write("agent", agent)
                self.refuses(machine.install(), 'step "agent runs here"', f"Build it for {architecture}")
                self.nothing_happened(machine, before)
            (machine.root / "agent").unlink()
            self.refuses(machine.install(), "there is no file /agent")

    def test_a_folder_without_the_unit_is_refused(self):
        with Machine() as machine:
            (machine.root / "image/mayfly-agent.service").unlink()
            before = machine.tree()
            self.refuses(machine.install(), "there is no mayfly-agent.service")
            self.nothing_happened(machine, before)

    def test_only_root_may(self):
        with Machine() as machine:
            machine.write("tools/not-root", "#!/bin/bash\necho 1000\n", 0o755)
            (machine.root / "tools/id").unlink()
            (machine.root / "tools/id").symlink_to("not-root")
            before = machine.tree()
            self.refuses(machine.install(), "it must run as root")
            self.nothing_happened(machine, before)
            self.refuses(machine.run("/image/clean"), "it must run as root")
            self.nothing_happened(machine, before)


class Downloads(InstallTest):
    def test_what_is_not_what_is_pinned_is_thrown_away(self):
        for _, _, machine in self.each_kind():
            for step, served in [("gitlab-runner", machine.runner), ("AWS CLI", machine.cli)]:
                machine.serve()
                with served.open("ab") as file:
                    file.write(b"and more")
                self.refuses(machine.install(), f'step "{step}"', "thrown away")
                self.nothing_is_half_there(machine)
                self.assertIsNone(machine.unit("mayfly-agent.service"))
            self.assertFalse(machine.exists("local/aws-cli"))

    def test_a_download_that_breaks_off_leaves_nothing(self):
        for _, _, machine in self.each_kind():
            half = machine.runner.with_name(machine.runner.name + ".half")
            half.touch()
            self.refuses(machine.install(), 'step "gitlab-runner"', "cannot be fetched")
            self.nothing_is_half_there(machine)
            self.assertFalse(machine.exists("local/bin/gitlab-runner"))
            half.unlink()
            self.succeeds(machine.install())

    def test_an_update_that_fails_leaves_the_version_that_was_there(self):
        with Machine() as machine:
            self.succeeds(machine.install())
            machine.pin("GITLAB_RUNNER_VERSION", "v9.9.9")
            machine.pin(f"GITLAB_RUNNER_SHA256_{machine.sums}", "0" * 64)
            self.refuses(machine.install(), "v9.9.9", "cannot be fetched")
            self.assertEqual(machine.read("local/bin/gitlab-runner"), RUNNER)
            self.nothing_is_half_there(machine)

    def test_an_archive_that_cannot_be_unpacked_leaves_nothing(self):
        with Machine() as machine:
            machine.cli.write_text("no archive")
            machine.pin(f"AWS_CLI_SHA256_{machine.sums}", sum_of(b"no archive"))
            self.refuses(machine.install(), 'step "AWS CLI" failed')
            self.assertFalse(machine.exists("local/aws-cli"))
            self.nothing_is_half_there(machine)

    def test_only_https_is_spoken_and_failures_are_failures(self):
        with Machine() as machine:
            self.succeeds(machine.install())
            downloads = [call for call in machine.calls if call.startswith("curl ")]
            self.assertEqual(len(downloads), 2)
            for download in downloads:
                self.assertIn("--proto =https ", download)
                self.assertIn("--fail ", download)

    def nothing_is_half_there(self, machine):
        self.assertEqual([path for path in (machine.root / "local").iterdir() if path.name.startswith(".")], [])


class Failures(InstallTest):
    # The call that fails, and the step it belongs to.
    STEPS = {
        "ubuntu": [
            ("cloud-init status", "end of first boot"),
            ("update-ca-certificates", "authorities"),
            ("apt-get --yes -o DPkg::Lock::Timeout=300 update", "packages"),
            ("apt-get --yes -o DPkg::Lock::Timeout=300 install", "packages"),
            ("git lfs", "packages"),
            ("useradd", "user"),
            ("usermod", "user"),
            ("docker pull", "docker"),
            ("docker image inspect", "docker"),
            ("systemctl enable docker.socket", "docker"),
            ("systemctl enable mayfly-agent.service", "agent's service"),
            ("systemctl mask", "boot"),
            ("apt-get --yes -o DPkg::Lock::Timeout=300 purge snapd", "boot"),
            ("dpkg-query", "record"),
            ("docker --version", "check"),
            ("cloud-init clean", "clean"),
        ],
        "amazon": [
            ("update-ca-trust", "authorities"),
            ("dnf --assumeyes", "packages"),
            ("rpm", "record"),
            ("systemctl is-enabled mayfly-agent.service", "check"),
            ("dnf clean", "clean"),
        ],
    }

    def test_each_failure_ends_it_with_the_name_of_the_step(self):
        for system, steps in self.STEPS.items():
            for call, step in steps:
                with self.subTest(system=system, call=call), Machine(system) as machine:
                    machine.fail_at(call)
                    result = machine.install("--docker-image", "alpine:3.22")
                    self.refuses(result, f'step "{step}"')
                    self.assertNotIn("install: done", result.stdout)
                    self.assertTrue(result.stdout.rstrip().endswith(f"== {step}") or step == "clean", result.stdout)
                    self.assertTrue(machine.calls[-1].startswith(call), machine.calls[-1])
                    # When the cause is gone, another run gets to the end.
                    machine.fail_at()
                    self.succeeds(machine.install("--docker-image", "alpine:3.22"))

    def test_a_first_boot_with_complaints_is_good_enough(self):
        for result, accepted in [(0, True), (1, False), (2, True), (3, False)]:
            with self.subTest(result=result), Machine() as machine:
                stub = machine.root / "stubs/cloud-init"
                stub.unlink()
                machine.write("stubs/cloud-init", f'#!/bin/bash\n[[ $1 != status ]] || exit {result}\n', 0o755)
                self.assertEqual(machine.install().returncode == 0, accepted)


class Repetition(InstallTest):
    def test_a_second_run_changes_nothing_and_fetches_nothing(self):
        for _, _, machine in self.each_kind():
            machine.write("ca.pem", "-----BEGIN CERTIFICATE-----\n")
            options = ["--ca", "/ca.pem", "--sudo", "--docker-image", "alpine:3.22"]
            self.succeeds(machine.install(*options))
            first = machine.tree()
            self.succeeds(machine.install(*options))
            self.assertEqual(machine.tree(), first)
            again = [call for call in machine.calls if call.startswith(("curl ", "useradd ", "cloud-init status"))]
            self.assertEqual(again, [])

    def test_another_version_replaces_the_one_before(self):
        with Machine() as machine:
            self.succeeds(machine.install())
            machine.cli.rename(machine.cli.with_name(machine.cli.name.replace("2.3.4", "2.3.5")))
            machine.pin("AWS_CLI_VERSION", "2.3.5")
            machine.write("agent", AGENT + "# newer\n")
            self.succeeds(machine.install())
            self.assertEqual(sorted(path.name for path in (machine.root / "local/aws-cli/v2").iterdir()), ["2.3.5", "current"])
            self.assertEqual(machine.run("aws").stdout, "dist/aws\n")
            self.assertIn("newer", machine.read("local/bin/mayfly-agent"))


class Cleaning(InstallTest):
    TRACES = [
        "etc/ssh/ssh_host_ed25519_key",
        "etc/ssh/ssh_host_ed25519_key.pub",
        "etc/hostname",
        "etc/netplan/50-cloud-init.yaml",
        "home/ubuntu/.ssh/authorized_keys",
        "home/ubuntu/.ssh/known_hosts",
        "home/ubuntu/.bash_history",
        "home/ubuntu/.aws/credentials",
        "root/.ssh/authorized_keys",
        "root/.bash_history",
        "root/.python_history",
        "root/.docker/config.json",
        "root/.netrc",
        "var/lib/cloud/instances/i-1/user-data.txt",
        "var/lib/systemd/random-seed",
        "var/lib/docker/engine-id",
        "var/lib/amazon/ssm/registration",
        "var/log/cloud-init.log",
        "var/log/apt/history.log",
        "var/log/journal/0123/system.journal",
    ]
    KEPT = ["etc/ssh/sshd_config", "home/ubuntu/.bashrc", "var/lib/docker/overlay2/layer", "var/lib/cloud/scripts/per-boot/a"]

    def seed(self, machine):
        machine.write("etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        for name in self.TRACES + self.KEPT:
            machine.write(name, "x")

    def test_traces_are_removed_and_nothing_else(self):
        lists = {"ubuntu": "var/lib/apt/lists/list", "amazon": "var/cache/dnf/list"}
        tidied = {"ubuntu": "apt-get clean", "amazon": "dnf clean all"}
        for system, _, machine in self.each_kind():
            self.seed(machine)
            machine.write(lists[system], "x")
            self.succeeds(machine.install())
            self.assertEqual([name for name in [*self.TRACES, lists[system]] if machine.exists(name)], [])
            self.assertEqual([name for name in self.KEPT if not machine.exists(name)], [])
            self.assertEqual(machine.read("etc/machine-id"), "")
            # The folder has the name of the machine.
            self.assertFalse(machine.exists("var/log/journal/0123"))
            self.assertIn(tidied[system], machine.calls)
            self.assertIn("cloud-init clean --logs", machine.calls)
            self.assertTrue(machine.exists("etc/mayfly/image.json"))

    def test_without_cleaning_all_is_left(self):
        with Machine() as machine:
            self.seed(machine)
            self.succeeds(machine.install("--no-clean"))
            self.assertEqual([name for name in self.TRACES + self.KEPT if not machine.exists(name)], [])
            self.assertNotEqual(machine.read("etc/machine-id"), "")

    def test_it_can_be_called_alone_and_again(self):
        for _, _, machine in self.each_kind():
            self.seed(machine)
            self.succeeds(machine.run("/image/clean"))
            self.assertEqual([name for name in self.TRACES if machine.exists(name)], [])
            cleaned = machine.tree()
            self.succeeds(machine.run("/image/clean"))
            self.assertEqual(machine.tree(), cleaned)


if __name__ == "__main__":
    unittest.main()
