#!/usr/bin/env python3
"""Makes a wheel of the package, with the library and its modules in it. Also the build backend that pip runs (see pyproject.toml).

    build_wheel.py --build-dir build/release --out dist     what `cmake --install` would install of that build goes into the wheel
    build_wheel.py --library system --out dist              without a library: the installed one is used

As a backend: pip wheel --config-settings build-dir=/absolute/path/build/release bindings/python, or library=system. Needs no other package and no
network; with a build also cmake and readelf, which made it. The same input gives the same wheel, byte for byte.
"""
import argparse
import base64
import ctypes
import hashlib
import io
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
EARLIEST = 315532800  # 1980-01-01, the first day of a zip file
OF_EVERY_SYSTEM = re.compile(r"(libc|libm|libdl|libpthread|librt|ld-linux.*)\.so\.\d+")


class Failure(Exception):
    """What is wrong with the request or the build."""


class Wheel:
    """The files of a wheel, by their names in it."""

    def __init__(self):
        self._files = {}

    def add(self, name, data, executable=False):
        self._files[name] = (data.encode() if isinstance(data, str) else data, 0o755 if executable else 0o644)

    def add_file(self, name, path, executable=False):
        with open(path, "rb") as file:
            self.add(name, file.read(), executable)

    def write(self, path, record_name):
        record = io.StringIO()
        for name, (data, _) in sorted(self._files.items()):
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record.write("%s,sha256=%s,%d\n" % (name, digest, len(data)))
        record.write("%s,,\n" % record_name)
        self.add(record_name, record.getvalue())
        moment = time.gmtime(max(int(os.environ.get("SOURCE_DATE_EPOCH", EARLIEST)), EARLIEST))[:6]
        order = sorted(self._files, key=lambda name: (name.split("/")[0].endswith(".dist-info"), name))  # as the format asks
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in order:
                data, mode = self._files[name]
                info = zipfile.ZipInfo(name, moment)
                info.compress_type = zipfile.ZIP_DEFLATED
                info.external_attr = (0o100000 | mode) << 16
                archive.writestr(info, data)


def package_version():
    with open(os.path.join(HERE, "qloader", "_version.py")) as file:
        return re.search(r'__version__ = "([\d.]+)"', file.read()).group(1)


def walk(folder):
    """(name relative to the folder, path) of every file."""
    for parent, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(parent, name)
            yield os.path.relpath(path, folder).replace(os.sep, "/"), path


def add_package(wheel):
    for name, path in walk(os.path.join(HERE, "qloader")):
        if name.endswith(".py") or name == "py.typed":
            wheel.add_file("qloader/" + name, path)


def install(build_dir, prefix):
    if not os.path.exists(os.path.join(build_dir, "cmake_install.cmake")):
        raise Failure("%s is not a build of libqloader: cmake --preset release && cmake --build --preset release make one" % build_dir)
    done = subprocess.run(["cmake", "--install", build_dir, "--prefix", prefix, "--strip"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure("cmake --install %s fails:\n%s" % (build_dir, done.stdout[-2000:]))


def check_library(path):
    number = ctypes.CDLL(path).ql_version_number()
    major, minor, patch = (int(part) for part in package_version().split("."))
    if number != major * 1000000 + minor * 1000 + patch:
        raise Failure("the library of the build has the version number %d, the package is %s" % (number, package_version()))


def needed(path):
    listing = subprocess.run(["readelf", "-d", path], stdout=subprocess.PIPE, check=True, text=True).stdout
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", listing))


def add_build(wheel, build_dir, info):
    """The library, its modules and the notices of what they contain; returns what they need of the system."""
    with tempfile.TemporaryDirectory() as prefix:
        install(build_dir, prefix)
        installed = dict(walk(prefix))
        (library,) = [path for name, path in installed.items() if re.search(r"/libqloader\.so\.\d+\.\d+\.\d+$", name)]
        check_library(library)
        wheel.add_file("qloader/_lib/libqloader.so", library, executable=True)
        modules = {name: path for name, path in installed.items() if re.search(r"/qloader/qloader-[\w-]+\.so$", name)}
        if not any(name.endswith("/qloader-git2.so") for name in modules):
            raise Failure("the build has no modules: %s" % ", ".join(sorted(installed)))
        for name, path in modules.items():
            wheel.add_file("qloader/_lib/modules/" + os.path.basename(name), path, executable=True)
        for name, path in installed.items():
            if name.startswith("share/doc/qloader/"):
                wheel.add_file("%s/licenses/%s" % (info, name[len("share/doc/qloader/"):]), path)
        wanted = set().union(*(needed(path) for path in [library, *modules.values()]))
        return sorted(name for name in wanted if not OF_EVERY_SYSTEM.fullmatch(name))


def metadata(version, external):
    with open(os.path.join(HERE, "README.md")) as file:
        description = file.read()
    fields = [
        ("Metadata-Version", "2.1"), ("Name", "qloader"), ("Version", version),
        ("Summary", "Turns a team's documents into a search index and answers questions from it"),
        ("License", "Apache-2.0"), ("Requires-Python", ">=3.9"), ("Description-Content-Type", "text/markdown"),
        ("Classifier", "Operating System :: POSIX :: Linux"), ("Classifier", "Typing :: Typed"),
    ]
    fields += [("Requires-External", name) for name in external]
    return "".join("%s: %s\n" % field for field in fields) + "\n" + description


def make(out, build_dir=None, library=None):
    """Writes the wheel into the folder `out`; its file name."""
    if (build_dir is None) == (library is None) or library not in (None, "system"):
        raise Failure("say where the library is: build-dir=/path/of/a/build to put it into the wheel, or library=system to use the installed one")
    version = package_version()
    info = "qloader-%s.dist-info" % version
    platform = "any" if build_dir is None else sysconfig.get_platform().replace("-", "_").replace(".", "_")
    wheel = Wheel()
    add_package(wheel)
    external = ["libqloader.so." + ".".join(version.split(".")[:2])]
    if build_dir is not None:
        external = add_build(wheel, os.path.abspath(build_dir), info)
    else:
        wheel.add_file(info + "/licenses/LICENSE", os.path.join(TOP, "LICENSE"))
    pure = "true" if build_dir is None else "false"
    wheel.add(info + "/METADATA", metadata(version, external))
    wheel.add(info + "/WHEEL", "Wheel-Version: 1.0\nGenerator: libqloader build_wheel\nRoot-Is-Purelib: %s\nTag: py3-none-%s\n" % (pure, platform))
    name = "qloader-%s-py3-none-%s.whl" % (version, platform)
    os.makedirs(out, exist_ok=True)
    wheel.write(os.path.join(out, name), info + "/RECORD")
    return name


# --- the hooks of a build backend ---


class UnsupportedOperation(Exception):
    """The name that the interface gives to what a backend cannot do."""


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    settings = config_settings or {}
    try:
        unknown = sorted(set(settings) - {"build-dir", "library"})
        if unknown:
            raise Failure("unknown setting %s: there are build-dir and library" % ", ".join(unknown))
        return make(wheel_directory, settings.get("build-dir"), settings.get("library"))
    except Failure as failure:
        sys.exit("build_wheel: %s" % failure)  # pip shows what an exception of ours would say under its traceback


def build_sdist(sdist_directory, config_settings=None):
    raise UnsupportedOperation("the sources are those of libqloader as a whole; make a wheel")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--build-dir", help="a build of libqloader")
    parser.add_argument("--library", choices=["system"], help="use the installed library")
    parser.add_argument("--out", default="dist", help="folder that gets the wheel (dist)")
    arguments = parser.parse_args()
    try:
        name = make(arguments.out, arguments.build_dir, arguments.library)
    except Failure as failure:
        sys.exit("build_wheel: %s" % failure)
    print(os.path.join(arguments.out, name))


if __name__ == "__main__":
    main()
