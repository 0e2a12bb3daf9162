"""Only what pyproject.toml cannot say: the C extension, built by cffi in API mode."""

from setuptools import setup

setup(cffi_modules=["ffi/build.py:builder"])
