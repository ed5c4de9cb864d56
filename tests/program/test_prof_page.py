"""The page of a capture, as a person uses it: in a headless Chromium, with keys and mouse. Numbers are compared with those of the command line.

The capture is tests/support/qprof_build.c's: 60 samples of 10 ms in capture_inner (inlined in capture_hot), 30 in capture_cold, 10 in a recursion.
With QLOADER_PICTURES=DIR every view is also kept there as a picture, wide and narrow, light and dark.
"""
import base64
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

import browser
import harness

MAKE_CAPTURE = os.environ["QLOADER_MAKE_CAPTURE"]
VIEWS = ("top", "flame", "heavy", "sandwich", "timeline", "memory", "tasks", "io", "diff")
PICTURES = os.environ.get("QLOADER_PICTURES")


class Captures(harness.Captures):
    @classmethod
    def prof(cls, *words, timeout=120):
        return subprocess.run([harness.QLOADER, "prof", *words], capture_output=True, cwd=cls.dir, stdin=subprocess.DEVNULL, timeout=timeout, check=True).stdout

    def serve(self, *words):
        server = subprocess.Popen([harness.QLOADER, "prof", "view", "--no-open", *words], cwd=self.dir, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(server.communicate)
        self.addCleanup(server.kill)
        return server


class Page(Captures):
    """In the browser."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if browser.program() is None:
            raise unittest.SkipTest("no chromium; pkgconfig/deps/packages brings it")
        cls.prof("view", "--html", cls.path("page.html"), "capture.qprof")
        cls.prof("view", "--html", cls.path("diff.html"), "slower.qprof", "--diff", "capture.qprof")
        cls.browser = browser.Browser()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.browser.requests.clear()
        self.browser.problems.clear()
        self.browser.resize(1280, 800)
        self.browser.appearance(False)
        self.open("page.html")

    def open(self, name, wait=True):
        self.browser.open("about:blank")
        self.browser.open("file://" + self.path(name))
        if wait:
            self.js("started.then((app) => { window.app = app; })")
            self.browser.settle()

    def js(self, script):
        return self.browser.evaluate(script)

    def text(self):
        return self.js("document.getElementById('main').innerText")

    def clean(self):
        """Nothing went wrong, and nothing was asked for but the page."""
        self.assertEqual(self.browser.problems, [])
        self.assertEqual([url for url in self.browser.requests if url != "about:blank" and not url.startswith("file://" + self.dir)], [])

    # --- views ---

    def test_top_has_the_numbers_of_the_command_line(self):
        rows = json.loads(self.prof("top", "--json", "--limit", "0", "capture.qprof"))["rows"]
        shown = self.js("Array.from(app.profile.name, (name, fn) => [name, app.totals.own[fn], app.totals.all[fn], app.totals.samples[fn]]).filter((row) => row[3] > 0)")
        self.assertEqual(sorted(map(tuple, shown)), sorted((row["name"], row["self"], row["cumulative"], row["samples"]) for row in rows))
        first = self.js("document.querySelector('tbody tr').innerText")
        for part in ("700.00 ms", "70.0 %", "capture_inner", "target.c:8"):
            self.assertIn(part, first)
        self.js("document.querySelectorAll('th button')[2].click()")  # by cumulative
        self.assertIn("capture_entry", self.js("document.querySelector('tbody tr').innerText"))
        self.assertEqual(self.js("document.querySelectorAll('th')[2].getAttribute('aria-sort')"), "descending")
        self.clean()

    def tree(self, which):
        return self.js("(() => { const t = %s, names = []; for (let n = 0; n < t.size; n++) { const path = []; for (let a = n; a > 0; a = t.parent[a]) path.unshift(app.profile.name[t.fn[a]]);"
                       " if (t.own[n] > 0) names.push([path.join(';'), t.own[n], t.total[n]]); } return names; })()" % which)

    def test_graphs_are_the_collapsed_stacks(self):
        with_lines = dict(line.rsplit(" ", 1) for line in self.prof("convert", "--to", "collapsed", "capture.qprof").decode().splitlines())
        for view in ("app.tree(true)", "app.tree(false)"):
            self.assertEqual({path: str(own) for path, own, _ in self.tree(view)}, with_lines)
        by_weight = self.js("(() => { const t = app.tree(true); return Array.from(t.children.subarray(t.first[1], t.first[2]), (n) => app.profile.name[t.fn[n]]); })()")
        by_name = self.js("(() => { const t = app.tree(false); return Array.from(t.children.subarray(t.first[1], t.first[2]), (n) => app.profile.name[t.fn[n]]); })()")
        self.assertEqual(by_weight, ["capture_hot", "capture_cold", "brgemm_f32"])
        self.assertEqual(by_name, ["brgemm_f32", "capture_cold", "capture_hot"])

    def colours(self):
        """Different colours of what the view draws."""
        self.browser.settle()
        return self.js("(() => { const c = document.querySelector('.pane canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, s = new Set();"
                       " for (let i = 0; i < d.length; i += 4) s.add(d[i] << 16 | d[i + 1] << 8 | d[i + 2]); return s.size; })()")

    def test_walks_and_zooms_in_a_graph_by_keys(self):
        self.browser.press("3")
        self.assertGreater(self.colours(), 4)
        detail = "document.getElementById('detail').textContent"
        for key, expected in (("ArrowDown", "all"), ("ArrowDown", "capture_entry"), ("ArrowDown", "capture_hot"), ("ArrowRight", "capture_cold"), ("ArrowUp", "capture_entry")):
            self.browser.press(key)
            self.assertTrue(self.js(detail).startswith(expected), (key, self.js(detail)))
        self.browser.press("ArrowDown")
        self.browser.press("Enter")
        self.assertEqual(self.js("app.profile.name[app.view.tree.fn[app.view.zoom]]"), "capture_hot")
        self.browser.press("Escape")
        self.assertEqual(self.js("app.view.zoom"), 0)
        self.browser.press("s")
        self.assertEqual(self.js("app.viewId"), "sandwich")
        self.clean()

    def test_mouse_zooms_a_graph(self):
        self.browser.press("3")
        left, top = self.js("(() => { const b = document.querySelector('.pane canvas').getBoundingClientRect(); return [b.left, b.top]; })()")
        for row, expected in ((1, "capture_entry"), (2, "capture_hot")):
            self.browser.mouse(("mouseMoved", left + 20, top + row * 19 + 8))
            self.assertTrue(self.js("document.getElementById('detail').textContent").startswith(expected))
        self.browser.mouse(("mousePressed", left + 20, top + 46), ("mouseReleased", left + 20, top + 46))
        self.assertEqual(self.js("app.profile.name[app.view.tree.fn[app.view.zoom]]"), "capture_hot")

    def test_sandwich(self):
        self.js("app.sandwich(app.profile.name.indexOf('capture_inner'))")
        self.assertIn("capture_inner (target.c:8)", self.text())
        self.assertIn("with what it calls 700.00 ms", self.text())
        callers, callees = (self.js("(() => { const t = app.view.flames[%d].tree;"
                                    " return Array.from(t.children.subarray(t.first[0], t.first[1]), (n) => [app.profile.name[t.fn[n]], t.total[n]]); })()" % i) for i in (0, 1))
        self.assertEqual(callers, [["capture_hot", 700000000]])
        self.assertEqual(callees, [["capture_hot", 100000000]])  # the recursion
        self.clean()

    def test_timeline_chooses_a_time_for_all_views(self):
        self.browser.press("5")
        self.assertGreater(self.colours(), 3)
        self.assertEqual(self.js("app.view.lanes.map((lane) => lane.spans.length)"), self.js("[1, 2].map((t) => app.profile.data.spans.thread.filter((of) => of === t).length)"))
        whole = self.js("app.sums.total")
        left, top, width = self.js("(() => { const b = document.querySelector('.pane canvas').getBoundingClientRect(); return [b.left, b.top, b.width]; })()")
        drag = [("mousePressed", 10), ("mouseMoved", width / 4), ("mouseMoved", width / 2), ("mouseReleased", width / 2)]
        self.browser.mouse(*((kind, left + x, top + 60) for kind, x in drag))
        part = self.js("app.sums.total")
        self.assertTrue(0 < part < whole, (part, whole))
        expected = self.js("(() => { const s = app.profile.data.samples.cpu; let sum = 0;"
                           " s.at_ns.forEach((at, i) => { if (at >= app.pick.range[0] && at < app.pick.range[1]) sum += s.values.cpu[i]; }); return sum; })()")
        self.assertEqual(part, expected)
        self.browser.press("1")
        self.assertEqual(self.js("app.sums.total"), part)
        self.browser.press("Escape")
        self.assertEqual(self.js("app.sums.total"), whole)
        self.clean()

    def test_scales_of_time_are_round(self):
        for rough, step, mark in ((1, 1, "1 ns"), (3e5, 5e5, "500 µs"), (1.1e9, 2e9, "2 s"), (15e9, 20e9, "20 s"), (25e9, 30e9, "30 s"), (50e9, 60e9, "1 min"), (100e9, 120e9, "2 min"), (500e9, 600e9, "10 min")):
            self.assertEqual(self.js("[stepOf(%g), formatMark(stepOf(%g))]" % (rough, rough)), [step, mark])
        self.assertEqual(self.js("[0, 80e9, 90e9, 1.2e9].map(formatMark)"), ["0", "80 s", "1.5 min", "1.2 s"])

    def test_time_zooms_by_keys(self):
        for view in ("5", "6"):
            self.browser.press(view)
            whole = self.js("app.view.axis.to - app.view.axis.from")
            self.browser.press("+")
            self.assertLess(self.js("app.view.axis.to - app.view.axis.from"), whole)
            before = self.js("app.view.axis.from")
            self.browser.press("ArrowRight")
            self.assertGreater(self.js("app.view.axis.from"), before)
            self.browser.press("0")
            self.assertEqual(self.js("app.view.axis.to - app.view.axis.from"), whole)

    def test_memory_and_tasks(self):
        self.browser.press("6")
        self.assertGreater(self.colours(), 4)
        self.assertIn("peak 40.0 MiB", self.text())
        self.browser.press("7")
        self.assertIn("docs/a & b.md", self.text())
        self.clean()

    def test_statements_and_requests(self):
        self.js("""(() => {
          const d = app.profile.data, add = (word) => d.strings.push(word) - 1, key = {};
          for (const word of ['text', 'host', 'try', 'new_connection', 'status', 'count', 'busy_ns']) key[word] = add(word);
          for (const column of ['name', 'category', 'function', 'file', 'line']) d.sites[column].push(0, 0);
          const sql = d.sites.name.length - 1, http = d.sites.name.length;
          d.sites.category[sql - 1] = add('sql'); d.sites.category[http - 1] = add('http');
          const s = d.spans, span = (site, ns, attributes) => { s.parent.push(0); s.task.push(0); s.site.push(site); s.thread.push(1); s.labels.push(0); s.begin_ns.push(0); s.end_ns.push(ns); s.attributes.push(attributes); };
          for (let i = 0; i < 3; i++) span(sql, 1e6, [key.text, 'SELECT <b> FROM t']);
          span(sql, 9e6, [key.text, 'INSERT', key.count, 4, key.busy_ns, 2e6]); // four short ones in a row, and what passed between them
          span(http, 5e6, [key.host, 'api.example', key.try, 1, key.new_connection, 1, key.status, 503]);
          span(http, 7e6, [key.host, 'api.example', key.try, 2, key.new_connection, 1, key.status, 200]);
          app.show('io');
        })()""")
        rows = [re.sub(r"\s+", " ", row) for row in self.js("Array.from(document.querySelectorAll('tbody tr'), (row) => row.innerText)")]
        self.assertEqual(rows, ["12.00 ms 2 6.00 ms 7.00 ms http api.example 1 tried again, 2 new connections, 1 failed", "3.00 ms 3 1.00 ms 1.00 ms sql SELECT <b> FROM t ",
                                "2.00 ms 4 500.0 µs 500.0 µs sql INSERT "])
        self.assertEqual(self.js("document.querySelectorAll('tbody b').length"), 0)

    def test_kinds_threads_stages(self):
        choose = "(() => { const s = document.getElementById('%s'), o = Array.from(s.options).find((o) => o.text.includes(%s)); s.value = o.value; s.dispatchEvent(new Event('change')); return app.sums.total; })()"
        for name in ("convert", "embed"):
            self.assertIn(self.js(choose % ("stage", json.dumps(name))), (500000000, 500000001))
        self.js(choose % ("stage", '"all stages"'))
        threads = [self.js(choose % ("thread", json.dumps(name))) for name in ("main 100", "worker <1> 101")]
        self.assertEqual(sum(threads), 1000000001)
        self.assertGreater(min(threads), 0)
        self.js(choose % ("thread", '"all threads"'))
        heap = {word: self.js(choose % ("measure", json.dumps(word))) for word in ("memory in use", "memory allocated", "at the peak", "not freed")}
        table = {word: json.loads(self.prof("heap", option, "--json", "--limit", "0", "capture.qprof"))["rows"] for word, option in
                 (("memory in use", "--inuse"), ("memory allocated", "--alloc"), ("at the peak", "--peak"), ("not freed", "--leak"))}
        self.assertEqual(heap, {word: sum(row["bytes"] for row in rows) for word, rows in table.items()})
        self.assertIn("MiB", self.js("document.querySelector('tbody tr').innerText"))
        self.assertEqual(self.js(choose % ("measure", '"wall"')), json.loads(self.prof("top", "--kind", "wall", "--json", "capture.qprof"))["total"])
        self.clean()

    def test_diff(self):
        self.assertIn("One capture only", self.js("app.show('diff'), document.getElementById('main').innerText"))
        self.open("diff.html")
        self.browser.press("9")
        rows = json.loads(self.prof("diff", "--json", "--limit", "0", "capture.qprof", "slower.qprof"))["rows"]
        shown = self.js("Array.from(changes(app).values(), (row) => [row.name, row.own[1] - row.own[0], row.all[1] - row.all[0]])")
        self.assertEqual(sorted(map(tuple, shown)), sorted((row["name"], row["self_change"], row["cumulative_change"]) for row in rows))
        first = self.js("document.querySelector('tbody tr').innerText")
        self.assertIn("+600.00 ms", first)
        self.assertIn("capture_cold", first)
        self.assertGreater(self.colours(), 4)
        self.clean()

    # --- search, keys, appearance ---

    def search(self, words):
        self.browser.press("/")
        self.assertEqual(self.js("document.activeElement.id"), "search")
        self.browser.call("Input.insertText", text=words)
        self.browser.press("Enter")

    def test_search_marks_in_every_view(self):
        self.search("capture_c.ld")
        self.assertEqual(self.js("document.getElementById('found').textContent"), "1 function, 30.0 %")
        self.assertEqual(self.js("Array.from(document.querySelectorAll('tr.hit .name'), (cell) => cell.textContent)"), ["capture_cold"])
        self.js("document.querySelector('.bar input').click()")
        self.assertEqual(self.js("document.querySelectorAll('tbody tr').length"), 1)
        marked = "(() => { const c = document.querySelector('.pane canvas'), d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;" \
                 " for (let i = 0; i < d.length; i += 4) if (d[i] === 0xd1 && d[i + 1] === 0x1a && d[i + 2] === 0x8a) n++; return n; })()"
        for view in ("flame", "heavy", "timeline"):
            self.js("app.show('%s')" % view)
            self.browser.settle()
            self.assertGreater(self.js(marked), 50, view)
        self.browser.press("Escape")  # still in the field
        self.assertEqual(self.js("[document.getElementById('search').value, app.pattern]"), ["", None])
        self.browser.settle()
        self.assertEqual(self.js(marked), 0)
        self.search("capture_(")  # no regular expression: as it stands
        self.assertEqual(self.js("app.found.count"), 0)
        self.clean()

    def test_keys(self):
        for number, view in enumerate(VIEWS, 1):
            self.browser.press(str(number))
            self.assertEqual(self.js("app.viewId"), view)
            self.assertEqual(self.js("document.querySelector('[aria-selected=true]').id"), "tab-" + view)
        self.browser.press("?")
        self.assertTrue(self.js("document.getElementById('help').open"))
        self.assertIn("search", self.js("document.getElementById('help').innerText"))
        self.browser.press("Escape")
        self.assertFalse(self.js("document.getElementById('help').open"))
        self.browser.press("1")
        self.browser.press("ArrowDown")
        self.assertIn("capture_cold", self.js("document.activeElement.innerText"))
        self.browser.press("Enter")
        self.assertEqual(self.js("[app.viewId, app.profile.name[app.focus]]"), ["sandwich", "capture_cold"])

    def test_appearance(self):
        page = "getComputedStyle(document.body).backgroundColor"
        self.assertEqual(self.js(page), "rgb(255, 255, 255)")
        self.browser.press("t")
        self.assertEqual(self.js(page), "rgb(21, 23, 28)")
        self.browser.press("t")
        self.assertEqual(self.js(page), "rgb(255, 255, 255)")
        self.open("page.html")
        self.browser.appearance(True)
        self.assertEqual(self.js(page), "rgb(21, 23, 28)")
        self.browser.press("t")
        self.assertEqual(self.js(page), "rgb(255, 255, 255)")

    def test_fits_every_width(self):
        self.open("diff.html")
        for width in (400, 700, 1280):
            for dark in (False, True):
                self.browser.resize(width, 760)
                self.browser.appearance(dark)
                for view in VIEWS:
                    self.js("app.focus = app.profile.name.indexOf('capture_inner'); app.show('%s')" % view)
                    self.browser.settle()
                    self.assertLessEqual(self.js("document.documentElement.scrollWidth"), width, (view, width))
                    self.assertGreater(self.js("document.getElementById('main').clientHeight"), 300, (view, width))
                    if PICTURES and width != 700:
                        self.browser.picture(os.path.join(PICTURES, "%s-%d-%s.png" % (view, width, "dark" if dark else "light")))
        self.clean()

    # --- safety, size ---

    def test_policy_lets_nothing_else_run(self):
        self.js("(() => { const s = document.createElement('script'); s.textContent = 'window.intruder = 1'; document.body.append(s); })()")
        self.js("(() => { const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; })()")
        self.js("fetch('http://127.0.0.1:9/').catch(() => 0)")
        self.assertIsNone(self.js("window.intruder"))
        self.assertTrue(any("Content Security Policy" in problem for problem in self.browser.problems))

    def test_is_the_same_over_http(self):
        server = self.serve("capture.qprof")
        url = server.stdout.readline().strip()
        self.browser.open(url)
        self.assertEqual(self.js("started.then((app) => [app.sums.count, document.querySelectorAll('tbody tr').length])"), [101, 5])
        self.assertEqual(self.browser.problems, [])
        self.assertEqual([asked for asked in self.browser.requests if asked.startswith("http")], [url])

    def test_damaged_data_is_told(self):
        with open(self.path("page.html")) as f:
            text = f.read()
        with open(self.path("damaged.html"), "w") as f:
            f.write(re.sub(r'(id="data">).{40}', r"\1" + "A" * 40, text))
        self.open("damaged.html", wait=False)
        self.assertTrue(self.js("started.then(() => false, () => true)"))
        self.assertIn("cannot be read", self.text())

    def test_a_hundred_thousand_stacks(self):
        """All of them are in the tables and graphs, which are there at all; how long that takes is printed, not judged."""
        count, weight = 100000, 1000000
        subprocess.run([MAKE_CAPTURE, self.path("large.qprof"), "--stacks", str(count)], check=True)
        self.prof("view", "--html", self.path("large.html"), "large.qprof", timeout=900)
        self.open("large.html")
        self.assertEqual(self.js("[app.profile.stacks, app.sums.count, app.sums.total]"), [count + 1, count, count * weight])  # the first is the empty one
        root = "app.profile.name.indexOf('[part_0.so]')"
        self.assertEqual(self.js("[app.totals.all[%s], app.totals.samples[%s]]" % (root, root)), [count * weight, count])
        took = {view: self.js("(() => { const begin = performance.now(); app.show('%s'); return Math.round(performance.now() - begin); })()" % view)
                for view in ("top", "flame", "heavy", "timeline")}
        print("100,000 stacks, ms:", took)
        for tree in ("app.tree(true)", "app.tree(false)"):
            self.assertEqual(self.js("(() => { const t = %s; return [t.total[0], t.own.reduce((a, b) => a + b), t.deepest, app.profile.name[t.fn[1]]]; })()" % tree),
                             [count * weight, count * weight, 31, "[part_0.so]"])
        self.js("app.show('heavy')")
        self.assertGreater(self.colours(), 50)
        self.clean()


class File(Captures):
    """Without a browser."""

    def test_holds_all_it_needs(self):
        path = self.path("alone.html")
        done = json.loads(self.prof("view", "--html", path, "--json", "capture.qprof"))
        self.assertEqual((done["file"], done["format"], done["bytes"]), (path, "html", os.path.getsize(path)))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path) as f:
            text = f.read()
        policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text).group(1)
        parts = dict(part.strip().split(" ", 1) for part in policy.split(";"))
        digest = lambda body: "'sha256-%s'" % base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        self.assertEqual(parts, {"default-src": "'none'", "script-src": digest(re.search(r"<script>(.*?)</script>", text, re.S).group(1)),
                                 "style-src": digest(re.search(r"<style>(.*?)</style>", text, re.S).group(1)), "base-uri": "'none'", "form-action": "'none'"})
        data = re.search(r'<script type="application/octet-stream" id="data">([A-Za-z0-9+/=]*)</script>', text).group(1)
        self.assertLess(len(text) - len(data), 600 * 1024)
        self.assertEqual(re.findall(r"https?://|\bsrc=|@import|url\(|\bon\w+=\"", text), [])
        unpacked = subprocess.run(["gzip", "-dc"], input=base64.b64decode(data), capture_output=True, check=True).stdout
        self.assertEqual(unpacked, self.prof("convert", "--to", "json", "capture.qprof"))
        self.assertEqual(self.prof("convert", "--to", "html", "capture.qprof"), text.encode())

    def answer(self, url, **headers):
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=60) as answer:
                return answer.status, answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            return error.code, b"", error.headers

    def test_is_served_until_it_is_stopped(self):
        server = self.serve("capture.qprof")
        url = server.stdout.readline().strip()
        self.assertRegex(url, r"^http://127\.0\.0\.1:[0-9]+/[0-9a-f]{32}/$")
        status, body, headers = self.answer(url)
        self.assertEqual((status, body), (200, self.prof("convert", "--to", "html", "capture.qprof")))
        self.assertEqual((headers["Content-Type"], headers["Cache-Control"]), ("text/html; charset=utf-8", "no-store"))
        place = url.rsplit("/", 2)[0]
        for wrong in ("/", "/" + "0" * 32 + "/", "/metrics"):
            self.assertEqual(self.answer(place + wrong)[0], 404)
        self.assertEqual(self.answer(url, Host="example.com")[0], 421)
        self.assertEqual(self.answer(url, Origin="http://example.com")[0], 403)
        server.send_signal(signal.SIGINT)
        self.assertEqual(server.wait(60), 0)
        self.assertEqual(server.stderr.read(), "Open this address in a browser on this machine. Ctrl-C ends it.\n")
        self.assertRaises(OSError, urllib.request.urlopen, url)

    def test_two_servers_have_two_secrets(self):
        one, two = (json.loads(self.read_json(self.serve("--json", "capture.qprof")))["url"] for _ in range(2))
        self.assertNotEqual(one.rsplit("/", 2)[1], two.rsplit("/", 2)[1])

    def read_json(self, server):
        text = ""
        while not text.rstrip().endswith("}"):
            line = server.stdout.readline()
            self.assertNotEqual(line, "", server.stderr.read() if server.poll() is not None else "")
            text += line
        return text

    def test_refuses(self):
        def fails(code, *words):
            done = subprocess.run([harness.QLOADER, "prof", "view", "--no-open", *words], cwd=self.dir, capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, code, done.stderr)
            return done.stderr
        server = self.serve("capture.qprof")
        port = server.stdout.readline().split(":")[2].split("/")[0]
        self.assertIn(port, fails(6, "--port", port, "capture.qprof"))
        self.assertIn("nosuch.qprof", fails(4, "nosuch.qprof"))
        self.assertIn("nosuch.qprof", fails(4, "capture.qprof", "--diff", "nosuch.qprof"))
        self.assertIn("--html", fails(2, "--html", self.path("x.html"), "capture.qprof"))
        self.assertFalse(os.path.exists(self.path("x.html")))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"] + sys.argv[1:])
