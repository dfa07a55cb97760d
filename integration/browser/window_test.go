package browser

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// axeFile is the checker of accessibility that scripts/install-npm installs.
const axeFile = "../../build/npm/node_modules/axe-core/axe.min.js"

// window is a browser's window, with cookies of its own.
type window struct {
	t     *testing.T
	ctx   context.Context
	home  string
	axe   string
	shots string // folder; "": none are taken
	plain bool   // it runs no scripts of pages

	mu       sync.Mutex
	said     []chromedp.ConsoleMessage
	refusals []string // parts of addresses that are to answer with an error
}

// open starts a browser.
func open(t *testing.T, d *daemon) *window {
	t.Helper()
	axe, err := os.ReadFile(axeFile)
	if err != nil {
		t.Fatalf("%v (make npm)", err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("/usr/bin/chromium"),
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("lang", "en"), chromedp.Flag("accept-lang", "en"))
	shots, patience := os.Getenv("ARDOISE_SCREENSHOTS"), 8*time.Minute
	if shots != "" { // four pictures of each page
		patience = 25 * time.Minute
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() { end(); stop(); cancel() })
	w := &window{t: t, ctx: ctx, home: d.base, axe: string(axe), shots: shots}
	w.listen()
	return w
}

// another opens a window of the same browser that shares nothing with this one.
func (w *window) another() *window {
	ctx, end := chromedp.NewContext(w.ctx, chromedp.WithNewBrowserContext())
	w.t.Cleanup(end)
	x := &window{t: w.t, ctx: ctx, home: w.home, axe: w.axe, shots: w.shots}
	x.listen()
	x.resize(1440)
	x.visit("/login") // the width reaches a new page after its first paint, which counts as a shift
	return x
}

// listen keeps what the page complains of, until quiet judges it.
func (w *window) listen() {
	messages := chromedp.Console(w.ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning || m.IsException() {
				w.mu.Lock()
				w.said = append(w.said, m)
				w.mu.Unlock()
			}
		}
	}()
}

// quiet fails for each error and warning of pages, scripts and policies since the window was opened.
func (w *window) quiet() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
next:
	for _, m := range w.said {
		for _, part := range w.refusals {
			if m.Source == "network" && strings.Contains(m.URL, part) {
				continue next
			}
		}
		w.t.Errorf("the browser complains: %s %s at %s:%d", m.Source, m, m.URL, m.Line)
	}
	w.said = nil
}

// eval runs a script in the page.
func eval[T any](w *window, script string) T {
	w.t.Helper()
	out, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		w.t.Fatalf("%.300s: %v", script, err)
	}
	return out
}

// until waits for something to be so in the page.
func (w *window) until(script string) {
	w.t.Helper()
	for range 300 {
		if ok, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool](script)); err == nil && ok {
			return
		} else if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.t.Fatalf("it never came to: %s\n%s", script, eval[string](w, "location.href + '\\n' + document.body.innerText"))
}

// resize sets the width of the window.
func (w *window) resize(width int64) {
	w.t.Helper()
	check(w.t, chromedp.Do(w.ctx, chromedp.EmulateViewport(width, 800)))
}

// visit loads a page of the console.
func (w *window) visit(path string) {
	w.t.Helper()
	if !strings.HasPrefix(path, "https://") {
		path = w.home + path
	}
	check(w.t, chromedp.Do(w.ctx, chromedp.Navigate(path)))
	w.until(`document.readyState === "complete"`)
}

// leaves waits until what a script does has brought another page.
func (w *window) leaves(script string) {
	w.t.Helper()
	eval[bool](w, `window.stays = true; setTimeout(() => { `+script+` }, 10) > 0`)
	w.until(`!window.stays && document.readyState === "complete"`)
}

// press sends the form of a button, as the button does.
func (w *window) press(button string) {
	w.t.Helper()
	w.leaves("const b = document.querySelector(`" + button + "`); b.form.requestSubmit(b);")
}

// follow follows a link.
func (w *window) follow(link string) {
	w.t.Helper()
	w.leaves("document.querySelector(`" + link + "`).click();")
}

// fill types into fields of the page, by their names.
func (w *window) fill(fields map[string]string) {
	w.t.Helper()
	for name, value := range fields {
		check(w.t, chromedp.Do(w.ctx, chromedp.SendKeys(`[name="`+name+`"]`, value)))
	}
}

// tick chooses boxes.
func (w *window) tick(boxes ...string) {
	w.t.Helper()
	for _, x := range boxes {
		eval[bool](w, "(() => { const e = document.querySelector(`"+x+"`); e.checked = true; e.dispatchEvent(new Event('change', { bubbles: true })); return true; })()")
	}
}

// choose takes one of the values that a list offers.
func (w *window) choose(list, value string) {
	w.t.Helper()
	if at := eval[string](w, "(() => { const e = document.querySelector(`"+list+"`); e.value = `"+value+"`; "+
		"e.dispatchEvent(new Event('change', { bubbles: true })); return e.value; })()"); at != value {
		w.t.Fatalf("%s does not offer %q: %s", list, value, eval[string](w, "document.querySelector(`"+list+"`).innerText"))
	}
}

// says tells whether the page shows a text.
func (w *window) says(text string) bool {
	w.t.Helper()
	return strings.Contains(strings.ToLower(eval[string](w, "document.querySelector('main').innerText")), strings.ToLower(text))
}

// must fails when the page does not show a text.
func (w *window) must(texts ...string) {
	w.t.Helper()
	for _, text := range texts {
		if !w.says(text) {
			w.t.Fatalf("%q is not on the page:\n%s", text, eval[string](w, "location.href + '\\n' + document.body.innerText"))
		}
	}
}

// fetch asks for an address, or posts a form (a query) to it, and returns how it was answered.
func (w *window) fetch(path, form string) (status int, body string) {
	w.t.Helper()
	w.refusals = append(w.refusals, path)
	post := "{}"
	if form != "" {
		post = "{ method: 'POST', body: new URLSearchParams(`" + form + "`) }"
	}
	out := eval[struct {
		Status int    `json:"status"`
		Body   string `json:"body"`
	}](w, "fetch(`"+path+"`, "+post+").then(async (r) => ({ status: r.status, body: await r.text() }))")
	return out.Status, out.Body
}
