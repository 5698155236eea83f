"""The picture of fargate-local's page in its README: a cloud with a few tasks, in headless chromium.

PYTHONPATH=. python bench/fargate_local_picture.py
"""

import shutil
import sys
import time
from pathlib import Path

from playwright.sync_api import sync_playwright
from tests.support.cloud import Ecs
from tests.support.page_visitor import PAGE, new_code

from fargate_local import FargateLocal

PICTURE = Path(__file__).resolve().parents[1] / "packages" / "fargate-local" / "docs" / "page.png"
MOST_BYTES = 100_000


def fill(ecs: Ecs) -> None:
    """Run tasks of all kinds: that end well, that fail, that cannot start, that run, alone and for a service."""
    ecs.cloud.add_fault("cannot-pull", family="reporte*")
    scripts = {"reporte-mensual": "true", "transformacion-rfm": "exit 3", "transformacion-diaria": "true"}
    for family, script in scripts.items():
        ecs.stopped(ecs.run(ecs.define_shell(script, family=family), startedBy="airflow/scheduled"))
    web = ecs.define_shell("sleep 600", family="api")
    ecs.api.create_service(
        cluster=ecs.cluster, serviceName="api", taskDefinition=web, desiredCount=2, launchType="FARGATE",
        networkConfiguration=ecs.network,
    )  # fmt: skip
    running = ecs.run(ecs.define_shell("sleep 600", family="ingesta-pedidos"), startedBy="airflow/manual")
    ecs.until_status(running, "RUNNING")
    time.sleep(3)


def main() -> None:
    """Write the picture; it ends with exit code 1 if that is too large for a README."""
    with FargateLocal() as cloud, sync_playwright() as playwright:
        fill(Ecs(cloud, "datos"))
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 590})
        page.goto(f"{cloud.url}{PAGE}#code={new_code(cloud)}")
        page.get_by_label("Show").select_option("all")
        page.get_by_text("reporte-mensual").wait_for()
        page.screenshot(path=PICTURE)
        browser.close()
    size = PICTURE.stat().st_size
    print(f"{PICTURE}: {size} bytes")
    sys.exit(size > MOST_BYTES)


if __name__ == "__main__":
    main()
