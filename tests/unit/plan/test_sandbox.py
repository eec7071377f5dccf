"""The sandbox of templates: what is there, what is out of reach, and what one step may make."""

from __future__ import annotations

import pytest

from convoy.plan.payloads import MOST_NODES, PayloadError, PayloadTemplate
from convoy.plan.sandbox import Sandbox
from convoy.plan.texts import Draws

VARIABLES = {"k": 3, "text": "Hello", "marker": "[m]"}
LOOP = "{{% for i in [1] %}}{{{{ {} }}}}{{% endfor %}}"
MACRO = "{{% macro m() %}}{{% endmacro %}}{{{{ {} }}}}"


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
        pytest.param("{{ [k, 'a'] | join('-') }}{{ 12 | replace(1, 34) }}", "3-a342", id="numbers"),
        pytest.param("{{ 7 % 4 }}{{ 2 * 1.5 }}{{ 2 ** -1 }}", "33.00.5", id="arithmetic"),
        pytest.param("{% macro a(x) %}<{{ x }}>{% endmacro %}{{ a(k) }}", "<3>", id="macro"),
        pytest.param("{% set a %}x{{ k }}{% endset %}{{ a | upper }}", "X3", id="block set"),
        pytest.param("{% filter upper %}a{{ text }}{% endfilter %}", "AHELLO", id="filter"),
        pytest.param("{% with a = k %}{{ a }}{% endwith %}", "3", id="with"),
        pytest.param("{% block a %}{{ k }}{% endblock %}", "3", id="block"),
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
        ("{% import 'x' as y %}", "`import`"),
        ("{% from 'x' import y %}", "`from`"),
        ("{% include 'x' %}", "`include`"),
        ("{% extends 'x' %}", "`extends`"),
        ("{{ text.upper() }}", "attribute 'upper'"),
        ("{% if k > 9 %}{{ text.upper() }}{% endif %}", "attribute 'upper'"),
        ("{{ text | attr('upper') }}", "filter 'attr'"),
        ("{{ text | pprint }}", "filter 'pprint'"),
        ("{{ [k] | map('upper') }}", "filter 'map'"),
        ("{% filter random %}{% endfilter %}", "filter 'random'"),
        ("{{ text is callable }}", "test 'callable'"),
    ],
)
def test_what_can_never_be_rendered_is_refused_by_line_and_construct(
    source: str, construct: str
) -> None:
    refusal = refusal_of("\n" + source)

    assert construct in refusal
    assert refusal.startswith("greeting, line 2: ")


@pytest.mark.parametrize(
    "source",
    [
        *map(
            "{{{{ {} }}}}".format,
            [
                "text['upper']",
                "text['upper']()",
                "text['format']",
                "'{0.__class__}'['format'](k)",
                "'{0.__class__}'['format_map']([k])",
                "''['__class__']",
                "''['__class__']['__mro__']",
                "k['__class__']",
                "[]['__class__']['__base__']['__subclasses__']()",
                "[k]['append'](k)",
                "range['__globals__']",
                "choice['__self__']",
                "choice['__func__']['__globals__']",
                "number['__self__']['_key']",
                "self['_TemplateReference__context']",
                "self['__init__']['__globals__']",
                "[k, k] | sort(attribute='__class__')",
                "[k, k] | max(attribute='real')",
                "[k, k] | join(attribute='__class__')",
                "'%(k.__class__)s' % {'k': k}",
                "text | format(__class__=k)",
                "'%r' | format(text['upper'])",
                "k()",
                "range.__init__.__globals__",
                "lipsum.__globals__",
                "cycler.__init__.__globals__",
                "namespace()",
                "joiner()",
                "dict()",
                "nobody",
            ],
        ),
        *map(
            LOOP.format,
            [
                "loop['__class__']",
                "loop._iterator",
                "loop['_undefined']",
                "loop['cycle']['__func__']",
                "loop.__init__.__globals__",
            ],
        ),
        *map(MACRO.format, ["m['_func']", "m['name']", "m['__call__']", "m._environment"]),
        "{% set ns.a = 1 %}",
        "{% set text.a = 1 %}",
        "{% call k() %}{% endcall %}",
        "{% macro m() %}{{ caller['_func'] }}{% endmacro %}{% call m() %}{% endcall %}",
        "{% block a %}{{ super() }}{% endblock %}",
        "{% block a %}{{ self['a']['_stack'] }}{% endblock %}",
        "{% for a in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% debug %}",
        "{% do k %}",
    ],
)
def test_nothing_but_the_variables_is_in_reach(source: str) -> None:
    refusal = refusal_of(source)

    assert refusal.startswith("greeting, line 1: ")


@pytest.mark.parametrize(
    "expression", ["range", "choice", "self", "text['upper']", "(-1) ** 0.5", "''['__class__']"]
)
def test_nothing_but_plain_values_is_put_out(expression: str) -> None:
    refusal = refusal_of(f"{{{{ {expression} }}}}")

    assert "no kind of value" in refusal or "unsafe" in refusal


def test_text_is_not_escaped_unless_a_template_says_so() -> None:
    assert rendered("{{ '<' ~ ('&' | tojson) }}") == '<"\\u0026"'
    assert rendered("{% autoescape true %}{{ '<' }}{% endautoescape %}") == "&lt;"


@pytest.mark.parametrize(
    "expression",
    [
        "'a' * 10 ** 9",
        "10 ** 9 * ['a']",
        "10 ** 1000000",
        "(10 ** 100000) * (10 ** 100000)",
        "'%1000000000d' % k",
        "'%*d' % (1000000000, k)",
        "('%9999d' * 80000) % k",
        "('%(a)s' * 80000) % {'a': text * 100000}",
        "('%s' * 80000) % ((text * 100000,) * 80000)",
        "'%1000000000d' is even",
        "'%1000000000d' is odd",
        "'%1000000000d' is divisibleby k",
        "'%1000000000d' | format(k)",
        "'%1000000000.1000000000f' | format(k)",
        "text | center(10 ** 9)",
        "text | indent(10 ** 9)",
        "text | indent('a' * 600000)",
        "('a' * 600000) | replace('', 'bb')",
        "('ab' * 300000) | wordwrap(1)",
        "text | wordwrap(1, wrapstring='a' * 600000)",
        "(['a'] * 500000) | join('bbbb')",
        "(['a' * 1000] * 1000) | join",
        "1.5 | round(10 ** 9, 'ceil')",
        "text | filled(10 ** 9)",
        "range(1001)",
        "range(10 ** 30)",
        "'x' | tojson(indent=10 ** 9)",
    ],
)
def test_what_would_grow_beyond_bounds_in_one_step_is_refused(expression: str) -> None:
    refusal = refusal_of(f"{{{{ {expression} }}}}")

    assert refusal.startswith("greeting, line 1: cannot be rendered: ")


def test_output_ends_where_no_message_goes() -> None:
    loop = "{% for i in range(1000) %}{{ 'x' * 1000 }}{% endfor %}"

    assert "renders to more than 600,000 bytes" in refusal_of(loop)
    assert "renders to more than 600,000 bytes" in refusal_of("{{ 'ü' * 400000 }}")


TOO_LONG, TOO_LARGE = "takes too long", "makes a value of more than 600,000 characters"
TOO_MANY_BITS = "makes a number of more than 10,000 bits"
HALF_A_MILLION = (
    "{% macro m(x) %}{{ x }}{% endmacro %}{% macro n() %}{{ caller() }}{% endmacro %}"
    "{% set a = 'x' * 300000 %}{% set a = a ~ a[1:] %}"
    "{% set few = '😀-' * 6000 %}{% set entries = [k] * 11000 %}{% set lines = 'x\\r' * 9000 %}"
    "{% set marks = '%s' * 12000 %}{% set key = 'x' * 500000 %}{% set mapping = {key: 1} %}"
)
MANY_TIMES = "{{% for i in range(1000) %}}" * 2 + "{}" + "{{% endfor %}}" * 2


def doubled(start: str, step: str, use: str = "") -> str:
    return f"{{% set a = {start} %}}" + f"{{% set a = {step} %}}" * 60 + use


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        pytest.param(MANY_TIMES.format(""), TOO_LONG, id="loops in loops"),
        pytest.param(
            "{% for i in range(1000) %}{% for j in range(1000) if false %}{% endfor %}{% endfor %}",
            TOO_LONG,
            id="conditions of loops",
        ),
        pytest.param(
            "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}"
            "{{ m(60) }}",
            TOO_LONG,
            id="macros",
        ),
        pytest.param(
            "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
            + "{% call m() %}" * 30
            + "{% endcall %}" * 30,
            TOO_LONG,
            id="callers",
        ),
        pytest.param(
            "{% for i in range(40) recursive %}{{ loop(range(40)) }}{% endfor %}",
            "recursion",
            id="recursive loops",
        ),
        pytest.param(doubled("'xx'", "a ~ a"), TOO_LARGE, id="joined"),
        pytest.param(doubled("'xx'", "a + a"), TOO_LARGE, id="added"),
        pytest.param(doubled("[1]", "a + a"), TOO_LARGE, id="lists"),
        pytest.param(doubled("[1]", "[a, a]", "{{ a }}"), TOO_LARGE, id="lists in lists"),
        pytest.param(doubled("(1,)", "(a, a)", "{{ a == a }}"), TOO_LARGE, id="tuples in tuples"),
        pytest.param(
            doubled("{}", "{'a': a, 'b': a}", "{{ a | tojson }}"), TOO_LARGE, id="in mappings"
        ),
        pytest.param("{{ [['x' * 300000] * 300000] }}", TOO_LARGE, id="one text many times"),
        pytest.param("{{ ([1] * 12001) | sort }}", TOO_LARGE, id="long list"),
        pytest.param(
            "{% set t = 'a\\r' * 3000 %}{% set x = t | indent(590000) %}", TOO_LARGE, id="line ends"
        ),
        *(
            pytest.param(f"{{% set t = {text} * 13000 %}}{{{{ t | {name} }}}}", TOO_LARGE, id=name)
            for text in ["'中'"]
            for name in ("list", "sort", "max", "min", "join", "title", "urlencode", "wordwrap(1)")
        ),
        *(
            pytest.param(source, TOO_MANY_BITS, id=source)
            for source in (
                "{{ 2 ** 10001 }}",
                "{{ 2 ** 10000 + 0 }}",
                "{{ 1 ** (('f' * 9000) | int(0, 16)) }}",
                "{{ (2 ** 9000) * (2 ** 9000) }}",
                "{{ 1 | round(-4000) }}",
                "{{ ('f' * 9000) | int(0, 16) + 1 }}",
                "{{ (('f' * 9000) | int(0, 16)) is odd }}",
                "{{ (('f' * 9000) | int(0, 16)) % 3 }}",
            )
        ),
        pytest.param(
            "{% set t = 'a' * 590000 %}{{ t | trim('b' * 9000 ~ 'a') }}", TOO_LARGE, id="trimmed"
        ),
        *(
            pytest.param(
                HALF_A_MILLION + "".join(step.format(i) for i in range(400)), TOO_LONG, id=name
            )
            for name, step in {
                "copies": "{{% set l{} = entries[:] %}}",
                "lists of characters": "{{% set l{} = few | list %}}",
                "captured": "{{% set l{} %}}{{{{ a[1:] }}}}{{% endset %}}",
            }.items()
        ),
        *(
            pytest.param(HALF_A_MILLION + MANY_TIMES.format(step), TOO_LONG, id=name)
            for name, step in {
                "filter again and again": "{{ (a | upper) and '' }}",
                "comparison again and again": "{% if a == a ~ 'y' %}{% endif %}",
                "search again and again": "{% if 'y' in a %}{% endif %}",
                "difference again and again": "{{ (2 ** 9000 - 1) and '' }}",
                "quotient again and again": "{{ (2 ** 9000 // 3) and '' }}",
                "remainder again and again": "{{ (2 ** 9000 % 3 ** 5000) and '' }}",
                "rounded again and again": "{{ 2 ** 9000 | round(-2400) and '' }}",
                "lines again and again": "{{ (lines | indent(0)) and '' }}",
                "title again and again": "{{ (few | title) and '' }}",
                "encoded again and again": "{{ (few | urlencode) and '' }}",
                "words again and again": "{{ (few | wordcount) and '' }}",
                "wrapped again and again": "{{ (few[:6000] | wordwrap(1)) and '' }}",
                "sorted again and again": "{{ (few | sort) and '' }}",
                "largest again and again": "{{ (few | max) and '' }}",
                "smallest again and again": "{{ (few | min) and '' }}",
                "listed again and again": "{{ (few | list) and '' }}",
                "characters joined again and again": "{{ (few | join) and '' }}",
                "backwards again and again": "{{ a[::-1] and '' }}",
                "copied again and again": "{{ entries[:] and '' }}",
                "handed over again and again": "{{ choice(*entries) and '' }}",
                "characters handed over again and again": "{{ choice(*few) and '' }}",
                "unpacked for a filter again and again": "{{ (marks | format(*few)) and '' }}",
                "changed again and again": "{{ loop.changed(entries) and '' }}",
                "looked up again and again": "{{ mapping[key] and '' }}",
                "captured again and again": "{% set y %}{{ a }}{% endset %}",
                "filtered block again and again": "{% filter first %}{{ a }}{% endfilter %}",
                "texts of lists again and again": "{% set y %}{{ entries }}{% endset %}",
                "macro again and again": "{{ m(a) and '' }}",
                "block of a call again and again": "{% set y %}{% call n() %}{{ a }}"
                "{% endcall %}{% endset %}",
                "draws": "{{ number(1, 9) and choice('a', 'b') and '' }}" * 9,
                "many statements": "{% set y = k %}" * 1000,
                "negative product again and again": "{{ 'x' * -10 ** 9 }}",
                "negative power again and again": "{{ (2 ** -10 ** 9) and '' }}",
                "negative width again and again": "{{ k | center(-10 ** 9) and '' }}",
                "no number again and again": "{{ 'x' | filled('nan' | float) }}",
                "test again and again": "{% if (2 ** 9000) is odd %}{% endif %}",
            }.items()
        ),
    ],
)
@pytest.mark.parametrize("when", ["{}", "{{% if k == 3 %}}{}{{% endif %}}"], ids=["always", "k"])
def test_what_takes_too_much_ends_soon_for_whatever_message(
    source: str, problem: str, when: str
) -> None:
    assert problem in refusal_of(when.format(source))


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("{{ k" + " ~ k" * MOST_NODES + " }}", id="an operator"),
        pytest.param("{{ k" + " < k" * MOST_NODES + " }}", id="comparisons"),
        pytest.param("{{ [" + "k, " * MOST_NODES + "] }}", id="a list"),
        pytest.param("{{ k }}" * MOST_NODES, id="placeholders"),
        pytest.param("{% macro a() %}{% endmacro %}" * MOST_NODES, id="macros"),
    ],
)
def test_a_template_that_would_take_long_to_compile_is_refused_before(
    source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sandbox, "compiled", None)

    assert "has more than 10,000 names, values, operators and statements" in refusal_of(
        "first\n" + source
    )


def test_a_template_may_hold_a_thousand_values() -> None:
    assert rendered('{"a": "{{ text | lower }}"}' * 1000) == '{"a": "hello"}' * 1000


def test_each_render_may_take_as_much_as_the_first() -> None:
    template = PayloadTemplate("long", "{% for i in range(1000) %}{{ k ~ i }}{% endfor %}" * 8)

    lengths = {len(template.render({"k": 3})) for _ in range(3)}

    assert lengths == {8 * (1000 + 2890)}


@pytest.mark.parametrize(
    "step",
    [
        "{% if k < 1 %}{% endif %}",
        "{% if k is even %}{% endif %}",
        "{{ k | upper and '' }}",
        "{% set x = k + 1 %}",
        "{% set x = k ~ 1 %}",
        "{% set x = [] %}",
        "{% set x = mapping[k] %}",
        "{% set x = loop.index %}",
        "{% for i in [] %}{% endfor %}",
    ],
)
def test_each_operation_counts_as_long_as_it_takes(step: str) -> None:
    # 1,000 passes alone are few, and 100,000 operations would hold the process for half a second.
    loop = "{% set mapping = {3: 4} %}{% for i in range(1000) %}" + step * 100 + "{% endfor %}"

    assert TOO_LONG in refusal_of(loop)


@pytest.mark.parametrize("number", ["0x" + "f" * 19_000, "9" * 5_000])
def test_number_longer_than_python_writes_is_a_fault_of_the_template(number: str) -> None:
    refusal = refusal_of(f"{{% set x = {number} %}}")

    assert refusal.startswith("greeting: cannot be compiled: Exceeds the limit (4300 digits)")
    assert "sys." not in refusal
