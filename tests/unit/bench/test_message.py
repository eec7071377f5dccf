"""The message of the bench is Convoy's own: byte for byte, and as long as its templates'."""

from __future__ import annotations

from pathlib import Path
from statistics import mean
from uuid import UUID, uuid4

from bench.message import ANSWER, BODY, PATH, STATUS, TOKEN, request_to
from convoy.clock import clock_s
from convoy.plan.rate_curve import RateCurve, Stage
from convoy.plan.scenario import ScenarioInputs, ScenarioPlan
from convoy.remote.limits import Budget
from convoy.remote.oauth import OAuthSession, Token
from convoy.remote.session import ApiSession
from convoy.remote.transport import Transport
from convoy.routes.answers import AnswerRule
from convoy.routes.codes import CodeBook
from convoy.secrets import Secret
from convoy.settings import Origin
from tests.unit.plan import pool_with
from tests.unit.remote.misbehaving_server import OK, serving


def test_the_message_is_what_convoy_writes_to_the_wire() -> None:
    oauth = OAuthSession(lambda: Token(Secret(TOKEN), 1e12), refresh_before_s=60)
    with serving(lambda visitor: visitor.answer_all(OK)) as server:
        session = ApiSession(
            Transport(Origin("http", "127.0.0.1", server.port)),
            oauth,
            Budget([]),
            code_book=CodeBook(),
            clock=clock_s,
        )
        session.post(PATH, BODY, 10.0, AnswerRule({200: ()}), "")
        session.close()

    assert server.requests == [request_to(f"127.0.0.1:{server.port}")]


def test_convoy_takes_the_answer_for_an_acceptance_once_nginx_has_put_an_id_in() -> None:
    rule = AnswerRule({STATUS: ("id",)})
    answers = [ANSWER.replace("${request_id}", uuid4().hex).encode() for _ in range(2)]

    assert all(rule.holds(STATUS, answer, "") for answer in answers)
    assert not rule.holds(STATUS, answers[0], "")


def test_the_message_is_as_long_as_convoys_are_on_average(repository: Path) -> None:
    template = (repository / "payloads" / "conversation" / "text.json").read_text("utf-8")
    plan = ScenarioPlan(
        ScenarioInputs(
            "conversation_messages",
            seed=1,
            curve=RateCurve([Stage(500, 500, 1)]),
            pool=pool_with(*(str(UUID(int=number)) for number in range(300))),
            templates={"text": template},
            weights={"text": 1.0},
            users=50,
        )
    )

    bodies = plan.bodies("20261122-193343-67bda5")
    sizes = [len(bodies.render(plan.message(k, set()))) for k in range(500)]

    assert abs(len(BODY) / mean(sizes) - 1) < 0.02
