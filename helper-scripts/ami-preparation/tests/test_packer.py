"""The Packer template: what can be known of it without Packer."""

import re
import unittest

import hcl2
from machine import FOLDER

TEMPLATE = FOLDER / "runner.pkr.hcl"


def plain(value):
    """What the parser found, without its quotes and its own entries."""
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value.strip('"') if isinstance(value, str) else value


class Packer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = TEMPLATE.read_text()
        cls.template = plain(hcl2.loads(cls.text))
        cls.variables = {name: body for block in cls.template["variable"] for name, body in block.items()}
        cls.source = cls.template["source"][0]["amazon-ebs"]["runner"]

    def test_every_variable_is_described_and_stands_in_the_readme(self):
        readme = (FOLDER / "README.md").read_text()
        for name, body in self.variables.items():
            self.assertGreater(len(body.get("description", "")), 10, name)
            self.assertIn("type", body, name)
            self.assertIn(f"| `{name}` |", readme)

    def test_every_variable_is_used_and_every_used_one_is_there(self):
        used = set(re.findall(r"\bvar\.(\w+)", self.text))
        self.assertEqual(used, set(self.variables))
        self.assertEqual(set(re.findall(r"\blocal\.(\w+)", self.text)) - set(self.template["locals"][0]), set())

    def test_only_what_cannot_be_guessed_must_be_given(self):
        self.assertEqual([name for name, body in self.variables.items() if "default" not in body], ["agent", "region"])

    def test_the_source_is_of_the_systems_publisher(self):
        [source_filter] = self.source["source_ami_filter"]
        self.assertEqual(source_filter["owners"], ["${local.system.owner}"])
        self.assertEqual(source_filter["filters"]["image-id"], "${data.amazon-parameterstore.source.value}")
        # Canonical's account, and AWS's name for itself.
        self.assertEqual(set(re.findall(r'owner = "(\w+)"', self.text)), {"099720109477", "amazon"})
        parameter = self.template["data"][0]["amazon-parameterstore"]["source"]["name"]
        self.assertEqual(len(re.findall(r'"/aws/service/(?:canonical|ami-amazon-linux-latest)/', parameter)), 2)
        self.assertNotIn("local.", parameter)

    def test_machine_and_image_have_imdsv2_only(self):
        [metadata] = self.source["metadata_options"]
        self.assertEqual((metadata["http_tokens"], metadata["http_put_response_hop_limit"]), ("required", 1))
        self.assertEqual(self.source["imds_support"], "v2.0")

    def test_the_disk_is_encrypted_and_goes_with_the_machine(self):
        [disk] = self.source["launch_block_device_mappings"]
        self.assertEqual((disk["encrypted"], disk["delete_on_termination"]), (True, True))

    def test_image_snapshot_and_machine_are_tagged(self):
        for name in ["tags", "snapshot_tags", "run_tags", "run_volume_tags"]:
            self.assertIn("local.tags", self.source[name])

    def test_there_are_no_credentials_and_nobody_else_gets_the_image(self):
        for name in ["access_key", "secret_key", "token", "ssh_password", "ssh_keypair_name", "ami_users", "ami_groups", "user_data"]:
            self.assertNotIn(name, self.source)

    def test_everything_that_install_needs_is_brought_along(self):
        needed = set(re.findall(r"\$here/([\w.-]+)", (FOLDER / "install").read_text())) | {"install"}
        brought = set(re.findall(r"\$\{path\.root}/([\w.-]+)", self.text))
        self.assertEqual(brought, needed)
        for name in brought:
            self.assertTrue((FOLDER / name).exists(), name)

    def test_install_knows_the_options_it_is_called_with(self):
        options = set(re.findall(r'"(--[\w-]+)', self.template["locals"][0]["arguments"]))
        self.assertEqual(options, {"--agent", "--ca", "--docker-image", "--helper-image", "--sudo", "--ssh"})
        usage = (FOLDER / "install").read_text()
        for option in options:
            self.assertRegex(usage, rf"\n  {option} ")


if __name__ == "__main__":
    unittest.main()
