"""Which libcurl is loaded, and what is said of those that are not. In processes of their own:
a library is loaded once."""

import os
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def load(library: str | None, code: str = "ensure_loaded(); print(version())") -> tuple[str, int]:
    """Run *code* with WSCORE_LIBCURL set. Return all output and the exit status."""
    environment = {key: value for key, value in os.environ.items() if key != "WSCORE_LIBCURL"}
    if library is not None:
        environment["WSCORE_LIBCURL"] = library
    done = subprocess.run(
        [sys.executable, "-c", f"from wscore.provider import *\n{code}"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return done.stdout + done.stderr, done.returncode


def test_the_wheel_is_found_and_none_of_its_python_is_imported() -> None:
    code = "import sys; print(version(), can_impersonate(), 'curl_cffi' in sys.modules)"
    output, status = load(None, code)
    assert (output.split()[1:], status) == (["True", "False"], 0)
    assert tuple(map(int, output.split("-")[0].split("."))) >= (8, 21)


def test_a_path_that_does_not_exist() -> None:
    output, status = load("/nonexistent/libcurl.so")
    assert status == 1
    assert "no usable libcurl (8.21 or newer, with WebSocket support)" in output
    assert "/nonexistent/libcurl.so: " in output
    assert "No such file" in output
    assert "install curl_cffi 0.16 or newer, or name a library in WSCORE_LIBCURL" in output


def test_a_library_that_is_no_libcurl() -> None:
    name = find_library("m")
    if name is None:
        pytest.skip("this system's libm has no name to load it by")
    output, status = load(name)
    assert status == 1
    assert "not a libcurl: it has no curl_version_info" in output


def test_a_file_that_is_no_library(tmp_path: Path) -> None:
    path = tmp_path / "libcurl.so"
    path.write_bytes(b"not an ELF file at all")
    output, status = load(str(path))
    assert status == 1
    assert str(path) in output


def test_the_system_s_libcurl_is_refused_if_it_is_too_old() -> None:
    name = find_library("curl")
    if name is None:
        pytest.skip("this system has no libcurl of its own")
    output, status = load(name)
    if status == 0:
        assert tuple(map(int, output.split(".")[:2])) >= (8, 21)
        return
    assert f"  {name}: libcurl " in output
    assert "is too old: 8.21.0 or newer is needed" in output or "without WebSocket" in output


def test_a_failure_is_a_curl_error_each_time_it_is_asked_for() -> None:
    code = """
from wscore import CurlError
from wscore.easy import Easy
texts = set()
for _ in range(3):
    try:
        Easy()
    except CurlError as error:
        assert error.code == 2
        texts.add(str(error))
print(len(texts))
"""
    assert load("/nonexistent/libcurl.so", code) == ("1\n", 0)


def test_many_threads_load_it_once() -> None:
    code = """
import threading
threads = [threading.Thread(target=ensure_loaded) for _ in range(16)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(can_impersonate())
"""
    assert load(None, code) == ("True\n", 0)
