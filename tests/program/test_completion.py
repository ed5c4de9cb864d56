"""Completion tried in the shells themselves: what each offers for a line, with its own machinery, on a terminal where it needs one."""
import os
import pty
import select
import shlex
import shutil
import subprocess
import tempfile
import time
import unittest

import generated
import harness

CONFIG = """projects:
  p-one: {display_name: "$(touch hacked); `touch hacked`", sources: {}}
  two_2: {display_name: "two\\ttwo", sources: {}}
"""
PROMPT = b"ready@"


class Terminal:
    """A shell on a terminal that is told keys; ^O inserts every candidate into the line, ^G prints the line between << and >>."""

    def __init__(self, args, setup, env, cwd):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(cwd)
            os.execvpe(args[0], args, env)
        self.send(setup + "\nPS1=%s''%s\n" % (PROMPT.decode()[:3], PROMPT.decode()[3:]), PROMPT)

    def send(self, keys, until):
        os.write(self.fd, keys.encode())
        got, end = b"", time.monotonic() + 30
        while until not in got:
            ready, _, _ = select.select([self.fd], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError("no %r after %r: %r" % (until, keys, got))
            got += os.read(self.fd, 65536)
        return got.decode()

    def line(self, text, key):
        """What the line is after the text and a key; it is empty afterwards."""
        got = self.send(text + key + "\x07", b">>")
        self.send("\x15", b"")
        return got[got.rindex("<<") + 2:got.rindex(">>")]

    def close(self):
        os.close(self.fd)
        os.waitpid(self.pid, 0)


class Shell:
    """What every shell must offer; the classes below say how it is asked."""

    program = None

    @classmethod
    def setUpClass(cls):
        if shutil.which(cls.program) is None:
            raise AssertionError("%s is not installed; pkgconfig/deps/packages does that" % cls.program)
        cls.made = generated.Files()
        cls.home = tempfile.mkdtemp(prefix="qloader-home-")
        os.mkdir(os.path.join(cls.home, "a folder"))
        for name in ("a folder/config.yaml", "other.yaml"):
            with open(os.path.join(cls.home, name), "w") as f:
                f.write(CONFIG)
        cls.env = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "BASH", "ZDOTDIR", "PROMPT", "PS1"))}
        cls.env.update(PATH=os.path.dirname(harness.QLOADER) + ":" + os.environ["PATH"], HOME=cls.home, TERM="dumb", LC_ALL="C.UTF-8", HISTFILE="/dev/null")
        cls.start()

    @classmethod
    def tearDownClass(cls):
        cls.stop()
        cls.made.close()
        shutil.rmtree(cls.home, ignore_errors=True)

    @classmethod
    def start(cls):
        pass

    @classmethod
    def stop(cls):
        pass

    def expect(self, line, *candidates):
        """The candidates, in any order; without what a shell puts behind them, and without the option of --option=value."""
        option = line.split(" ")[-1].partition("=")
        got = [c[len(option[0]) + 1:] if option[1] and c.startswith(option[0] + "=") else c for c in self.offered(line)]
        got = [c.rstrip("/=") for c in got]
        self.assertEqual(sorted(got), sorted(candidates), "%s: %s" % (self.program, line))

    def test_syntax(self):
        done = subprocess.run([self.program, "-n", self.made.path(*self.file)], capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))

    def test_commands(self):
        first = sorted({c["name"].split()[0] for c in self.made.commands if c["name"]})
        self.expect("qloader ", *first)
        self.expect("qloader in", "init", "ingest")
        self.expect("qloader zz")
        self.expect("qloader project ", *self.words_of("project"))
        self.expect("qloader project l", "list")
        self.expect("qloader model ", *self.words_of("model"))
        self.expect("qloader help ", "exit-codes", *first)
        self.expect("qloader help model p", "pull")
        self.expect("qloader help init ")

    def words_of(self, group):
        return [c["name"].split()[1] for c in self.made.commands if c["name"].startswith(group + " ")]

    def test_every_option_of_every_command(self):
        for command in self.made.commands:
            self.expect(" ".join(["qloader"] + command["name"].split() + ["--"]), *("--" + o["name"] for o in command["options"]))

    def test_options(self):
        self.expect("qloader search --fo", "--format")
        self.expect("qloader search how --fo", "--format")
        self.expect("qloader project list --ver", "--verbose")
        self.expect("qloader search -- --fo")

    def test_choices_of_every_option(self):
        tried = 0
        for command in self.made.commands:
            for option in command["options"]:
                if not option["choices"]:
                    continue
                self.expect("qloader %s --%s " % (command["name"], option["name"]), *option["choices"])
                if option["letter"]:
                    self.expect("qloader %s -%s " % (command["name"], option["letter"]), *option["choices"])
                tried += 1
        self.assertGreater(tried, 20)

    def test_values(self):
        self.expect("qloader search --format=", "text", "json", "md")
        self.expect("qloader config --format=y", "yaml")
        self.expect("qloader config --quiet -f y", "yaml")
        self.expect("qloader search --limit ")
        self.expect("qloader search --since=")
        self.expect("qloader search wor")

    def test_files_and_folders(self):
        self.expect("qloader ingest -w ", "a folder")
        self.expect("qloader ingest --workspace=", "a folder")
        self.expect("qloader ingest -c ", "a folder", "other.yaml")
        self.expect("qloader ingest --config=o", "other.yaml")
        self.expect("qloader ingest ot")

    def test_projects(self):
        for where in ('-w "a folder"', "--workspace=a\\ folder", "--workspace 'a folder'", "-w ~/a\\ folder", "-c other.yaml", "--lenient --config other.yaml"):
            self.expect("qloader search %s -p " % where, "p-one", "two_2")
        self.expect("qloader search -w a\\ folder --project=t", "two_2")
        self.expect("qloader project status -c other.yaml --project-id p", "p-one")
        self.expect("qloader search -p ")  # no workspace here
        self.expect("qloader search -w nowhere -p ")

    def test_nothing_that_was_typed_or_configured_is_run(self):
        for where in ("'$(touch hacked)'", '"$(touch hacked)"', "$(touch hacked)", "`touch hacked`", "';touch hacked'", "'a;touch hacked'"):
            self.expect("qloader search -w %s -p " % where)
        self.expect("qloader search -c other.yaml -p ", "p-one", "two_2")
        self.assertEqual(sorted(name for name in os.listdir(self.home) if name[0] != "."), ["a folder", "other.yaml"])  # fish keeps folders of its own
        self.assertEqual(os.listdir(os.path.join(self.home, "a folder")), ["config.yaml"])


class OnTerminal(Shell):
    @classmethod
    def stop(cls):
        cls.terminal.close()

    def offered(self, line):
        after = self.terminal.line(line, "\x0f")
        if after == line:
            return []
        before = shlex.split(line + "x")[:-1]  # the candidates stand where the last word stood
        self.assertEqual(shlex.split(after)[:len(before)], before)
        return shlex.split(after)[len(before):]


class Bash(OnTerminal, unittest.TestCase):
    program = "bash"
    file = ("bash", "qloader")
    setup = r"""bind 'set bell-style none'; bind 'set enable-bracketed-paste off'; bind '"\C-o": insert-completions'
bind -x '"\C-g": printf "<""<%%s>>\n" "$READLINE_LINE"'; %s"""

    @classmethod
    def start(cls):
        cls.terminal = cls.new(". '%s'" % cls.made.path(*cls.file), cls.env)

    @classmethod
    def new(cls, load, env):
        return Terminal(["bash", "--norc", "--noprofile", "-i"], cls.setup % load, env, cls.home)

    def test_a_key_completes(self):
        for line, after in (("qloader ini", "qloader init "), ("qloader search --fo", "qloader search --format "), ("qloader ingest -w ", "qloader ingest -w a\\ folder/")):
            self.assertEqual(self.terminal.line(line, "\t"), after)

    def test_equals_sign_may_be_part_of_words(self):
        other = self.new("COMP_WORDBREAKS=${COMP_WORDBREAKS//=}; . '%s'" % self.made.path(*self.file), self.env)
        self.addCleanup(other.close)
        self.assertEqual(other.line("qloader config --format=y", "\t"), "qloader config --format=yaml ")
        self.assertEqual(other.line("qloader search --config=other.yaml --project=t", "\t"), "qloader search --config=other.yaml --project=two_2 ")

    def test_bash_completion_finds_it_where_it_is_installed(self):
        share = os.path.join(self.made.folder, "share")
        os.makedirs(os.path.join(share, "bash-completion", "completions"))
        shutil.copy(self.made.path(*self.file), os.path.join(share, "bash-completion", "completions"))
        shell = self.new(". /usr/share/bash-completion/bash_completion", dict(self.env, XDG_DATA_DIRS=share + ":/usr/share"))
        self.addCleanup(shell.close)
        self.assertEqual(shell.line("qloader ini", "\t"), "qloader init ")
        self.assertEqual(shell.line("qloader search --workspace=a\\ folder --project=p", "\t"), "qloader search --workspace=a\\ folder --project=p-one ")


class Zsh(OnTerminal, unittest.TestCase):
    program = "zsh"
    file = ("zsh", "_qloader")
    setup = r"""unsetopt zle_bracketed_paste beep list_beep; fpath=('%s' $fpath); autoload -Uz compinit; compinit -u -D
zstyle ':completion:all-matches:*' insert yes; zstyle ':completion:all-matches::::' completer _all_matches _complete
zle -C all-matches complete-word _generic; bindkey '^O' all-matches; bindkey '^U' kill-whole-line
show() { print -r -- "<""<$BUFFER>>" }; zle -N show; bindkey '^G' show"""

    @classmethod
    def start(cls):
        cls.terminal = Terminal(["zsh", "-f", "-i"], cls.setup % cls.made.path("zsh"), cls.env, cls.home)

    def test_a_key_completes(self):
        for line, after in (("qloader ini", "qloader init "), ("qloader search how --fo", "qloader search how --format="), ("qloader search -fj", "qloader search -fjson "),
                            ("qloader ingest -w a", "qloader ingest -w a\\ folder/"),
                            ("qloader setup --localfile x --loc", "qloader setup --localfile x --localfile="),  # may be repeated; --limit may not:
                            ("qloader search --limit 3 --lim", "qloader search --limit 3 --lim")):
            self.assertEqual(self.terminal.line(line, "\t"), after)


class Fish(Shell, unittest.TestCase):
    program = "fish"
    file = ("fish", "qloader.fish")

    def offered(self, line):
        script = "source $argv[1]; complete -C $argv[2]"
        done = subprocess.run(["fish", "--no-config", "-c", script, self.made.path(*self.file), line], capture_output=True, text=True, cwd=self.home, env=self.env, timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [text.split("\t")[0] for text in done.stdout.splitlines()]


if __name__ == "__main__":
    harness.main()
