import pickle

import pytest

from models import errors

LEAVES = {
    errors.EmptyFile: "empty-file",
    errors.UnsupportedFormat: "unsupported-audio-format",
    errors.Undecodable: "audio-undecodable",
    errors.TooShort: "audio-too-short",
    errors.TooLong: "audio-too-long",
    errors.NotFinite: "audio-not-finite",
}


@pytest.mark.parametrize(("kind", "code"), LEAVES.items())
def test_each_error_has_the_code_of_the_contract(kind, code):
    assert code == kind.code
    assert issubclass(kind, errors.AudioError)


@pytest.mark.parametrize("kind", LEAVES)
def test_an_error_crosses_a_process_boundary_whole(kind):
    arrived = pickle.loads(pickle.dumps(kind("it is broken", "mend it")))  # noqa: S301  our own bytes
    assert (kind, "it is broken", "mend it") == (type(arrived), arrived.message, arrived.remedy)
    assert str(arrived) == "it is broken: mend it"
