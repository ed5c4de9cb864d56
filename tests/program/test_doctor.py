"""qloader doctor: each thing that can be wrong is made wrong, and has to be found, by name, with a reason and a remedy; where the remedy is a command, it is run."""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import harness

SUPPORT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support")


class Doctor(harness.Case):
    def examine(self, code, *words, env=None, prefix=()):
        """The checks by (area, check); several of one name as a list."""
        done = subprocess.run(list(prefix) + self.ws.command("doctor", "--json", *words), capture_output=True, text=True, errors="replace", timeout=300, stdin=subprocess.DEVNULL,
                              env=dict(os.environ, **(env or {})))
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertNotIn("sEcReT", done.stdout + done.stderr)
        found = {}
        self.report = json.loads(done.stdout)
        for check in self.report["checks"]:
            found.setdefault((check["area"], check["check"]), []).append(check)
            if check["status"] in ("warning", "fail"):
                self.assertTrue(check["why"] and check["fix"], check)
        self.assertEqual(sum(self.report["counts"].values()), len(self.report["checks"]))
        return found

    def only(self, found, area, check, status, text=""):
        self.assertEqual([c["status"] for c in found[(area, check)]], [status], found[(area, check)])
        self.assertIn(text, found[(area, check)][0]["message"])
        return found[(area, check)][0]

    def mend(self, check):
        """Runs the remedy as it stands."""
        command = re.sub(r"^qloader", harness.QLOADER, check["fix"])
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        self.assertEqual(done.returncode, 0, command + done.stderr)

    def bad(self):
        return [(c["area"], c["check"], c["status"]) for c in self.report["checks"] if c["status"] in ("warning", "fail")]

    def cpuinfo(self):
        with open("/proc/cpuinfo") as f:
            return f.read()

    def fill(self):
        self.ws.write("a.md", "# Okapi\n\nThe okapi eats.\n")
        self.ws.ingest()

    def test_all_is_well(self):
        self.fill()
        found = self.examine(0, "--verify")
        self.assertEqual(self.bad(), [])
        self.only(found, "model", "verified", "ok")
        self.only(found, "index", "whole", "ok")
        self.only(found, "network", "reach", "skipped")
        machine = self.only(found, "machine", "cpu", "ok")["message"]
        flags = re.search(r"^flags\s*:(.*)$", self.cpuinfo(), re.M)
        if flags is not None:
            self.assertEqual("bf16" in machine, " avx512_bf16 " in flags.group(1) + " ", machine)
        text = self.ws.run("doctor")
        self.assertEqual((text.returncode, "FAIL" in text.stdout, "why:" in text.stdout), (0, False, False))
        self.assertIn("0 warnings, 0 failures", text.stdout)
        self.assertEqual(self.ws.run("doctor", "--quiet").stdout, "")
        self.assertIn("\x1b[32mok", self.ws.run("doctor", "--color", "always").stdout)

    def test_no_workspace(self):
        os.unlink(os.path.join(self.ws.dir, "config.yaml"))
        check = self.only(self.examine(1), "configuration", "valid", "fail")
        self.mend(check)
        self.assertTrue(os.path.exists(os.path.join(self.ws.dir, "config.yaml")))
        found = self.examine(0)
        self.mend(self.only(found, "index", "there", "warning"))
        self.only(self.examine(0), "index", "there", "warning", "empty")

    def test_configuration(self):
        self.ws.configure("sources:\n  localfile:\n    d: {base_url: 'file:///nowhere'}\n    e: {base_url: '%s', download_attachments: true}\n  publicdocs:\n"
                          "    p: {base_url: 'https://example.com/', version: 'x'}\n" % self.ws.docs)
        found = self.examine(1)
        self.assertEqual(sorted(c["message"].split(":")[0] for c in found[("configuration", "sources")]), ["localfile/d", "publicdocs/p"])
        self.only(found, "configuration", "warning", "warning", "config.yaml:4:")
        self.ws.configure("sources:\n  localfile:\n    d: {base_uri: x}\n    e: {token: sEcReT}\nglobal: {chunking: {chunk_size: -1}}\n")
        problems = self.examine(1)[("configuration", "valid")]
        self.assertGreaterEqual(len(problems), 3)
        self.assertTrue(all("config.yaml:" in p["message"] for p in problems))
        self.ws.configure("global: {qdrant: {url: 'http://127.0.0.1:6333'}}\nsources: {localfile: {d: {base_url: docs}}}\n")
        self.only(self.examine(1), "configuration", "supported", "fail", "Qdrant")

    def test_model(self):
        env = {"QLOADER_MODEL_DIR": "/nowhere", "HOME": "/nowhere", "XDG_DATA_HOME": "/nowhere"}
        self.assertIn("model pull", self.only(self.examine(1, env=env), "model", "found", "fail")["fix"])
        copy = os.path.join(self.ws.dir, "models", "all-MiniLM-L6-v2")
        shutil.copytree(os.environ["QLOADER_MODEL_DIR"], copy)
        env = {"QLOADER_MODEL_DIR": copy}
        weights = os.path.join(copy, "model.safetensors")
        with open(weights, "r+b") as f:
            f.seek(50000000)
            byte = f.read(1)
            f.seek(50000000)
            f.write(bytes([byte[0] ^ 1]))
        self.only(self.examine(0, env=env), "model", "found", "ok")
        self.only(self.examine(1, "--verify", env=env), "model", "verified", "fail", "model.safetensors")
        os.truncate(weights, 1000)
        self.only(self.examine(1, env=env), "model", "found", "fail", "damaged")

    def test_index(self):
        self.fill()
        vectors = os.path.join(self.ws.dir, "data", "vectors-000001.qlv")
        with open(vectors, "r+b") as f:
            f.seek(4096 + 17)
            f.write(b"\x55")
        self.only(self.examine(0), "index", "whole", "skipped")
        check = self.only(self.examine(1, "--verify"), "index", "there", "fail", "vectors-000001.qlv")
        self.assertIn("that read it fail", check["why"])  # --verify reads what nothing else may ever look at
        self.mend(check)
        self.only(self.examine(0), "index", "there", "warning", "empty")
        self.ws.ingest()
        self.only(self.examine(0, "--verify"), "index", "whole", "ok")
        with open(os.path.join(self.ws.dir, "data", "qloader.db"), "r+b") as f:
            f.seek(5000)
            f.write(b"\x55\x55\x55")
        self.mend(self.only(self.examine(1), "index", "there", "fail", "qloader.db"))
        self.ws.configure("global: {qdrant: {collection_name: other}}\nsources: {localfile: {d: {base_url: docs}}}\n")
        self.mend(self.only(self.examine(1), "index", "there", "fail", "collection"))
        self.examine(0)

    def test_index_of_another_model(self):
        self.fill()
        copy = os.path.join(self.ws.dir, "models", "all-MiniLM-L6-v2")
        shutil.copytree(os.environ["QLOADER_MODEL_DIR"], copy)
        with open(os.path.join(copy, "vocab.txt"), "r+") as f:
            text = f.read().replace("\nthe\n", "\neht\n")
            f.seek(0)
            f.write(text)
        self.only(self.examine(1, env={"QLOADER_MODEL_DIR": copy}), "index", "there", "fail", "model")

    def test_permissions(self):
        env_file = os.path.join(self.ws.dir, ".env")
        with open(env_file, "w") as f:
            f.write("TOKEN=sEcReT\n")
        os.chmod(env_file, 0o644)
        self.mend(self.only(self.examine(0), "permissions", "env", "warning", "0644"))
        self.only(self.examine(0), "permissions", "env", "ok", "0600")
        os.unlink(env_file)
        self.fill()
        found = self.examine(0, prefix=harness.without_write_permission(self, self.ws.dir))
        for check in ("data", "logs"):
            self.only(found, "permissions", check, "warning", "Permission denied")
        self.only(found, "index", "there", "ok")

    def test_disk(self):
        data = os.path.join(self.ws.dir, "data")
        os.mkdir(data)
        for options, code, status in (("size=900m", 0, "warning"), ("size=8m", 1, "fail"), ("size=2g,nr_inodes=20", 1, "fail")):
            self.assertEqual(subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", data]).returncode, 0, "this test needs the right to mount a tmpfs")
            try:
                self.only(self.examine(code), "disk", "space", status, "MiB")
            finally:
                subprocess.run(["umount", data], check=True)
        self.only(self.examine(0), "disk", "space", "ok")

    def test_network(self):
        root = tempfile.mkdtemp(prefix="qloader-remote-", dir=self.ws.dir)
        subprocess.run("git init -q -b main work && cd work && echo hi > a.md && git add . && git -c user.name=a -c user.email=a@example.com commit -q -m a", shell=True, check=True, cwd=root)
        server = subprocess.Popen([sys.executable, os.path.join(SUPPORT, "git_http_server.py"), root, os.path.join(root, "log")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(server.stdout.readline())
        config = "sources:\n  git:\n    r: {base_url: 'http://127.0.0.1:%d/%s/work/.git', branch: %s, token: %s}\n"
        try:
            for place, branch, token, text in (("open", "main", "x", None), ("token", "main", "right-token", None), ("token", "main", "sEcReT", "does not accept the token"),
                                               ("token", "main", "''", "none is configured"), ("open", "nope", "x", "'nope'"), ("status-500", "main", "x", "500")):
                self.ws.configure(config % (port, place, branch, token))
                self.only(self.examine(0), "network", "reach", "skipped", "--network")
                found = self.examine(1 if text else 0, "--network")
                self.only(found, "network", "reach", "fail" if text else "ok", text or "1 of 1")
            self.assertFalse(os.path.exists(os.path.join(self.ws.dir, "data")))
        finally:
            server.stdin.close()
            server.wait()
            server.stdout.close()
        self.ws.configure(config % (port, "open", "main", "x"))
        self.only(self.examine(1, "--network"), "network", "reach", "fail", "refused")
        self.ws.configure("sources:\n  publicdocs:\n    p: {base_url: 'http://127.0.0.1:%d/', version: 'x'}\n" % port)
        self.only(self.examine(1, "--network"), "network", "reach", "fail")

    def test_modules(self):
        """A copy of program and library alone, without what is installed beside them."""
        alone = os.path.join(self.ws.dir, "alone")
        os.mkdir(alone)
        program = os.path.realpath(harness.QLOADER)
        listed = subprocess.run(["ldd", program], capture_output=True, text=True).stdout
        library = re.search(r"=> (\S*libqloader\.so\S*)", listed).group(1)
        shutil.copy(program, alone)
        shutil.copy(library, alone)
        env = {"QLOADER_MODULE_DIR": os.path.join(alone, "none"), "LD_LIBRARY_PATH": alone}

        def examine(code):
            done = subprocess.run([os.path.join(alone, os.path.basename(program)), "doctor", "--json", "--workspace", self.ws.dir], capture_output=True, text=True, env=dict(os.environ, **env))
            self.assertEqual(done.returncode, code, done.stdout + done.stderr)
            return {(c["area"], c["check"]): c for c in json.loads(done.stdout)["checks"]}

        found = examine(0)
        self.assertEqual(found[("libraries", "git")]["status"], "warning")
        self.assertEqual(found[("libraries", "grammars")]["status"], "warning")
        self.assertIn("python", found[("libraries", "grammars")]["message"])
        self.ws.configure("sources:\n  git:\n    r: {base_url: 'https://example.com/r.git'}\n")
        self.assertEqual(examine(1)[("libraries", "git")]["status"], "fail")

    def test_clock(self):
        """The clock of the program alone is set, by a function that stands before the C library's."""
        source, library = os.path.join(self.ws.dir, "clock.c"), os.path.join(self.ws.dir, "clock.so")
        with open(source, "w") as f:
            f.write("#include <stdlib.h>\n#include <time.h>\ntime_t time(time_t *out)\n{\n    time_t now = atoll(getenv(\"TEST_TIME\"));\n    if (out) *out = now;\n    return now;\n}\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=True)
        env = {"LD_PRELOAD": library, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"}
        self.fill()
        self.only(self.examine(1, env=dict(env, TEST_TIME="86400")), "clock", "time", "fail", "1970-01-02")
        self.only(self.examine(0, env=dict(env, TEST_TIME="1735700000")), "clock", "time", "warning", "later")
        self.only(self.examine(0, env=dict(env, TEST_TIME="4102444800")), "clock", "time", "ok", "2100-01-01")

    def test_a_configuration_elsewhere(self):
        self.fill()
        config = os.path.join(self.ws.dir, "config.yaml")
        done = subprocess.run([harness.QLOADER, "doctor", "--json", "--config", config], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout)
        checks = json.loads(done.stdout)["checks"]
        self.assertEqual([c["check"] for c in checks if c["area"] == "permissions"], ["data"])
        self.assertIn(os.path.join(self.ws.dir, "data"), [c["message"] for c in checks if c["area"] == "permissions"][0])


if __name__ == "__main__":
    harness.become_root()
    harness.main()
