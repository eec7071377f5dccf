"""The sandbox of templates: what is refused, and that nothing runs or grows without end."""

from __future__ import annotations

import pytest

from convoy.plan.payloads import PayloadError, PayloadTemplate
from convoy.plan.texts import Draws

VARIABLES = {"k": 3, "text": "Hello", "marker": "[m]"}
DOUBLED = "{{% set a = {start} %}}" + "{{% set a = {step} %}}" * 60 + "{use}"


def rendered(source: str) -> str:
    """Render a template that may call functions."""
    draws = Draws(1, 2)
    functions = {"choice": draws.choice, "number": draws.number}
    return PayloadTemplate("greeting", source).render({**VARIABLES, **functions}).decode()


def refusal_of(source: str) -> str:
    with pytest.raises(PayloadError) as caught:
        rendered(source)
    return str(caught.value)


@pytest.mark.parametrize(
    ("source", "output"),
    [
        pytest.param("{{ text | upper }}{{ k + 1 }}", "HELLO4", id="filter and sum"),
        pytest.param("{{ '%s-%03d' % (text, k) }}", "Hello-003", id="operator format"),
        pytest.param("{{ '100% of %05.1f' | format(k) }}", "", id="broken format"),
        pytest.param("{{ 'order 20261122 %d' | format(k) }}", "order 20261122 3", id="format"),
        pytest.param("{% for i in range(3) %}{{ loop.index }}{% endfor %}", "123", id="loop"),
        pytest.param("{{ text[1:3] ~ text[-1] ~ {'a': 1}['a'] }}", "elo1", id="subscripts"),
        pytest.param("{{ k > 2 and 'ell' in text and k is odd }}", "True", id="conditions"),
        pytest.param("{{ (text | tojson) + '<' }}", '"Hello"<', id="JSON is text"),
        pytest.param("{{ text | center(9) | replace(' ', '.') }}", "..Hello..", id="width"),
        pytest.param("{{ [3, 1, 2] | sort | join('-') }}", "1-2-3", id="list"),
        pytest.param("{{ 2 ** 10 }}{{ 'ab' * 2 }}", "1024abab", id="powers and products"),
        pytest.param("{{ 'ab' | filled(7, '😀') }}", "ab😀", id="whole characters only"),
        pytest.param("{{ 'ab' | filled(11, '😀!') }}", "ab😀!😀", id="repeated"),
        pytest.param("{{ 'abcdef' | filled(3, 'x') }}", "abc", id="cut"),
    ],
)
def test_what_messages_need_is_there(source: str, output: str) -> None:
    if output:
        assert rendered(source) == output
    else:
        assert "cannot be rendered" in refusal_of(source)


@pytest.mark.parametrize(
    ("source", "construct"),
    [
        ("{% macro a() %}{% endmacro %}", "`macro`"),
        ("{% import 'x' as y %}", "`import`"),
        ("{% from 'x' import y %}", "`from … import`"),
        ("{% include 'x' %}", "`include`"),
        ("{% extends 'x' %}", "`extends`"),
        ("{% block a %}{% endblock %}", "`block`"),
        ("{% call k() %}{% endcall %}", "`call`"),
        ("{% filter upper %}{% endfilter %}", "`filter … endfilter`"),
        ("{% set a %}{% endset %}", "`set … endset`"),
        ("{% autoescape true %}{% endautoescape %}", "`autoescape`"),
        ("{% for a in [] recursive %}{% endfor %}", "`for … recursive`"),
        ("{{ namespace() }}", "call of 'namespace'"),
        ("{{ text.upper() }}", "attribute 'upper'"),
        ("{{ text['upper']() }}", "the call of"),
        ("{% for i in [1] %}{{ loop.cycle }}{% endfor %}", "attribute 'cycle'"),
        ("{{ text | attr('upper') }}", "filter 'attr'"),
        ("{{ text | pprint }}", "filter 'pprint'"),
        ("{{ text is callable }}", "test 'callable'"),
        ("{% set range = 1 %}", "'range' cannot be the name"),
        ("{% set _a = 1 %}", "'_a' cannot be the name"),
        ("{% for a in [] %}" * 3 + "{% endfor %}" * 3, "`for` is nested deeper than 2"),
        ("{{ 1 }}" * 10_001, "more than 10,000 parts"),
    ],
)
def test_what_is_no_part_of_the_language_is_refused_by_line_and_construct(
    source: str, construct: str
) -> None:
    refusal = refusal_of("\n" + source)

    assert construct in refusal
    assert refusal.startswith(("greeting, line 2: ", "greeting, line 1: has more"))


@pytest.mark.parametrize(
    "expression",
    [
        "range",
        "choice",
        "self",
        "text['upper']",
        "text['format']",
        "''['__class__']",
        "(-1) ** 0.5",
    ],
)
def test_nothing_but_plain_values_is_put_out(expression: str) -> None:
    refusal = refusal_of(f"{{{{ {expression} }}}}")

    assert "no kind of value" in refusal or "unsafe" in refusal


@pytest.mark.parametrize(
    "expression",
    [
        "'a' * 10 ** 9",
        "10 ** 9 * ['a']",
        "10 ** 1000",
        "10.0 ** 65",
        "'%1000000000d' % k",
        "'%*d' % (1000000000, k)",
        "('%9999d' * 80000) % k",
        "('%(a)s' * 80000) % {'a': text * 100000}",
        "'%1000000000d' is even",
        "'%1000000000d' | format(k)",
        "text | center(10 ** 9)",
        "text | indent(10 ** 9)",
        "('a' * 600000) | replace('', 'bb')",
        "('ab' * 300000) | wordwrap(1)",
        "(['a'] * 500000) | join('bbbb')",
        "1.5 | round(10 ** 9, 'ceil')",
        "text | filled(10 ** 9)",
        "range(1001)",
        "range(10 ** 30)",
        "'x' | tojson(indent=10 ** 9)",
    ],
)
def test_what_would_grow_beyond_bounds_is_refused(expression: str) -> None:
    refusal = refusal_of(f"{{{{ {expression} }}}}")

    assert refusal.startswith("greeting, line 1: cannot be rendered: ")


@pytest.mark.parametrize(
    ("start", "step", "use"),
    [
        pytest.param("'xx'", "a ~ a", "{{ a }}", id="joined"),
        pytest.param("'xx'", "a + a", "{{ a }}", id="added"),
        pytest.param("[1]", "a + a", "{{ a }}", id="lists added"),
        pytest.param("[1]", "[a, a]", "{{ a }}", id="lists in lists"),
        pytest.param("[1]", "[a, a]", "{% if a == a %}{% endif %}", id="compared"),
        pytest.param("[1]", "[a, a]", "{% if a is string %}{% endif %}", id="tested"),
        pytest.param("[1]", "[a, a]", "{{ a[1:] | first }}", id="cut"),
        pytest.param("[1]", "{'a': a, 'b': a}", "{{ choice(a, a) | tojson }}", id="drawn"),
        pytest.param("3", "a * a", "{{ a }}", id="squared"),
    ],
)
def test_what_doubles_with_every_step_is_refused(start: str, step: str, use: str) -> None:
    refusal = refusal_of(DOUBLED.format(start=start, step=step, use=use))

    assert refusal.startswith("greeting, line 1: cannot be rendered: ")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("{% for j in range(1000) %}{% endfor %}", id="empty loop"),
        pytest.param("{% if ('x' * 500000) == ('x' * 500000) %}{% endif %}", id="comparison"),
        pytest.param("{% set b = ('x' * 500000)[1:] %}", id="copies"),
        pytest.param("{% for j in range(1000) %}{{ text | title }}{% endfor %}", id="filters"),
        pytest.param("x" * 1_000, id="output"),
    ],
)
def test_a_loop_ends_before_it_has_done_too_much(body: str) -> None:
    refusal = refusal_of(f"{{% for i in range(1000) %}}{body}{{% endfor %}}")

    assert "takes more than 1,000,000 steps" in refusal or "600,000 bytes" in refusal


def test_each_message_has_its_own_budget_of_steps() -> None:
    template = PayloadTemplate("greeting", "{% for i in range(1000) %}{{ text }}{% endfor %}")

    outputs = {template.render(VARIABLES) for _ in range(200)}

    assert outputs == {b"Hello" * 1000}
