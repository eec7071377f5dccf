"""The pool of conversations: what it holds, and the files it is read from."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convoy.errors import ExitCode
from convoy.plan.pool import Conversation, ConversationPool, PoolFileError, parse_pool
from tests.unit.plan import pool_with

BOTH = [Conversation("a", "customer-1", "agent-1"), Conversation("b", "customer-2")]
BOM = "\ufeff"


def conversations_of(text: str) -> list[Conversation]:
    """Read a text by lines, as a file is read."""
    pool = parse_pool(io.StringIO(text, newline=""))
    return [pool[index] for index in range(len(pool))]


def test_a_pool_keeps_conversations_with_their_participants_in_order() -> None:
    conversations = [Conversation("b", "customer-1", "agent-1"), Conversation("a", "customer-2")]

    pool = ConversationPool.of(conversations)

    assert [pool[index] for index in range(len(pool))] == conversations


def test_of_an_id_that_is_there_twice_the_first_entry_counts() -> None:
    pool = pool_with(Conversation("a", "customer-1"), Conversation("a", "customer-2"))

    assert len(pool) == 1
    assert pool[0] == Conversation("a", "customer-1")


@pytest.mark.parametrize(
    "pool",
    [
        pytest.param(pool_with("b", "a"), id="another order"),
        pytest.param(pool_with("a"), id="one less"),
        pytest.param(pool_with("a", "b", "c"), id="one more"),
        pytest.param(pool_with("ab"), id="joined"),
        pytest.param(pool_with(), id="empty"),
        pytest.param(pool_with(Conversation("a", "c"), "b"), id="a customer"),
        pytest.param(pool_with(Conversation("a", "", "c"), "b"), id="an agent"),
    ],
)
def test_another_pool_has_another_hash(pool: ConversationPool) -> None:
    assert pool.hash != pool_with("a", "b").hash


def test_a_customer_is_no_agent() -> None:
    customers = pool_with(Conversation("a", "x"))
    agents = pool_with(Conversation("a", "", "x"))

    assert customers.hash != agents.hash


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        pytest.param("a\nb\n", ["a", "b"], id="one a line"),
        pytest.param("b\na", ["b", "a"], id="order of the file"),
        pytest.param("  a \r\n\tb", ["a", "b"], id="blanks and line ends of any kind"),
        pytest.param("\n\na\n\n", ["a"], id="blank lines"),
        pytest.param("# of the test organisation\na\n  # b\n", ["a"], id="comments"),
        pytest.param("a\na\na\n", ["a"], id="listed again and again"),
        pytest.param(f"{BOM}a\nb\n", ["a", "b"], id="byte order mark"),
        pytest.param(f"{BOM}# ours\na\n", ["a"], id="byte order mark and comment"),
        pytest.param("", [], id="empty"),
        pytest.param("# nothing\n\n", [], id="comments only"),
        pytest.param('a\n# say "x, y\nb\n', ["a", "b"], id="a comment with a quote"),
        pytest.param("grüße-🚚\n", ["grüße-🚚"], id="beyond ASCII"),
    ],
)
def test_a_plain_file_holds_one_id_a_line(text: str, ids: list[str]) -> None:
    assert conversations_of(text) == [Conversation(id) for id in ids]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(
            "conversation_id,customer_id,agent_id\na,customer-1,agent-1\nb,customer-2,\n",
            id="all columns",
        ),
        pytest.param(
            "agent_id,id,customer_id\nagent-1,a,customer-1\n,b,customer-2\n", id="another order"
        ),
        pytest.param(
            "state,customerId,x,conversationId,agentId\nup,customer-1,,a,agent-1\n,customer-2,,b\n",
            id="more columns, a short line, and camel case",
        ),
        pytest.param(
            'id ,"guest_id", agent_id\n"a",customer-1, agent-1\n b ,"customer-2"\n',
            id="blanks and quotes",
        ),
        pytest.param(
            f"{BOM}# ours\nid,guestId,agent_id\n\n# first\na,customer-1,agent-1\nb,customer-2\n",
            id="byte order mark, comments and blank lines",
        ),
    ],
)
def test_columns_are_found_by_their_names(text: str) -> None:
    assert conversations_of(text) == BOTH


@pytest.mark.parametrize(
    "text",
    [
        "id;Communication ID\na;leg\nb;\n",
        '{"id": "a", "communicationId": "leg"}\n{"id": "b"}\n',
    ],
    ids=["CSV", "JSON lines"],
)
def test_a_file_may_name_the_communications_and_another_pool_is_it_then(text: str) -> None:
    pool = parse_pool(text.splitlines(keepends=True))

    assert {pool[each] for each in range(2)} == {
        Conversation("a", communication_id="leg"),
        Conversation("b"),
    }
    assert pool.hash != pool_with(*pool.ids).hash


def test_of_an_id_that_is_listed_twice_the_first_line_counts() -> None:
    text = "id,customer_id,agent_id\na,customer-1,agent-1\nb,customer-2,\na,x,y\n"

    assert sorted(conversations_of(text), key=lambda each: each.id) == BOTH


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(
            [
                {"id": "a", "customer_id": "customer-1", "agent_id": "agent-1"},
                {"id": "b", "customer_id": "customer-2"},
            ],
            id="our names",
        ),
        pytest.param(
            [
                {"agentId": "agent-1", "guestId": "customer-1", "conversationId": "a", "n": [1]},
                {"conversation_id": "b", "guest_id": "customer-2", "agent_id": None},
            ],
            id="camel case, and more than is asked for",
        ),
    ],
)
@pytest.mark.parametrize("begins", ["", BOM, "# ours\n\n"], ids=["plain", "mark", "comment"])
def test_json_lines_hold_an_object_each(lines: list[dict[str, object]], begins: str) -> None:
    text = begins + "\n".join(json.dumps(line) for line in lines)

    assert conversations_of(text) == BOTH


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["Conversation ID", "CONVERSATION_ID", "conversation-id", "Id"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_headers_are_written_as_people_write_them(delimiter: str, name: str, end: str) -> None:
    lines = [
        delimiter.join(each)
        for each in [
            ("Customer Id", name, "AgentID", "Note"),
            ("customer-1", "a", "agent-1", f'"over two{end}lines, with {delimiter} and #"'),
            ("customer-2", "b"),
            ("", "", "", ""),
        ]
    ]

    assert conversations_of(BOM + end.join(lines)) == BOTH


@pytest.mark.parametrize(
    ("text", "note", "ids"),
    [
        pytest.param(
            "id,conversation_id\n1,a\n2,b\n",
            "ids from the column 'conversation_id'",
            ("a", "b"),
            id="named",
        ),
        pytest.param(
            "ID,Name\na,x\nb,y\n", "ids from the column 'ID'", ("a", "b"), id="the only one"
        ),
        pytest.param("a\nb\n", "", ("a", "b"), id="no header"),
    ],
)
def test_the_column_that_the_ids_come_from_is_known(
    text: str, note: str, ids: tuple[str, ...]
) -> None:
    pool = parse_pool(io.StringIO(text, newline=""))

    assert (pool.note, pool.ids) == (note, ids)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param('["a", "b"]', id="ids"),
        pytest.param('[\n {"id": "a"},\n {"conversationId": "b", "id": "x"}\n]\n', id="objects"),
        pytest.param('{"pageSize": 2,\n "entities": [{"id": "a"}, {"id": "b"}]}', id="a listing"),
    ],
)
def test_json_as_a_whole_holds_a_list(text: str) -> None:
    assert [each.id for each in conversations_of(text)] == ["a", "b"]


UUIDS = "\n".join(f"{n:08x}-0000-4000-8000-000000000000" for n in range(3))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        pytest.param(f"conversation\n{UUIDS}", "line 1: 'conversation' is no id as", id="word"),
        pytest.param(f"\n# x\nmy-ids-1\n{UUIDS}", "line 3: 'my-ids-1' is no id as", id="number"),
        pytest.param("calls\nc-1\nc-2\n", "line 1: 'calls' is no id as", id="no uuids"),
        pytest.param(
            "id;name\n1;x\n2;y\n3;z\n", "line 1: the column 'id' holds numbers", id="rows"
        ),
        pytest.param("Interaction Ids\na\nb\n", "line 1: 'Interaction Ids' is no", id="words"),
        pytest.param("conversation", "line 1: 'conversation' is no id as", id="a word alone"),
        pytest.param("id\nnull\n", "line 2: 'null' is no conversation id", id="null as text"),
        pytest.param("id\n..\n", "line 2: '..' is no conversation id", id="a way up"),
        pytest.param("id\n2026-01-31\n", "line 2: '2026-01-31' is no conv", id="a date"),
        pytest.param(
            "conversation_id,Conversation ID\na,b", "line 1: which of the columns", id="two alike"
        ),
        pytest.param('[{"conversationId": null, "id": "x"}]', "entry 1: has no", id="null, named"),
        pytest.param("id\nJohn Smith\n", "line 2: 'John Smith' is no", id="names"),
        pytest.param('id,note\na,"open\nb,x\n', "line 2: is no CSV", id="a quote never closed"),
        pytest.param('[{"id": "a"}, {"id": null}]', "entry 2: has no conversation id", id="null"),
        pytest.param('{"a":\n [1]}', "line 1: should be a list", id="an object of another kind"),
        pytest.param('[\n"a"\n"b"]', "line 3: is no JSON", id="broken array"),
        pytest.param("\n,\n", "line 2: has no conversation id", id="nothing but commas"),
        pytest.param("a\nb c\n", "line 2: 'b c' is no conversation id", id="blank in an id"),
        pytest.param("# ours\n\na;b\n", "line 3: 'a;b' is no conversation id", id="no header"),
        pytest.param("name,state\nx,y\n", "line 1: 'name,state' is no", id="header without id"),
        pytest.param("a\nb\x07\n", "line 2: 'b\\x07' is no conversation id", id="control sign"),
        pytest.param(f"a\n{'x' * 1001}\n", "line 2: a text of 1,001 char", id="endless id"),
        pytest.param("id,agent_id\na,b\n,b\n", "line 3: has no conversation id", id="no id in CSV"),
        pytest.param('{"id": "a"}\n{"id": 5}\n', "line 2: has no", id="number as id"),
        pytest.param('{"id": "a"}\n{"name": "b"}\n', "line 2: has no", id="no id in JSON"),
        pytest.param('{"id": "a"}\nb\n', "line 2: is no JSON", id="text among JSON"),
        pytest.param('{"id": "a"\n', "line 2: is no JSON", id="broken JSON"),
        pytest.param('{"id": "a"}\n["b"]\n', "line 2: should be a JSON object", id="a list"),
        pytest.param('{"id": "\\ud800"}\n', "line 1: ", id="half a character"),
        pytest.param('{"id": ' + "[" * 100_000, "line 1: is no JSON", id="too deep"),
        pytest.param(f"id\n{'x' * 200_000}\n", "line 2: is no CSV", id="endless field"),
    ],
)
def test_a_fault_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(PoolFileError) as caught:
        conversations_of(text)

    assert str(caught.value).startswith(problem)
    assert len(str(caught.value)) < 300
    assert caught.value.exit_code is ExitCode.USAGE


PIECES = st.one_of(
    st.text(max_size=20),
    st.sampled_from(
        [
            "id",
            "agent_id",
            "a",
            ",",
            '"',
            "{",
            "}",
            '{"id": "a"}',
            "[",
            ":",
            BOM,
            "#",
            "\n",
            "\r\n",
            "\x85",
        ]
    ),
)


@given(text=st.lists(PIECES, max_size=12).map("".join))
def test_arbitrary_text_is_a_pool_or_a_fault_of_the_file(text: str) -> None:
    try:
        found = conversations_of(text)
    except PoolFileError as error:
        assert str(error).startswith("line ")
    else:
        assert all(each.id and each.id.isprintable() for each in found)
        assert len({each.id for each in found}) == len(found)


@pytest.mark.parametrize(
    "form",
    ["{0}", '{{"id": "{0}", "agent_id": "agent"}}', "{0},agent"],
    ids=["text", "JSON", "CSV"],
)
def test_two_hundred_thousand_lines_are_read(form: str) -> None:
    header = ["id,agent_id"] if form.startswith("{0},") else []

    pool = parse_pool([*header, *(form.format(f"conversation-{n}") for n in range(200_000))])

    assert len(pool) == 200_000
    assert (pool[0].id, pool[199_999].id) == ("conversation-0", "conversation-199999")
