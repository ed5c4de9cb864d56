"""docs/monitoring: the dashboard and the alert rules name metrics and labels that exist, and the rules do what they say (promtool)."""
import json
import os
import re
import subprocess
import tempfile
import unittest

import harness


SOURCE = os.environ["QLOADER_SOURCE"]
FOLDER = os.path.join(SOURCE, "docs", "monitoring")
OWN = re.compile(r"\b(?:qloader|qdrant|process)_\w+")
ADDED_BY_PROMETHEUS = {"job", "instance", "le"}


def table():
    """name of a series: labels, from the rows of docs/metrics.md."""
    series = {}
    with open(os.path.join(SOURCE, "docs", "metrics.md")) as f:
        for name, kind, labels in re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| ", f.read(), re.M):
            label, _, values = labels.partition(": ")
            known = {label.strip("`"): set(values.split(", "))} if labels else {}
            for end in ("_bucket", "_count", "_sum") if kind == "histogram" else ("",):
                series[name + end] = known
    return series


def expressions(value):
    """Every PromQL text of a dashboard or of rules."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in ("expr", "definition") and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from expressions(inner)


def problems(expression, series):
    found = []
    for name, selector in re.findall(r"\b((?:qloader|qdrant|process)_\w+)(\{[^}]*\})?", expression):
        if name not in series:
            found.append("no metric %s in: %s" % (name, expression))
            continue
        for label, value in re.findall(r'(\w+)\s*(?:=~|!=|!~|=)\s*"([^"]*)"', selector):
            if label not in ADDED_BY_PROMETHEUS and label not in series[name]:
                found.append("%s has no label %s in: %s" % (name, label, expression))
            elif label in series[name]:
                found += ["%s has no %s '%s'" % (name, label, v) for v in value.split("|") if v not in series[name][label]]
    for names in re.findall(r"\b(?:by|without) \(([^)]*)\)", expression):
        used = [series[name] for name in OWN.findall(expression) if name in series]
        for label in names.split(", "):
            if label not in ADDED_BY_PROMETHEUS and not any(label in labels for labels in used):
                found.append("nothing has the label %s in: %s" % (label, expression))
    return found


class Monitoring(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.series = table()
        with open(os.path.join(FOLDER, "dashboard.json")) as f:
            cls.dashboard = json.load(f)
        with open(os.path.join(FOLDER, "alerts.yml")) as f:
            cls.rules = f.read()

    def test_the_table_was_read(self):
        self.assertGreater(len(self.series), 40)
        self.assertEqual(self.series["qloader_queue_bytes"], {"queue": {"embed", "write"}})

    def test_every_metric_is_counted_somewhere(self):
        """A name in the table that nothing feeds would be 0 for ever."""
        table, code = os.path.join(SOURCE, "lib", "prof", "metric_table.h"), ""
        with open(table) as f:
            names = re.findall(r"^    X\((\w+), \"(?:qdrant|qloader|process)_", f.read(), re.M)
        self.assertGreater(len(names), 30)
        for folder, _, files in os.walk(os.path.join(SOURCE, "lib")):
            for name in files:
                if name.endswith(".c"):
                    with open(os.path.join(folder, name)) as f:
                        text = f.read()
                    # Where it is only said that a counter is kept elsewhere, nothing is counted.
                    code += re.sub(r"case QL__METRIC_\w+:( case QL__METRIC_\w+:)* *(return true;)?", "", text)
        self.assertEqual([name for name in names if not re.search(r"QL__METRIC_%s\b" % name, code)], [])

    def test_expressions_of_the_dashboard(self):
        queries = list(expressions(self.dashboard))
        self.assertGreater(len(queries), 30)
        self.assertEqual([p for query in queries for p in problems(query, self.series)], [])

    def test_expressions_of_the_rules(self):
        queries = re.findall(r"^\s+expr: (.*)$", self.rules, re.M)
        self.assertEqual(len(queries), self.rules.count("- alert: "))
        self.assertEqual([p for query in queries for p in problems(query, self.series)], [])

    def test_what_is_wrong_is_noticed(self):
        for wrong in ("rate(qloader_chunk_total[5m])", "qloader_search_duration_seconds", 'qloader_documents_total{result="lost"}', 'qloader_chunks_total{result="ok"}',
                      "sum by (stage) (qloader_documents_total)"):
            self.assertNotEqual(problems(wrong, self.series), [], wrong)

    def test_the_dashboard_shows_every_metric(self):
        shown = {name for query in expressions(self.dashboard) for name in OWN.findall(query)}
        bare = {re.sub("_(bucket|count|sum)$", "", name) for name in shown}
        self.assertEqual({re.sub("_(bucket|count|sum)$", "", name) for name in self.series} - bare, set())

    def test_the_dashboard_is_whole(self):
        panels = self.dashboard["panels"]
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))
        cells = set()
        for panel in panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            mine = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
            self.assertFalse(cells & mine, "%s lies over another panel" % panel["title"])
            cells |= mine
            if panel["type"] != "row":
                self.assertTrue(panel["targets"], panel["title"])
        variables = {variable["name"] for variable in self.dashboard["templating"]["list"]}
        for query in expressions(self.dashboard):
            self.assertLessEqual(set(re.findall(r"\$(\w+)", query)) - {"__rate_interval"}, variables, query)

    def promtool(self, *words):
        tool = harness.promtool(self)
        return subprocess.run([tool, *words], capture_output=True, text=True, cwd=FOLDER, timeout=120)

    def test_promtool_takes_the_rules(self):
        done = self.promtool("check", "rules", "alerts.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("%d rules found" % self.rules.count("- alert: "), done.stdout)

    def test_rules_fire_where_they_should(self):
        done = self.promtool("test", "rules", "alerts_test.yml")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_promtool_takes_the_dashboards_expressions(self):
        rules = ["groups: [{name: dashboard, rules: ["]
        for i, query in enumerate(expressions(self.dashboard)):
            if query.startswith("label_values"):
                continue
            text = query.replace("$__rate_interval", "1m").replace("$", "")
            rules.append("{record: 'r%d', expr: %s}," % (i, json.dumps(text)))
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "rules.yml")
            with open(path, "w") as f:
                f.write("\n".join(rules + ["]}]\n"]))
            done = self.promtool("check", "rules", path)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
