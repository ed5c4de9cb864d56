"""The first run on a machine that has no model: what is told, when it is brought, from where, and that nothing half is left.
No network: folders and servers on this machine only, and a proxy that is not there where an address is tried."""
import contextlib
import functools
import http.server
import json
import os
import pty
import shutil
import signal
import subprocess
import threading

import harness

NAME = "all-MiniLM-L6-v2"
MODEL = os.environ["QLOADER_MODEL_DIR"]


class FileServer(http.server.SimpleHTTPRequestHandler):
    stall = None  # set: the weights stop after their first megabyte until it is set

    def log_message(self, *words):
        pass

    def do_GET(self):
        if not self.stall or not self.path.endswith("model.safetensors"):
            return super().do_GET()
        self.send_response(200)
        self.send_header("Content-Length", str(os.stat(os.path.join(MODEL, "model.safetensors")).st_size))
        self.end_headers()
        with open(os.path.join(MODEL, "model.safetensors"), "rb") as f, contextlib.suppress(ConnectionError):  # the one that was stopped is gone
            self.wfile.write(f.read(1 << 20))
            self.stall.wait(60)


def serve(case, stall=None):
    """The address of a server of the model's folder."""
    handler = type("Handler", (FileServer,), {"stall": stall})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=MODEL))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    case.addCleanup(server.server_close)
    case.addCleanup(server.shutdown)
    return "http://127.0.0.1:%d/" % server.server_address[1]


class FirstUse(harness.Case):
    def setUp(self):
        super().setUp()
        self.home = os.path.join(self.ws.dir, "home")
        self.place = os.path.join(self.home, "data", "qloader", "models")
        self.env = dict(os.environ, HOME=self.home, XDG_DATA_HOME=os.path.join(self.home, "data"), XDG_DATA_DIRS=os.path.join(self.home, "system"),
                        https_proxy="http://127.0.0.1:1", http_proxy="", no_proxy="127.0.0.1", TERM="xterm")
        del self.env["QLOADER_MODEL_DIR"]
        self.ws.write("a.md", "# Start\n\nThe okapi starts the server.\n")

    def run_here(self, *words):
        return subprocess.run(self.ws.command(*words), capture_output=True, text=True, env=self.env, stdin=subprocess.DEVNULL, timeout=120)

    def run_at_terminal(self, *words, stdin=None, interrupt_at=None):
        """(exit code, stdout, what the terminal got): standard error is a terminal, and standard input, unless it is given."""
        ours, theirs = pty.openpty()
        running = subprocess.Popen(self.ws.command(*words), stdin=theirs if stdin is None else stdin, stdout=subprocess.PIPE, stderr=theirs, env=self.env)
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
            if interrupt_at is not None and interrupt_at in shown:
                running.send_signal(signal.SIGINT)
                interrupt_at = None
        out = running.stdout.read().decode()
        running.stdout.close()
        os.close(ours)
        return running.wait(timeout=60), out, shown.decode(errors="replace")

    def expect_nothing_here(self):
        self.assertEqual(os.listdir(self.place) if os.path.isdir(self.place) else [], [])

    def test_without_a_terminal_it_is_told_and_nothing_is_brought(self):
        for words in (["ingest"], ["init"], ["ingest", "--dry-run"]):
            done = self.run_here(*words)
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn("'qloader model pull' brings it", done.stderr)
            self.assertIn(self.place, done.stderr)
            self.assertIn(os.path.join(self.ws.dir, "models"), done.stderr)
            self.assertNotIn("bringing", done.stderr)
        self.assertIn("model pull", json.loads(self.run_here("ingest", "--json").stdout)["message"])
        self.assertFalse(os.path.exists(os.path.join(self.ws.dir, "data")))
        self.expect_nothing_here()

    def test_pulls_from_a_folder(self):
        done = self.run_here("ingest", "--json", "--pull-from", MODEL)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["added"], 1)
        self.assertIn("%s is ready in %s/%s" % (NAME, self.place, NAME), done.stderr)
        self.assertNotIn("\x1b", done.stderr)
        again = self.run_here("ingest", "--pull-from", "/nowhere")  # it is here: the place does not matter
        self.assertEqual((again.returncode, "bringing" in again.stderr), (0, False), again.stderr)
        self.assertIn("a.md", self.run_here("search", "okapi").stdout)

    def test_lines_for_programs(self):
        done = self.run_here("ingest", "--progress", "json", "--pull-from", MODEL)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stderr.splitlines()]
        told = [line["message"] for line in lines if line["type"] == "log" and line["subsystem"] == "model"]
        self.assertEqual((len(told), told[-1]), (2, "%s is ready in %s/%s" % (NAME, self.place, NAME)))
        self.assertEqual((lines[0]["type"], lines[-1]["type"], lines[-1]["status"]), ("begin", "end", "ok"))

    def test_init_pulls_from_an_address(self):
        done = self.run_here("init", "--pull-from", serve(self))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(done.stdout.startswith("ready: "), done.stdout)
        self.assertEqual(self.run_here("model", "verify").returncode, 0)

    def test_a_place_that_holds_no_model_fails(self):
        for place in ("/nowhere", self.ws.docs):
            done = self.run_here("ingest", "--pull-from", place)
            self.assertEqual(done.returncode, 4, done.stderr)
            self.assertIn(place, done.stderr)
        self.expect_nothing_here()

    def test_a_password_in_an_address_is_not_shown(self):
        done = self.run_here("ingest", "--pull-from", "http://user:sEcReT@127.0.0.1:1/?key=sEcReT")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertNotIn("sEcReT", done.stdout + done.stderr)

    def test_out_of_reach_tells_where_to_put_it(self):
        done = self.run_here("ingest", "--pull")
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("bringing its 91 MB from https://", done.stderr)
        self.assertIn("'qloader model pull --from", done.stderr)
        self.assertIn(self.place, done.stderr)
        self.expect_nothing_here()

    def test_at_a_terminal_it_is_brought_without_being_asked_for(self):
        code, _, shown = self.run_at_terminal("ingest")
        self.assertEqual(code, 1, shown)
        self.assertIn("bringing its 91 MB", shown)
        self.assertIn(self.place, shown)
        for words, stdin in ((["ingest"], subprocess.DEVNULL), (["ingest", "--dry-run"], None), (["search", "okapi"], None)):
            code, _, shown = self.run_at_terminal(*words, stdin=stdin)
            self.assertEqual(code, 4, shown)
            self.assertNotIn("bringing", shown)

    def test_the_bar(self):
        code, out, shown = self.run_at_terminal("ingest", "--json", "--pull-from", MODEL)
        self.assertEqual(code, 0, shown)
        self.assertEqual(json.loads(out)["added"], 1)
        self.assertIn("model.safetensors  [################] 100 %, 90.9 MB, ", shown)
        for line in shown.replace("\r", "\n").split("\n"):
            self.assertLess(len(line.replace("\x1b[K", "")), 80 if "[#" in line else 400, line)
        shutil.rmtree(self.place)
        code, out, shown = self.run_at_terminal("ingest", "--quiet", "--pull-from", MODEL)
        self.assertEqual((code, shown), (0, ""))

    def test_stopped_while_it_is_brought(self):
        for words in (["ingest"], ["init"], ["model", "pull"]):
            stall = threading.Event()
            code, _, shown = self.run_at_terminal(*words, "--from" if words[0] == "model" else "--pull-from", serve(self, stall), interrupt_at=b"model.safetensors")
            stall.set()
            self.assertEqual(code, 130, shown)
            self.expect_nothing_here()
            self.assertFalse(os.path.exists(os.path.join(self.ws.dir, "data")))

    def test_the_folders_that_are_looked_at(self):
        for place in (os.path.join(self.ws.dir, "models"), self.place, os.path.join(self.home, "system", "qloader", "models")):
            os.makedirs(place)
            os.symlink(MODEL, os.path.join(place, NAME))
            self.assertEqual(self.run_here("ingest", "--force").returncode, 0, place)
            os.unlink(os.path.join(place, NAME))
            self.assertEqual(self.run_here("ingest").returncode, 4, place)


if __name__ == "__main__":
    harness.main()
