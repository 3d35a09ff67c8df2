"""The text of a manifest: what is read is what is written, and traps and attacks are refused."""

# ruff: noqa: E501  messages stand in one line, as people see them

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from manifests.documents import Place
from manifests.problems import ManifestError
from manifests.strict_yaml import MAX_BYTES, MAX_DEPTH, MAX_NODES, load, scalar


def read(text):
    document = load(text, name="m.yaml")
    assert document.problems == []
    return document.tree


def complaints(text):
    """Return every line that is said about a text."""
    try:
        document = load(text, name="m.yaml")
    except ManifestError as error:
        return [str(problem) for problem in error.problems]
    return [str(problem) for problem in document.problems]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("-.5", -0.5),
        ("2.", 2.0),
        ("12", 12),
        ("-12", -12),
        ("+7", 7),
        ("012", 12),
        ("0o12", 10),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("07:00", "07:00"),
        ("2024-01-31", "2024-01-31"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("1.2.3", "1.2.3"),
        ("e3", "e3"),
        (".", "."),
        ("0b1", "0b1"),
        ("infinity", "infinity"),
        ("nan", "nan"),
        ("=", "="),
    ],
)
def test_unquoted_scalars_mean_what_yaml_1_2_says(written, meant):
    """Numbers are numbers, and what only old YAML takes for something else is a text."""
    value = scalar(written)

    assert (type(value), value) == (type(meant), meant)


def test_quoted_scalars_are_texts():
    """Quotes make a text of anything."""
    assert read("['1', \"true\", '', \"null\"]") == ["1", "true", "", "null"]


def test_keys_are_texts():
    """A set may be called 1920, no or null."""
    assert read("{1920: 1, no: 2, null: 3, 1e3: 4}") == {"1920": 1, "no": 2, "null": 3, "1e3": 4}


def test_folded_text_is_one_line():
    """A credit may be folded over several lines; its last line break is nobody's intention."""
    assert read("credit: >\n  by one\n  and another\n") == {"credit": "by one and another"}


@pytest.mark.parametrize(
    "text", ["\ufeffa: 1\r\nb: 2\r\n", b"\xef\xbb\xbfa: 1\nb: 2\n", "---\na: 1\nb: 2"]
)
def test_bytes_order_marks_and_foreign_line_breaks_do_not_matter(text):
    """What Windows writes is read as what Unix writes."""
    assert read(text) == {"a": 1, "b": 2}


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "null"])
def test_an_empty_text_is_nothing(text):
    """A text without a value is no problem here."""
    assert read(text) is None


def test_every_entry_knows_its_place():
    """Entries of mappings stand where their keys do, entries of lists where they begin."""
    places = load("a:\n  - x\n  - {b: 1}\n", name="m.yaml").places

    assert places == {
        (): Place(1, 1),
        ("a",): Place(1, 1),
        ("a", 0): Place(2, 5),
        ("a", 1): Place(3, 5),
        ("a", 1, "b"): Place(3, 6),
    }


REFUSED = [
    ("a: 1\nb:\n  a: 2\na: 3", "E-YAML-DUPKEY m.yaml:4:1 a: 'a' given twice (first at line 1)"),
    ("x: {a: 1, 'a': 2}", "E-YAML-DUPKEY m.yaml:1:11 x.a: 'a' given twice (first at line 1)"),
    ("a:\n", "E-YAML-EMPTY m.yaml:1:3 a: has no value; give it one, or remove it"),
    ("a: [1, ~]", "E-YAML-EMPTY m.yaml:1:8 a.1: has no value; give it one, or remove it"),
    (
        "a: &x 1",
        "E-YAML-ALIAS m.yaml:1:4 a: '&x' is an alias or anchor; write the value itself, or a text"
        " that starts with * or & goes in quotes",
    ),
    (
        "a: [*x, 1]",
        "E-YAML-ALIAS m.yaml:1:5 a.0: '*x' is an alias or anchor; write the value itself, or a text"
        " that starts with * or & goes in quotes",
    ),
    (
        "a: [*.jpg]",
        "E-YAML-SYNTAX m.yaml:1:6: while scanning an alias: did not find expected alphabetic or"
        " numeric character; a text that starts with * or & goes in quotes",
    ),
    (
        "a: !!python/object/apply:os.system [ls]",
        "E-YAML-TAG m.yaml:1:4 a: the tag 'tag:yaml.org,2002:python/object/apply:os.system';"
        " manifests have none; a text that starts with ! goes in quotes",
    ),
    (
        "a: !!int 3",
        "E-YAML-TAG m.yaml:1:4 a: the tag 'tag:yaml.org,2002:int'; manifests have none; a text that"
        " starts with ! goes in quotes",
    ),
    ("a: 1\n---\nb: 2", "E-YAML-DOCUMENTS m.yaml:2:1: a second document; write one per file"),
    ("a: .nan", "E-YAML-NUMBER m.yaml:1:4 a: .nan is not a finite number"),
    ("a: -.inf", "E-YAML-NUMBER m.yaml:1:4 a: -.inf is not a finite number"),
    ("a: 1e999", "E-YAML-NUMBER m.yaml:1:4 a: 1e999 is not a finite number"),
    ("a: " + "9" * 50, "E-YAML-NUMBER m.yaml:1:4 a: a number of 50 characters"),
    ("a: 1\n\tb: 2", "E-YAML-TAB m.yaml:2:1: a tab; write spaces, or \\t between double quotes"),
    ("a: 1\nb: x\0y", "E-YAML-CHARACTER m.yaml:2:5: the character U+0000, which is no text"),
    ("a: \x1b[31m", "E-YAML-CHARACTER m.yaml:1:4: the character U+001B, which is no text"),
    ("a: x\u2028y", "E-YAML-CHARACTER m.yaml:1:5: the character U+2028, which is no text"),
    ("a: \ud800", "E-YAML-CHARACTER m.yaml:1:4: the character U+D800, which is no text"),
    (
        'a: "\\e[31m"',
        "E-YAML-CHARACTER m.yaml:1:4 a: '\\x1b[31m' has several lines, or characters that do not"
        " print",
    ),
    (
        "a: x\u202egpj.exe",
        "E-YAML-CHARACTER m.yaml:1:4 a: 'x\\u202egpj.exe' has several lines, or characters that do"
        " not print",
    ),
    (
        "a: |\n  x\n  y\n",
        "E-YAML-CHARACTER m.yaml:1:4 a: 'x\\ny' has several lines, or characters that do not print",
    ),
    ("? [a]\n: 1", "E-YAML-KEY m.yaml:1:3: a key is a text, not a list, a mapping or an alias"),
    ("&a b: 1", "E-YAML-KEY m.yaml:1:1: a key has no anchor and no tag"),
    (
        "x: {'': 1}",
        "E-YAML-KEY m.yaml:1:5 x: the key '' is empty or has characters that do not print",
    ),
    (
        '"\\a": 1',
        "E-YAML-KEY m.yaml:1:1: the key '\\x07' is empty or has characters that do not print",
    ),
    (b"a: 1\nb: \xff", "E-YAML-ENCODING m.yaml:2:4: not UTF-8 text; save the file as UTF-8"),
    (
        "a: b: c",
        "E-YAML-SYNTAX m.yaml:1:5: mapping values are not allowed in this context; a text that"
        " contains ': ' goes in quotes",
    ),
    (
        "a: @b",
        "E-YAML-SYNTAX m.yaml:1:4: while scanning for the next token: found character that cannot"
        " start any token; a text that starts with @, % or ` goes in quotes",
    ),
    (
        "a: [1, 2\nb: 3",
        "E-YAML-SYNTAX m.yaml:2:2: while parsing a flow sequence: did not find expected ',' or ']';"
        " a bracket is not closed, or a comma is missing",
    ),
    (
        "a: 'x\nb: y",
        "E-YAML-SYNTAX m.yaml:2:5: while scanning a quoted scalar: found unexpected end of stream;"
        " a quote is not closed",
    ),
    (
        "a: 1\n b: 2",
        "E-YAML-SYNTAX m.yaml:2:3: mapping values are not allowed in this context; a text that"
        " contains ': ' goes in quotes",
    ),
    (
        "  a: 1\n b: 2",
        "E-YAML-SYNTAX m.yaml:2:2: did not find expected <document start>; keys of one mapping stand"
        " in one column",
    ),
    (
        "a:\n  b: 1\n c: 2",
        "E-YAML-SYNTAX m.yaml:3:2: while parsing a block mapping: did not find expected key; keys of"
        " one mapping stand in one column",
    ),
    (
        "a:\n  - x\n  y: 1",
        "E-YAML-SYNTAX m.yaml:3:3: while parsing a block collection: did not find expected '-'"
        " indicator; entries of one list stand in one column",
    ),
    (
        "a: 1\nbcd\ne: 2",
        "E-YAML-SYNTAX m.yaml:3:1: while scanning a simple key: could not find expected ':'; a key is"
        " followed by a colon and a space",
    ),
    (
        "a: &. 1",
        "E-YAML-SYNTAX m.yaml:1:5: while scanning an anchor: did not find expected alphabetic or"
        " numeric character; a text that starts with * or & goes in quotes",
    ),
    (
        "abc\nx: 1",
        "E-YAML-SYNTAX m.yaml:2:2: mapping values are not allowed in this context; a text that"
        " contains ': ' goes in quotes",
    ),
    (
        "a: !<x> b\nc: !!",
        "E-YAML-TAG m.yaml:1:4 a: the tag 'x'; manifests have none; a text that starts with ! goes in"
        " quotes",
    ),
    (
        "a" * (MAX_BYTES + 1),
        "E-YAML-SIZE m.yaml: more than 1,048,576 bytes; patterns name many pictures at once",
    ),
    ("[" * 30, f"E-YAML-DEPTH m.yaml:1:22: nested deeper than {MAX_DEPTH} levels"),
    ("- x\n" * (MAX_NODES + 9), "E-YAML-NODES m.yaml:30000:3: more than 30,000 values"),
]


@pytest.mark.parametrize(("text", "line"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_refused_says_where_and_what_would_be_right(text, line):
    """Each trap has its code, its place and its remedy."""
    assert f"ERROR {line}" == complaints(text)[0]


def test_all_problems_are_told_at_once():
    """What does not spoil the rest of the text does not hide it either."""
    codes = [line.split()[1] for line in complaints("a: .inf\nb: !x 1\na: 2\nc:\nd: *e")]

    assert codes == ["E-YAML-NUMBER", "E-YAML-TAG", "E-YAML-DUPKEY", "E-YAML-EMPTY", "E-YAML-ALIAS"]


def test_depth_and_number_of_values_go_up_to_their_limits():
    """What is just allowed is read."""
    assert len(read("- x\n" * (MAX_NODES - 1))) == MAX_NODES - 1
    assert read("[" * MAX_DEPTH + "]" * MAX_DEPTH)


@pytest.mark.parametrize("text", [case[0] for case in REFUSED[:30]], ids=range(30))
def test_without_libyaml_the_same_is_refused(text, monkeypatch):
    """PyYAML's own parser words some things in another way, but finds the same."""
    fast = [line.split()[1] for line in complaints(text)]
    monkeypatch.delattr(yaml, "CBaseLoader", raising=False)

    assert fast == [line.split()[1] for line in complaints(text)]


HOSTILE = """
import json, resource, sys, time
from manifests.problems import ManifestError
from manifests.reader import parse

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def many(text, count):
    return "".join(text.format(i) for i in range(count))

BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\\n" + "".join(
    f"{new}: &{new} [" + ",".join([f"*{old}"] * 9) + "]\\n"
    for old, new in zip("abcdefghij", "bcdefghijk")
)
HEAD = "collection: a\\noutput: b\\n"
CASES = {
    "alias bomb": BOMB,
    "deep list": "[" * 5_000,
    "deeper list": "[" * 1_000_000,
    "deep mapping": "{" * 1_000_000,
    "deep blocks": "- " * 500_000,
    "10 MB": "x" * 10_000_000,
    "long list": "- a\\n" * 260_000,
    "long flow list": "[" + "a," * 500_000,
    "many keys": many("k{}: v\\n", 90_000),
    "complex keys": "? " * 500_000,
    "same key": "a: 1\\n" * 150_000,
    "empty values": many("k{}:\\n", 90_000),
    "long key": "a" * 1_000_000 + ": 1",
    "escapes": 'a: "' + "\\\\e" * 400_000 + '"',
    "long number": "a: " + "9" * 1_000_000,
    "unknown keys": many("k{}: 1\\n", 14_000),
    "unknown sets": HEAD + "pairings: [{content: [" + "x," * 29_000 + "]}]",
    "wrong items": HEAD + "pairings: [{exclude: [" + "3," * 29_000 + "]}]",
    "many recipes": HEAD + "recipes: {" + many("a{}: {{size: 300}},", 7_000) + "}",
    "wrong recipes": HEAD + "recipes: {" + many("a{}: {{sze: 3}},", 7_000) + "}",
    "many terms": HEAD + "recipes: {a: {terms: [" + "{kind: gram, layer: x}," * 5_000 + "]}}",
    "many names": HEAD + "content_sets: {" + many("a{}: x,", 9_000) + "}\\npairings: [{content: ["
    + many("b{},", 9_000) + "]}]",
    "many documents": "---\\na\\n" * 100_000,
    "comments": "#\\n" * 500_000,
    "tags": "- !!x y\\n" * 100_000,
}
found = {}
for name, text in CASES.items():
    before, seconds = peak(), []
    while not seconds or (len(seconds) < 3 and min(seconds) > 0.5):  # other processes disturb
        began = time.process_time()
        try:
            parse(text, name="m.yaml", folder="/")
            said = "nothing"
        except ManifestError as error:
            said = str(error)
        seconds.append(time.process_time() - began)
    found[name] = [min(seconds), peak() - before, len(said), said[:5]]
json.dump(found, sys.stdout)
"""


def test_hostile_texts_are_refused_cheaply():
    """Whatever a text does, refusing it takes CPU seconds where an attack would take hours."""
    done = subprocess.run([sys.executable, "-c", HOSTILE], capture_output=True, check=True)
    found = json.loads(done.stdout)

    assert len(found) == 25
    assert {name: row for name, row in found.items() if row[0] > 10 or row[1] > 100} == {}
    assert {name: row for name, row in found.items() if row[2] > 30_000 or row[3] != "ERROR"} == {}
