"""The setup: from options and environment to a run that may start."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from pathlib import Path
from time import time

from pydantic import ValidationError

from convoy.errors import ConvoyError, Fault, KillSwitchError, RefusedError, SettingsError
from convoy.files import FileError
from convoy.prepare.checklist import Checklist
from convoy.prepare.credentials import Keyring
from convoy.prepare.dialogues import with_longest_dialogues
from convoy.prepare.embedded_simulator import EmbeddedSimulator
from convoy.prepare.guard import (
    check_own_targets,
    check_spawn_rate,
    check_target,
    check_token,
    check_window,
    window_of,
)
from convoy.prepare.machine import versions
from convoy.prepare.organisation_lock import AFTER_A_RUN, OrganisationLock
from convoy.prepare.preflight import Preflight
from convoy.prepare.prepared_run import PreparedRun
from convoy.prepare.scenarios import KnownScenario
from convoy.remote.api_client import ApiClient
from convoy.remote.connections import Connections, WorkerShare
from convoy.remote.kill_switch import KillSwitch
from convoy.remote.oauth import Credentials
from convoy.remote.proxies import proxy_secrets, proxy_to
from convoy.results.record import RUNS, STOP, check_stop
from convoy.results.result import RunFacts
from convoy.routes.catalogue import Route
from convoy.secrets import Secret
from convoy.settings import Origin, Settings
from convoy.settings.documents import as_yaml
from convoy.settings.environment import (
    PUBLISHED_CREDENTIALS,
    credential_redactor,
    environment_of_children,
    payload_directory,
    secret_faults,
    simulator_key,
)
from convoy.settings.resolution import resolve
from convoy.settings.schema import words_of_settings
from convoy.settings.sources import command_of
from convoy.untrusted_text import told_lines

_OF_TODAY = ("target", "headers", "oauth", "limits", "on_limit", "request_timeout_s")
"""The settings by which a record could send credentials elsewhere, or more than is allowed."""
_PAYLOADS = Path(__file__).resolve().parents[2] / "payloads"


def new_run_id() -> str:
    """Return an id that no run has had: the time in UTC and six random characters."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:6]}"


class Setup:
    """Resolves settings, registers credentials for redaction, and prepares runs.

    `environ` is the process's environment; `known_scenarios` returns the scenarios that can run.
    While a preparation waits, `tell` is called now and then. All of it is here because it needs the
    environment or its secrets, which go no further.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        known_scenarios: Callable[[], Mapping[str, KnownScenario]],
        tell: Callable[[str], None] = lambda line: print(f"convoy: {line}", file=sys.stderr),
    ) -> None:
        self.redactor = credential_redactor(environ)
        for secret in proxy_secrets(environ):
            self.redactor.register(secret, permanent=True)
        self.simulator = EmbeddedSimulator(environment_of_children(environ))
        self.lock = OrganisationLock()
        self.kill_switch = KillSwitch(RUNS / STOP)
        self._environ = environ
        self._known_scenarios = known_scenarios
        self.tell = tell
        self._checklist = Checklist(redact=self.redactor.redact)
        self.keyring = Keyring(environ, self.redactor, known_scenarios, self.resolve)

    @property
    def waits_for(self) -> str:
        """What the present preparation waits for, as a sentence; "" where it waits for nothing."""
        return self._checklist.waits_for

    def resolve(self, command_line: Mapping[str, object]) -> Settings:
        """Return the settings for these options; raises SettingsError with every fault."""
        with self._redacting():
            return resolve(
                command_line=command_line,
                environ=self._environ,
                known_scenarios=self._known_scenarios(),
                redact=self.redactor.redact,
            )

    @property
    def simulator_key(self) -> Secret | None:
        """The key of simulators on other machines; raises SettingsError."""
        key = simulator_key(self._environ)
        if key is not None:
            self.redactor.register(key, permanent=True)
        return key

    def connect(self, settings: Settings, worker_share: WorkerShare | None = None) -> Connections:
        """Return the connections for a run's settings; raises SettingsError.

        With a `worker_share` they are those of users only, who open no conversations.
        """
        faults, keyring = list[Fault](), self.keyring
        headers = keyring.headers(settings.headers, faults)
        logins = keyring.logins(settings, prepares=worker_share is None)
        SettingsError.raise_for(faults)
        if keyring.are_withheld(settings):
            headers = {name: each for name, each in headers.items() if isinstance(each, str)}
        jwts = keyring.of_guests(settings)
        for secret in {*chain.from_iterable(logins.values()), *jwts} - PUBLISHED_CREDENTIALS:
            self.redactor.register(secret, permanent=True)
        # A proxy that cannot be used is refused here, and not with every message.
        for url in settings.target.urls:
            proxy_to(Origin.parse(url))
        self.kill_switch.keep_to_window(*window_of(settings))
        try:
            given = {kind: keyring.use(each, settings) for kind, each in logins.items()}
            for each in given.values():
                if isinstance(each, Credentials) and each.client_id not in PUBLISHED_CREDENTIALS:
                    self.redactor.register_header(each.authorization)
            return Connections(
                settings,
                given,
                self.redactor.register,
                worker_share or WorkerShare(),
                kill_switch=self.kill_switch,
                headers=headers,
                register_heard=partial(self.redactor.register, is_heard=True),
                redact=self.redactor.redact,
                guest_jwts=jwts,
            )
        except FileError as error:
            problem = f"the file {settings.target.ca_file!r} {error}"
            raise SettingsError([Fault("target.ca_file", problem)]) from error
        except OSError as error:
            problem = f"{settings.target.ca_file!r} holds no certificates to trust: {error}"
            raise SettingsError([Fault("target.ca_file", problem)]) from error

    def connect_worker(self, settings: Settings, share: WorkerShare) -> Connections:
        """Return a worker's connections for settings that a master sent, after its own guard.

        Raises SettingsError, RefusedError.
        """
        options = self.keyring.own_options
        if options is not None and self.keyring.has_secrets_for(settings, prepares=False):
            check_own_targets(settings, self.keyring.own_settings(options))
        return self.connect_guarded(settings, share)

    def connect_guarded(self, settings: Settings, share: WorkerShare | None = None) -> Connections:
        """Return connections to where something may be sent now; raises RefusedError elsewhere."""
        check_window(settings, time(), lasts_s=0.0)
        connections = self.connect(settings, share)
        check_target(settings, connections.admission, self.simulator_key)
        return connections

    def connect_again(
        self, settings: Settings, command_line: Mapping[str, object] | None = None
    ) -> tuple[Settings, Connections]:
        """Return settings and connections for what is done after a run, past the run's own guard.

        With a `command_line` the settings are those of a record, which anybody may have written.
        Whatever bounds what is sent is that of the target file of today with the same addresses:
        that of the command line, or, where anything secret goes to the target or it has an
        approval, one in the configuration. The lock of the organisation is held from then on.
        Raises SettingsError, RefusedError, RemoteError.
        """
        with self._redacting():
            faults: list[Fault] = []
            # Also those that the target file of today does not have.
            self.keyring.headers(settings.headers, faults)
            for fault in faults:
                self.tell(self.told(f"a secret header of the run may be shown: {fault}"))
            named = (command_line or {}).get("target")
            if command_line is not None:
                if named or self.keyring.has_secrets_for(settings, prepares=True):
                    own = self.keyring.own_settings(command_line)
                    known = [self.resolve(command_line)] if named else own
                    settings = _as_known_now(settings, named, known)
                if withheld := self.keyring.withheld(settings):
                    self.tell(self.told(withheld))
            # What is done afterwards keeps to the limits, whatever the run did, and is no message.
            connections = self.connect_guarded(settings.model_copy(update={"on_limit": "obey"}))
            if connections.pace is not None:
                connections.pace.total = None
            approval = settings.target.approval
            if approval is not None:
                self.lock.take(approval.organisation_id, AFTER_A_RUN, settings.logins_per_s)
                for kind in connections.token_kinds:
                    with ApiClient(connections.first_session(kind), settings) as client:
                        check_token(settings, client)
            return settings, connections

    def prepare(
        self,
        command_line: Mapping[str, object],
        spawn_rate: float | None = None,
        *,
        sends: bool = True,
        processes: int = 1,
        checklist: Checklist | None = None,
    ) -> PreparedRun:
        """Return a run that may start; raises SettingsError or RefusedError.

        All findings are entered into `checklist`, also where an error ends the preflight. With
        `sends` false no message is sent, and no conversation is opened. `processes` on this machine
        hold the users, 0 where they are elsewhere.
        """
        checklist = self._checklist = checklist or Checklist(redact=self.redactor.redact)
        with self._redacting():
            if sends:
                check_stop(RUNS)
                self.kill_switch.reset()
            preflight = self._preflight(command_line, spawn_rate, processes, checklist)
            with checklist.step("approval"):  # before its end counts as one in mid-run
                check_window(preflight.run.settings, time(), lasts_s=0.0)
            try:
                with (
                    checklist.telling(self.tell),
                    self.kill_switch.watched() if sends else nullcontext(),
                ):
                    return preflight.prepare(sends=sends)
            except BaseException as error:
                if isinstance(error, KillSwitchError):
                    checklist.fail("kill switch", str(error), "")
                preflight.connections.end()  # also of what waits until the kill switch is off
                self.lock.release(preflight.run.run_id)
                raise

    def _preflight(
        self,
        command_line: Mapping[str, object],
        spawn_rate: float | None,
        processes: int,
        checklist: Checklist,
    ) -> Preflight:
        scenarios, run_id = self._known_scenarios(), new_run_id()
        with checklist.step("settings"):
            settings, payloads = self.resolve(command_line), self.payloads
            settings = with_longest_dialogues(settings, payloads, scenarios)
            key = self.simulator_key
            connections = self.connect(settings)
            # Here, because the values of headers are known as secrets by now.
            texts = {"criteria": "\n".join(settings.criteria)}
            SettingsError.raise_for([*secret_faults(texts, self.redactor.redact)])
            check_spawn_rate(settings.users, spawn_rate)
        checklist.ok("settings", f"profile {settings.profile}, target {settings.target.name}")
        if withheld := self.keyring.withheld(settings):
            checklist.warn("credentials", withheld, "")
        there = self.simulator.settings_at(settings, run_id, checklist)
        if there is not settings:
            connections = self.connect(there)
        of_run = spawn_rate, checklist, "", run_id, self._facts(command_line, there), processes
        run = PreparedRun(there, {}, (), *of_run, admission=connections.admission)
        return Preflight(run, connections, payloads, scenarios, self.lock, key)

    @contextmanager
    def _redacting(self) -> Iterator[None]:
        """Redact the errors that are raised inside, wherever they are shown."""
        try:
            yield
        except ConvoyError as error:
            error.args = (self.told(str(error)),)
            raise

    def told(self, text: str) -> str:
        """Return a text for the operator: without secrets, each line bounded and printable."""
        return told_lines(self.redactor.redact(text))

    def _facts(self, command_line: Mapping[str, object], settings: Settings) -> RunFacts:
        redacted = self.redactor.redact_all
        # Nobody could read the record without the words of the settings, which hold no secret.
        recorded = redacted(settings.model_dump(mode="json"), words_of_settings())
        try:
            Settings.model_validate_json(json.dumps(recorded))
        except ValidationError:
            told = (
                "a secret is an ordinary word within the settings of this run, and with that word "
                "hidden nobody can read its record: reconcile and cleanup will refuse it"
            )
            self._checklist.warn("record", told, "use another value, as a header's plain text")
        # Before the values are quoted for a shell: a secret would not be found any more.
        asked, around = redacted(command_line), redacted(self._environ)
        return RunFacts(
            settings=as_yaml(recorded),
            command=command_of(asked, around, settings.seed),
            versions=versions(environment_of_children(self._environ)),
            labels=redacted(settings.labels),
        )

    @property
    def payloads(self) -> Path:
        """The folder of message templates; raises SettingsError when there is none."""
        return payload_directory(self._environ, _PAYLOADS)

    @property
    def routes(self) -> Mapping[str, Route]:
        """The routes of all scenarios that can run, by scenario."""
        return {name: each.route for name, each in self._known_scenarios().items()}


def _as_known_now(recorded: Settings, named: object, known: Iterable[Settings]) -> Settings:
    """Return recorded settings with what bounds a run from the first of the known ones that fits.

    `named` is the target file that was asked for, if any. Raises RefusedError where none fits.
    """
    asked = recorded.target
    for own in known:
        target = own.target
        is_approved = target.approval is not None or asked.approval is None
        if is_approved and target.addresses == asked.addresses:
            return recorded.model_copy(update={name: getattr(own, name) for name in _OF_TODAY})
    place = f"{asked.api_url} with login host {asked.login_url}, where the run went"
    if named:
        problem = "has no approval for" if asked.approval else "is not for"
        raise RefusedError(f"target file {named} {problem} {place}; name the one that is")
    raise RefusedError(
        f"no target file {'has an approval for' * bool(asked.approval) or 'is for'} {place}, "
        "so that credentials do not go there; name it with --target"
    )
