"""Policy files are read as what they look like, with the line of every value."""

import pytest

from fallsafe.policyset import Problem
from fallsafe.policyset.source import Part, read


def value(text):
    """What a file says."""
    file = read("x.yaml", text.encode())
    assert not isinstance(file, Problem), str(file)
    return file.value


class WhenAFileIsRead:
    def test_words_are_words(self):
        assert value("{a: no, b: on, c: 2026-11-01, d: 1:30, e: 0o17, f: 1_000, g: .5}") == {
            "a": "no", "b": "on", "c": "2026-11-01", "d": "1:30", "e": "0o17", "f": "1_000", "g": ".5",
        }  # fmt: skip

    def test_numbers_and_flags_are_what_they_are(self):
        assert value("{a: 1, b: -2.5, c: true, d: false, e: null, f: ~, g: 1e3}") == {
            "a": 1, "b": -2.5, "c": True, "d": False, "e": None, "f": None, "g": 1000.0,
        }  # fmt: skip

    def test_what_is_quoted_is_text(self):
        assert value("{a: '1', b: \"true\", c: ''}") == {"a": "1", "b": "true", "c": ""}

    def test_every_value_knows_its_line(self):
        file = read("x.yaml", b"a:\n  b:\n    - c: 1\n    - c: 2\n")
        assert Part(file, file.value).at("a").at("b").at(1).at("c").line == 4

    def test_what_is_absent_has_the_line_of_what_lacks_it(self):
        file = read("x.yaml", b"a:\n  b: 1\n")
        assert Part(file, file.value).at("a").at("missing").line == 1


class WhenAFileIsNotPlain:
    @pytest.mark.parametrize(
        ("text", "line", "what"),
        [
            ("a: 1\na: 2\n", 2, "'a' stands twice"),
            ("a: &x [1]\nb: *x\n", 1, "an anchor is used twice"),
            ("a: !!python/object:os.system ls\n", 1, "a tag (tag:yaml.org,2002:python/object:os.system)"),
            ("a: !!int 5\n", 1, "a tag (tag:yaml.org,2002:int)"),
            ("? [a, b]\n: 1\n", 1, "a key that is not a word"),
            ("a:\n\tb: 1\n", 2, "not YAML: found character that cannot start any token"),
            ("a: [1\nb: 2\n", 2, "not YAML: did not find expected ',' or ']'"),
            ("x: " + "[" * 30 + "]" * 30, 1, "nested deeper than 20"),
        ],
    )
    def test_it_is_refused_with_its_line(self, text, line, what):
        problem = read("x.yaml", text.encode())
        assert isinstance(problem, Problem)
        assert (problem.line, problem.what) == (line, what)

    def test_many_laughs_cost_nothing(self):
        laughs = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
        assert isinstance(read("x.yaml", laughs.encode()), Problem)
