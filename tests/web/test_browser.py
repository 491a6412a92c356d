from pathlib import Path

from tests.browser import Browser


def test_a_page_tells_what_it_asks_for_and_what_fails(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<img src='there.png'><script>nothing()</script>")
    with browser.visit(page.as_uri()) as visit:
        visit.page.wait_for_load_state()
    assert visit.requests == [page.as_uri(), (tmp_path / "there.png").as_uri()]
    assert any("nothing is not defined" in error for error in visit.errors)
