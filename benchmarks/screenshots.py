"""The first screen of a report, as pictures for the README and the docs: desk, phone, dark.

    python benchmarks/screenshots.py docs/example/report.html

Writes report.png, report-phone.png and report-dark.png beside the page. Debian's Chromium,
driven by Playwright.
"""

import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

CHROMIUM = "/usr/bin/chromium"
WINDOWS = {
    "": {"viewport": {"width": 1280, "height": 900}},
    "-phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
    "-dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark"},
}


def main(page: Path) -> None:
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--force-color-profile=srgb"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        for name, window in WINDOWS.items():
            opened = browser.new_page(**window)
            opened.goto(page.resolve().as_uri())
            opened.screenshot(path=page.with_name(f"{page.stem}{name}.png"))
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
