"""Requests from policy: the same facts give the same bytes, and what is missing is named (§12.1)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fallsafe.policyset import TemplateError
from fallsafe.policyset.findings import Findings
from fallsafe.policyset.source import Part, read
from fallsafe.policyset.templates import is_fact, template


def compiled(text):
    """A template from YAML, and what is wrong with it."""
    file, findings = read("operations.yaml", text.encode()), Findings()
    return template(Part(file, file.value), findings), [problem.what for problem in findings.problems]


def sent(text, **facts):
    """The body that a template with this body sends for these facts."""
    built, wrong = compiled(f"{{method: POST, path: /x, body: {text}}}")
    assert wrong == []
    return built(facts).body.decode()


class WhenABodyIsFilled:
    def test_a_fact_alone_keeps_its_kind(self):
        assert sent('{n: "{item.quantity}"}', item={"quantity": 2}) == '{"n":2}'
        assert sent('{n: "{item.characteristics.a}"}', item={"characteristics": {"a": [1]}}) == '{"n":[1]}'

    def test_a_fact_in_a_text_becomes_text(self):
        assert sent('{n: "no {item.quantity}"}', item={"quantity": 2}) == '{"n":"no 2"}'
        assert sent('{n: "is {item.characteristics.a}"}', item={"characteristics": {"a": True}}) == '{"n":"is true"}'

    def test_what_may_be_absent_is_left_out(self):
        assert sent('{a: "{key}", slot: "{item.characteristics.slot?}"}', key="k", item={}) == '{"a":"k"}'

    def test_the_first_of_several_that_is_there_is_taken(self):
        text = '{sku: "{item.characteristics.sku|item.offer}"}'
        assert sent(text, item={"offer": "R", "characteristics": {"sku": "S"}}) == '{"sku":"S"}'
        assert sent(text, item={"offer": "R", "characteristics": {}}) == '{"sku":"R"}'

    def test_what_is_written_stands_as_it_is(self):
        assert sent("{a: 1, b: true, c: [x, {d: null}]}") == '{"a":1,"b":true,"c":["x",{"d":null}]}'

    def test_a_missing_fact_is_named(self):
        built, _ = compiled('{method: POST, path: /x, body: {a: "{results.createBillingAccount.reference}"}}')
        with pytest.raises(TemplateError, match=r"results\.createBillingAccount\.reference is missing") as error:
            built({"results": {}})
        assert error.value.fact == "results.createBillingAccount.reference"

    def test_a_list_cannot_stand_in_a_text(self):
        built, _ = compiled('{method: POST, path: /x, body: {a: "n {item.characteristics.a}"}}')
        with pytest.raises(TemplateError, match="is not a single value"):
            built({"item": {"characteristics": {"a": [1]}}})


class WhenAFactComesFromOutside:
    def test_a_path_cannot_be_left(self):
        built, _ = compiled('{method: GET, path: "/by-key/{target.key}"}')
        assert built({"target": {"key": "../../admin?x=1#y"}}).path == "/by-key/..%2F..%2Fadmin%3Fx%3D1%23y"

    @pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "naïve", "\x7f"])
    def test_a_header_cannot_be_split(self, value):
        built, _ = compiled('{method: POST, path: /x, headers: {Idempotency-Key: "{key}"}}')
        with pytest.raises(TemplateError, match="header Idempotency-Key"):
            built({"key": value})

    @given(st.text())
    def test_a_body_stays_one_value(self, value):
        built, _ = compiled('{method: POST, path: /x, body: {a: "{key}", b: "x{key}y"}}')
        assert json.loads(built({"key": value}).body) == {"a": value, "b": f"x{value}y"}

    def test_a_fact_is_never_read_as_a_template(self):
        assert sent('{a: "{key}"}', key="{order.customerRef}", order={"customerRef": "CU-1"}) == (
            '{"a":"{order.customerRef}"}'
        )


class WhenATemplateIsWrong:
    @pytest.mark.parametrize(
        ("text", "what"),
        [
            ('{method: POST, path: /x, body: {a: "{kee}"}}', "no fact is called 'kee'"),
            ('{method: POST, path: /x, body: {a: "{order.nothing}"}}', "no fact is called 'order.nothing'"),
            ('{method: POST, path: /x, body: {a: "{key"}}', "'{key' has a brace without its pair"),
            ('{method: POST, path: /x, body: {a: "{}"}}', "{} is no placeholder"),
            ('{method: POST, path: /x, body: {a: "{key!r}"}}', "{key!r} is no placeholder"),
            ('{method: POST, path: /x, body: {a: "{key.__class__}"}}', "no fact is called 'key.__class__'"),
            ('{method: POST, path: "/{key?}"}', "'/{key?}' may be absent"),
            ("{method: POST, path: x}", "path 'x'"),
        ],
    )
    def test_it_is_said(self, text, what):
        assert compiled(text)[1] == [what]

    @pytest.mark.parametrize("name", ["results.activateFiberService.reference", "item.place.street", "key"])
    def test_documented_facts_are_known(self, name):
        assert is_fact(name)

    @pytest.mark.parametrize("name", ["results", "results.x", "item.place", "orders.externalId", "key.x"])
    def test_others_are_not(self, name):
        assert not is_fact(name)
