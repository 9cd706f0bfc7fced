"""One line for bad input, whatever it quotes."""

import os
import pickle

from harness.core.errors import ClaimsError, printable


def test_an_error_is_one_line_that_any_terminal_takes():
    error = ClaimsError("name\r\n  with \x1b[31mred\x07 and \udcff and é and 数")
    assert str(error) == r"name with \x1b[31mred\x07 and \xff and é and 数"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # as it comes from a worker process


def test_a_file_name_of_other_bytes_shows_them():
    assert printable(os.fsdecode(b"a\xe9/b")) == r"a\xe9/b"
