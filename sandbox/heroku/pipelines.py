# SPDX-License-Identifier: GPL-3.0-or-later
"""Pipelines: apps in stages, and promotions, which release the slug of one app on another."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.heroku.config import PipelineConfig
from sandbox.heroku.models import App, Coupling, Pipeline, Promotion, PromotionTarget, Release
from sandbox.heroku.releases import Releases
from sandbox.heroku.store import Store


class Pipelines:
    """The pipelines of the account. A promotion has no state of its own: its targets' releases have one."""

    def __init__(self, store: Store, releases: Releases) -> None:
        self._store = store
        self._releases = releases

    @property
    def all(self) -> list[Pipeline]:
        """All of them."""
        return self._store.state.pipelines

    def create_missing(self, wanted: Iterable[PipelineConfig]) -> None:
        """Create the configured pipelines that do not exist yet; their apps have to be there."""
        for config in wanted:
            if self.find(config.name) is None:
                apps = {name: self._store.app(name) for name in config.couplings}
                if missing := sorted(name for name, app in apps.items() if app is None):
                    raise SystemExit(f"The pipeline {config.name} names apps that are not configured: {missing}.")
                couplings = [Coupling(app.id, config.couplings[name]) for name, app in apps.items() if app]
                self.all.append(Pipeline(config.name, couplings))
        self._store.save()

    def find(self, key: str) -> Pipeline | None:
        """The pipeline with this name or UUID."""
        return next((pipeline for pipeline in self.all if key in (pipeline.name, pipeline.id)), None)

    def coupling(self, app: App) -> tuple[Pipeline, Coupling] | None:
        """The one pipeline that an app is in, and its place there."""
        for pipeline in self.all:
            for coupling in pipeline.couplings:
                if coupling.app_id == app.id:
                    return pipeline, coupling
        return None

    def promotion(self, key: str) -> Promotion | None:
        """The promotion with this UUID."""
        return next((p for p in self._store.state.promotions if p.id == key), None)

    def promote(self, pipeline: Pipeline, source: App, release: Release, targets: list[App]) -> Promotion:
        """Release what ``source`` runs on each target, with the target's own config vars.

        [GUESS] the description of the releases.
        """
        slug = source.slug_of(release)
        promotion = Promotion(pipeline.id, source.id, release.id)
        for target in targets:
            if slug is not None:
                target.take(slug)
            text = f"Promote {source.name} v{release.version} ({slug.commit[:8] if slug else 'no slug'})"
            made = self._releases.create(target, slug, target.config_vars, text)
            promotion.targets.append(PromotionTarget(target.id, made.id))
        self._store.state.promotions.append(promotion)
        self._store.save()
        return promotion
