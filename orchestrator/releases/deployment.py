"""Switches an environment: `current` is replaced by a link to another release, in one rename between two log lines.

Order: the line that announces the switch, the rename, the line that it was done. A kill between two of them
leaves the old link or the new one, and a last line that names the switch: the next command sees by the
link whether it was done, and writes the missing line.
"""

from datetime import UTC, datetime
from pathlib import Path

from orchestrator.audit import next_step
from orchestrator.releases import release_stack
from orchestrator.releases.approval import judged_run, refuse_own
from orchestrator.releases.building import built, refuse_changed
from orchestrator.releases.history import History, Line, locked, read
from orchestrator.runs.verify import verified
from schemas.config.release import ReleaseConfig
from schemas.contract.errors import RequestError
from schemas.contract.release import OTHER_RELEASE, PRODUCTION, STAGING, Action, Environment, Release
from schemas.files.atomic import TEMPORARY_PREFIX, sha256_of
from schemas.files.jsonl_log import flush_folder
from schemas.files.layout import MANIFEST, RELEASE, ReleaseLayout
from schemas.files.run_files import read_model

SECONDS_AN_HOUR = 3600.0


def deploy(config: ReleaseConfig, run_id: str, environment: Environment, by: str, note: str) -> Line:
    """Make an approved run's release live; RequestError, and no switch, if a file or an approval is missing."""
    releases = ReleaseLayout(Path(config.release_dir))
    with locked(releases.history) as history:
        finish_killed_switch(history, releases)
        approval = _approval(config, history, run_id)
        found = verified(config.data_dir, config.release_dir, run_id)
        if found.broken:
            more = f" (and {len(found.broken) - 1} more)" * (len(found.broken) > 1)
            raise RequestError(
                f"files of {run_id} changed since the run: {found.broken[0]}{more}; nothing was deployed"
            )
        release_id = built(config, approval)
        if release_stack.live(history.lines, environment) == release_id:
            raise RequestError(f"{release_id} is live in {environment} already")
        if environment == PRODUCTION:
            _refuse_untried(history, release_id, config.min_staging_hours)
        return _switch(
            history, releases, environment, release_id, Action.DEPLOYING, by, note,
            config.min_staging_hours if environment == PRODUCTION else None,
        )  # fmt: skip


def rollback(config: ReleaseConfig, environment: Environment, by: str, note: str) -> Line:
    """Make the release that was live before the present one live again; each further call goes back one more."""
    releases = ReleaseLayout(Path(config.release_dir))
    with locked(releases.history) as history:
        finish_killed_switch(history, releases)
        stack = release_stack.stack(history.lines, environment)
        if len(stack) < 2:
            now = f"{stack[0]} was the first release there" if stack else "nothing is live there"
            raise RequestError(f"{environment} cannot be rolled back: {now}")
        folder = releases.release(stack[-2])
        refuse_changed(folder, config.data_dir)
        decided = release_stack.decision(
            history.lines, read_model(folder / RELEASE, Release, remedy=OTHER_RELEASE).run_id
        )
        if decided is None or decided.entry.action is Action.REJECTED:
            raise RequestError(f"{stack[-2]} was rejected since; deploy a release that is approved")
        return _switch(history, releases, environment, stack[-2], Action.ROLLING_BACK, by, note, None)


def finish_killed_switch(history: History, releases: ReleaseLayout) -> None:
    """Write the line that a killed switch lacks. RequestError if a link differs from the log."""
    if (entry := release_stack.unfinished(history.lines)) is not None:
        assert entry.environment is not None
        link = linked(releases, entry.environment)
        if link not in (entry.release_id, entry.before):
            raise RequestError(_astray(releases, entry.environment, link))
        done = link == entry.release_id
        action = release_stack.INTENTS[entry.action] if done else Action.ABANDONED
        history.append(
            action, entry.who, run_id=entry.run_id, release_id=entry.release_id, before=entry.before,
            environment=entry.environment, note="written after a kill", min_staging_hours=entry.min_staging_hours,
            release_sha256=entry.release_sha256,
        )  # fmt: skip
    if fault := astray(releases, history.lines):
        raise RequestError(fault)


def astray(releases: ReleaseLayout, lines: list[Line]) -> str:
    """Describe the first environment that serves another release than the log names; an empty string if none does."""
    pending = release_stack.unfinished(lines)
    for environment in (STAGING, PRODUCTION):
        link, expected = linked(releases, environment), [release_stack.live(lines, environment)]
        if pending is not None and pending.environment == environment:
            expected.append(pending.release_id)
        if link not in expected:
            return _astray(releases, environment, link)
    return ""


def linked(releases: ReleaseLayout, environment: Environment) -> str | None:
    """The release that an environment's link points to; None if there is no link."""
    try:
        return releases.current(environment).readlink().name
    except FileNotFoundError:
        return None
    except OSError:
        return "something that is not a link"


def standing_of(releases: ReleaseLayout, environment: Environment) -> str:
    """A warning about what is live, or an empty string; RequestError if log and link disagree."""
    lines, fault = read(releases.history)
    if fault:
        raise RequestError(f"the release log was changed: {releases.history} {fault}; restore it, then try again")
    link, pending = linked(releases, environment), release_stack.unfinished(lines)
    if pending is not None and pending.environment == environment and link in (pending.release_id, pending.before):
        return f"a switch of {environment} was interrupted; the next deploy or rollback settles it"
    if link != release_stack.live(lines, environment):
        raise RequestError(_astray(releases, environment, link))
    if link is None:
        return ""
    recorded = release_stack.switches(lines, environment)[-1].release_sha256
    manifest = releases.release(link) / MANIFEST
    if not manifest.is_file() or sha256_of(manifest) != recorded:
        raise RequestError(f"{manifest} differs from the deployed one; restore it, or roll back")
    decided = release_stack.decision(lines, release_stack.switches(lines, environment)[-1].run_id)
    if decided is not None and decided.entry.action is Action.REJECTED:
        return f"{link} was rejected by {decided.entry.who} after it went live; roll back, or deploy another"
    return ""


def point(releases: ReleaseLayout, environment: Environment, release_id: str) -> None:
    """Point `current` to a release, in one rename: any reader sees the old release or the new one."""
    link = releases.current(environment)
    link.parent.mkdir(parents=True, exist_ok=True)
    temporary = link.with_name(f"{TEMPORARY_PREFIX}{link.name}")
    temporary.unlink(missing_ok=True)
    temporary.symlink_to(Path("..") / releases.releases.name / release_id)
    temporary.replace(link)
    flush_folder(link.parent)


def _switch(
    history: History, releases: ReleaseLayout, environment: Environment, release_id: str, intent: Action, by: str,
    note: str, min_staging_hours: float | None,
) -> Line:  # fmt: skip
    facts = {
        "run_id": read_model(releases.release(release_id) / RELEASE, Release, remedy=OTHER_RELEASE).run_id,
        "release_id": release_id,
        "before": release_stack.live(history.lines, environment),
        "environment": environment,
        "note": note,
        "min_staging_hours": min_staging_hours,
        "release_sha256": sha256_of(releases.release(release_id) / MANIFEST),
    }
    history.append(intent, by, **facts)
    point(releases, environment, release_id)
    return history.append(release_stack.INTENTS[intent], by, **facts)


def _approval(config: ReleaseConfig, history: History, run_id: str) -> Line:
    decided = release_stack.decision(history.lines, run_id)
    if decided is None:
        recommendation = judged_run(config, run_id).recommendation
        raise RequestError(f"{run_id} is not approved; `{next_step.approve(run_id, config, recommendation)}`")
    if decided.entry.action is Action.REJECTED:
        why = f": {decided.entry.note}" if decided.entry.note else ""
        raise RequestError(f"{run_id} was rejected by {decided.entry.who} on {decided.entry.time:%Y-%m-%d}{why}")
    refuse_own(config, run_id, decided.entry.who, decided.entry.trained_by)
    return decided


def _refuse_untried(history: History, release_id: str, hours: float) -> None:
    stayed = release_stack.longest_stay(history.lines, STAGING, release_id, datetime.now(UTC)).total_seconds()
    was_there = any(stay.release_id == release_id for stay in release_stack.stays(history.lines, STAGING))
    if not was_there or stayed < hours * SECONDS_AN_HOUR:
        since = (
            f"has been live in staging for {stayed / SECONDS_AN_HOUR:.1f} h" if was_there else "was never in staging"
        )
        raise RequestError(
            f"{release_id} {since}; production needs {hours:g} h there without a break (--min-staging-hours)"
        )


def _astray(releases: ReleaseLayout, environment: Environment, link: str | None) -> str:
    return (
        f"{releases.current(environment)} points to {link or 'nothing'}, which is not in the log;"
        " find out who changed it, and restore the link or the log"
    )
