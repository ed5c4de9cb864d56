"""The man pages, completions and tables as gen_docs writes them, in a temporary folder."""
import json
import os
import shutil
import subprocess
import tempfile


class Files:
    def __init__(self, **env):
        self.folder = tempfile.mkdtemp(prefix="qloader-docs-")
        try:
            subprocess.run([os.environ["QLOADER_GEN_DOCS"], self.folder], check=True, stderr=subprocess.PIPE, env=dict(os.environ, **env), timeout=60)
        except BaseException:
            self.close()
            raise
        self.commands = json.loads(self.read("table.json"))  # the program itself first, its name is empty

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def read(self, *names):
        with open(self.path(*names)) as f:
            return f.read()

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)
