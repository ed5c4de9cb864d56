"""The functions for models, on the model that the tests have."""
import os

import support

import qloader

MODEL = os.environ["QLOADER_MODEL_DIR"]


class Model(support.Case):
    def setUp(self):
        super().setUp()
        # Only the folders that a test names are looked into.
        self.home = {"QLOADER_MODEL_DIR": "", "XDG_DATA_HOME": self.path("share"), "HOME": self.path("home")}
        before = dict(os.environ)
        self.addCleanup(os.environ.update, before)
        os.environ.update(self.home)
        del os.environ["QLOADER_MODEL_DIR"]

    def test_pull_find_verify(self):
        name = qloader.default_model()
        with self.assertRaises(qloader.NotFoundError):
            qloader.model_info()
        seen = []
        qloader.pull_model(name, origin=MODEL, progress=seen.append)
        self.assertTrue(seen and all(isinstance(progress, qloader.PullProgress) for progress in seen))
        weights = [progress for progress in seen if progress.file.endswith("model.safetensors")]
        self.assertEqual(weights[-1].done_bytes, weights[-1].total_bytes)
        self.assertTrue(os.path.samefile(qloader.model_user_dir(), self.path("share", "qloader", "models")))
        info = qloader.model_info()
        self.assertEqual((info["name"], info["dims"]), (name, 384))
        (model,) = [model for model in qloader.list_models() if model["name"] == name]
        self.assertTrue(model["usable"])
        qloader.verify_model()
        with open(os.path.join(info["path"], "vocab.txt"), "ab") as file:
            file.write(b"damage\n")
        with self.assertRaises(qloader.CorruptError) as raised:
            qloader.verify_model(name)
        self.assertIn("vocab.txt", str(raised.exception))

    def test_model_of_a_workspace(self):
        qloader.pull_model(origin=MODEL, to_dir=self.path("kb", "models"))
        self.assertEqual(qloader.model_info(workspace_dir=self.path("kb"))["dims"], 384)
        self.assertIn(self.path("kb"), str([model["path"] for model in qloader.list_models(self.path("kb"))]))
        with self.assertRaises(qloader.NotFoundError):
            qloader.verify_model()

    def test_names_that_are_none(self):
        with self.assertRaises(qloader.NotFoundError):
            qloader.model_info("no-such-model")
        with self.assertRaises(qloader.InvalidError):
            qloader.pull_model("")
        with self.assertRaises(qloader.NotFoundError):
            qloader.pull_model(origin=self.path("nowhere"))


if __name__ == "__main__":
    support.main()
