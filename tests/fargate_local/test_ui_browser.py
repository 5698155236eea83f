"""The page in a real browser: what is clicked happens, what is logged is shown, and everybody can use it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it ships no types
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from tests.support.cloud import AddFault, Ecs
from tests.support.page_visitor import PAGE, new_code

from fargate_local.cli.ui import write_redirect

BROWSER = shutil.which("chromium")
EVIL = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip

expect.set_options(timeout=30_000)  # a task takes that long to end on a busy machine
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="needs: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context()
    yield made
    made.close()


@pytest.fixture
def page(context: BrowserContext, ecs: Ecs) -> Page:
    """The page, let in, with everything that it complains of."""
    page = context.new_page()
    page.goto(f"{ecs.cloud.url}{PAGE}#code={new_code(ecs.cloud)}")
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    return page


def show(page: Page, ecs: Ecs, place: str) -> None:
    page.goto(f"{ecs.cloud.url}{PAGE}#/{place}")


def test_a_fault_that_is_clicked_makes_a_task_fail(page: Page, ecs: Ecs, fargate_faults: AddFault) -> None:
    del fargate_faults  # it clears the rules after the test
    family = ecs.define_shell("true")
    page.get_by_role("link", name="Faults").click()
    page.get_by_role("combobox", name="Fault").select_option("cannot-pull")
    page.get_by_label("Family").fill(family)
    page.get_by_label("At most, times").fill("1")
    page.get_by_role("button", name="Add fault").click()
    expect(page.get_by_role("status")).to_contain_text("added: cannot-pull")
    assert ecs.finish(family)["stoppedReason"].startswith("CannotPullContainerError")
    row = page.get_by_role("row").filter(has_text=family)
    expect(row.get_by_role("cell").nth(4)).to_have_text("1")
    row.get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)
    assert ecs.cloud.faults() == []


def test_what_is_being_typed_stays_while_the_page_renews_itself(page: Page, ecs: Ecs) -> None:
    show(page, ecs, "faults")
    field = page.get_by_label("Family")
    field.fill("half a na")
    with page.expect_response(lambda answer: "/api/faults" in answer.url):
        pass
    with page.expect_response(lambda answer: "/api/faults" in answer.url):
        pass
    expect(field).to_have_value("half a na")
    expect(field).to_be_focused()


def test_a_task_is_stopped_by_a_click_with_a_reason(page: Page, ecs: Ecs) -> None:
    arn = ecs.shell("sleep 600")
    ecs.until_status(arn, "RUNNING")
    page.get_by_role("button", name=f"Stop task {arn[-32:][:12]}").click()
    page.get_by_label("Reason").fill("wrong date")
    page.get_by_role("button", name="Stop task", exact=True).click()
    assert ecs.stopped(arn)["stoppedReason"] == "wrong date"
    show(page, ecs, f"task?arn={arn}")
    expect(page.get_by_text("wrong date")).to_be_visible()


def test_keeping_a_task_stops_nothing(page: Page, ecs: Ecs) -> None:
    arn = ecs.shell("sleep 600")
    ecs.until_status(arn, "RUNNING")
    stop = page.get_by_role("button", name=f"Stop task {arn[-32:][:12]}")
    stop.click()
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    stop.click()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert ecs.describe(arn)["desiredStatus"] == "RUNNING"
    ecs.api.stop_task(cluster=ecs.cluster, task=arn)


def test_a_log_follows_its_task_and_shows_html_as_the_text_it_is(page: Page, ecs: Ecs) -> None:
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    arn = ecs.shell(f'echo "{EVIL}"; sleep 2; printf "\\033[31mred\\033[0m and last\\n"; sleep 600')
    show(page, ecs, f"task?arn={arn}")
    log = page.get_by_role("log")
    expect(log).to_contain_text(EVIL)
    expect(log).to_contain_text("red and last")
    ecs.api.stop_task(cluster=ecs.cluster, task=arn, reason=EVIL)
    expect(page.get_by_text(f"UserInitiated {EVIL}")).to_be_visible()
    expect(page.get_by_role("heading", name="Task")).to_be_visible()
    assert log.locator("img, script").count() == 0
    assert "owned" not in page.title()
    assert complaints == []


def test_a_session_lives_in_its_browser_alone(page: Page, ecs: Ecs, browser: Browser) -> None:
    assert "code=" not in page.url
    page.reload()
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
    second = page.context.new_page()
    second.goto(f"{ecs.cloud.url}{PAGE}")
    expect(second.get_by_role("heading", name="Tasks")).to_be_visible()
    stranger = browser.new_context()
    # What a server on another port of this host may learn: the cookie, and not the token.
    cookies = [f"{each['name']}={each['value']}" for each in page.context.cookies()]
    stranger.set_extra_http_headers({"Cookie": "; ".join(cookies)})
    third = stranger.new_page()
    third.goto(f"{ecs.cloud.url}{PAGE}")
    expect(third.get_by_role("alert")).to_contain_text("run `fargate-local ui`")
    expect(third.get_by_role("heading")).to_have_count(0)
    stranger.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_use_every_page(browser: Browser, ecs: Ecs, theme: str, width: int) -> None:
    arn = ecs.finish(ecs.define_shell("echo done; exit 3"))["taskArn"]
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=theme)  # type: ignore[arg-type]  # parametrize gives any text
    page = context.new_page()
    page.goto(f"{ecs.cloud.url}{PAGE}#code={new_code(ecs.cloud)}")
    for place in ("tasks?status=all", f"task?arn={arn}", "services", "faults"):
        show(page, ecs, place)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.wait_for_function("document.title.includes('·')")
        found = Axe().run(page)
        assert found.violations_count == 0, f"{place}: {found.generate_report()}"
        wider = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{place} is {wider} pixels too wide"
    context.close()


def test_a_theme_that_is_chosen_stays(page: Page) -> None:
    page.get_by_label("Theme").select_option("dark")
    page.reload()
    expect(page.get_by_label("Theme")).to_have_value("dark")
    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"


def test_the_file_that_the_command_leaves_leads_to_the_page(context: BrowserContext, ecs: Ecs, tmp_path: Path) -> None:
    file = tmp_path / "page.html"
    write_redirect(file, f"{ecs.cloud.url}{PAGE}#code={new_code(ecs.cloud)}")
    page = context.new_page()
    page.goto(file.as_uri())
    expect(page.get_by_role("heading", name="Tasks")).to_be_visible()
