package browser

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// freePort is a port that nobody listened on a moment ago.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	check(t, errors.Join(err, l.Close()))
	return port
}

// serve starts a daemon and returns the link of its first administrator.
func serve(t *testing.T) (link string) {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "ardoise")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "../../cmd/ardoise")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	c := exec.Command(binary, "serve", "--boot", "none", "--data", filepath.Join(dir, "data"), "--console", "127.0.0.1:0", "--agent-port", freePort(t))
	said, err := c.StderrPipe()
	check(t, err)
	check(t, c.Start())
	first := make(chan string, 1)
	go func() {
		found := regexp.MustCompile(`https://\S+/first/\S+`)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			t.Log(lines.Text())
			if at := found.FindString(lines.Text()); at != "" {
				first <- at
			}
		}
		close(first)
	}()
	t.Cleanup(func() {
		check(t, c.Process.Signal(syscall.SIGTERM))
		if err := c.Wait(); err != nil {
			t.Errorf("the daemon ended with %v", err)
		}
		for range first {
		}
	})
	select {
	case link = <-first:
	case <-time.After(time.Minute):
	}
	if link == "" {
		t.Fatal("the daemon printed no link for the first administrator")
	}
	return link
}

// window is a browser's window.
type window struct {
	t   *testing.T
	ctx context.Context
}

func open(t *testing.T) *window {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.ExecPath("/usr/bin/chromium"),
		chromedp.Flag("ignore-certificate-errors", true), chromedp.Flag("lang", "en"), chromedp.Flag("accept-lang", "en"))
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	ctx, end := chromedp.NewContext(ctx)
	t.Cleanup(func() { end(); stop(); cancel() })
	return &window{t, ctx}
}

// eval runs a script in the page.
func eval[T any](w *window, script string) T {
	w.t.Helper()
	out, err := chromedp.Run(w.ctx, chromedp.Evaluate[T](script))
	if err != nil {
		w.t.Fatalf("%s: %v", script, err)
	}
	return out
}

// until waits for something to be so in the page.
func (w *window) until(script string) {
	w.t.Helper()
	for range 100 {
		if ok, err := chromedp.Run(w.ctx, chromedp.Evaluate[bool](script)); err == nil && ok {
			return
		} else if errors.Is(err, context.DeadlineExceeded) {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	w.t.Fatalf("it never came to: %s\n%s", script, eval[string](w, "document.body.innerText"))
}

// visit loads a page at a width.
func (w *window) visit(address string, width int64) {
	w.t.Helper()
	check(w.t, chromedp.Do(w.ctx, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address)))
	w.until(`document.readyState === "complete"`)
}

// send fills a form in and sends it.
func (w *window) send(form string, fields map[string]string) {
	w.t.Helper()
	for name, value := range fields {
		check(w.t, chromedp.Do(w.ctx, chromedp.SendKeys(form+" [name="+name+"]", value)))
	}
	eval[bool](w, `setTimeout(() => document.querySelector("`+form+`").requestSubmit(), 10) > 0`)
}

// steady is what a page measures of itself: shifts under the reader's eyes, bytes, and whether it is wider than the screen.
const steady = `(async () => {
	let shift = 0;
	new PerformanceObserver((l) => l.getEntries().forEach((e) => { if (!e.hadRecentInput) shift += e.value; })).observe({ type: "layout-shift", buffered: true });
	await new Promise((r) => setTimeout(r, 700));
	const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
	return { shift, bytes: all.reduce((n, e) => n + e.transferSize, 0), wide: document.documentElement.scrollWidth > innerWidth,
		unnamed: [...document.querySelectorAll("a,button,input:not([type=hidden]),select,textarea")].filter((e) => e.checkVisibility() &&
			!(e.innerText || e.ariaLabel || e.title || e.labels?.length || e.querySelector("img[alt],.hush"))).map((e) => e.outerHTML) };
})()`

func TestTheConsoleFromItsFirstStart(t *testing.T) {
	link := serve(t)
	base, _, _ := strings.Cut(link, "/first/")
	w := open(t)
	w.visit(link, 1280)
	w.send("form[action^='/first']", map[string]string{"login": "marie", "name": "Marie Martin", "password": "une craie sur le tableau", "again": "une craie sur le tableau"})
	w.until(`location.pathname === "/" && document.body.innerText.includes("The console is yours")`)
	w.visit(base+"/new-room", 1280)
	w.send("form[action='/new-room']", map[string]string{"name": "S104"})
	w.until(`location.pathname === "/rooms/S104"`)

	for _, path := range []string{"/", "/rooms/S104", "/order", "/jobs", "/computers", "/enrol", "/masters", "/schedules", "/requests", "/health", "/people", "/audit", "/settings", "/account"} {
		for _, width := range []int64{1440, 390} {
			w.visit(base+path, width)
			m, err := chromedp.Run(w.ctx, chromedp.Evaluate[struct {
				Shift   float64
				Bytes   int
				Wide    bool
				Unnamed []string
			}](steady, chromedp.EvalAwaitPromise))
			check(t, err)
			if m.Shift > 0.02 || m.Bytes > 150_000 || m.Wide || len(m.Unnamed) > 0 {
				t.Errorf("%s at %d: %+v", path, width, m)
			}
		}
	}

	// Live without being loaded again: somebody else makes a room
	w.visit(base+"/", 1280)
	w.until(`!!document.querySelector("#pulse:not(.lost)")`)
	if eval[bool](w, `document.documentElement.innerHTML.includes(" style=")`) {
		t.Error("a page has an inline style, which its policy forbids")
	}
	w.send("form[action='/logout']", nil)
	w.until(`location.pathname === "/login"`)
	w.visit(base+"/rooms/S104", 1280)
	w.until(`location.pathname === "/login" && location.search.includes("next=%2Frooms%2FS104")`)
}
