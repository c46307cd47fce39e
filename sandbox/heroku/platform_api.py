# SPDX-License-Identifier: GPL-3.0-or-later
"""The Platform API: the account, apps, config vars, releases, dynos and the formation."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.heroku.models import App, Process, now
from sandbox.heroku.views import Views
from sandbox.heroku.wire import (
    find_app,
    find_database,
    find_release,
    invalid,
    json_body,
    not_found,
    origin,
    platform,
    ranged,
)

ECO_SECONDS = 1000 * 60 * 60
ECO_SECONDS_USED = 10 * 60 * 60


def views(request: Request) -> Views:
    """How this client gets resources to see."""
    return Views(platform(request), origin(request))


async def account(request: Request) -> Response:
    """``GET /account``."""
    return JSONResponse(views(request).account())


async def quota(request: Request) -> Response:
    """``GET /accounts/ID/actions/get-quota``: the hours of eco dynos, in seconds; [GUESS] all numbers, and the 404."""
    heroku = platform(request)
    if request.path_params["account"] != heroku.store.state.account_id or not heroku.dynos.eco:
        raise not_found("account quota")
    used = [{"app_uuid": app.id, "quota_used": ECO_SECONDS_USED} for app in heroku.apps]
    total = {"account_quota": ECO_SECONDS, "quota_used": ECO_SECONDS_USED * len(used)}
    return JSONResponse(total | {"apps": used})


async def rate_limits(_request: Request) -> Response:
    """``GET /account/rate-limits``. [GUESS] nothing is ever used up."""
    return JSONResponse({"remaining": 4500})


async def apps(request: Request) -> Response:
    """``GET /apps``."""
    return ranged(request, platform(request).apps, "name", views(request).app)


async def app_info(request: Request) -> Response:
    """``GET /apps/A``."""
    return JSONResponse(views(request).app(find_app(request)))


async def app_update(request: Request) -> Response:
    """``PATCH /apps/A``: maintenance mode, which makes no release and leaves the dynos alone. [GUESS] its log line."""
    app, body = find_app(request), await json_body(request)
    if not isinstance(body.get("maintenance"), bool) or len(body) > 1:
        raise invalid("The sandbox can change only `maintenance`, to true or false.")
    app.maintenance, app.updated_at = body["maintenance"], now()
    heroku = platform(request)
    heroku.store.save()
    heroku.logs[app.id].api(f"Maintenance mode {'on' if app.maintenance else 'off'} by user {heroku.config.email}")
    return JSONResponse(views(request).app(app))


async def collaborators(request: Request) -> Response:
    """``GET /apps/A/collaborators``: the owner."""
    app = find_app(request)
    owner = {"id": app.id, "app": {"id": app.id, "name": app.name}, "role": "owner", "user": views(request).user}
    return JSONResponse([owner | {"created_at": app.created_at, "updated_at": app.created_at}])


async def config_vars(request: Request) -> Response:
    """``GET /apps/A/config-vars``."""
    return JSONResponse(find_app(request).config_vars)


async def config_update(request: Request) -> Response:
    """``PATCH /apps/A/config-vars``: sets (or with null removes) config vars, and makes a release."""
    app, changes = find_app(request), await json_body(request)
    if not all(value is None or isinstance(value, str) for value in changes.values()):
        raise invalid("Config var values have to be strings, or null to remove one.")
    fresh = {key: value for key, value in (app.config_vars | changes).items() if value is not None}
    if fresh != app.config_vars:
        slug = app.slug_of(app.current)
        platform(request).releases.create(app, slug, fresh, _config_change(changes))
    return JSONResponse(fresh)


def _config_change(changes: dict[str, Any]) -> str:
    present = sorted(key for key, value in changes.items() if value is not None)
    absent = sorted(changes.keys() - set(present))
    parts = [f"{verb} {', '.join(names)}" for verb, names in (("Set", present), ("Remove", absent)) if names]
    return f"{', '.join(parts)} config vars"


async def releases(request: Request) -> Response:
    """``GET /apps/A/releases``."""
    app = find_app(request)
    return ranged(request, app.releases, "version", lambda release: views(request).release(app, release))


async def release_info(request: Request) -> Response:
    """``GET /apps/A/releases/R``."""
    app = find_app(request)
    return JSONResponse(views(request).release(app, find_release(app, request.path_params["release"])))


async def release_config(request: Request) -> Response:
    """``GET /apps/A/releases/R/config-vars``."""
    return JSONResponse(find_release(find_app(request), request.path_params["release"]).config_vars)


async def release_create(request: Request) -> Response:
    """``POST /apps/A/releases``: ``release`` rolls back to an old one, ``slug`` releases a slug (again).

    [GUESS] 422 for a release that has no slug or did not succeed.
    """
    app, body = find_app(request), await json_body(request)
    if "release" in body:
        old = find_release(app, str(body["release"]))
        if old.slug_id is None or old.status != "succeeded":
            raise invalid(f"Cannot roll back to v{old.version}: it is not eligible for rollback.")
        slug, variables, description = app.slug_of(old), old.config_vars, f"Rollback to v{old.version}"
    elif body.get("slug") in app.slugs:
        slug, variables = app.slugs[body["slug"]], app.config_vars
        description = body.get("description") or f"Deploy {slug.commit[:8]}"
    else:
        raise invalid("Name the `release` to roll back to, or a `slug` of this app.")
    release = platform(request).releases.create(app, slug, variables, description)
    return JSONResponse(views(request).release(app, release), 201)


async def slug_info(request: Request) -> Response:
    """``GET /apps/A/slugs/S``."""
    slug = find_app(request).slugs.get(request.path_params["slug"])
    if slug is None:
        raise not_found("slug")
    return JSONResponse(views(request).slug(slug))


async def dynos(request: Request) -> Response:
    """``GET /apps/A/dynos``."""
    app = find_app(request)
    return ranged(request, platform(request).dynos.of(app), "name", lambda dyno: views(request).dyno(app, dyno))


async def dyno_info(request: Request) -> Response:
    """``GET /apps/A/dynos/D``."""
    app, key = find_app(request), request.path_params["dyno"]
    for dyno in platform(request).dynos.of(app):
        if key in (dyno.id, dyno.name):
            return JSONResponse(views(request).dyno(app, dyno))
    raise not_found("dyno")


async def dynos_restart(request: Request) -> Response:
    """``DELETE /apps/A/dynos``, ``…/dynos/web.1``, ``…/formations/web``: fresh dynos. [GUESS] 202 and ``{}``."""
    app, selector = find_app(request), request.path_params.get("selector")
    if not platform(request).dynos.restart(app, selector) and selector:
        raise not_found("dyno")
    return JSONResponse({}, 202)


async def dynos_stop(request: Request) -> Response:
    """``POST …/dynos/web.1/actions/stop`` and ``…/formations/web/actions/stop``. [GUESS] ``down`` until a restart."""
    if not await platform(request).dynos.stop(find_app(request), request.path_params["selector"]):
        raise not_found("dyno")
    return JSONResponse({}, 202)


async def formation(request: Request) -> Response:
    """``GET /apps/A/formation``."""
    app = find_app(request)
    show = views(request).formation
    return ranged(request, list(app.formation.items()), "type", lambda row: show(app, *row))


async def formation_update(request: Request) -> Response:
    """``PATCH /apps/A/formation``: quantities as numbers, ``"2"`` or ``"+1"``; sizes."""
    app, body = find_app(request), await json_body(request)
    for update in body.get("updates", []):
        kind = str(update.get("type"))
        if kind not in app.formation:
            raise not_found("process type")
        _apply(app.formation[kind], update)
    heroku = platform(request)
    heroku.store.save()
    heroku.logs[app.id].api(f"Scaled to {_formation_text(app)} by user {heroku.config.email}")
    heroku.dynos.scale(app)
    return JSONResponse([views(request).formation(app, kind, row) for kind, row in app.formation.items()])


def _apply(row: Process, update: dict[str, Any]) -> None:
    text = str(update.get("quantity", row.quantity))
    if not text.lstrip("+-").isdigit():
        raise invalid(f"Quantity {text!r} is not a number, nor a change like +1.")
    row.quantity = max(0, row.quantity + int(text) if text[0] in "+-" else int(text))
    row.size, row.updated_at = str(update.get("size", row.size)), now()


def _formation_text(app: App) -> str:
    return " ".join(f"{kind}@{row.quantity}:{row.size}" for kind, row in app.formation.items())


async def features(request: Request) -> Response:
    """``GET /apps/A/features``."""
    return JSONResponse([views(request).preboot(find_app(request))])


async def preboot(request: Request) -> Response:
    """``GET`` and ``PATCH /apps/A/features/preboot``; neither restarts a dyno.

    [GUESS] 422 for eco dynos, which cannot have it; that a change makes no release, and the log line.
    """
    app = find_app(request)
    if request.method == "PATCH":
        enabled, heroku = (await json_body(request)).get("enabled"), platform(request)
        if not isinstance(enabled, bool):
            raise invalid("`enabled` has to be true or false.")
        if enabled and heroku.dynos.eco:
            raise invalid("Preboot is not available to apps with eco dynos.")
        app.preboot, app.updated_at = enabled, now()
        heroku.store.save()
        heroku.logs[app.id].api(f"{'Enable' if enabled else 'Disable'} preboot feature by user {heroku.config.email}")
    return JSONResponse(views(request).preboot(app))


async def addons(request: Request) -> Response:
    """``GET /apps/A/addons``."""
    app = find_app(request)
    return JSONResponse([views(request).addon(app, app.database)] if app.database else [])


async def attachments(request: Request) -> Response:
    """``GET /apps/A/addon-attachments``."""
    app = find_app(request)
    return JSONResponse([views(request).attachment(app, app.database)] if app.database else [])


async def addon_info(request: Request) -> Response:
    """``GET /addons/X``."""
    app = platform(request).store.app_of_database(request.path_params["addon"])
    if app is None:
        raise not_found("add on")
    return JSONResponse(views(request).addon(app, find_database(app)))


async def resolve_attachment(request: Request) -> Response:
    """``POST /actions/addon-attachments/resolve``: which database a name means."""
    body, heroku = await json_body(request), platform(request)
    name = str(body.get("addon_attachment"))
    app = heroku.store.app(str(body["app"])) if body.get("app") else heroku.store.app_of_database(name)
    if app is None:
        raise not_found("app")
    database = app.database
    if database is None or name not in ("DATABASE", "DATABASE_URL", database.name, database.id):
        raise not_found("add on attachment")
    return JSONResponse([views(request).attachment(app, database)])


ROUTES = [
    Route("/account", account),
    Route("/account/rate-limits", rate_limits),
    Route("/accounts/{account}/actions/get-quota", quota),
    Route("/apps", apps),
    Route("/apps/{app}", app_info),
    Route("/apps/{app}", app_update, methods=["PATCH"]),
    Route("/apps/{app}/collaborators", collaborators),
    Route("/apps/{app}/config-vars", config_vars),
    Route("/apps/{app}/config-vars", config_update, methods=["PATCH"]),
    Route("/apps/{app}/releases", releases),
    Route("/apps/{app}/releases", release_create, methods=["POST"]),
    Route("/apps/{app}/releases/{release}", release_info),
    Route("/apps/{app}/releases/{release}/config-vars", release_config),
    Route("/apps/{app}/slugs/{slug}", slug_info),
    Route("/apps/{app}/dynos", dynos),
    Route("/apps/{app}/dynos", dynos_restart, methods=["DELETE"]),
    Route("/apps/{app}/dynos/{dyno}", dyno_info),
    Route("/apps/{app}/dynos/{selector}", dynos_restart, methods=["DELETE"]),
    Route("/apps/{app}/formations/{selector}", dynos_restart, methods=["DELETE"]),
    Route("/apps/{app}/dynos/{selector}/actions/stop", dynos_stop, methods=["POST"]),
    Route("/apps/{app}/formations/{selector}/actions/stop", dynos_stop, methods=["POST"]),
    Route("/apps/{app}/formation", formation),
    Route("/apps/{app}/formation", formation_update, methods=["PATCH"]),
    Route("/apps/{app}/features", features),
    Route("/apps/{app}/features/preboot", preboot, methods=["GET", "PATCH"]),
    Route("/apps/{app}/addons", addons),
    Route("/apps/{app}/addon-attachments", attachments),
    Route("/addons/{addon}", addon_info),
    Route("/actions/addon-attachments/resolve", resolve_attachment, methods=["POST"]),
]
