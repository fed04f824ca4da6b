"""What deploy/lambda/package makes beside the program: the archive, the bill of materials, and the check of the program's symbols."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.spdx import is_expression
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from template import REPO

SCRIPTS = REPO / "deploy" / "lambda"
TRIPLES = ["x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"]
# Of a script, and of cargo where it fetches a manifest first.
SECONDS_MAX = 300

SAMPLE = """\
0hydrant-lambda v0.1.0 (/home/me/my (own) work/crates/hydrant-lambda) Apache-2.0
1bytes-utils v0.1.4 Apache-2.0/MIT
1hydrant-macros v0.1.0 (proc-macro) (/home/me/my (own) work/crates/hydrant-macros) Apache-2.0
2syn v3.0.10 MIT OR Apache-2.0
3unicode-ident v1.0.27 (MIT OR Apache-2.0) AND Unicode-3.0
2rustix v1.1.2 Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT
2bytes-utils v0.1.4 Apache-2.0/MIT
1zstd-sys v2.0.16+zstd.1.5.7 MIT/Apache-2.0
2brackets v1.0.0 (MIT/Apache-2.0) AND Unicode-3.0
3serde_derive v1.0.229 (proc-macro) MIT OR Apache-2.0
4paste v1.0.15 (proc-macro) MIT OR Apache-2.0
4syn v3.0.10 MIT OR Apache-2.0
5unicode-ident v1.0.27 (MIT OR Apache-2.0) AND Unicode-3.0
3rustix v1.1.2 Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT
1syn v2.0.119 MIT OR Apache-2.0
1silent v0.2.0
"""
# name, version as a purl has it, licence, and whether it is for procedural macros only; in the order of the bill.
SAMPLE_BILL = [
    ("brackets", "1.0.0", "(MIT OR Apache-2.0) AND Unicode-3.0", "required"),
    # In the program at first, and then for a macro.
    ("bytes-utils", "0.1.4", "Apache-2.0 OR MIT", "required"),
    ("hydrant-macros", None, "Apache-2.0", "excluded"),
    ("paste", "1.0.15", "MIT OR Apache-2.0", "excluded"),
    # The other way round.
    ("rustix", "1.1.2", "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", "required"),
    ("serde_derive", "1.0.229", "MIT OR Apache-2.0", "excluded"),
    ("silent", "0.2.0", None, "required"),
    ("syn", "2.0.119", "MIT OR Apache-2.0", "required"),
    ("syn", "3.0.10", "MIT OR Apache-2.0", "excluded"),
    ("unicode-ident", "1.0.27", "(MIT OR Apache-2.0) AND Unicode-3.0", "excluded"),
    ("zstd-sys", "2.0.16%2Bzstd.1.5.7", "MIT OR Apache-2.0", "required"),
]
HASH = "0123456789abcdef0123456789abcdef01234567"


def run(*command, **more):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=SECONDS_MAX, check=False, **more)


def script(name, *arguments, **more):
    return run(sys.executable, "-B", SCRIPTS / name, *arguments, **more)


def bill(tree, source=f"commit {HASH}"):
    done = script("materials.py", source, input=tree)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused_by_schema(text):
    return JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)


def licence(component):
    (one,) = component.get("licenses", [{"expression": None}])
    return one["expression"]


def crates(text):
    """The crate that was built, then those that it is built of."""
    said = json.loads(text)
    return [said["metadata"]["component"], *said["components"]]


def cargo(*arguments):
    assert shutil.which("cargo"), "cargo is not there"
    done = run("cargo", *arguments, cwd=REPO)
    assert done.returncode == 0, done.stderr
    return done.stdout


def real_tree(triple):
    """As deploy/lambda/package asks for it."""
    asked = re.search(r"cargo tree (--locked .*--format '\{p\} \{l\}')", (SCRIPTS / "package").read_text())[1]
    words = [word.strip("'\"") for word in re.findall(r"'[^']*'|\S+", asked)]
    assert words == ["--locked", "-p", "hydrant-lambda", "--edges", "normal", "--target", "$triple", "--no-dedupe", "--prefix", "depth", "--format",
                     "{p} {l}"]
    return cargo("tree", *[triple if word == "$triple" else word for word in words])


def in_program(triple):
    """(name, version) of each crate that cargo itself finds without procedural macros."""
    tree = cargo("tree", "--locked", "-p", "hydrant-lambda", "--edges", "normal,no-proc-macro", "--target", triple, "--prefix", "none")
    return {tuple(line.split()[:2]) for line in tree.splitlines()}


def test_the_schema_refuses_what_it_does_not_know():
    text = bill(SAMPLE)
    assert refused_by_schema(text) is None
    for changed in [{"bomFormat": "Other"}, {"components": [{"type": "crate", "name": "a"}]}, {"parts": []}]:
        assert refused_by_schema(json.dumps(json.loads(text) | changed)) is not None, changed


def test_each_form_of_a_line_becomes_its_crate():
    first, *rest = crates(bill(SAMPLE))
    assert first == {"type": "application", "bom-ref": "hydrant-lambda@0.1.0", "name": "hydrant-lambda", "version": "0.1.0", "scope": "required",
                     "licenses": [{"expression": "Apache-2.0"}], "pedigree": {"commits": [{"uid": HASH}]}}
    for told, (name, version, expression, scope) in zip(rest, SAMPLE_BILL, strict=True):
        # No registry has the workspace's own.
        assert told.get("purl") == (f"pkg:cargo/{name}@{version}" if version else None)
        assert (told["name"], told["type"], licence(told), told["scope"]) == (name, "library", expression, scope)
    assert all(is_expression(expression) for _, _, expression, _ in SAMPLE_BILL if expression)


@pytest.mark.parametrize("source, pedigree", [
    (f"commit {HASH}", {"commits": [{"uid": HASH}]}),
    (f"commit {HASH}, with changes", {"commits": [{"uid": HASH}], "notes": "with changes that are in no commit"}),
    ("no commit known", {"notes": "no commit known"}),
])
def test_the_bill_names_the_commit(source, pedigree):
    text = bill(SAMPLE, source)
    assert refused_by_schema(text) is None
    assert crates(text)[0]["pedigree"] == pedigree


@pytest.mark.parametrize("source", ["", "commit", f"commit {HASH[1:]}", f"commit {HASH.upper()}", f"{HASH}", f"commit {HASH}, with", "commit /home/me"])
def test_a_source_that_is_none_is_refused(source):
    done = script("materials.py", source, input=SAMPLE)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"no source: {source}\n")


@pytest.mark.parametrize("line", [
    "error: no such package",
    "left-pad MIT",
    # Without its depth, and with what is below it left out.
    "plain v1.0.0 MIT",
    "1known v1.0.0 MIT (*)",
    "1silent v1.0.0 (*)",
    "1forked v1.0.0 (https://github.com/me/forked?branch=main#0a1b2c3d) MIT",
    "1mine v1.0.0 (registry `mine`) MIT",
    "1open v1.0.0 (/home/me/my (own work/open) MIT",
    "1open v1.0.0 (/home/me/my own) work/open) MIT",
    "1long v1.0.0 MIT, or ask",
    "1open v1.0.0 (MIT OR Apache-2.0 AND Unicode-3.0",
])
def test_a_line_that_cannot_be_told_for_certain_is_refused(line):
    done = script("materials.py", "no commit known", input=f"0hydrant-lambda v0.1.0 (/work/crates/hydrant-lambda) Apache-2.0\n{line}\n")
    assert done.returncode == 1 and line in done.stderr, done.stdout
    assert done.stdout == ""


@pytest.mark.parametrize("triple", TRIPLES)
def test_the_bill_of_this_workspace_has_each_crate_of_the_tree_once(triple):
    tree = real_tree(triple)
    text = bill(tree)
    assert refused_by_schema(text) is None
    told = crates(text)
    in_tree = {tuple(line.lstrip("0123456789").split()[:2]) for line in tree.splitlines()}
    assert len(in_tree) > 50
    excluded = {(one["name"], f"v{one['version']}") for one in told if one["scope"] == "excluded"}
    assert excluded == in_tree - in_program(triple) and {"serde_derive", "syn", "proc-macro2"} <= {name for name, _ in excluded}
    assert {one["scope"] for one in told} == {"required", "excluded"}
    assert sorted((one["name"], f"v{one['version']}") for one in told) == sorted(in_tree)
    assert (told[0]["name"], told[0]["type"]) == ("hydrant-lambda", "application")
    # Cargo's other way to say the same.
    packages = json.loads(cargo("metadata", "--locked", "--format-version", "1", "--filter-platform", triple))["packages"]
    known = {(one["name"], one["version"]): one for one in packages}
    for one in told:
        package = known[one["name"], one["version"]]
        assert licence(one) == package["license"].replace("/", " OR ") and is_expression(licence(one)), one
        assert ("purl" in one) == (package["source"] is not None), one
        if "purl" in one:
            assert PackageURL.from_string(one["purl"]) == PackageURL("cargo", None, one["name"], one["version"])
            assert PackageURL.from_string(one["purl"]).to_string() == one["purl"]
    assert sum("purl" not in one for one in told) == 4


@pytest.mark.parametrize("triple", TRIPLES)
def test_the_bill_is_the_same_in_every_folder_and_has_no_path(triple):
    tree = real_tree(triple)
    text = bill(tree)
    assert str(REPO) in tree and str(REPO) not in text and str(Path.home()) not in text
    assert not set("/\\") & set(text.replace('"pkg:cargo/', '"'))
    first, *rest = re.split(r"\n(?=1[A-Za-z])", tree.replace(str(REPO), "/home/me/my (own) work").strip())
    assert len(rest) > 10
    assert bill(tree) == text == bill("\n".join([first, *reversed(rest)]))


def test_the_archive_has_one_entry_that_may_be_executed(tmp_path):
    program = bytes(range(256)) * 4096
    written = []
    # Neither name nor time nor mode of the file, nor the zone of the machine, is in the archive.
    for name, mode, time, zone in [("bootstrap", 0o755, 1_000_000_000, "UTC"), ("other", 0o600, 1_700_000_000, "Asia/Tokyo")]:
        path, archive = tmp_path / name, tmp_path / f"{name}.zip"
        path.write_bytes(program)
        path.chmod(mode)
        os.utime(path, (time, time))
        done = script("archive.py", path, archive, f"commit {HASH}", env=os.environ | {"TZ": zone})
        assert done.returncode == 0, done.stderr
        written.append(archive.read_bytes())
    assert written[0] == written[1]
    with zipfile.ZipFile(tmp_path / "bootstrap.zip") as archive:
        assert archive.testzip() is None and archive.comment == f"commit {HASH}".encode()
        (entry,) = archive.infolist()
        assert (entry.filename, entry.external_attr >> 16, entry.create_system) == ("bootstrap", 0o100755, 3)
        assert (entry.date_time, entry.compress_type) == ((1980, 1, 1, 0, 0, 0), zipfile.ZIP_DEFLATED)
        assert archive.read(entry) == program and entry.compress_size < len(program) // 50


def git(folder, *words):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    done = run("git", "-C", folder, *identity, *words)
    return done.stdout.strip() if done.returncode == 0 else ""


def source_here():
    """What this tree is of, by git."""
    commit = git(REPO, "log", "-1", "--format=%H")
    changes = git(REPO, "diff", "HEAD", "--name-only") or git(REPO, "ls-files", "--others", "--exclude-standard")
    return (f"commit {commit}, with changes" if changes else f"commit {commit}") if commit else "no commit known"


def source_of(folder, **more):
    done = script("commit.py", folder, **more)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.fixture
def repository(tmp_path):
    """A repository with one commit, whose folder has a space."""
    folder = tmp_path / "my work"
    own = folder / "deploy" / "lambda" / "commit.py"
    own.parent.mkdir(parents=True)
    shutil.copy(SCRIPTS / "commit.py", own)
    (folder / ".gitignore").write_text("/target\n")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "first")
    assert re.fullmatch("[0-9a-f]{40}", git(folder, "log", "-1", "--format=%H"))
    return folder


def test_the_commit_is_named_and_whether_there_are_changes(repository):
    commit = git(repository, "log", "-1", "--format=%H")
    clean, changed = f"commit {commit}\n", f"commit {commit}, with changes\n"
    assert source_of(repository) == clean
    # What git ignores is no source, and a file's time alone is no change.
    (repository / "target").mkdir()
    (repository / "target" / "built").write_text("")
    os.utime(repository / ".gitignore", (1, 1))
    assert source_of(repository) == clean
    new = repository / "new.rs"
    new.write_text("")
    # Also where somebody's git does not show new files.
    git(repository, "config", "status.showUntrackedFiles", "no")
    assert source_of(repository) == changed
    git(repository, "add", "new.rs")
    assert source_of(repository) == changed
    git(repository, "commit", "-q", "-m", "second")
    second = git(repository, "log", "-1", "--format=%H")
    assert second != commit and source_of(repository) == f"commit {second}\n"
    new.unlink()
    assert source_of(repository) == f"commit {second}, with changes\n"


def test_the_commit_is_that_of_the_folder(repository, tmp_path):
    commit = git(repository, "log", "-1", "--format=%H")
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    # As in a hook of another repository.
    elsewhere = os.environ | {"GIT_DIR": str(other / ".git"), "GIT_WORK_TREE": str(other), "GIT_INDEX_FILE": str(other / "index")}
    assert source_of(repository, env=elsewhere) == f"commit {commit}\n"
    # Unpacked in a repository that has other things.
    unpacked = repository / "target" / "unpacked"
    shutil.copytree(repository / "deploy", unpacked / "deploy")
    assert source_of(unpacked) == "no commit known\n"


def test_no_git_and_no_commit_are_said(repository, tmp_path):
    assert source_of(repository, env=os.environ | {"PATH": str(tmp_path)}) == "no commit known\n"
    shutil.rmtree(repository / ".git")
    assert source_of(repository) == "no commit known\n"
    git(repository, "init", "-q")
    assert source_of(repository) == "no commit known\n"


def test_a_package_names_the_source_that_was_found():
    """Both parts get what commit.py says, which is asked once."""
    text = (SCRIPTS / "package").read_text()
    assert text.count("source=$(python3 deploy/lambda/commit.py .)\n") == text.count("commit.py") == 1
    assert re.search(r'archive\.py "\$bootstrap" "\$out/\S+\.zip" "\$source"\n', text)
    assert re.search(r'materials\.py "\$source" >"\$out/\S+\.cdx\.json"\n', text)
    assert text.index("\nsource=$(") < text.index('\npackages "$out"')


def test_a_package_that_is_there_is_as_its_scripts_say(tmp_path):
    if "HYDRANT_LAMBDA" not in os.environ:
        pytest.skip("./test sets HYDRANT_LAMBDA once it has made the packages")
    packages, source = Path(os.environ["HYDRANT_LAMBDA"]).parents[1], source_here()
    for architecture, triple in zip(["x86_64", "arm64"], TRIPLES, strict=True):
        made = packages / f"hydrant-lambda-{architecture}"
        with zipfile.ZipFile(f"{made}.zip") as archive:
            program = tmp_path / architecture
            program.write_bytes(archive.read("bootstrap"))
        assert script("archive.py", program, tmp_path / "again.zip", source).returncode == 0
        assert (tmp_path / "again.zip").read_bytes() == Path(f"{made}.zip").read_bytes()
        assert Path(f"{made}.cdx.json").read_text() == bill(real_tree(triple), source), f"{made} is not of these sources"
        assert needed(program) and script("symbols.py", program).stdout.strip() == newest(needed(program))


def needed(program):
    """The versions of glibc that a program needs, as readelf says."""
    done = run("readelf", "-VW", program, env=os.environ | {"LC_ALL": "C"})
    assert done.returncode == 0, done.stderr
    _, _, needs = done.stdout.partition("Version needs section")
    return set(re.findall(r"Name: (GLIBC_\S+)", needs))


def newest(names):
    return ".".join(map(str, max(tuple(map(int, name.removeprefix("GLIBC_").split("."))) for name in names)))


def asks(path):
    done = script("symbols.py", path)
    return done.stdout.strip() if done.returncode == 0 else done.stderr


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("program")
    source, built = folder / "main.c", folder / "main"
    # `memcpy` is of 2.14 on x86_64, and `__libc_start_main` of 2.34, so that the newest is not the only one.
    source.write_text("#include <stdio.h>\n#include <string.h>\nint main(int n, char **words) {\n"
                      "    char text[64];\n    memcpy(text, words[0], n);\n    return printf(\"%s\", text);\n}\n")
    done = run("cc", "-O1", "-fno-builtin", "-o", built, source)
    assert done.returncode == 0, done.stderr
    return built


def test_the_newest_version_is_the_one_that_readelf_and_objdump_say(program):
    several = 0
    for path in [Path("/bin/ls"), Path(sys.executable).resolve(), program]:
        assert asks(path) == newest(needed(path))
        several += len(needed(path)) > 1
        table = run("objdump", "-T", path)
        assert table.returncode == 0, table.stderr
        # What it defines itself is not behind UND.
        undefined = "\n".join(line for line in table.stdout.splitlines() if "*UND*" in line)
        assert asks(path) == newest(set(re.findall(r"GLIBC_[0-9.]+", undefined)))
    assert several


def test_a_program_of_the_other_architecture_is_read_too():
    """glibc's own libraries, which define versions beside those that they need."""
    libraries = [*Path("/usr/aarch64-linux-gnu/lib").glob("lib*.so*"), *Path("/lib/aarch64-linux-gnu").glob("lib*.so*")]
    told, unknown = 0, 0
    for path in sorted({path.resolve() for path in libraries}):
        if not path.read_bytes().startswith(b"\x7fELF\x02\x01") or not needed(path):
            continue
        odd = sorted(name for name in needed(path) if not re.fullmatch(r"GLIBC_[0-9.]+", name))
        if odd:
            assert asks(path) == f"{path} asks for {', '.join(odd)}, and no version of glibc is known to be enough\n"
            unknown += 1
        else:
            assert asks(path) == newest(needed(path)), path
            told += 1
    assert told > 5 and unknown > 0


def test_a_text_that_looks_like_a_version_is_none(program, tmp_path):
    changed = tmp_path / "changed"
    changed.write_bytes(program.read_bytes() + b"\0GLIBC_99.9\0")
    assert asks(changed) == newest(needed(program))


def test_a_version_that_says_no_number_is_refused(program, tmp_path):
    """So does a program whose relocations are packed: GLIBC_ABI_DT_RELR, and the loader of 2.34 does not start it."""
    changed = tmp_path / "changed"
    changed.write_bytes(program.read_bytes().replace(b"\0GLIBC_2.34\0", b"\0GLIBC_ABIx\0"))
    assert "GLIBC_ABIx, and no version of glibc is known to be enough" in asks(changed)


def test_what_is_no_program_is_refused(tmp_path):
    path = tmp_path / "text"
    path.write_text("GLIBC_2.34\n")
    assert "is no little-endian ELF program" in asks(path)
    source, alone = tmp_path / "alone.c", tmp_path / "alone"
    source.write_text("void _start(void) { for (;;); }\n")
    assert run("cc", "-nostdlib", "-static", "-o", alone, source).returncode == 0
    assert "asks for no version of glibc" in asks(alone)
