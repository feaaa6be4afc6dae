"""A machine to run `install` on: a root folder with stubs for everything that changes a machine, and this machine's own small tools."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent

# All that the scripts may use besides the stubs. Each is there in both systems before anything is installed, or comes with a package.
TOOLS = [
    "awk", "bash", "cat", "chmod", "cut", "date", "dirname", "find", "getent", "grep", "head", "id", "install", "ln", "mkdir", "mktemp",
    "mv", "rm", "sha256sum", "timeout", "unzip",
]  # fmt: skip
STUBS = ["cloud-init", "curl", "docker", "git", "systemctl", "uname", "useradd", "usermod", "visudo"]
SYSTEMS = {
    "ubuntu": {
        "release": 'ID=ubuntu\nVERSION_ID="24.04"\nPRETTY_NAME="Ubuntu 24.04.3 LTS"\n',
        "stubs": ["apt-get", "dpkg-query", "update-ca-certificates"],
        "folders": ["var/lib/apt/lists"],
    },
    "amazon": {
        "release": 'ID="amzn"\nVERSION_ID="2023"\nPRETTY_NAME="Amazon Linux 2023.9"\n',
        "stubs": ["dnf", "rpm", "update-ca-trust"],
        "folders": ["var/cache/dnf", "etc/pki/ca-trust/source/anchors"],
    },
}
# By our name of the architecture: the kernel's, that of gitlab-runner's programs, and that of the variables in versions.env.
ARCHITECTURES = {"x86_64": ("x86_64", "amd64", "AMD64"), "arm64": ("aarch64", "arm64", "ARM64")}

AGENT = '#!/bin/bash\n[[ "$1 $2" == "machine --help" ]]\n'
RUNNER = "#!/bin/bash\necho runner\n"
RUNNER_VERSION = "v1.2.3"
CLI_VERSION = "2.3.4"


def sum_of(content):
    return hashlib.sha256(content).hexdigest()


class Machine:
    """One machine. `run` runs a command on it; what it did is in `calls` and below `root`."""

    def __init__(self, system="ubuntu", architecture="x86_64"):
        self.root = Path(tempfile.mkdtemp(prefix="mayfly-image-"))
        self.kernel_name, self.runner_name, self.sums = ARCHITECTURES[architecture]
        for folder in "usr local/bin dev etc/cloud home root var/log var/lib tmp stubs tools units served".split():
            (self.root / folder).mkdir(parents=True)
        for link in ["bin", "sbin", "lib", "lib64"]:
            if os.path.islink("/" + link):
                (self.root / link).symlink_to(os.readlink("/" + link))
        for tool in TOOLS:
            (self.root / "tools" / tool).symlink_to(os.path.realpath(shutil.which(tool)))
        for folder in SYSTEMS[system]["folders"]:
            (self.root / folder).mkdir(parents=True)
        shutil.copy(HERE / "stub", self.root / "stub")
        for stub in STUBS + SYSTEMS[system]["stubs"]:
            (self.root / "stubs" / stub).symlink_to("/stub")
        shutil.copytree(FOLDER, self.root / "image", ignore=shutil.ignore_patterns("tests"))
        for name in ["calls", "faults", "dev/null", "etc/passwd"]:
            self.write(name, "")
        self.write("etc/os-release", SYSTEMS[system]["release"])
        self.write("architecture", self.kernel_name + "\n")
        self.write("agent", AGENT)
        self.serve()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    def remove(self):
        shutil.rmtree(self.root)

    def serve(self):
        """Publishes both programs, and pins them."""
        self.runner = self.served(
            f"gitlab-runner-downloads.s3.amazonaws.com/{RUNNER_VERSION}/binaries/gitlab-runner-linux-{self.runner_name}"
        )
        self.runner.write_text(RUNNER)
        self.cli = self.served(f"awscli.amazonaws.com/awscli-exe-linux-{self.kernel_name}-{CLI_VERSION}.zip")
        with zipfile.ZipFile(self.cli, "w") as archive:
            for name in ["dist/aws", "dist/aws_completer", "install"]:
                entry = zipfile.ZipInfo(f"aws/{name}", (2026, 1, 1, 0, 0, 0))
                entry.external_attr = 0o100755 << 16
                archive.writestr(entry, f"#!/bin/bash\necho {name}\n")
        self.pin("GITLAB_RUNNER_VERSION", RUNNER_VERSION)
        self.pin(f"GITLAB_RUNNER_SHA256_{self.sums}", sum_of(self.runner.read_bytes()))
        self.pin("AWS_CLI_VERSION", CLI_VERSION)
        self.pin(f"AWS_CLI_SHA256_{self.sums}", sum_of(self.cli.read_bytes()))

    def served(self, address):
        file = self.root / "served" / address
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def pin(self, name, value):
        file = self.root / "image/versions.env"
        lines = file.read_text().splitlines()
        assert sum(line.startswith(name + "=") for line in lines) == 1, name
        file.write_text("".join(f"{name}={value}\n" if line.startswith(name + "=") else line + "\n" for line in lines))

    def write(self, name, text, mode=None):
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        if mode:
            file.chmod(mode)
        return file

    def read(self, name):
        return (self.root / name).read_text()

    def exists(self, name):
        return os.path.lexists(self.root / name)

    def fail_at(self, *calls):
        """Calls that begin with one of these fail from now on."""
        self.write("faults", "".join(call + "\n" for call in calls))

    def install(self, *options, variables=()):
        return self.run("/image/install", "--agent", "/agent", *options, variables=variables)

    def run(self, *command, variables=()):
        self.write("calls", "")
        own_user = [] if os.geteuid() == 0 else ["--map-root-user"]
        variables = ["SOURCE_DATE_EPOCH=1767225600", *variables]
        result = subprocess.run(
            ["unshare", "--mount", *own_user, "bash", HERE / "enter", self.root, *variables, *command],
            capture_output=True,
            text=True,
            timeout=120,
        )
        refused = [line for line in result.stderr.splitlines() if line.startswith(("unshare:", "mount:", "chroot:"))]
        assert not refused, f"this test needs namespaces of its own (unshare --mount), and they are refused: {refused}"
        return result

    @property
    def calls(self):
        return self.read("calls").splitlines()

    def unit(self, name):
        """What became of a unit: enabled, disabled, masked, or None if nobody touched it."""
        return self.read(f"units/{name}").strip() if self.exists(f"units/{name}") else None

    def tree(self):
        """Everything that is on the disk: path to kind, mode, and content."""
        found = {}
        for top in ["etc", "home", "local", "root", "units", "var"]:
            for path in sorted((self.root / top).rglob("*")):
                name = str(path.relative_to(self.root))
                if path.is_symlink():
                    found[name] = ("link", os.readlink(path))
                elif path.is_dir():
                    found[name] = ("folder", path.stat().st_mode & 0o7777)
                else:
                    found[name] = ("file", path.stat().st_mode & 0o7777, path.read_bytes())
        return found
