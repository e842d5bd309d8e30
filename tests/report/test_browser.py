"""The report in a real browser: Debian's Chromium, driven by Playwright."""

import os
import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import sync_playwright

from evenhand.core.experiment import Experiment
from evenhand.report import figures
from evenhand.report.figures import FIGURES
from support import results as made_up
from support.drawn import USUAL

CHROMIUM = Path("/usr/bin/chromium")
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 900}
PAPER = {"width": 688, "height": 1018}  # what an A4 page has between its margins
NINE = ["pytorch", "mxnet", "numpy", "jax", "tensorflow", "paddle", "keras", "tinygrad", "autograd"]
UNFOLD = "for (const d of document.querySelectorAll('details')) d.open = true"
# Chromium's own calls home are no business of the page.
QUIET = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="module")
def browser():
    if not CHROMIUM.exists():
        missing = f"no browser: {CHROMIUM} is missing (apt-get install chromium)"
        pytest.fail(missing) if os.environ.get("CI") else pytest.skip(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield chromium
        chromium.close()


def write_report(folder, tables, config, language):
    """The report's file in a language, with real figures."""
    results = made_up.results(tables, config, language)
    (folder / language).mkdir()
    files = {
        name: [f"{folder}/{language}/{name}{end}" for end in (".svg", "-narrow.svg", ".png")]
        for name in FIGURES
    }
    given = tables, Experiment(config), results.text, results.text
    figures.write(files, *given)
    svg = {path.stem: path.read_text() for path in (folder / language).glob("*.svg")}
    report = folder / f"{language}.html"
    report.write_text(made_up.html(results, svg))
    return report


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """The report's file in each language."""
    folder = tmp_path_factory.mktemp("report")
    config = made_up.config(frameworks=NINE[:3])
    tables = made_up.tables(folder, config)
    return {language: write_report(folder, tables, config, language) for language in ("en", "zh")}


@pytest.fixture(scope="module")
def of_nine(tmp_path_factory):
    """The address of a report of nine frameworks."""
    folder = tmp_path_factory.mktemp("nine")
    config = made_up.config(frameworks=NINE, rounds=3)
    return write_report(folder, made_up.tables(folder, config), config, "en").as_uri()


@pytest.fixture(params=["en", "zh"])
def report(request, reports):
    return reports[request.param].as_uri()


@pytest.fixture
def open_page(browser):
    """Opens an address in a window; the page keeps what it asked for and complained of."""
    contexts = []

    def opened(address, size=DESK, **options):
        contexts.append(browser.new_context(viewport=size, **options))
        page = contexts[-1].new_page()
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(address)
        return page

    yield opened
    for context in contexts:
        context.close()


def test_it_asks_nobody_and_complains_of_nothing(report, open_page):
    page = open_page(report)
    page.mouse.wheel(0, 30_000)
    assert [url for url in page.asked if not url.startswith("data:")] == [report]
    assert page.complaints == []


def test_it_reads_without_scripts(report, open_page):
    page = open_page(report, java_script_enabled=False)
    assert page.locator("h1").is_visible() and page.locator("#figure-loss .across").is_visible()
    choose(page, "metric", "memory")
    assert (
        units(page) == ["peak memory of the largest process, GiB"] * 2
        or "内存峰值" in units(page)[0]
    )
    assert page.locator(".save button").count() == 0, "a button that could do nothing"


# ---- the ranking -----------------------------------------------------


def choose(page, name, value):
    page.locator(f'label:has([name="{name}"][value="{value}"])').click()


def units(page):
    return page.locator(".units > :first-child:visible").all_inner_texts()


def shown(page):
    """The rows that are seen, of each track: name, value, ratio, from top to bottom."""
    script = """panels => panels.map(panel =>
        [...panel.querySelectorAll('.ranking li')].filter(row => row.checkVisibility())
            .sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
            .map(row => ['.name', '.value', '.ratio'].map(
                of => row.querySelector(of).innerText)))"""
    return page.locator(".panel:visible").evaluate_all(script)


@pytest.fixture
def english(reports):
    return reports["en"].as_uri()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_first_screen_is_the_answer(size, report, open_page):
    """The headline and a picture; on a desk those of all tracks."""
    page = open_page(report, size)
    bottoms = page.locator("h1, .ranking:visible").evaluate_all(
        "all => all.map(e => e.getBoundingClientRect().bottom)"
    )
    assert len(bottoms) == 3
    assert max(bottoms[:2] if size == PHONE else bottoms) <= size["height"]


def test_a_page_opens_with_the_first_scenario_and_the_time_of_an_epoch(english, open_page):
    tutorial, controlled = shown(open_page(english))
    assert [name for name, *_ in tutorial] == ["MXNet", "PyTorch"]
    assert [name for name, *_ in controlled] == ["NumPy", "PyTorch", "MXNet"]
    assert tutorial[0][2] == "lowest" and "slower" in tutorial[1][2]


def test_metric_scenario_baseline_and_order_can_be_chosen_and_competitors_hidden(
    english, open_page
):
    page = open_page(english)
    page.locator(".choose summary").click()
    choose(page, "metric", "process")
    assert {unit.split(",")[0] for unit in units(page)} == {"seconds of the whole process"}
    choose(page, "scenario", "one-thread")
    assert len(shown(page)) == 2 and shown(page)[1] == [], "controlled has no such scenario"
    choose(page, "scenario", "baseline")
    before = shown(page)
    choose(page, "baseline", "pytorch-cpu")
    ratios = {name: ratio for name, _, ratio in shown(page)[1]}
    assert ratios["PyTorch"] == "1" and float(ratios["MXNet"].split()[0]) > 1
    choose(page, "order", "config")
    assert [name for name, *_ in shown(page)[1]] == ["PyTorch", "MXNet", "NumPy"]
    choose(page, "show", "mxnet-cpu")
    assert [name for name, *_ in shown(page)[1]] == ["PyTorch", "NumPy"]
    page.reload()
    assert [name for name, *_ in shown(page)[1]] == ["PyTorch", "NumPy"], "kept in the address"
    for name, value in (("show", "mxnet-cpu"), ("order", "value"), ("baseline", "lowest")):
        choose(page, name, value)
    assert shown(page) == before
    choose(page, "metric", "epoch")
    assert "?" not in page.url, "as it opens"


def test_a_view_can_be_sent_as_an_address(english, open_page):
    page = open_page(f"{english}?metric=memory&hide=mxnet-cpu&baseline=pytorch-cpu#gate")
    assert units(page) == ["peak memory of the largest process, GiB"] * 2
    assert [name for name, *_ in shown(page)[0]] == ["PyTorch"]
    page.locator('nav a[href="#verdicts"]').click()
    page.reload()
    assert [name for name, *_ in shown(page)[0]] == ["PyTorch"], "lost on the way to a section"
    for unknown in ("?metric=charm", "#gate", "?metric=memory&baseline=%22%5D"):
        page = open_page(f"{english}{unknown}")
        assert shown(page)[1] and page.complaints == []


def test_without_its_baseline_a_panel_keeps_the_ratios_to_the_best(english, open_page):
    """NumPy takes no part in the tutorial's track."""
    tutorial, _ = shown(open_page(f"{english}?baseline=numpy-cpu"))
    assert tutorial[0][2] == "lowest"


def test_the_choices_are_made_by_the_keyboard_alone(english, open_page):
    page = open_page(english)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert {unit.split(",")[0] for unit in units(page)} == {"seconds of the first epoch"}
    outline = "getComputedStyle(document.activeElement.closest('label')).outlineStyle"
    assert page.evaluate(outline) == "solid"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.value") == "one-thread"


def test_pictures_and_tables_can_be_saved(english, open_page):
    page = open_page(english)
    for kind, begins in (("SVG", b"<svg"), ("PNG", b"\x89PNG")):
        with page.expect_download() as download:
            page.locator("#figure-loss .save button", has_text=kind).click()
        assert download.value.suggested_filename == f"loss.{kind.lower()}"
        assert Path(download.value.path()).read_bytes().startswith(begins)
    with page.expect_download() as download:
        page.locator("#data a", has_text="runs.csv").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert lines[0].endswith(",record") and lines[1].split(",")[-1].startswith("/")
    assert len(lines) == 1 + 35
    assert page.complaints == []


# A page takes the checker half a minute: each pair of language, size, scheme, not each triple.
@pytest.mark.parametrize(
    ("language", "size", "scheme"),
    [
        ("en", PHONE, "light"),
        ("en", DESK, "dark"),
        ("zh", PHONE, "dark"),
        ("zh", DESK, "light"),
    ],
)
def test_a_checker_of_accessibility_finds_nothing(language, size, scheme, reports, open_page):
    page = open_page(reports[language].as_uri(), size, color_scheme=scheme, bypass_csp=True)
    page.evaluate(UNFOLD)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_page_of_nine_is_accessible_too(of_nine, open_page):
    found = Axe().run(open_page(of_nine, bypass_csp=True))
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_the_page_never_scrolls_sideways(size, report, open_page):
    page = open_page(report, size)
    page.evaluate(UNFOLD)
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= size["width"]


def test_a_table_of_numbers_has_one_line_a_row(report, open_page):
    page = open_page(report, PHONE)
    page.evaluate(UNFOLD)
    rows = page.locator("table:not(.wordy):not(.matrix) tbody tr:visible")
    heights = rows.evaluate_all("all => all.map(e => e.getBoundingClientRect().height)")
    assert len(heights) > 20 and max(heights) < 45


def test_code_stands_in_two_columns_on_a_desk_and_in_one_on_a_phone(report, open_page):
    tops = """[...document.querySelector('.side-by-side').children].map(
        e => e.getBoundingClientRect().top)"""
    left, right = open_page(report, DESK).evaluate(tops)
    assert left == right
    upper, lower = open_page(report, PHONE).evaluate(tops)
    assert lower > upper


def test_then_and_now_of_a_statement_stand_beside_each_other(report, open_page):
    tops = """[...document.querySelectorAll('#statement-ones_plus_one pre.output')].map(
        e => e.getBoundingClientRect().top)"""
    (left_then, left_now), (right_then, right_now) = pairs(open_page(report, DESK).evaluate(tops))
    assert left_then == right_then < left_now == right_now
    first, second = pairs(open_page(report, PHONE).evaluate(tops))
    assert first == sorted(first) < second == sorted(second)


def pairs(tops):
    assert len(tops) == 4
    return tops[:2], tops[2:]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_picture_fits_its_window(size, report, open_page):
    boxes = open_page(report, size).evaluate(
        """[...document.querySelectorAll('figure svg')].map(e => e.getBoundingClientRect())
            .filter(box => box.width).map(box => [box.left, box.right])"""
    )
    assert len(boxes) == len(USUAL)
    assert all(0 <= left < right <= size["width"] for left, right in boxes)


def test_no_line_of_code_is_cut_off_on_a_desk(report, open_page):
    page = open_page(report)
    blocks = page.locator("#code > details[open] pre")
    assert blocks.count() == 10
    assert not any(blocks.evaluate_all("all => all.map(e => e.scrollWidth > e.clientWidth)"))


def colors(page):
    script = """() => {
        const color = (query, property) =>
            getComputedStyle(document.querySelector(query))[property];
        return [color('body', 'backgroundColor'), color('body', 'color'),
                color('#figure-loss svg text', 'fill')];
    }"""
    return [sum(map(int, re.findall(r"\d+", color)[:3])) for color in page.evaluate(script)]


def test_the_figures_ink_follows_the_page_into_the_dark(report, open_page):
    paper, ink, label = colors(open_page(report, color_scheme="light"))
    assert label == ink < 200 < 600 < paper
    paper, ink, label = colors(open_page(report, color_scheme="dark"))
    assert paper < 200 < 600 < ink == label


def test_it_prints_dark_on_white_on_few_sheets_with_the_code(report, open_page, tmp_path):
    page = open_page(report, color_scheme="dark")
    page.emulate_media(media="print")
    paper, ink, label = colors(page)
    assert label == ink < 200 < 600 < paper
    assert page.locator("#code pre").last.is_visible()
    assert not page.locator("#setup details table").is_visible(), "long, and folded"
    assert not page.locator("nav").is_visible()
    pdf = page.pdf(format="A4", path=tmp_path / "report.pdf")
    assert pdf.startswith(b"%PDF") and 5 < len(re.findall(rb"/Type\s*/Page\b", pdf)) <= 12


def test_a_picture_is_named_for_those_who_do_not_see_it(report, open_page):
    page = open_page(report)
    names = page.locator("svg[role=img]:visible").evaluate_all("all => all.map(e => e.ariaLabel)")
    assert len(names) == len(set(names)) == len(USUAL)
    assert all(len(name) > 15 for name in names)


SCROLLED = """all => all.map(e => {
    e.scrollLeft = 1e5;
    const first = e.querySelector('th[scope=row]') ?? e.firstElementChild;
    return [e.scrollLeft, first.getBoundingClientRect().left - e.getBoundingClientRect().left];
})"""


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_a_page_of_nine_never_scrolls_sideways(size, of_nine, open_page):
    page = open_page(of_nine, size)
    page.evaluate(UNFOLD)
    assert page.evaluate("document.documentElement.scrollWidth") <= size["width"]
    assert page.complaints == []


def test_no_column_of_runs_is_cut_off_on_a_desk(report, open_page):
    """Their heads take two lines where that makes room."""
    tables = open_page(report).locator("#runs > .scroll")
    assert tables.count() >= 2
    assert not any(tables.evaluate_all("all => all.map(e => e.scrollWidth > e.clientWidth)"))


def test_verdicts_on_nine_fit_a_desk_and_scroll_beside_their_names_on_a_phone(of_nine, open_page):
    boxes = "#verdicts .scroll:has(.matrix)"
    assert {moved for moved, _ in open_page(of_nine).locator(boxes).evaluate_all(SCROLLED)} == {0}
    *_, (moved, left) = open_page(of_nine, PHONE).locator(boxes).evaluate_all(SCROLLED)
    assert moved > 300 and left == 0


def test_what_became_of_the_statements_in_nine_fits_a_desk(of_nine, open_page):
    table = open_page(of_nine).locator(".scroll:has(.statements)")
    assert table.evaluate_all(SCROLLED) == [[0, 0]]
    lines = "all => all.map(e => e.getClientRects().length)"
    assert {*table.locator(".status").evaluate_all(lines)} == {1}


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_nine_programs_scroll_beside_the_first(size, of_nine, open_page):
    page = open_page(of_nine, size)
    page.evaluate(UNFOLD)
    rows = page.locator("#code .side-by-side.many").evaluate_all(SCROLLED)
    assert len(rows) == 5
    for moved, left in rows:
        assert moved > 2000 and (left == 0) == (size == DESK)
    wide = page.locator("#code .side-by-side.many pre")
    cut_off = wide.evaluate_all("all => all.some(e => e.scrollWidth > e.clientWidth)")
    assert cut_off == (size == PHONE)


def test_a_page_of_nine_is_printed_whole(of_nine, open_page):
    page = open_page(of_nine, PAPER)
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth") <= PAPER["width"]
    ends = "all => Math.max(...all.map(e => e.getBoundingClientRect().right))"
    assert page.locator("table, pre, svg").evaluate_all(ends) <= PAPER["width"]
