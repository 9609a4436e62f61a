#!/usr/bin/env python3
"""Builds both images with buildah, by the Dockerfile as it is, and looks at what is in them.

Usage: image.py PROGRAM SERVER

PROGRAM and SERVER are the built ticketing-report and report-server. They stand in for what the image's Cargo would
compile in a quarter of an hour, and this machine's Debian stands in for the base image, so no registry is asked for
anything. Needs root, for chroot. Says what is wrong, a line each, and ends with 1.
"""

import argparse
import json
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
EPOCH, REVISION = 1_700_000_000, "0123456789abcdef"
USER = "10001:10001"
LARGEST = 120_000_000

# What a base image has that this machine lends: its programs and libraries, and what is known of its packages.
LENT = ["/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/usr/libexec", "/usr/share", "/usr/include",
        "/var/lib/dpkg", "/etc/ssl", "/etc/alternatives"]

# Files that must be there, and what must stand in them.
HAS = {
    "etc/group": "report:x:10001:",
    "etc/nsswitch.conf": "hosts: files dns",
    "etc/os-release": "VERSION_ID=",
    "etc/passwd": "report:x:10001:10001:",
    "etc/ssl/certs/ca-certificates.crt": "BEGIN CERTIFICATE",
    "var/lib/dpkg/status.d/libc6": "Package: libc6",
}

# The image's Cargo: it finds built what it should build, and knows without a registry what it is built from.
CARGO = """#!/bin/sh
set -eu
[ "$1" = build ] || exec "$REAL_CARGO" --offline "$@"
[ "$REPORT_GIT_REVISION $CARGO_PROFILE_RELEASE_STRIP" = "0123456789abcdef symbols" ]
for program; do :; done
mkdir -p target/release
strip -o "target/release/$program" "/built/$program"
"""

# (target, program, package of the workspace, what the image's title must be)
IMAGES = [
    ("report", "ticketing-report", "pipeline", "train-company-ticketing-report"),
    ("server", "report-server", "server", "train-company-orchestrator"),
]


class Buildah:
    """buildah with a storage of its own, which goes with the folder."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "tmp").mkdir()
        self.environment = {**os.environ, "TMPDIR": str(folder / "tmp")}

    def __call__(self, *words):
        command = ["buildah", "--root", self.folder / "storage", "--runroot", self.folder / "run", "--storage-driver",
                   "vfs", *words]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            sys.exit(f"buildah {words[0]} fails: {(done.stdout + done.stderr)[-3000:]}")
        return done.stdout.strip()


def as_root():
    """Goes on as root, if need be with a sudo that doesn't ask."""
    if os.geteuid():
        words = ["sudo", "--non-interactive", "--preserve-env=HOME,PATH,CARGO_HOME,RUSTUP_HOME,XDG_CACHE_HOME"]
        os.execvp(words[0], [*words, sys.executable, *sys.argv])


def said(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def base(buildah, name):
    """An image that has nothing of its own but stand-ins."""
    container = buildah("from", "scratch")
    root = Path(buildah("mount", container))
    for folder in [*LENT, "/stand-ins", "/tmp", "/root", "/proc", "/dev", "/sys", "/built", "/cargo"]:
        (root / folder.lstrip("/")).mkdir(parents=True)
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / folder).symlink_to(f"usr/{folder}")
    for file in ("/etc/os-release", "/etc/passwd", "/etc/group", "/etc/ld.so.cache"):
        shutil.copy(file, root / file.lstrip("/"))
    for program, text in (("cargo", CARGO), ("apt-get", "#!/bin/sh\n")):
        path = root / "stand-ins" / program
        path.write_text(text)
        path.chmod(0o755)
    toolchain = said("rustc", "--print", "sysroot")
    for variable in (f"PATH=/stand-ins:{toolchain}/bin:/usr/sbin:/usr/bin", f"REAL_CARGO={toolchain}/bin/cargo",
                     "CARGO_HOME=/cargo", "HOME=/root"):
        buildah("config", "--env", variable, container)
    buildah("commit", "--quiet", container, name)
    buildah("rm", container)
    cargo = os.environ.get("CARGO_HOME") or Path.home() / ".cargo"
    lent = [folder for folder in [*LENT, toolchain] if folder != "/usr" and Path(folder).exists()]
    return [f"{folder}:{folder}:ro" for folder in lent] + [f"{cargo}/registry:/cargo/registry:ro"]


def build(buildah, root, target, volumes):
    words = [word for volume in volumes for word in ("--volume", volume)]
    buildah("bud", "--isolation", "chroot", "--pull-never", "--quiet", "--build-arg", f"SOURCE_DATE_EPOCH={EPOCH}",
            "--build-arg", f"REVISION={REVISION}", "--target", target, "--tag", target, *words, root)
    container = buildah("from", "--pull-never", target)
    config = json.loads(buildah("inspect", "--type", "image", target))["OCIv1"]["config"]
    return config, Path(buildah("mount", container))


def settings(config, program, title, wrong):
    if config.get("User") != USER:
        wrong(f"runs as {config.get('User')}, not as {USER}")
    if config.get("Entrypoint") != [program] or config.get("Cmd"):
        wrong(f"starts {config.get('Entrypoint')} {config.get('Cmd')}")
    if not {"PATH=/usr/bin", "REPORT_STORE=/reports"} <= set(config.get("Env", [])):
        wrong(f"has the variables {config.get('Env')}")
    labels = config.get("Labels", {})
    wanted = {"title": title, "revision": REVISION, "licenses": "MIT OR Apache-2.0"}
    for name, value in wanted.items():
        if labels.get(f"org.opencontainers.image.{name}") != value:
            wrong(f"its label {name} is {labels.get(f'org.opencontainers.image.{name}')}, not {value}")


def files(folder, wrong):
    """Nobody but root may change anything, but for the two folders, and all is of one time."""
    size = 0
    for path in sorted(folder.rglob("*")):
        name, status = f"/{path.relative_to(folder)}", path.lstat()
        size += status.st_size if path.is_file() else 0
        if path.is_symlink():
            continue
        mode = stat.S_IMODE(status.st_mode)
        if name in ("/reports", "/tmp"):
            if mode != 0o1777:
                wrong(f"{name} has the mode {mode:o}, not 1777")
        elif (status.st_uid, status.st_gid) != (0, 0) or mode & 0o7022 or not mode & 0o004:
            wrong(f"{name} has the mode {mode:o} and belongs to {status.st_uid}:{status.st_gid}")
        if path.is_file() and int(status.st_mtime) != EPOCH:
            wrong(f"{name} has the time {status.st_mtime}, not SOURCE_DATE_EPOCH")
    if size > LARGEST:
        wrong(f"has {size / 1e6:.0f} MB, more than {LARGEST / 1e6:.0f}")
    for place in ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local"):
        for path in (folder / place).glob("*"):
            if path.name not in (image[1] for image in IMAGES):
                wrong(f"has a program {path.name}")
    for name, words in HAS.items():
        if not (folder / name).is_file() or words not in (folder / name).read_text(encoding="utf-8"):
            wrong(f"has no {name}, or no `{words}` in it")
    return size


def inventory(folder, program, package, wrong):
    """The list and the licences name what Cargo says the program is made of."""
    documents = folder / "usr/share/doc" / program
    listed = json.loads((documents / "sbom.cdx.json").read_text(encoding="utf-8"))
    components = {(item["name"], item["version"]) for item in listed["components"]}
    tree = said("cargo", "tree", "--offline", "--locked", "--manifest-path", ROOT / "Cargo.toml", "--package", package,
                "--edges", "normal,build", "--prefix", "none", "--no-dedupe", "--format", "{p}")
    crates = {tuple(line.split()[:2]) for line in tree.splitlines() if " (/" not in line}
    for name, version in sorted((name, version.removeprefix("v")) for name, version in crates):
        if (name, version) not in components:
            wrong(f"its list has no {name} {version}")
    names = {name for name, _ in components}
    if listed["metadata"]["component"]["name"] != program or not {"libc6", "rust-std"} <= names:
        wrong("its list isn't of the program, or lacks Debian's or Rust's own parts")
    with tarfile.open(documents / "licences.tar.gz") as archive:
        texts = {Path(name).parts[1] for name in archive.getnames() if len(Path(name).parts) > 2}
        without = archive.extractfile("licences/WITHOUT-A-TEXT")
        without = {line.split(":")[0].replace(" ", "-") for line in without.read().decode().splitlines()}
    crates = {f"{name}-{version.removeprefix('v')}" for name, version in crates}
    if missing := crates - texts - without:
        wrong(f"has no licence of {sorted(missing)}, and doesn't say so")
    if len(without) > len(crates) / 10:
        wrong(f"has no licence of {len(without)} crates")
    return len(components)


def runs(folder, program, wrong):
    """As the image's own user, with nothing but what is in it."""
    command = [shutil.which("chroot"), f"--userspec={USER}", folder, f"/usr/bin/{program}"]
    environment = {"PATH": "/usr/bin", "REPORT_STORE": "/reports", "DATABASE_URL": "sqlite:///tmp/demo.sqlite"}

    def run(*words):
        done = subprocess.run([*command, *words], env=environment, capture_output=True, text=True)
        if done.returncode:
            wrong(f"{program} {' '.join(words)} ends with {done.returncode} in it: {done.stderr[-300:]}")
        return done.stdout

    if not run("--version").startswith(program):
        wrong(f"{program} doesn't say its version in it")
    if program == "report-server":
        if "operator operator " not in run("token", "--name", "operator", "--role", "operator"):
            wrong("makes no token")
        return
    run("demo", "sqlite:///tmp/demo.sqlite", "--tickets", "1000", "--from", "2025-01", "--months", "2")
    run("--period", "2025-01", "--time-zone", "Europe/Rome")
    if not (folder / "reports/ticketing-report-2025-01.xlsx").exists():
        wrong("makes no workbook")


def look(root, programs, images, problem):
    """Says of each image what is in it, and what is wrong."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        buildah = Buildah(folder)
        (folder / "built").mkdir()
        for program in programs:
            shutil.copy(program, folder / "built")
        rust = next(line.removeprefix("ARG RUST=") for line in
                    (root / "Dockerfile").read_text(encoding="utf-8").splitlines() if line.startswith("ARG RUST="))
        volumes = base(buildah, f"localhost/rust:{rust}-slim-bookworm") + [f"{folder}/built:/built:ro"]
        try:
            for target, program, package, title in images:
                def wrong(what, target=target):
                    problem(f"the image {target}", what)

                config, files_of = build(buildah, root, target, volumes)
                settings(config, program, title, wrong)
                size = files(files_of, wrong)
                count = inventory(files_of, program, package, wrong)
                runs(files_of, program, wrong)
                yield f"{target}: {size / 1e6:.0f} MB, {count} components"
        finally:
            buildah("rm", "--all")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=Path, help="the built ticketing-report")
    parser.add_argument("server", type=Path, help="the built report-server")
    options = parser.parse_args()
    as_root()
    began, problems = time.monotonic(), []
    built = list(look(ROOT, [options.program, options.server], IMAGES,
                      lambda where, what: problems.append(f"{where}: {what}")))
    for line in problems:
        print(line, file=sys.stderr)
    print(f"images: {len(problems) or 'no'} problems in {'; '.join(built)}, in {time.monotonic() - began:.1f} s")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
