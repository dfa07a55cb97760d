package browser

import (
	"fmt"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// spot is a point of the window, in CSS pixels.
type spot struct{ X, Y float64 }

// middle brings an element into view and returns its middle.
func (w *window) middle(element string) spot {
	w.t.Helper()
	w.until("!!document.querySelector(`" + element + "`)")
	return eval[spot](w, "(() => { const e = document.querySelector(`"+element+"`); e.scrollIntoView({ block: 'center', behavior: 'instant' }); "+
		"const r = e.getBoundingClientRect(); return { X: r.left + r.width / 2, Y: r.top + r.height / 2 }; })()")
}

// click presses the mouse's button over an element.
func (w *window) click(element string) {
	w.t.Helper()
	at := w.middle(element)
	check(w.t, chromedp.Do(w.ctx, chromedp.MouseClickXY(at.X, at.Y)))
}

// goes clicks what brings another page. It works without scripts. A link may move away from under the pointer, as news come
// on a page that is live: then it is clicked again, as anybody would.
func (w *window) goes(element string) {
	w.t.Helper()
	eval[bool](w, "window.stays = true")
	w.middle(element)
	link := eval[bool](w, "document.querySelector(`"+element+"`).matches('a[href]')")
	for range 5 {
		if w.click(element); !link || w.soon(`!window.stays`) {
			break
		}
	}
	w.until(`!window.stays && document.readyState === "complete"`)
}

// soon tells whether something comes within a few seconds. While a page is being left there is nobody to ask.
func (w *window) soon(script string) bool {
	for range 20 {
		time.Sleep(200 * time.Millisecond)
		if ok, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool](script)); err == nil && ok {
			return true
		}
	}
	return false
}

// drag takes hold of a point and lets go at another.
func (w *window) drag(from, to spot) {
	w.t.Helper()
	check(w.t, chromedp.Do(w.ctx, chromedp.DragAndDropXY(from.X, from.Y, to.X, to.Y)))
}

// keys presses keys one after the other, wherever the focus is.
func (w *window) keys(keys ...string) {
	w.t.Helper()
	for _, k := range keys {
		check(w.t, chromedp.Do(w.ctx, chromedp.KeyEvent(k)))
	}
}

// retype puts another text into a field.
func (w *window) retype(field, value string) {
	w.t.Helper()
	eval[bool](w, "(() => { const e = document.querySelector(`"+field+"`); e.focus(); e.value = ''; return true; })()")
	check(w.t, chromedp.Do(w.ctx, chromedp.SendKeys(field, value)))
}

// unscripted keeps the window from running scripts of pages; the test's own still run.
func (w *window) unscripted() {
	w.t.Helper()
	w.plain = true
	_, err := chromedp.Call(w.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	check(w.t, err)
}

// enter signs somebody in by the login page.
func (w *window) enter(login string) {
	w.t.Helper()
	w.visit("/login")
	w.fill(map[string]string{"login": login, "password": passwordOf(login)})
	w.goes("form[action='/login'] button")
	w.until(`location.pathname === "/"`)
}

// passwordOf is what somebody of the school at work logs in with.
func passwordOf(login string) string { return password + " de " + login }

// told waits for the page to announce something to those who listen to it.
func (w *window) told(text string) {
	w.t.Helper()
	w.until(fmt.Sprintf("document.querySelector('#announce').innerText.includes(`%s`)", text))
}

// later has an order wait for a window the day after tomorrow: what is for tonight begins at once when the tests run at
// night.
func (w *window) later() {
	w.t.Helper()
	w.tick("input[name=when][value=window]")
	day := time.Now().AddDate(0, 0, 2).Format(time.DateOnly)
	if at := eval[string](w, "(() => { const e = document.querySelector(`[name=date]`); e.value = `"+day+"`; return e.value; })()"); at != day {
		w.t.Errorf("the day of a window is %q, want %s", at, day)
	}
}
