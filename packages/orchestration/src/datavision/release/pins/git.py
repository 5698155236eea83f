"""The git repository that keeps pins: this one for `dev` and `prod`, a bare one in the state folder for `local`.

Commits bypass the index and the working tree, and a commit and its tag appear in one reference transaction: a release
that is killed has written either all of its pins or none.
"""

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from datavision.git_command import run_git
from datavision.process_environment import ProcessEnvironment
from datavision.release.errors import ReleaseError

_NOTHING = "0" * 40
_TOKEN_HELPER = '!f() { echo username=x-access-token; echo "password=$DATAVISION_GIT_TOKEN"; }; f'  # noqa: S105 - names it only


@dataclass(frozen=True)
class Commit:
    """One commit."""

    id: str
    author: str
    date: str
    """ISO 8601 with zone."""
    message: str


class PinRepository:
    """A git repository that pins are committed to."""

    def __init__(self, git_dir: Path, work_tree: Path | None) -> None:
        """Use the repository at `git_dir`; `work_tree` is where its HEAD is checked out, None for a bare one."""
        self.git_dir = git_dir
        self.work_tree = work_tree

    @classmethod
    def of_project(cls, project: Path) -> "PinRepository":
        """Return this project's own repository.

        Raises:
            ReleaseError: `project` is not a git work tree.
        """
        found = run_git(["rev-parse", "--absolute-git-dir"], project)
        if found.returncode != 0:
            raise ReleaseError(
                f"{project} is not a git repository. Clone the project with git, and release from there."
            )
        return cls(Path(found.stdout.strip()), project)

    @classmethod
    def bare(cls, path: Path) -> "PinRepository":
        """Return the bare repository at `path`, created if missing.

        Raises:
            ReleaseError: It cannot be created.
        """
        if not (path / "HEAD").exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            made = run_git(["init", "--quiet", "--bare", "--initial-branch=main", str(path)], path.parent)
            if made.returncode != 0:
                raise ReleaseError(f"git could not create {path}: {made.stderr.strip()}.")
        return cls(path, None)

    def git(self, *arguments: str, stdin: str | None = None, variables: Mapping[str, str] | None = None) -> str:
        """Run git and return its output.

        Raises:
            ReleaseError: git failed; the text is its message.
        """
        done = self._git(arguments, stdin, variables)
        if done.returncode != 0:
            raise ReleaseError(f"git {arguments[0]} failed: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def head(self) -> str | None:
        """Return the id of the newest commit, or None in an empty repository."""
        done = self._git(["rev-parse", "--verify", "--quiet", "HEAD^{commit}"])
        return done.stdout.strip() or None

    def read(self, revision: str, path: str) -> str | None:
        """Return the text of `path` at `revision`, or None when it is not there."""
        done = self._git(["show", f"{revision}:{path}"])
        return done.stdout if done.returncode == 0 else None

    def read_all(self, names: Sequence[str]) -> list[str | None]:
        """Return the text of each `revision:path`, None where it is not there: one process, however many they are.

        Raises:
            ReleaseError: git failed.
        """
        if not names:
            return []
        answer = self.git("cat-file", "--batch", stdin="".join(f"{name}\n" for name in names))
        try:
            return _batch(answer.encode(), len(names))
        except ValueError:  # a text with Windows line ends is shorter here than git counted
            return [self.read(*name.split(":", 1)) for name in names]

    def tags(self) -> list[str]:
        """Return the names of all tags."""
        return self.git("tag", "--list").split()

    def log(self, *arguments: str) -> list[Commit]:
        """Return commits, newest first; `arguments` go to `git log`."""
        if self.head() is None:
            return []
        text = self.git("log", "--format=%H%x1f%an <%ae>%x1f%cI%x1f%B%x1e", *arguments)
        entries = (entry.strip("\n").split("\x1f") for entry in text.split("\x1e") if entry.strip())
        return [Commit(commit, author, date, message.strip()) for commit, author, date, message in entries]

    def identity(self) -> str:
        """Return the committer, `Name <email>`.

        Raises:
            ReleaseError: git does not know.
        """
        try:
            ident = self.git("var", "GIT_AUTHOR_IDENT")
        except ReleaseError as error:
            raise ReleaseError(
                'git does not know who you are. Run `git config user.name "…"` and `git config user.email "…"`.'
            ) from error
        return ident[: ident.rindex(">") + 1]

    def dirty_files(self) -> list[str]:
        """Return the files of the working tree that differ from HEAD or are untracked; a bare repository has none."""
        if self.work_tree is None:
            return []
        entries = self.git("status", "--porcelain", "--untracked-files=all", "-z").split("\0")
        return [entry[3:] for entry in entries if len(entry) > 3]

    def working_text(self, path: str) -> str | None:
        """Return the current text of a file in the working tree, or None when it does not exist."""
        file = self.work_tree / path if self.work_tree is not None else None
        return file.read_text(encoding="utf-8") if file is not None and file.exists() else None

    def store(self, files: Sequence[Path]) -> list[str]:
        """Store the contents of `files` and return their object ids."""
        listed = "\n".join(str(path) for path in files)
        return self.git("hash-object", "-w", "--no-filters", "--stdin-paths", stdin=listed).split()

    def store_text(self, text: str) -> str:
        """Store `text` and return its object id."""
        return self.git("hash-object", "-w", "--stdin", stdin=text).strip()

    def tree(self, entries: Mapping[str, str | None], base: str | None) -> str:
        """Return the id of a tree: `base` (a revision; None: empty) with `entries` (path → object id, None removes)."""
        with tempfile.TemporaryDirectory() as scratch:
            index = {"GIT_INDEX_FILE": str(Path(scratch) / "index")}
            if base is not None:
                self.git("read-tree", base, variables=index)
            lines = [
                f"100644 {blob}\t{path}" if blob else f"0 {_NOTHING}\t{path}" for path, blob in sorted(entries.items())
            ]
            self.git("update-index", "--add", "--index-info", stdin="\n".join(lines) + "\n", variables=index)
            return self.git("write-tree", variables=index).strip()

    def commit(self, tree: str, parent: str | None, message: str, *, tag: str | None = None) -> str:
        """Commit `tree` on top of `parent`, tag it if asked, and return the commit.

        A tree that is the parent's already is not committed again.

        Raises:
            ReleaseError: The branch has moved since `parent` was read, or the tag exists.
        """
        if parent is not None and self.git("rev-parse", f"{parent}^{{tree}}").strip() == tree:
            commit = parent
        else:
            parents = ("-p", parent) if parent else ()
            commit = self.git("commit-tree", tree, *parents, "-F", "-", stdin=message).strip()
        transaction = ["start"]
        if commit != parent:
            transaction.append(f"update HEAD {commit} {parent or _NOTHING}")
        if tag is not None:
            transaction.append(f"create refs/tags/{tag} {commit}")
        if len(transaction) > 1:
            self.git(
                "update-ref",
                "-m",
                message.splitlines()[0],
                "--stdin",
                stdin="\n".join([*transaction, "prepare", "commit", ""]),
            )
        return commit

    def push(self, *tags: str) -> str:
        """Push the current branch and `tags` to the first remote, all or nothing; return `remote/branch`.

        `DATAVISION_GIT_TOKEN` is the password if the remote asks for one; in CI only the step that pushes has it.

        Raises:
            ReleaseError: There is no remote, or it refused: somebody else has pushed.
        """
        remotes = self.git("remote").split()
        if not remotes:
            raise ReleaseError("There is no remote to push to. Add one (`git remote add origin URL`), then `git push`.")
        branch = self.git("symbolic-ref", "--short", "HEAD").strip()
        helper = ("-c", f"credential.helper={_TOKEN_HELPER}") if ProcessEnvironment.current().git_token else ()
        references = (f"HEAD:refs/heads/{branch}", *(f"refs/tags/{tag}" for tag in tags))
        try:
            self.git(*helper, "push", "--atomic", "--quiet", remotes[0], *references)
        except ReleaseError as error:
            raise ReleaseError(
                f"{error} The pins are committed here but not pushed: `git pull --rebase`, then push again."
            ) from error
        return f"{remotes[0]}/{branch}"

    def push_to(self, url: str, branch: str, variables: Mapping[str, str]) -> None:
        """Push what is checked out to a branch of a repository that is no remote of this one.

        Raises:
            ReleaseError: It refused: it has commits that are not here.
        """
        self.git("push", "--quiet", url, f"HEAD:refs/heads/{branch}", variables=variables)

    def check_out(self, paths: Sequence[str]) -> None:
        """Update `paths` of the working tree to HEAD; does nothing in a bare repository."""
        if self.work_tree is not None and paths:
            self.git("checkout", "--quiet", "HEAD", "--", *paths)

    def changed_paths(self, commit: str) -> list[str]:
        """Return the paths that a commit changed."""
        return [path for path in self.git("show", "--format=", "--name-only", "-z", commit).split("\0") if path]

    def _git(
        self, arguments: Sequence[str], stdin: str | None = None, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        place = ["--git-dir", str(self.git_dir)]
        if self.work_tree is not None:
            place += ["--work-tree", str(self.work_tree)]
        command = [*place, *self._fallback_identity(), *arguments]
        return run_git(command, self.work_tree or self.git_dir, stdin, variables)

    def _fallback_identity(self) -> list[str]:
        """Return an identity for a bare repository, which needs none: a new machine may have no git identity."""
        if self.work_tree is not None:
            return []
        configured = run_git(["config", "user.email"], self.git_dir).stdout.strip()
        return [] if configured else ["-c", "user.name=datavision", "-c", "user.email=datavision@localhost"]


def _batch(answer: bytes, count: int) -> list[str | None]:
    """Parse the output of `git cat-file --batch` about `count` objects.

    Raises:
        ValueError: It is not as long as it says.
    """
    texts: list[str | None] = []
    for _ in range(count):
        header, _, answer = answer.partition(b"\n")
        if header.endswith(b" missing"):
            texts.append(None)
            continue
        size = int(header.rpartition(b" ")[2])
        texts.append(answer[:size].decode())
        if answer[size : size + 1] != b"\n":
            raise ValueError(f"no end of the text after {size} bytes")
        answer = answer[size + 1 :]
    return texts
