"""A small synthetic corpus, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from synthetic_voices import write_corpus

from ml.emotion.corpus import Corpus, load_corpus


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("voices"))


@pytest.fixture(scope="session")
def corpus(manifest: Path) -> Corpus:
    return load_corpus(manifest)
