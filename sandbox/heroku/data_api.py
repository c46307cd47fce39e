# SPDX-License-Identifier: GPL-3.0-or-later
"""The data API under ``/client/v11``: databases, their backups and restores.

Heroku documents none of it; the shapes are those of recordings (``facts``), which is why an unknown id is answered
with HTML that is labelled JSON.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.heroku.backups import DUMP
from sandbox.heroku.models import App, Database, Schedule, Transfer, data_time
from sandbox.heroku.wire import find_database, invalid, json_body, origin, platform

DATABASE_FACTS = """
SELECT current_setting('server_version'), pg_size_pretty(pg_database_size(current_database())),
       (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()),
       current_setting('max_connections'),
       (SELECT count(*) FROM pg_stat_user_tables), pg_database_size(current_database())
"""


class NotFound(Exception):
    """The data API's own kind of 404."""


async def html_labelled_json(_request: Request, _error: Exception) -> Response:
    """Starlette's handler for ``NotFound``: what the real one answers."""
    return Response("<h1>Not Found</h1>", 404, media_type="application/json")


async def database_info(request: Request) -> Response:
    """``GET /client/v11/databases/D``."""
    app, database = _database(request)
    url = app.config_vars["DATABASE_URL"]
    answer = await platform(request).backups.query(app, DATABASE_FACTS)
    version, size, connections, limit, tables, size_bytes = answer.split("|") if answer else ["?"] * 6
    plan = database.plan.partition(":")[2]
    info = {
        "Plan": plan,
        "Status": "Available" if answer else "Unavailable",
        "Connections": f"{connections}/{limit}",
        "PG Version": version,
        "Created": database.created_at,
        "Data Size": size,
        "Tables": tables,
        "Fork/Follow": "Unsupported",
        "Rollback": "Unsupported",
        "Continuous Protection": "Off",
    }
    return JSONResponse(
        {
            "addon_id": database.id,
            "name": database.name,
            "plan": plan,
            "created_at": database.created_at,
            "database_name": url.rpartition("/")[2],
            "resource_url": url,
            "waiting?": not answer,
            "num_bytes": int(size_bytes) if answer else None,
            "info": [{"name": name, "values": [value]} for name, value in info.items()],
        }
    )


async def wait_status(request: Request) -> Response:
    """``GET /client/v11/databases/D/wait_status``."""
    app, _ = _database(request)
    answers = await platform(request).backups.query(app, "SELECT 1") == "1"
    return JSONResponse({"waiting?": not answers, "message": "available" if answers else "unavailable"})


async def capture(request: Request) -> Response:
    """``POST /client/v11/databases/D/backups``."""
    app, _ = _database(request)
    return JSONResponse(_transfer(request, app, platform(request).backups.capture(app)), 201)


async def restore(request: Request) -> Response:
    """``POST /client/v11/databases/D/restores``."""
    app, _ = _database(request)
    backups = platform(request).backups
    url = str((await json_body(request)).get("backup_url"))
    source = backups.dump(urlsplit(url).path.rpartition("/")[2])
    if source is None:
        raise invalid("The sandbox restores its own backups only: `backup_url` has to be the to_url of one.")
    return JSONResponse(_transfer(request, app, backups.restore(app, source[1])), 201)


async def transfers(request: Request) -> Response:
    """``GET /client/v11/apps/A/transfers``."""
    app = _app(request)
    return JSONResponse([_transfer(request, app, transfer) for transfer in app.transfers])


async def transfer_info(request: Request) -> Response:
    """``GET /client/v11/apps/A/transfers/T``."""
    app, transfer = _found(request)
    shown = _transfer(request, app, transfer)
    if request.query_params.get("verbose") == "true":
        shown["logs"] = [vars(message) for message in transfer.logs]
    return JSONResponse(shown)


async def transfer_delete(request: Request) -> Response:
    """``DELETE /client/v11/apps/A/transfers/T``."""
    app, transfer = _found(request)
    platform(request).backups.delete(app, transfer)
    return JSONResponse(_transfer(request, app, transfer))


async def transfer_cancel(request: Request) -> Response:
    """``POST /client/v11/apps/A/transfers/T/actions/cancel``."""
    app, transfer = _found(request)
    platform(request).backups.cancel(transfer)
    return JSONResponse(_transfer(request, app, transfer))


async def public_url(request: Request) -> Response:
    """``POST /client/v11/apps/A/transfers/T/actions/public-url``: a link for one hour, always https."""
    app, transfer = _found(request)
    path, expires = platform(request).backups.sign(app, transfer)
    return JSONResponse({"url": f"{origin(request, 'https')}{path}", "expires_at": data_time(expires)})


async def schedules(request: Request) -> Response:
    """``GET /client/v11/databases/D/transfer-schedules``."""
    app, _ = _database(request)
    return JSONResponse([_schedule(schedule) for schedule in app.schedules])


async def schedule_create(request: Request) -> Response:
    """``POST /client/v11/databases/D/transfer-schedules``."""
    app, _ = _database(request)
    body = await json_body(request)
    if not str(body.get("hour")).isdigit():
        raise invalid("`hour` has to be a number from 0 to 23.")
    schedule = Schedule(str(body.get("schedule_name")), int(body["hour"]), str(body.get("timezone", "UTC")))
    app.schedules.append(schedule)
    platform(request).store.save()
    return JSONResponse(_schedule(schedule), 201)


async def schedule_delete(request: Request) -> Response:
    """``DELETE /client/v11/databases/D/transfer-schedules/S``."""
    app, _ = _database(request)
    schedule = next((s for s in app.schedules if s.uuid == request.path_params["schedule"]), None)
    if schedule is None:
        raise NotFound
    app.schedules.remove(schedule)
    platform(request).store.save()
    return JSONResponse(_schedule(schedule))


def _app(request: Request) -> App:
    app = platform(request).store.app(request.path_params["app"])
    if app is None:
        raise NotFound
    return app


def _database(request: Request) -> tuple[App, Database]:
    app = platform(request).store.app_of_database(request.path_params["database"])
    if app is None:
        raise NotFound
    return app, find_database(app)


def _found(request: Request) -> tuple[App, Transfer]:
    app = _app(request)
    transfer = app.transfer(request.path_params["transfer"])
    if transfer is None:
        raise NotFound
    return app, transfer


def _transfer(request: Request, app: App, transfer: Transfer) -> dict[str, Any]:
    backups = platform(request).backups
    database, dump = app.config_vars["DATABASE_URL"], transfer.kind == DUMP
    owner, source = backups.dump(transfer.source_uuid or "") or (app, transfer)
    file = f"{origin(request, 'https')}{backups.sign(owner, source)[0]}"
    return {
        "uuid": transfer.uuid,
        "num": transfer.num,
        "from_name": "DATABASE" if dump else "BACKUP",
        "from_type": "pg_dump" if dump else "htcat",
        "from_url": database if dump else file,
        "to_name": "BACKUP" if dump else "DATABASE",
        "to_type": "gof3r" if dump else "pg_restore",
        "to_url": file if dump else database,
        "options": {},
        "source_bytes": transfer.source_bytes,
        "processed_bytes": transfer.processed_bytes,
        "succeeded": transfer.succeeded,
        "warnings": 0,
        "created_at": transfer.created_at,
        "started_at": transfer.started_at,
        "canceled_at": transfer.canceled_at,
        "updated_at": transfer.updated_at,
        "finished_at": transfer.finished_at,
        "deleted_at": None,
        "purged_at": None,
        "num_keep": 2,
    }


def _schedule(schedule: Schedule) -> dict[str, Any]:
    return {
        "uuid": schedule.uuid,
        "name": schedule.name,
        "hour": schedule.hour,
        "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
        "timezone": schedule.timezone,
        "created_at": schedule.created_at,
        "updated_at": schedule.created_at,
        "deleted_at": None,
        "retain_weeks": 1,
        "retain_months": 0,
    }


_V11 = "/client/v11"
ROUTES = [
    Route(f"{_V11}/databases/{{database}}", database_info),
    Route(f"{_V11}/databases/{{database}}/wait_status", wait_status),
    Route(f"{_V11}/databases/{{database}}/backups", capture, methods=["POST"]),
    Route(f"{_V11}/databases/{{database}}/restores", restore, methods=["POST"]),
    Route(f"{_V11}/databases/{{database}}/transfer-schedules", schedules),
    Route(f"{_V11}/databases/{{database}}/transfer-schedules", schedule_create, methods=["POST"]),
    Route(f"{_V11}/databases/{{database}}/transfer-schedules/{{schedule}}", schedule_delete, methods=["DELETE"]),
    Route(f"{_V11}/apps/{{app}}/transfers", transfers),
    Route(f"{_V11}/apps/{{app}}/transfers/{{transfer}}", transfer_info),
    Route(f"{_V11}/apps/{{app}}/transfers/{{transfer}}", transfer_delete, methods=["DELETE"]),
    Route(f"{_V11}/apps/{{app}}/transfers/{{transfer}}/actions/cancel", transfer_cancel, methods=["POST"]),
    Route(f"{_V11}/apps/{{app}}/transfers/{{transfer}}/actions/public-url", public_url, methods=["POST"]),
]
