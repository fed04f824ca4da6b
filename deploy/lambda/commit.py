"""commit.py FOLDER: what the sources in a folder are of, in one line: `commit HASH`, `commit HASH, with changes`, or `no commit known`.

Changes are those of the folder, and files in it that git neither has nor ignores."""

import os
import subprocess
import sys

# By these a hook of git names a repository, which need not be the folder's.
ELSEWHERE = {"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"}


def git(folder, *words):
    """What git says, or None where there is none, or no repository that it may read."""
    environment = {name: value for name, value in os.environ.items() if name not in ELSEWHERE}
    try:
        # It only looks: nothing of the repository is written.
        done = subprocess.run(["git", "--no-optional-locks", "-C", folder, *words], capture_output=True, text=True, errors="replace", check=False,
                              env=environment)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def source(folder):
    commit = git(folder, "rev-parse", "--verify", "HEAD")
    # An archive may lie unpacked in somebody else's repository.
    if not commit or not git(folder, "ls-files", "--", "deploy/lambda/commit.py"):
        return "no commit known"
    changes = git(folder, "status", "--porcelain", "--untracked-files=normal", "--", ".")
    return f"commit {commit}" if changes == "" else f"commit {commit}, with changes"


if __name__ == "__main__":
    print(source(sys.argv[1]))
