# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines, couplings and promotions over HTTP, as ``heroku pipelines:info`` and ``pipelines:promote`` ask for them.

[GUESS] the texts of all refusals, and that a promotion whose source has no slug is refused.
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from sandbox.heroku.models import App, Coupling, Pipeline, Promotion, PromotionTarget
from sandbox.heroku.platform_api import views
from sandbox.heroku.wire import find_app, invalid, json_body, not_found, platform, ranged

Json = dict[str, Any]


async def pipelines(request: Request) -> Response:
    """``GET /pipelines``, with ``?eq[name]=N`` those of a name."""
    name = request.query_params.get("eq[name]")
    found = [pipeline for pipeline in platform(request).pipelines.all if name in (None, pipeline.name)]
    return ranged(request, found, "id", lambda pipeline: _pipeline(request, pipeline))


async def pipeline_info(request: Request) -> Response:
    """``GET /pipelines/P``."""
    return JSONResponse(_pipeline(request, _find_pipeline(request, request.path_params["pipeline"])))


async def couplings(request: Request) -> Response:
    """``GET /pipelines/P/pipeline-couplings``."""
    pipeline = _find_pipeline(request, request.path_params["pipeline"])
    return ranged(request, pipeline.couplings, "id", lambda coupling: _coupling(pipeline, coupling))


async def coupling_of_app(request: Request) -> Response:
    """``GET /apps/A/pipeline-couplings``: one object, though its name says more."""
    found = platform(request).pipelines.coupling(find_app(request))
    if found is None:
        raise not_found("pipeline coupling")
    return JSONResponse(_coupling(*found))


async def filter_apps(request: Request) -> Response:
    """``POST /filters/apps``: apps by their UUIDs."""
    wanted = ((await json_body(request)).get("in") or {}).get("id") or []
    apps = [app for app in platform(request).apps if app.id in wanted]
    return ranged(request, apps, "id", views(request).app)


async def promotion_create(request: Request) -> Response:
    """``POST /pipeline-promotions``."""
    body = await json_body(request)
    pipeline = _find_pipeline(request, _named(body.get("pipeline")))
    source = _member(request, pipeline, body.get("source"))
    targets = [_member(request, pipeline, target) for target in body.get("targets") or []]
    if not targets or source in targets:
        raise invalid("Name at least one target, and not the source itself.")
    release = source.current
    if release is None or release.slug_id is None:
        raise invalid(f"{source.name} has no slug to promote.")
    return JSONResponse(
        _promotion(request, platform(request).pipelines.promote(pipeline, source, release, targets)), 201
    )


async def promotion_info(request: Request) -> Response:
    """``GET /pipeline-promotions/P``."""
    return JSONResponse(_promotion(request, _find_promotion(request)))


async def promotion_targets(request: Request) -> Response:
    """``GET /pipeline-promotions/P/promotion-targets``."""
    promotion = _find_promotion(request)
    return JSONResponse([_target(request, promotion, target) for target in promotion.targets])


def _named(reference: Any) -> str:
    return str((reference or {}).get("id"))


def _find_pipeline(request: Request, key: str) -> Pipeline:
    pipeline = platform(request).pipelines.find(key)
    if pipeline is None:
        raise not_found("pipeline")
    return pipeline


def _find_promotion(request: Request) -> Promotion:
    promotion = platform(request).pipelines.promotion(request.path_params["promotion"])
    if promotion is None:
        raise not_found("pipeline promotion")
    return promotion


def _member(request: Request, pipeline: Pipeline, reference: Any) -> App:
    """The app of this pipeline that ``{"app": {"id": …}}`` names."""
    app = platform(request).store.app(_named((reference or {}).get("app")))
    if app is None or app.id not in [coupling.app_id for coupling in pipeline.couplings]:
        raise invalid(f"Every app of a promotion has to be in the pipeline {pipeline.name}.")
    return app


def _pipeline(request: Request, pipeline: Pipeline) -> Json:
    return {
        "id": pipeline.id,
        "name": pipeline.name,
        "owner": {"id": platform(request).store.state.account_id, "type": "user"},
        "created_at": pipeline.created_at,
        "updated_at": pipeline.created_at,
    }


def _coupling(pipeline: Pipeline, coupling: Coupling) -> Json:
    return {
        "id": coupling.id,
        "app": {"id": coupling.app_id},
        "pipeline": {"id": pipeline.id, "name": pipeline.name},
        "stage": coupling.stage,
        "created_at": coupling.created_at,
        "updated_at": coupling.created_at,
    }


def _promotion(request: Request, promotion: Promotion) -> Json:
    pending = any(_status(request, target) == "pending" for target in promotion.targets)
    return {
        "id": promotion.id,
        "pipeline": {"id": promotion.pipeline_id},
        "source": {"app": {"id": promotion.source_app_id}, "release": {"id": promotion.source_release_id}},
        "status": "pending" if pending else "completed",
        "created_at": promotion.created_at,
        "updated_at": promotion.created_at,
    }


def _target(request: Request, promotion: Promotion, target: PromotionTarget) -> Json:
    status = _status(request, target)
    return {
        "id": target.id,
        "app": {"id": target.app_id},
        "pipeline_promotion": {"id": promotion.id},
        "release": {"id": target.release_id},
        "status": status,
        "error_message": "Release command failed." if status == "failed" else None,
    }


def _status(request: Request, target: PromotionTarget) -> str:
    app = platform(request).store.app(target.app_id)
    release = app.release(target.release_id) if app else None
    return release.status if release else "failed"


ROUTES = [
    Route("/pipelines", pipelines),
    Route("/pipelines/{pipeline}", pipeline_info),
    Route("/pipelines/{pipeline}/pipeline-couplings", couplings),
    Route("/apps/{app}/pipeline-couplings", coupling_of_app),
    Route("/filters/apps", filter_apps, methods=["POST"]),
    Route("/pipeline-promotions", promotion_create, methods=["POST"]),
    Route("/pipeline-promotions/{promotion}", promotion_info),
    Route("/pipeline-promotions/{promotion}/promotion-targets", promotion_targets),
]
